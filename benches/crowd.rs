//! S11: many who add jobs at the same time.

use crate::support::{Bench, Goal, Home, Result, Series, Unit, figure, goal, plain, title};
use queuectl_core::State;
use std::process::Command;
use std::thread;
use std::time::Instant;

const CROWD: usize = 16;

pub(crate) fn run(bench: &Bench) -> Result {
    let each = bench.work(100).max(20);
    let home = Home::new(bench)?;
    let (idle, _) = all_at_once(each, || plain("/bin/true"));
    let (waits, errors) = all_at_once(each, || home.queuectl(["enqueue", "true"]));
    let added = home.counts()?[State::Pending];
    title(&format!("S11: {CROWD} at once enqueue {each} jobs each, one process a job"));
    figure("one enqueue", &waits, Unit::Millis);
    figure("the same with a process that does nothing", &idle, Unit::Millis);
    let longest = Series::from(vec![waits.max()]);
    goal("longest wait", &longest, Unit::Millis, Goal::AtMost { reach: 500.0, aim: 100.0 });
    let errors = Series::from(vec![errors as f64]);
    goal("errors", &errors, Unit::Count, Goal::AtMost { reach: 0.0, aim: 0.0 });
    let missing = Series::from(vec![(CROWD * each) as f64 - added as f64]);
    figure("jobs that are not there", &missing, Unit::Count);
    Ok(())
}

/// How long each took, in milliseconds, and how many failed.
fn all_at_once(each: usize, command: impl Fn() -> Command + Sync) -> (Series, usize) {
    let one = || {
        let mut waits = Vec::new();
        let mut errors = 0;
        for _ in 0..each {
            let began = Instant::now();
            let succeeded = command().status().is_ok_and(|status| status.success());
            waits.push(began.elapsed().as_secs_f64() * 1000.0);
            errors += usize::from(!succeeded);
        }
        (waits, errors)
    };
    let all: Vec<(Vec<f64>, usize)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..CROWD).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or((Vec::new(), each))).collect()
    });
    let errors = all.iter().map(|(_, errors)| errors).sum();
    (all.into_iter().flat_map(|(waits, _)| waits).collect::<Vec<_>>().into(), errors)
}
