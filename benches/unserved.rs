//! S13, P11: a claim while another queue, which the worker does not serve, has many jobs.

use crate::support::{
    Bench, Clerk, Goal, Home, Result, Unit, figure, goal, in_turn, start_server, timed, title,
};
use queuectl_core::DEFAULT_QUEUE;
use queuectl_store::Access;

pub(crate) fn run(bench: &Bench) -> Result {
    measure(bench, "S13", "SQLite", || Home::new(bench))
}

pub(crate) fn run_on_server(bench: &Bench) -> Result {
    let server = start_server(bench, None)?;
    measure(bench, "P11", "PostgreSQL", || Home::on_server(bench, &server))
}

fn measure(bench: &Bench, name: &str, engine: &str, home: impl Fn() -> Result<Home>) -> Result {
    let (exchanges, many, rounds) = (bench.work(2000), bench.work(1_000_000), bench.rounds(5));
    let jobs = (exchanges * rounds + 1) * 2;
    let (alone, beside) = (home()?, home()?);
    alone.fill(jobs, "true")?;
    // Its name sorts before the one that is served, so that it stands in the way if it can.
    beside.fill_queue("another", many, "true")?;
    beside.fill(jobs, "true")?;
    let mut clerks = [clerk(&alone)?, clerk(&beside)?];
    for batch in [1, 8] {
        for clerk in &mut clerks {
            clerk.exchange(batch)?;
        }
        let [first, second] = &mut clerks;
        let took = |clerk: &mut Clerk| {
            // Fewer with more at a time, so that the jobs last.
            let exchanges = exchanges / batch as usize;
            let took = timed(|| (0..exchanges).try_for_each(|_| clerk.exchange(batch).map(drop)))?;
            Ok(took.as_secs_f64() * 1e3 / exchanges as f64)
        };
        let [without, with] = in_turn(rounds, &mut [&mut || took(first), &mut || took(second)])?;
        title(&format!(
            "{name}: finish and claim {batch}, beside {many} ready jobs of another queue, on {engine}"
        ));
        figure("without them", &without, Unit::Millis);
        figure("with them", &with, Unit::Millis);
        let target = Goal::AtMost { reach: 1.1, aim: 1.0 };
        goal("with / without", &with.over(&without), Unit::Times, target);
    }
    for clerk in clerks {
        clerk.retire()?;
    }
    Ok(())
}

/// A worker that serves the default queue alone.
fn clerk(home: &Home) -> Result<Clerk> {
    Clerk::hire(home.store(Access::Write)?)?.serve(DEFAULT_QUEUE)
}
