//! R11: how soon `wait` returns after the end of a job.

use crate::support::{
    Bench, Goal, Home, Result, Series, Unit, figure, goal, now, pause, stamp, start_server, title, wait_until,
};
use queuectl_core::{JobId, NewJob, State};
use queuectl_store::{Access, OnTaken, Store};
use std::process::Child;
use std::time::Duration;

/// So many wait for the same job.
const CROWD: usize = 100;

pub(crate) fn run(bench: &Bench) -> Result {
    title("R11: from the end of a job to the return of `wait`, on SQLite");
    let home = Home::new(bench)?;
    alone(bench, &home, 20.0)?;
    crowded(bench, &home)
}

pub(crate) fn run_on_server(bench: &Bench) -> Result {
    title("R11: from the end of a job to the return of `wait`, on PostgreSQL");
    let server = start_server(bench, None)?;
    let home = Home::on_server(bench, &server)?;
    alone(bench, &home, 30.0)?;
    crowded(bench, &home)
}

/// One that waits for one job; the worker says when that ended, to the millisecond.
fn alone(bench: &Bench, home: &Home, reach: f64) -> Result {
    let worker = home.worker(&["--count", "1"])?;
    let mut store = home.store(Access::Write)?;
    let mut late = Vec::new();
    for number in 0..bench.work(200).max(50) {
        // Not in step with anything that is done by the clock.
        let id = add(home, &mut *store, &format!("sleep 0.1{:02}", number * 37 % 100))?;
        home.queuectl(["wait", id.as_str()]).status()?;
        let returned = stamp::now();
        late.push(returned - ended_at(&mut *store, &id)?);
    }
    drop(worker);
    let late = Series::from(late);
    figure("p50", &Series::from(vec![late.median()]), Unit::Millis);
    let p99 = Series::from(vec![late.quantile(0.99)]);
    goal("p99", &p99, Unit::Millis, Goal::AtMost { reach, aim: reach });
    Ok(())
}

/// Very many that wait for the same job: when the last of them returns.
fn crowded(bench: &Bench, home: &Home) -> Result {
    let worker = home.worker(&["--count", "1"])?;
    let mut store = home.store(Access::Write)?;
    let mut late = Vec::new();
    for round in 0..bench.rounds(5) {
        let gate = home.path(&format!("gate-{round}"));
        let command = format!("until [ -e '{}' ]; do sleep 0.01; done", gate.display());
        let id = add(home, &mut *store, &command)?;
        let mut crowd = (0..CROWD)
            .map(|_| Ok(home.queuectl(["wait", id.as_str()]).spawn()?))
            .collect::<Result<Vec<Child>>>()?;
        wait_until("the job runs", || job_is(&mut *store, &id, State::Processing))?;
        // All of them have begun to look by then.
        pause(Duration::from_secs(3));
        std::fs::write(&gate, "")?;
        for one in &mut crowd {
            one.wait()?;
        }
        let returned = stamp::now();
        late.push(returned - ended_at(&mut *store, &id)?);
    }
    drop(worker);
    figure(&format!("the last of {CROWD} who wait at once"), &Series::from(late), Unit::Millis);
    Ok(())
}

fn add(home: &Home, store: &mut dyn Store, command: &str) -> Result<JobId> {
    let job = NewJob { max_retries: 0, ..home.job(command)? };
    store.enqueue(std::slice::from_ref(&job), OnTaken::Refuse, now())?;
    Ok(job.id)
}

fn job_is(store: &mut dyn Store, id: &JobId, state: State) -> Result<bool> {
    Ok(store.job(id)?.is_some_and(|job| job.state == state))
}

fn ended_at(store: &mut dyn Store, id: &JobId) -> Result<f64> {
    let job = store.job(id)?.ok_or("the job is gone")?;
    let at = job.finished_at.ok_or("the job has not ended")?;
    Ok(at.as_millis() as f64)
}
