//! S6: how soon an idle worker starts a job.

use crate::dispatch::took;
use crate::support::{
    Bench, Goal, Home, Result, Series, Unit, figure, goal, pause, plain, stamp, title, wait_until,
};
use queuectl_store::Access;
use std::path::Path;
use std::time::Duration;

pub(crate) fn run(bench: &Bench) -> Result {
    let home = Home::new(bench)?;
    let worker = home.worker(&["--count", "1"])?;
    title("S6: from the return of `enqueue` to the job's first instruction, worker idle");
    let latency = latency(bench, &home)?;
    drop(worker);
    let p99 = Series::from(vec![latency.quantile(0.99)]);
    goal("p50 to the shell", &latency, Unit::Millis, Goal::AtMost { reach: 5.0, aim: 2.0 });
    goal("p99 to the shell", &p99, Unit::Millis, Goal::AtMost { reach: 20.0, aim: 20.0 });
    Ok(())
}

/// How soon jobs start that this user adds one by one, an idle worker being there.
pub(crate) fn latency(bench: &Bench, home: &Home) -> Result<Series> {
    let this = std::env::current_exe()?;
    let mut store = home.store(Access::Read)?;
    let (mut raw, mut starts) = (Vec::new(), Vec::new());
    for number in 0..bench.work(200).max(50) {
        let file = home.path(&format!("stamp-{number}"));
        let line = format!("exec {} {} {}", this.display(), stamp::FLAG, file.display());
        took(&mut home.queuectl(["enqueue", &line]))?;
        let returned = stamp::now();
        raw.push(stamp_in(&file)? - returned);
        wait_until("the job has ended", || Ok(store.counts()?.unfinished() == 0))?;

        // What the stamp's own program needs from its spawn to its first line.
        let file = file.with_extension("own");
        let began = stamp::now();
        took(plain(&this).arg(stamp::FLAG).arg(&file))?;
        starts.push(stamp_in(&file)? - began);
        // Not in step with anything the worker does by the clock.
        pause(Duration::from_micros(20_000 + 7919 * (number as u64 % 10)));
    }
    let (raw, starts) = (Series::from(raw), Series::from(starts));
    figure("to the first line of a program it runs", &raw, Unit::Millis);
    figure("of which the start of that program", &starts, Unit::Millis);
    Ok(raw.less(starts.median()))
}

/// When a stamp was left, as soon as it is there.
fn stamp_in(file: &Path) -> Result<f64> {
    wait_until("the job has run", || Ok(file.exists()))?;
    Ok(std::fs::read_to_string(file)?.parse()?)
}
