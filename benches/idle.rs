//! S9: what a worker costs that has nothing to do.

use crate::support::{Bench, Goal, Home, Result, Series, Unit, figure, goal, note, pause, title};
use std::fs;
use std::time::Duration;

const OVER: Duration = Duration::from_secs(30);

pub(crate) fn run(bench: &Bench) -> Result {
    let home = Home::new(bench)?;
    let worker = home.worker(&["--count", "1"])?;
    let [pid] = worker.pids[..] else { return Err("one worker was started".into()) };
    let watched = Duration::from_secs(bench.work(30).max(5) as u64);
    title(&format!("S9: idle for {watched:?}, all threads of a process"));
    // Whatever the start still has to do is not idling.
    pause(Duration::from_secs(1));
    let before = [cpu_millis(pid)?, cpu_millis(worker.manager_pid())?];
    pause(watched);
    let after = [cpu_millis(pid)?, cpu_millis(worker.manager_pid())?];
    let scale = OVER.as_secs_f64() / watched.as_secs_f64();
    let [ours, managers] = [0, 1].map(|index| Series::from(vec![(after[index] - before[index]) * scale]));
    goal("CPU of the worker in 30 s", &ours, Unit::Millis, Goal::AtMost { reach: 15.0, aim: 5.0 });
    figure("CPU of the manager in 30 s", &managers, Unit::Millis);
    let kept = Series::from(vec![mebibytes(pid, "status", "VmRSS")?]);
    goal("memory of the worker, resident", &kept, Unit::MiB, Goal::AtMost { reach: 15.0, aim: 8.0 });
    figure("its share, as `Pss`", &vec![mebibytes(pid, "smaps_rollup", "Pss")?].into(), Unit::MiB);
    let managers = vec![mebibytes(worker.manager_pid(), "status", "VmRSS")?].into();
    figure("memory of the manager, resident", &managers, Unit::MiB);
    if watched < OVER {
        note("scaled to 30 s");
    }
    Ok(())
}

/// The time a process has spent on processors. Its own `schedstat` knows of its
/// first thread alone.
fn cpu_millis(pid: u32) -> Result<f64> {
    let mut nanos = 0.0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += text.split_whitespace().next().unwrap_or_default().parse::<f64>()?;
    }
    Ok(nanos / 1e6)
}

/// A line `NAME: 123 kB` of a file in `/proc/PID`.
pub(crate) fn mebibytes(pid: u32, file: &str, name: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let kibibytes = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split_whitespace().next())
        .ok_or_else(|| format!("/proc/{pid}/{file} has no {name}"))?;
    Ok(kibibytes.parse::<f64>()? / 1024.0)
}
