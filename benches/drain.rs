//! S1, S2: emptying a queue of jobs that do nothing.

use crate::dispatch::took;
use crate::floor::spawns_per_second;
use crate::support::{Bench, Goal, Home, Result, Unit, figure, goal, in_turn, plain, title};
use queuectl_core::State;

const TWO_WORKERS: [&str; 5] = ["worker", "start", "--count", "2", "--drain"];
const TWO_SLOTS: [&str; 7] = ["worker", "start", "--count", "1", "--concurrency", "2", "--drain"];

pub(crate) fn run(bench: &Bench) -> Result {
    let jobs = bench.work(20_000);
    title(&format!("S1: {jobs} × `true`, `worker start --count 2 --drain`, the whole process"));
    compare(bench, jobs, &TWO_WORKERS, Goal::AtLeast { reach: 0.88, aim: 0.97 })?;
    title(&format!("S2: {jobs} × `true`, `worker start --count 1 --concurrency 2 --drain`"));
    compare(bench, jobs, &TWO_SLOTS, Goal::AtLeast { reach: 0.90, aim: 0.98 })
}

/// Each in turn right after the floor: the machine's own speed drifts.
fn compare(bench: &Bench, jobs: usize, arguments: &[&str], target: Goal) -> Result {
    let [floor, ours, xargs] = in_turn(
        bench.rounds(5),
        &mut [&mut || spawns_per_second(jobs, 2), &mut || drain(bench, jobs, arguments), &mut || xargs(jobs)],
    )?;
    figure("queuectl", &ours, Unit::PerSecond);
    figure("posix_spawn, two at a time", &floor, Unit::PerSecond);
    figure("xargs -P2", &xargs, Unit::PerSecond);
    goal("queuectl / posix_spawn", &ours.over(&floor), Unit::Times, target);
    goal("queuectl / xargs", &ours.over(&xargs), Unit::Times, Goal::AtLeast { reach: 1.0, aim: 1.0 });
    Ok(())
}

/// Jobs a second, from the start of the program to its end.
fn drain(bench: &Bench, jobs: usize, arguments: &[&str]) -> Result<f64> {
    let home = Home::new(bench)?;
    home.fill(jobs, "true")?;
    let millis = took(&mut home.queuectl(arguments.iter().copied()))?;
    match home.counts()?[State::Completed] {
        completed if completed == jobs as i64 => Ok(jobs as f64 / millis * 1000.0),
        completed => Err(format!("{completed} of {jobs} jobs were completed").into()),
    }
}

fn xargs(jobs: usize) -> Result<f64> {
    let line = format!("seq {jobs} | xargs -P2 -I{{}} sh -c true");
    Ok(jobs as f64 / took(plain("/bin/sh").args(["-c", &line]))? * 1000.0)
}
