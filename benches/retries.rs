//! S12: a flood of retries, and new jobs that must not wait for it.

use crate::support::{Bench, Clerk, Goal, Home, Result, Series, Unit, figure, goal, now, pause, title};
use queuectl_core::{JobId, State, Timestamp};
use queuectl_store::{Access, OnTaken};
use std::time::{Duration, Instant};

/// From the failures to the moment they fall due, in seconds.
const DUE_AFTER: f64 = 6.0;

/// 100 new jobs a second.
const PACE: Duration = Duration::from_millis(10);

/// A job that came in while the benchmark ran.
struct Newcomer {
    id: JobId,
    accepted_at: Timestamp,
    in_flood: bool,
}

pub(crate) fn run(bench: &Bench) -> Result {
    let flood = bench.work(10_000);
    let home = Home::new(bench)?;
    home.fill(flood, "true")?;
    let mut clerk = Clerk::hire(home.store(Access::Write)?)?.fail_for(DUE_AFTER);
    clerk.exhaust()?;
    clerk.retire()?;
    let worker = home.worker(&["--count", "2"])?;

    let (newcomers, calm_waits, flood_waits) = come_in(&home, flood)?;
    drop(worker);

    let mut store = home.store(Access::Read)?;
    let (mut calm, mut flooded) = (Vec::new(), Vec::new());
    for Newcomer { id, accepted_at, in_flood } in newcomers {
        let started_at = store.job(&id)?.and_then(|job| job.started_at).ok_or("a new job never started")?;
        let latency = (started_at.as_millis() - accepted_at.as_millis()) as f64;
        if in_flood { flooded.push(latency) } else { calm.push(latency) }
    }
    let (calm, flooded) = (Series::from(calm), Series::from(flooded));
    title(&format!(
        "S12: {flood} failed jobs fall due at once while 100 new ones a second come in, --count 2"
    ));
    figure("start of a new job, before the flood", &calm, Unit::Millis);
    figure("start of a new job, in the flood", &flooded, Unit::Millis);
    figure("p99 of it", &vec![flooded.quantile(0.99)].into(), Unit::Millis);
    let most = vec![flooded.max()].into();
    goal("the latest of them", &most, Unit::Millis, Goal::AtMost { reach: 100.0, aim: 30.0 });
    figure("one store call, before the flood", &calm_waits, Unit::Millis);
    figure("one store call, in the flood", &flood_waits, Unit::Millis);
    figure("p99 of it", &vec![flood_waits.quantile(0.99)].into(), Unit::Millis);
    let most = vec![flood_waits.max()].into();
    let target = Goal::AtMost { reach: 50.0, aim: 10.0 };
    goal("the longest: bounds any transaction", &most, Unit::Millis, target);
    Ok(())
}

/// Adds jobs at a steady pace from before the flood until after it; also gives
/// how long each call of the store took, before it and in it.
fn come_in(home: &Home, flood: usize) -> Result<(Vec<Newcomer>, Series, Series)> {
    let mut store = home.store(Access::Write)?;
    let mut newcomers = Vec::new();
    let (mut calm, mut flooded) = (Vec::new(), Vec::new());
    let mut next = Instant::now();
    let deadline = next + Duration::from_mins(2);
    loop {
        let failed = store.counts()?[State::Failed];
        // A failed job stays failed until it is claimed.
        let in_flood = failed < flood as i64;
        if failed == 0 {
            break;
        }
        if next > deadline {
            return Err(format!("after two minutes {failed} jobs are still failed").into());
        }
        let job = home.job("true")?;
        let began = Instant::now();
        store.enqueue(std::slice::from_ref(&job), OnTaken::Refuse, now())?;
        let took = began.elapsed().as_secs_f64() * 1000.0;
        if in_flood {
            flooded.push(took);
        } else {
            calm.push(took);
        }
        newcomers.push(Newcomer { id: job.id, accepted_at: now(), in_flood });
        next += PACE;
        pause(next.saturating_duration_since(Instant::now()));
    }
    // The last of them is started after the last of the flood.
    crate::support::wait_until("all jobs have ended", || Ok(store.counts()?.unfinished() == 0))?;
    Ok((newcomers, calm.into(), flooded.into()))
}
