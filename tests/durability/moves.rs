//! A queue is moved, and the program that moves it is killed on the way.

use crate::scale::{is_long, report, rounds};
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, seconds, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{
    CommandLine, Environment, Filter, JobId, NewJob, Outcome, RetryPolicy, State, Timestamp,
};
use queuectl_store::{Access, Ended, Exchange, Location, NewWorker, OnTaken, OutputPart, Store};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::time::{Duration, Instant};

trials![
    whoever_moves_a_queue_is_killed_three_times_each_way_and_no_job_is_lost_or_doubled if Postgres,
];

const KILLS: u64 = 3;

/// Jobs that are still to be run when the queue has arrived.
const WAITING: u64 = 100;

/// At most this long may a move of the long form take.
const PATIENCE: Duration = Duration::from_mins(10);

/// What one job is: where it stands, its attempts, what each has written.
type Digest = Vec<(JobId, State, u32, u64)>;

fn open(home: &Home, location: &Location) -> Box<dyn Store> {
    queuectl_store::open(location, &home.open_options(Access::Write)).unwrap()
}

/// Fills a queue with jobs that have ended, each with an attempt and output, and a
/// few that wait.
fn fill(store: &mut dyn Store, jobs: u64) {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let new_job = |number| NewJob {
        id: JobId::trusted(format!("job-{number}")),
        command: CommandLine::trusted(format!("echo {number}")),
        cwd: "/".into(),
        env: Environment::default(),
        queue: "default".into(),
        priority: 0,
        max_retries: 0,
        timeout: None,
        delay: Duration::ZERO,
        run_at: None,
        hold: false,
        unique: None,
    };
    let all: Vec<NewJob> = (0..jobs).map(new_job).collect();
    for jobs in all.chunks(10_000) {
        store.enqueue(jobs, OnTaken::Refuse, now).unwrap();
    }
    let registration = store.register(&NewWorker::of_this_process(1), now).unwrap();
    let worker = registration.id;
    let policy = RetryPolicy { base: 2.0, max: Duration::from_hours(1), crash_limit: 5 };
    let (mut ended, mut output) = (Vec::new(), Vec::new());
    let mut left = jobs - WAITING;
    while left > 0 || !ended.is_empty() {
        let want = u32::try_from(left.min(1000)).unwrap();
        let exchange = Exchange { ended: &ended, output: &output, want, ..Exchange::nothing(&policy) };
        let claimed = store.exchange(worker, &exchange, now).unwrap().claimed;
        left -= claimed.len() as u64;
        (ended, output) = claimed
            .iter()
            .map(|job| {
                let lease = job.last_lease();
                let bytes = format!("{}\n", job.id).repeat(1 + job.seq.0 as usize % 30).into_bytes();
                let outcome = if job.seq.0 % 10 == 0 { Outcome::Exit(1) } else { Outcome::Exit(0) };
                let end = Ended {
                    lease,
                    started_at: now,
                    ended_at: now,
                    outcome,
                    error: (!outcome.is_success()).then(|| "exit code 1".into()),
                    output_bytes: bytes.len() as u64,
                    dropped_bytes: 0,
                };
                let stream = queuectl_core::Stream::Stdout;
                (end, OutputPart { lease, started_at: now, n: 0, stream, at: now, bytes })
            })
            .unzip();
    }
    store.retire(worker, &policy, now).unwrap();
}

/// Everything that can be told of the jobs, in their order.
fn digest(store: &mut dyn Store) -> Digest {
    let mut digest = Vec::new();
    let mut page = Filter { limit: 1000, ..Filter::default() };
    loop {
        let found = store.jobs(&page).unwrap();
        let Some(last) = found.last() else { return digest };
        page.order = page.order.behind(last.seq);
        for job in found {
            let mut hasher = DefaultHasher::new();
            format!("{job:?}").hash(&mut hasher);
            for attempt in store.attempts(job.seq).unwrap() {
                format!("{attempt:?}").hash(&mut hasher);
                for part in store.output(attempt.lease, 0, 1000).unwrap() {
                    format!("{part:?}").hash(&mut hasher);
                }
            }
            digest.push((job.id, job.state, job.attempts, hasher.finish()));
        }
    }
}

