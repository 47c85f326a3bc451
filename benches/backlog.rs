//! S3: the same work in a queue that is very long.

use crate::dispatch::took;
use crate::support::{Bench, Clerk, Goal, Home, Result, Unit, figure, goal, in_turn, title};
use queuectl_core::State;
use queuectl_store::Access;

pub(crate) fn run(bench: &Bench) -> Result {
    let (jobs, many, rounds) = (bench.work(5000), bench.work(1_000_000), bench.rounds(5));
    let long = with_backlog(Home::new(bench)?, many, many)?;
    title(&format!("S3: `--max-jobs {jobs}` before {many} pending and behind {many} finished jobs"));
    let [alone, crowded] = in_turn(
        rounds,
        &mut [
            &mut || {
                let home = Home::new(bench)?;
                home.fill(jobs, "true")?;
                work(&home, jobs)
            },
            &mut || work(&long, jobs),
        ],
    )?;
    figure("without the backlog", &alone, Unit::PerSecond);
    figure("with it", &crowded, Unit::PerSecond);
    goal("with / without", &crowded.over(&alone), Unit::Times, Goal::AtLeast { reach: 0.95, aim: 1.0 });
    Ok(())
}

/// Gives a queue a long past and a long future.
pub(crate) fn with_backlog(home: Home, pending: usize, finished: usize) -> Result<Home> {
    home.fill(finished, "true")?;
    let mut clerk = Clerk::hire(home.store(Access::Write)?)?;
    clerk.exhaust()?;
    clerk.retire()?;
    home.fill(pending, "true")?;
    Ok(home)
}

fn work(home: &Home, jobs: usize) -> Result<f64> {
    let before = home.counts()?[State::Completed];
    let count = jobs.to_string();
    let millis = took(&mut home.queuectl(["worker", "start", "--count", "2", "--max-jobs", &count]))?;
    match home.counts()?[State::Completed] - before {
        done if done == jobs as i64 => Ok(jobs as f64 / millis * 1000.0),
        done => Err(format!("{done} of {jobs} jobs were completed").into()),
    }
}
