//! P6: how soon an idle worker on another machine starts a job.

use crate::latency::latency;
use crate::support::{Bench, Goal, Machines, Result, Series, Unit, figure, goal, title};

pub(crate) fn run(bench: &Bench) -> Result {
    title("P6: from the return of `enqueue` to the job's first instruction, worker idle on another machine");
    let machines = Machines::new(bench, &["elsewhere"])?;
    let user = machines.user_at_the_server(bench)?;
    let there = machines.user_on("elsewhere", bench, &user)?;
    let worker = there.worker(&["--count", "1"])?;
    let latency = latency(bench, &user)?;
    drop(worker);
    goal("p50 to the shell", &latency, Unit::Millis, Goal::AtMost { reach: 10.0, aim: 10.0 });
    figure("p99 to the shell", &Series::from(vec![latency.quantile(0.99)]), Unit::Millis);
    Ok(())
}
