//! P3: two machines empty a queue of jobs that do nothing.

use crate::floor::spawns_per_second;
use crate::support::{Bench, Goal, Machines, Result, Series, Unit, figure, goal, in_turn, title};
use queuectl_core::State;
use std::time::Instant;

const WORKERS: [&str; 2] = ["first", "second"];

pub(crate) fn run(bench: &Bench) -> Result {
    let jobs = bench.work(5000);
    title(&format!("P3: {jobs} × `true`, two machines, `worker start --count 1 --drain` on each"));
    let machines = Machines::new(bench, &WORKERS)?;
    let mut again = 0.0;
    let [floor, ours] = in_turn(
        bench.rounds(5),
        &mut [&mut || spawns_per_second(jobs, 2), &mut || {
            let (per_second, more_than_once) = drain(bench, &machines, jobs)?;
            again += more_than_once;
            Ok(per_second)
        }],
    )?;
    figure("queuectl", &ours, Unit::PerSecond);
    figure("posix_spawn, two at a time", &floor, Unit::PerSecond);
    let target = Goal::AtLeast { reach: 0.7, aim: 0.7 };
    goal("queuectl / posix_spawn", &ours.over(&floor), Unit::Times, target);
    let again = Series::from(vec![again]);
    goal("jobs that ran twice", &again, Unit::Count, Goal::AtMost { reach: 0.0, aim: 0.0 });
    Ok(())
}

/// Jobs a second, from the start of the programs to the end of the last, and how
/// many jobs ran more than once.
fn drain(bench: &Bench, machines: &Machines, jobs: usize) -> Result<(f64, f64)> {
    let user = machines.user_at_the_server(bench)?;
    user.fill(jobs, "true")?;
    let homes = WORKERS.map(|name| machines.user_on(name, bench, &user));
    let homes = homes.into_iter().collect::<Result<Vec<_>>>()?;
    let began = Instant::now();
    let mut workers = Vec::new();
    for home in &homes {
        workers.push(home.queuectl(["worker", "start", "--count", "1", "--drain"]).spawn()?);
    }
    for worker in &mut workers {
        let status = worker.wait()?;
        if !status.success() {
            return Err(format!("a worker ended with {status}").into());
        }
    }
    let took = began.elapsed();
    let completed = user.counts()?[State::Completed];
    if completed != jobs as i64 {
        return Err(format!("{completed} of {jobs} jobs were completed").into());
    }
    let twice = "SELECT count(*) FROM (SELECT FROM attempt GROUP BY seq HAVING count(*) > 1) AS twice";
    let more_than_once: i64 = user.tables()?.query_one(twice, &[])?.get(0);
    Ok((jobs as f64 / took.as_secs_f64(), more_than_once as f64))
}
