//! F12: how soon a job runs again after its worker was killed.

use crate::dispatch::took;
use crate::support::{
    Bench, Goal, Home, Result, Series, Unit, Worker, figure, goal, pause, plain, stamp, title, wait_until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queuectl_store::{Access, Life};
use std::path::Path;
use std::time::Duration;

/// Who is killed.
#[derive(Clone, Copy)]
enum Killed {
    /// The worker; its manager lives.
    Worker,
    /// The worker and its manager; another manager's worker lives.
    WorkerAndManager,
    /// Everybody; the time counts from the next `worker start`.
    All,
}

/// What is killed, how it is called, and the median that is to be reached, in ms.
const CASES: [(Killed, &str, f64); 3] = [
    (Killed::Worker, "the worker", 150.0),
    (Killed::WorkerAndManager, "it and its manager, another is there", 500.0),
    (Killed::All, "all, from the next start", 500.0),
];

/// No recovery may take longer, but one in a hundred.
const P99: Goal = Goal::AtMost { reach: 1000.0, aim: 1000.0 };

pub(crate) fn run(bench: &Bench) -> Result {
    let mut figures = [const { Vec::new() }; CASES.len()];
    let mut starts = Vec::new();
    for round in 0..bench.work(200).max(20) {
        for ((killed, ..), figures) in CASES.iter().zip(&mut figures) {
            figures.push(recovery(bench, *killed, round as u64)?);
        }
        starts.push(own_start(bench)?);
    }
    let starts = Series::from(starts);
    title("F12: from SIGKILL of … to the first instruction of the job's next run");
    figure("of each, the start of the job's program", &starts, Unit::Millis);
    for ((_, what, reach), figures) in CASES.into_iter().zip(figures) {
        let series = Series::from(figures).less(starts.median());
        goal(what, &series, Unit::Millis, Goal::AtMost { reach, aim: reach });
        goal("p99", &vec![series.quantile(0.99)].into(), Unit::Millis, P99);
    }
    Ok(())
}

/// Kills the worker that runs a job; gives the time to its next run.
fn recovery(bench: &Bench, killed: Killed, round: u64) -> Result<f64> {
    let home = Home::new(bench)?;
    let first = home.worker(&["--count", "1"])?;
    let (up, again) = (home.path("up"), home.path("again"));
    let line = format!(
        "if [ $QUEUECTL_JOB_LEASE = 1 ]; then : >{}; exec sleep 1000; fi; exec {} {} {}",
        up.display(),
        std::env::current_exe()?.display(),
        stamp::FLAG,
        again.display()
    );
    took(&mut home.queuectl(["enqueue", &line]))?;
    wait_until("the job runs", || Ok(up.exists()))?;

    let (since, _others) = match killed {
        Killed::Worker => (kill_hard(first.pids[0])?, None),
        Killed::WorkerAndManager => {
            let other = home.worker(&["--count", "1"])?;
            // Not in step with the looks at the neighbours' locks.
            pause(Duration::from_millis(250 + 79 * round % 250));
            (kill_all(&first)?, Some(other))
        }
        Killed::All => {
            kill_all(&first)?;
            wait_until("the worker is dead", || {
                let workers = home.store(Access::Read)?.workers()?;
                Ok(workers.iter().all(|worker| worker.life == Life::Dead))
            })?;
            let since = stamp::now();
            (since, Some(home.worker(&["--count", "1"])?))
        }
    };
    let took = stamp_in(&again)? - since;
    wait_until("the job has ended", || Ok(home.counts()?.unfinished() == 0))?;
    Ok(took)
}

/// What the job's program needs from its spawn to its first line.
fn own_start(bench: &Bench) -> Result<f64> {
    let folder = bench.folder()?;
    let file = folder.path().join("own");
    let began = stamp::now();
    took(plain(std::env::current_exe()?).arg(stamp::FLAG).arg(&file))?;
    Ok(stamp_in(&file)? - began)
}

/// Kills a process; gives the moment.
fn kill_hard(pid: u32) -> Result<f64> {
    let since = stamp::now();
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
    Ok(since)
}

/// Kills the manager, which would notice, and then its worker.
fn kill_all(worker: &Worker) -> Result<f64> {
    let since = kill_hard(worker.manager_pid())?;
    kill_hard(worker.pids[0])?;
    Ok(since)
}

/// When a stamp was left, as soon as it is there.
fn stamp_in(file: &Path) -> Result<f64> {
    wait_until("the job has run", || Ok(file.exists()))?;
    Ok(std::fs::read_to_string(file)?.parse()?)
}
