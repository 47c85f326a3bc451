//! P7: a transaction stays open, and nothing dead can be cleared away.

use crate::ground::postgres::Server;
use crate::support::{
    Bench, Clerk, Extent, Goal, Home, Result, Series, Unit, figure, goal, now, pause, start_server, title,
};
use queuectl_store::{Access, OnTaken, Store};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// 500 jobs a second, one by one.
const PACE: Duration = Duration::from_millis(2);

/// They come in such groups, one each 50 ms.
const GROUP: u32 = 25;

/// How long the transaction is open before claims are measured.
const OPEN: Duration = Duration::from_mins(9);

const MINUTE: Duration = Duration::from_mins(1);

/// So many at a time make the dead rows of all that time in less.
const HURRY: usize = 4;

/// Sees what was there when it began, for ever: no row that dies later may be
/// cleared away. It has a number, as if it were about to write.
const STAYS_OPEN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current(); SELECT 1";

const DEAD_ROWS: &str = "SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables \
    WHERE schemaname = current_schema()";

/// What was measured in a minute.
struct Minute {
    claims: Series,
    per_second: f64,
}

pub(crate) fn run(bench: &Bench) -> Result {
    let server = start_server(bench, None)?;
    let home = Home::on_server(bench, &server)?;
    let mut clerk = Clerk::hire(home.store(Access::Write)?)?;
    let minute = bench.time(MINUTE);
    let before = pace(&home, &mut clerk, minute)?;
    let idle = open_transaction(&server)?;
    let jobs = bench.work(OPEN.div_duration_f64(PACE) as usize);
    let passed = if bench.extent() == Extent::Long {
        pace(&home, &mut clerk, OPEN)?;
        format!("{} min", OPEN.as_secs() / 60)
    } else {
        hurry(&home, jobs)?;
        format!("{jobs} jobs as fast as they go")
    };
    let during = pace(&home, &mut clerk, minute)?;
    let dead: i64 = home.tables()?.query_one(DEAD_ROWS, &[])?.get(0);
    drop(idle);
    clerk.retire()?;

    let seconds = minute.as_secs();
    title(&format!(
        "P7: finish and claim one, 500 a second for {seconds} s, behind a transaction that stays open"
    ));
    figure("without it", &before.claims, Unit::Millis);
    figure(&format!("after {passed}"), &during.claims, Unit::Millis);
    let p99 = [&before, &during].map(|minute| Series::from(vec![minute.claims.quantile(0.99)]));
    figure("p99 without it", &p99[0], Unit::Millis);
    figure("p99 with it", &p99[1], Unit::Millis);
    goal("p99 with / without", &p99[1].over(&p99[0]), Unit::Times, Goal::AtMost { reach: 2.0, aim: 2.0 });
    figure("jobs, without it", &Series::from(vec![before.per_second]), Unit::PerSecond);
    figure("jobs, with it", &Series::from(vec![during.per_second]), Unit::PerSecond);
    figure("dead rows that it keeps", &Series::from(vec![dead as f64]), Unit::Count);
    Ok(())
}

/// A transaction that is open until it is dropped.
fn open_transaction(server: &Server) -> Result<postgres::Client> {
    let mut client = server.client();
    client.batch_execute(STAYS_OPEN)?;
    Ok(client)
}

/// Adds jobs and works them off at the pace; gives how long each claim took.
fn pace(home: &Home, clerk: &mut Clerk, span: Duration) -> Result<Minute> {
    // The line is short and never empty.
    home.fill(GROUP as usize * 4, "true")?;
    let mut intake = home.store(Access::Write)?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let adding = scope.spawn(|| {
            let mut next = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                add_group(home, &mut *intake).map_err(|error| error.to_string())?;
                next += PACE * GROUP;
                pause(next.saturating_duration_since(Instant::now()));
            }
            Ok::<(), String>(())
        });
        let minute = claim(clerk, span);
        is_over.store(true, Ordering::Relaxed);
        adding.join().map_err(|_| "the jobs stopped coming in")??;
        minute
    })
}

fn claim(clerk: &mut Clerk, span: Duration) -> Result<Minute> {
    let began = Instant::now();
    let (mut next, mut claims) = (began, Vec::new());
    while began.elapsed() < span {
        let asked = Instant::now();
        let got = clerk.exchange(1)?;
        if got > 0 {
            claims.push(asked.elapsed().as_secs_f64() * 1000.0);
        }
        next += PACE;
        pause(next.saturating_duration_since(Instant::now()));
    }
    let per_second = claims.len() as f64 / began.elapsed().as_secs_f64();
    Ok(Minute { claims: claims.into(), per_second })
}

fn add_group(home: &Home, intake: &mut dyn Store) -> Result {
    let jobs = (0..GROUP).map(|_| home.job("true")).collect::<Result<Vec<_>>>()?;
    intake.enqueue(&jobs, OnTaken::Refuse, now())?;
    Ok(())
}

/// Adds and works off so many jobs in the same groups, and one by one, as fast as
/// several can: the same rows die.
fn hurry(home: &Home, jobs: usize) -> Result {
    let one = || -> Result {
        let mut intake = home.store(Access::Write)?;
        let mut clerk = Clerk::hire(home.store(Access::Write)?)?;
        for _ in 0..jobs / HURRY / GROUP as usize {
            add_group(home, &mut *intake)?;
            (0..GROUP).try_for_each(|_| clerk.exchange(1).map(drop))?;
        }
        clerk.retire()
    };
    thread::scope(|scope| {
        let all: Vec<_> =
            (0..HURRY).map(|_| scope.spawn(|| one().map_err(|error| error.to_string()))).collect();
        for one in all {
            one.join().map_err(|_| "one of them panicked")??;
        }
        Ok(())
    })
}
