//! S15, P13: what a limit costs those that it bounds; S16, P14: what a paused queue costs
//! another.

use crate::dispatch::took;
use crate::support::{
    Bench, Clerk, Goal, Home, Result, Unit, figure, goal, in_turn, start_server, timed, title,
};
use queuectl_core::{DEFAULT_QUEUE, Limits, Pause, State};
use queuectl_store::Access;

/// As many jobs at a time as there are slots.
const SLOTS: u32 = 2;
const WORKER: [&str; 7] = ["worker", "start", "--count", "1", "--concurrency", "2", "--drain"];

pub(crate) fn run(bench: &Bench) -> Result {
    limited(bench, "S15", "SQLite", || Home::new(bench))?;
    paused(bench, "S16", "SQLite", || Home::new(bench))
}

pub(crate) fn run_on_server(bench: &Bench) -> Result {
    let server = start_server(bench, None)?;
    limited(bench, "P13", "PostgreSQL", || Home::on_server(bench, &server))?;
    paused(bench, "P14", "PostgreSQL", || Home::on_server(bench, &server))
}

fn limited(bench: &Bench, name: &str, engine: &str, home: impl Fn() -> Result<Home>) -> Result {
    for (command, jobs, reach) in [("sleep 0.1", 400, 0.97), ("true", 4000, 0.6)] {
        let jobs = bench.work(jobs);
        title(&format!(
            "{name}: {jobs} × `{command}`, two at a time, in a queue with that limit, on {engine}"
        ));
        let [without, with] = in_turn(
            bench.rounds(5),
            &mut [&mut || drain(&home()?, jobs, command, None), &mut || {
                drain(&home()?, jobs, command, Some(SLOTS))
            }],
        )?;
        figure("without the limit", &without, Unit::PerSecond);
        figure("with it", &with, Unit::PerSecond);
        goal("with / without", &with.over(&without), Unit::Times, Goal::AtLeast { reach, aim: 1.0 });
    }
    Ok(())
}

/// Jobs a second, from the start of the worker to its end.
fn drain(home: &Home, jobs: usize, command: &str, limit: Option<u32>) -> Result<f64> {
    home.fill(jobs, command)?;
    home.store(Access::Write)?.set_limits(DEFAULT_QUEUE, &Limits { running: limit })?;
    let millis = took(&mut home.queuectl(WORKER))?;
    match home.counts()?[State::Completed] {
        completed if completed == jobs as i64 => Ok(jobs as f64 / millis * 1000.0),
        completed => Err(format!("{completed} of {jobs} jobs were completed").into()),
    }
}

fn paused(bench: &Bench, name: &str, engine: &str, home: impl Fn() -> Result<Home>) -> Result {
    let (exchanges, many, rounds) = (bench.work(2000), bench.work(1_000_000), bench.rounds(5));
    let (alone, beside) = (home()?, home()?);
    for home in [&alone, &beside] {
        home.fill(exchanges * rounds + 1, "true")?;
    }
    beside.fill_queue("another", many, "true")?;
    let mut clerks = [Clerk::hire(alone.store(Access::Write)?)?, Clerk::hire(beside.store(Access::Write)?)?];
    let since = crate::support::now();
    let pause = Pause { since, until: None, by: "anna@here".into(), reason: None };
    beside.store(Access::Write)?.pause("another", &pause)?;
    for clerk in &mut clerks {
        clerk.exchange(1)?;
    }
    let [first, second] = &mut clerks;
    let took = |clerk: &mut Clerk| {
        let took = timed(|| (0..exchanges).try_for_each(|_| clerk.exchange(1).map(drop)))?;
        Ok(took.as_secs_f64() * 1e3 / exchanges as f64)
    };
    let [without, with] = in_turn(rounds, &mut [&mut || took(first), &mut || took(second)])?;
    title(&format!("{name}: finish and claim 1, beside {many} ready jobs of a paused queue, on {engine}"));
    figure("without them", &without, Unit::Millis);
    figure("with them", &with, Unit::Millis);
    goal("with / without", &with.over(&without), Unit::Times, Goal::AtMost { reach: 1.1, aim: 1.0 });
    for clerk in clerks {
        clerk.retire()?;
    }
    Ok(())
}
