//! S14, P12: what is wanted of all jobs that match, while another program claims.

use crate::dispatch::took;
use crate::support::{
    Bench, Clerk, Goal, Home, Result, Series, Unit, figure, goal, pause, start_server, title,
};
use queuectl_core::State;
use queuectl_store::Access;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two claims of the other program.
const CLAIMS_EVERY: Duration = Duration::from_millis(1);

/// Its queue.
const ANOTHER: &str = "another";

pub(crate) fn run(bench: &Bench) -> Result {
    measure(bench, "S14", "SQLite", &Home::new(bench)?)
}

pub(crate) fn run_on_server(bench: &Bench) -> Result {
    let server = start_server(bench, None)?;
    measure(bench, "P12", "PostgreSQL", &Home::on_server(bench, &server)?)
}

fn measure(bench: &Bench, name: &str, engine: &str, home: &Home) -> Result {
    let jobs = bench.work(1_000_000);
    home.fill(jobs, "true")?;
    home.fill_queue(ANOTHER, bench.work(500_000), "true")?;
    title(&format!("{name}: {jobs} jobs by a filter, the whole process, while another claims, on {engine}"));
    for words in [&["hold"][..], &["release"], &["cancel", "--yes"]] {
        let command = [words, &["--queue", "default"]].concat();
        let (millis, longest) = beside_claims(home, || took(&mut home.queuectl(command.iter().copied())))?;
        let per_second = Series::from(vec![jobs as f64 / millis * 1e3]);
        let aim = Goal::AtLeast { reach: 50_000.0, aim: 50_000.0 };
        match words {
            ["cancel", ..] => goal("cancel, jobs", &per_second, Unit::PerSecond, aim),
            words => figure(&format!("{}, jobs", words[0]), &per_second, Unit::PerSecond),
        }
        let longest = Series::from(vec![longest.as_secs_f64() * 1e3]);
        let most = Goal::AtMost { reach: 100.0, aim: 100.0 };
        goal("the longest wait of a claim meanwhile", &longest, Unit::Millis, most);
    }
    let mut store = home.store(Access::Read)?;
    let (cancelled, complaints) = (store.counts()?[State::Cancelled], store.check()?);
    if cancelled != jobs as i64 || !complaints.is_empty() {
        return Err(format!("{cancelled} of {jobs} jobs are cancelled; {complaints:?}").into());
    }
    Ok(())
}

/// Does something while another program claims from a queue of its own; gives how long the
/// longest of its claims took.
fn beside_claims<T: Send>(home: &Home, act: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let mut clerk = Clerk::hire(home.store(Access::Write)?)?.serve(ANOTHER)?;
    clerk.exchange(1)?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let claiming = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let began = Instant::now();
                if clerk.exchange(1).map_err(|error| error.to_string())? == 0 {
                    return Err("too few jobs for the other program".to_owned());
                }
                longest = longest.max(began.elapsed());
                pause(CLAIMS_EVERY);
            }
            clerk.retire().map_err(|error| error.to_string())?;
            Ok::<Duration, String>(longest)
        });
        let done = act();
        is_over.store(true, Ordering::Relaxed);
        let longest = claiming.join().map_err(|_| "the claims have panicked")??;
        Ok((done?, longest))
    })
}
