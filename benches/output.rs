//! S10: a job that writes without end.

use crate::dispatch::took;
use crate::idle::mebibytes;
use crate::support::{
    Bench, Goal, Home, Result, Series, Unit, figure, goal, in_turn, plain, title, wait_until,
};
use queuectl_core::{JobId, State};
use queuectl_store::Access;

pub(crate) fn run(bench: &Bench) -> Result {
    let mebibytes_written = bench.work(10 * 1024);
    let line = format!("head -c {mebibytes_written}M /dev/zero");
    let piped = format!("{line} | cat >/dev/null");
    let mut peaks = Vec::new();
    let [ours, cat] = in_turn(
        bench.rounds(3),
        &mut [
            &mut || {
                let (millis, peak) = write(bench, &line)?;
                peaks.push(peak);
                Ok(mebibytes_written as f64 / millis * 1000.0)
            },
            &mut || {
                let millis = took(plain("/bin/sh").args(["-c", &piped]))?;
                Ok(mebibytes_written as f64 / millis * 1000.0)
            },
        ],
    )?;
    title(&format!("S10: `{line}` as a job against `{piped}`"));
    figure("queuectl", &ours, Unit::MiBPerSecond);
    figure("cat", &cat, Unit::MiBPerSecond);
    goal("queuectl / cat", &ours.over(&cat), Unit::Times, Goal::AtLeast { reach: 0.7, aim: 1.0 });
    let peaks = Series::from(peaks);
    goal("memory of the worker at most", &peaks, Unit::MiB, Goal::AtMost { reach: 64.0, aim: 32.0 });
    Ok(())
}

/// How long the job ran by the queue's own record, and the worker's largest memory.
fn write(bench: &Bench, line: &str) -> Result<(f64, f64)> {
    let home = Home::new(bench)?;
    let worker = home.worker(&["--count", "1"])?;
    took(&mut home.queuectl(["enqueue", "--id", "writer", line]))?;
    wait_until("the job has ended", || Ok(home.counts()?.unfinished() == 0))?;
    let [pid] = worker.pids[..] else { return Err("one worker was started".into()) };
    let peak = mebibytes(pid, "status", "VmHWM")?;
    let job = home.store(Access::Read)?.job(&JobId::new("writer")?)?.ok_or("the job is gone")?;
    let (Some(started), Some(finished), State::Completed) = (job.started_at, job.finished_at, job.state)
    else {
        return Err(format!("the job is {}", job.state).into());
    };
    Ok((finished.since(started).as_secs_f64() * 1000.0, peak))
}