/// How many records a location has; none while nothing can be told.
fn records(home: &Home, location: &Location) -> Option<u64> {
    let mut store = queuectl_store::open(location, &home.open_options(Access::Read)).ok()?;
    Some(store.inventory().ok()?.records())
}

/// A random number below this.
fn below(limit: u64) -> u64 {
    RandomState::new().hash_one(0) % limit
}

/// Moves the queue, and kills who does so at random moments of the way.
fn move_and_kill(home: &Home, from: &str, to: &str, location: &Location, all: u64) -> (u64, Duration) {
    let began = Instant::now();
    let arguments = ["move", "--verify", "--database", from, "--to", to];
    let mut killed = 0;
    for round in 0..KILLS {
        let mut moving = home.background(Spelling::Direct, arguments);
        // In each third of the way, somewhere.
        let share = all * round / KILLS + below(all / KILLS);
        wait_until(PATIENCE, "it is so far, or over", || {
            records(home, location).is_some_and(|there| there >= share) || moving.has_ended()
        });
        if !moving.has_ended() {
            send(moving.pid(), Signal::SIGKILL);
            killed += 1;
        }
        if moving.wait().success() {
            break;
        }
    }
    let mut last = home.background(Spelling::Direct, arguments);
    wait_until(PATIENCE, "it has ended", || last.has_ended());
    let said = last.said();
    assert!(last.wait().success() || said.contains("already"), "{said}");
    (killed, began.elapsed())
}

fn whoever_moves_a_queue_is_killed_three_times_each_way_and_no_job_is_lost_or_doubled() {
    let jobs = rounds(3000, 100_000);
    let server = Server::start(&[]);
    let schema = server.schema();
    let url = server.url(schema.name());
    let home = Home::quick();
    let (file, back) = (home.database(), home.path("back.db"));
    let (file, back) = (file.to_str().unwrap(), back.to_str().unwrap());
    let mut old = open(&home, &Location::File(file.into()));
    fill(old.as_mut(), jobs);
    let before = digest(old.as_mut());
    let all = old.inventory().unwrap().records();
    assert_eq!(before.len() as u64, jobs);
    drop(old);

    let there = Location::Url(url.clone());
    let (kills, took) = move_and_kill(&home, file, &url, &there, all);
    assert!(digest(open(&home, &there).as_mut()) == before, "the jobs are not the same on the server");
    report(&format!("{jobs} jobs from SQLite to PostgreSQL, killed {kills} times: {took:.1?}"));

    let here = Location::File(back.into());
    let (kills_back, took) = move_and_kill(&home, &url, back, &here, all);
    let mut store = open(&home, &here);
    assert!(digest(store.as_mut()) == before, "the jobs are not the same after their return");
    assert_eq!(store.check().unwrap(), [""; 0]);
    report(&format!("{jobs} jobs from PostgreSQL to SQLite, killed {kills_back} times: {took:.1?}"));
    assert!(kills + kills_back > 0, "nobody was ever killed");
    if is_long() {
        assert_eq!((kills, kills_back), (KILLS, KILLS));
    }

    // What waited is run, once.
    drop(store);
    let waiting = WAITING.to_string();
    let mut worker = home.worker(["--max-jobs", &waiting, "--concurrency", "4", "--database", back]);
    wait_until(DEADLINE + seconds(60), "what waited has run", || worker.has_ended());
    worker.wait_for_success();
    let counts = open(&home, &here).counts().unwrap();
    assert_eq!((counts[State::Pending], counts.total()), (0, i64::try_from(jobs).unwrap()));
}
