//! S4: adding one job, as a person or a script does it.

use crate::dispatch::took;
use crate::support::{
    Bench, Goal, Home, Result, Unit, figure, goal, in_turn, note, plain, timed, title, wait_until,
};
use std::path::Path;
use std::process::Command;

pub(crate) fn run(bench: &Bench) -> Result {
    let home = Home::new(bench)?;
    let worker = home.worker(&["--count", "1"])?;
    let rounds = bench.work(500).max(100);
    title("S4: `queuectl enqueue true`, through the dispatcher, a worker running");
    let Some(tsp) = find("tsp") else {
        let [ours, alone] = in_turn(
            rounds,
            &mut [&mut || took(&mut home.queuectl(["enqueue", "true"])), &mut || {
                took(&mut plain("/bin/true"))
            }],
        )?;
        figure("queuectl enqueue true", &ours, Unit::Millis);
        figure("a process that does nothing", &alone, Unit::Millis);
        note("task-spooler is not here to compare with; Debian: apt-get install task-spooler");
        return Ok(());
    };
    let spooler = Spooler { program: &tsp, home: &home };
    let [ours, theirs, alone] = in_turn(
        rounds,
        &mut [
            &mut || {
                let millis = took(&mut home.queuectl(["enqueue", "true"]))?;
                wait_until("the job has ended", || Ok(home.counts()?.unfinished() == 0))?;
                Ok(millis)
            },
            &mut || {
                let millis = took(&mut spooler.command(&["true"]))?;
                timed(|| Ok(spooler.command(&["-w"]).status().map(drop)?))?;
                Ok(millis)
            },
            &mut || took(&mut plain("/bin/true")),
        ],
    )?;
    drop(worker);
    figure("queuectl enqueue true", &ours, Unit::Millis);
    figure("tsp true, which keeps nothing on disk", &theirs, Unit::Millis);
    figure("a process that does nothing", &alone, Unit::Millis);
    let ratio = vec![ours.median() / theirs.median()].into();
    goal("queuectl / tsp, of the medians", &ratio, Unit::Times, Goal::AtMost { reach: 3.0, aim: 2.0 });
    Ok(())
}

/// Task-spooler with a server of its own, ended when dropped.
struct Spooler<'a> {
    program: &'a Path,
    home: &'a Home,
}

impl Spooler<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.program(self.program);
        command.args(arguments).env("TS_SOCKET", self.home.path("tsp"));
        command
    }
}

impl Drop for Spooler<'_> {
    fn drop(&mut self) {
        let _nothing_depends_on_it = self.command(&["-K"]).status();
    }
}

fn find(program: &str) -> Option<std::path::PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
