//! S8: the store alone, one connection, no process started.

use crate::floor::syncs_per_second;
use crate::support::{Bench, Clerk, Goal, Home, Result, Unit, figure, goal, in_turn, timed, title};
use queuectl_store::Access;

pub(crate) fn run(bench: &Bench) -> Result {
    let (exchanges, rounds) = (bench.work(2000), bench.rounds(5));
    let targets = [(1, 0.6, 0.8), (8, 2.5, 5.0), (32, 4.0, 12.0)];
    for (batch, reach, aim) in targets {
        let home = Home::new(bench)?;
        home.fill((exchanges * rounds + 1) * batch as usize, "true")?;
        let mut clerk = Clerk::hire(home.store(Access::Write)?)?;
        clerk.exchange(batch)?;
        let [floor, jobs] = in_turn(
            rounds,
            &mut [&mut || syncs_per_second(bench, exchanges), &mut || {
                let took = timed(|| (0..exchanges).try_for_each(|_| clerk.exchange(batch).map(drop)))?;
                Ok(exchanges as f64 * f64::from(batch) / took.as_secs_f64())
            }],
        )?;
        clerk.retire()?;
        title(&format!("S8: finish and claim {batch} in one transaction, FULL"));
        figure("jobs", &jobs, Unit::PerSecond);
        figure("4 KiB and fdatasync", &floor, Unit::PerSecond);
        goal("jobs / fdatasyncs", &jobs.over(&floor), Unit::Times, Goal::AtLeast { reach, aim });
    }
    Ok(())
}
