//! P10: many workers race, and the counts are right.

use crate::ground::postgres::Server;
use crate::support::{
    Bench, Clerk, Goal, Home, Result, Series, Unit, figure, goal, note, pause, start_server, title,
    wait_until,
};
use queuectl_core::State;
use queuectl_store::Access;
use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const WORKERS: usize = 16;
const BATCH: u32 = 8;

/// From one look at the waits to the next.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Who waits at this moment for another transaction, for a row of which
/// table, and in which statement. (Who waits for a row holds its place in the queue
/// for it; one that has just got it is shown without a table. Waits for more room in
/// a file are Lock waits too.)
const WAITING: &str = "SELECT wait_event, coalesce((SELECT relname::text FROM pg_locks \
        JOIN pg_class ON pg_class.oid = relation WHERE pg_locks.pid = waiting.pid AND locktype = 'tuple' LIMIT 1), \
        '-'), left(query, 60) \
    FROM pg_stat_activity AS waiting WHERE wait_event_type = 'Lock' AND pid <> pg_backend_pid()";

const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

/// Servers' ends of connections, but this.
const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

/// How often a session was seen waiting.
#[derive(Default)]
struct Waits {
    looks: usize,
    /// For a row of the counts.
    for_counts: usize,
    /// For a job.
    for_jobs: usize,
    by_statement: BTreeMap<String, usize>,
}

pub(crate) fn run(bench: &Bench) -> Result {
    let jobs = bench.work(100_000);
    let server = start_server(bench, None)?;
    let home = Home::on_server(bench, &server)?;
    home.fill(jobs, "true")?;
    let deadlocks_before = deadlocks(&server)?;
    let (per_second, waits) = race(&home, &server, jobs)?;
    wait_until("the connections have ended", || {
        Ok(server.client().query_one(OTHERS, &[])?.get::<_, i64>(0) == 0)
    })?;
    let deadlocks = deadlocks(&server)? - deadlocks_before;
    let mut store = home.store(Access::Read)?;
    let (counts, complaints) = (store.counts()?, store.check()?);
    let full_count: i64 =
        home.tables()?.query_one("SELECT count(*) FROM finished WHERE state = 'completed'", &[])?.get(0);

    title(&format!("P10: {WORKERS} workers race for {jobs} jobs on PostgreSQL, {BATCH} at a time"));
    figure("jobs", &Series::from(vec![per_second]), Unit::PerSecond);
    let none = |what: &str, count: f64| {
        goal(what, &Series::from(vec![count]), Unit::Count, Goal::AtMost { reach: 0.0, aim: 0.0 });
    };
    none("completed jobs that the counts lack", jobs as f64 - counts[State::Completed] as f64);
    none("completed jobs that a full count lacks", jobs as f64 - full_count as f64);
    none("other jobs, by the counts", (counts.total() - counts[State::Completed]) as f64);
    none("complaints of a check of the whole store", complaints.len() as f64);
    for complaint in &complaints {
        note(complaint);
    }
    none("deadlocks", deadlocks as f64);
    none("times a worker waited for another's counts", waits.for_counts as f64);
    let share = waits.for_jobs as f64 / (waits.looks * WORKERS) as f64;
    figure("workers that wait for another's job, share", &Series::from(vec![share]), Unit::Times);
    note(&format!("seen in {} looks, one each {} ms:", waits.looks, LOOK_EVERY.as_millis()));
    for (statement, times) in &waits.by_statement {
        note(&format!("{times} × {statement}"));
    }
    Ok(())
}

/// Has all workers begin at once; gives jobs a second.
fn race(home: &Home, server: &Server, jobs: usize) -> Result<(f64, Waits)> {
    let (start, is_over) = (Barrier::new(WORKERS + 1), AtomicBool::new(false));
    let clerks = (0..WORKERS).map(|_| Clerk::hire(home.store(Access::Write)?)).collect::<Result<Vec<_>>>()?;
    let mut looker = server.client();
    let is_over = &is_over;
    thread::scope(|scope| {
        let workers: Vec<_> = clerks
            .into_iter()
            .map(|mut clerk| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    let mut work = || -> Result {
                        while clerk.exchange(BATCH)? > 0 {}
                        Ok(())
                    };
                    work().and_then(|()| clerk.retire()).map_err(|error| error.to_string())
                })
            })
            .collect();
        let looking = scope.spawn(move || {
            let mut waits = Waits::default();
            while !is_over.load(Ordering::Relaxed) {
                waits.look(&mut looker).map_err(|error| error.to_string())?;
                pause(LOOK_EVERY);
            }
            Ok::<Waits, String>(waits)
        });
        start.wait();
        let began = Instant::now();
        let ended: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        let took = began.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let waits = looking.join().map_err(|_| "nobody has looked")??;
        for worker in ended {
            worker.map_err(|_| "a worker panicked")??;
        }
        Ok((jobs as f64 / took.as_secs_f64(), waits))
    })
}

impl Waits {
    fn look(&mut self, looker: &mut postgres::Client) -> Result<(), postgres::Error> {
        self.looks += 1;
        for row in looker.query(WAITING, &[])? {
            let (event, table, statement): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
            match table {
                "change" => self.for_counts += 1,
                "job" => self.for_jobs += 1,
                _ => {}
            }
            *self.by_statement.entry(format!("{event}, {table}: {statement}")).or_default() += 1;
        }
        Ok(())
    }
}

/// Deadlocks since the server began, of back ends that have ended.
fn deadlocks(server: &Server) -> Result<i64> {
    Ok(server.client().query_one(DEADLOCKS, &[])?.get(0))
}
