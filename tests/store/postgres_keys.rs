//! Unique keys on a server, where many put jobs in at once.

use super::conformance::{NOTHING, POLICY, Queue, T0, ended, id, new_job};
use super::random::Dice;
use super::unique::{enqueue, keyed, on_duplicate};
use crate::support::postgres::{Schema, Server};
use crate::support::trials::trials;
use crate::support::{DEADLINE, wait_until};
use queuectl_core::{Filter, NewJob, OnDuplicate, Outcome, State, Unique, UniqueKey, Wish, WorkerId};
use queuectl_store::{Access, Exchange, Location, OpenOptions};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

trials![
    eight_connections_put_in_ten_thousand_keyed_jobs_without_a_deadlock if Postgres,
    those_who_end_jobs_and_those_who_add_them_see_no_deadlock if Postgres,
];

const CONNECTIONS: u64 = 8;
const KEYS: u64 = 10_000;
const AT_ONCE: usize = 500;

/// A job of each key, in an order of its own.
fn jobs(seed: u64) -> Vec<NewJob> {
    let mut dice = Dice::new(seed);
    let mut numbers: Vec<u64> = (0..KEYS).collect();
    for last in (1..numbers.len()).rev() {
        numbers.swap(last, dice.below(last as u64 + 1) as usize);
    }
    let job = |number: &u64| {
        let key = UniqueKey::new(format!("key-{number}")).unwrap();
        // Each that replaces is a round trip.
        let on_duplicate = if dice.below(50) == 0 { OnDuplicate::Replace } else { OnDuplicate::Keep };
        let unique = Unique { key, window: Some(Duration::from_secs(1)), on_duplicate };
        NewJob { unique: Some(unique), ..new_job(&format!("job-{seed}-{number}")) }
    };
    numbers.iter().map(job).collect()
}

/// A server of its own, which counts deadlocks of all who use it, with a queue.
struct Place {
    server: Server,
    schema: Schema,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let server = Server::start(&[("fsync", "off")]);
        let schema = server.schema();
        Self { server, schema, folder: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> Queue {
        let options = OpenOptions {
            state_folder: Some(self.folder.path().to_owned()),
            ..OpenOptions::new(Access::Write, Duration::from_mins(1))
        };
        let url = self.server.url(self.schema.name());
        Queue { store: queuectl_store::open(&Location::Url(url), &options).unwrap() }
    }

    /// The queue is sound, and no transaction had to be given up for another.
    fn has_seen_no_deadlock(&self) {
        assert_eq!(self.open().store.check().unwrap(), [""; 0]);
        let mut client = self.schema.client();
        // What the processes of the server have counted is there once they have ended.
        let others = "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        wait_until(DEADLINE, "the connections are gone", || {
            client.query_one(others, &[]).unwrap().get::<_, i64>(0) == 0
        });
        let asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(client.query_one(asked, &[]).unwrap().get::<_, i64>(0), 0);
    }
}

fn eight_connections_put_in_ten_thousand_keyed_jobs_without_a_deadlock() {
    let place = Place::new();
    drop(place.open());
    let begin = Barrier::new(CONNECTIONS as usize);
    let added: u64 = thread::scope(|scope| {
        let put_in = |seed| {
            let (mut queue, jobs) = (place.open(), jobs(seed));
            begin.wait();
            jobs.chunks(AT_ONCE).map(|jobs| enqueue(&mut queue, jobs, T0).added).sum::<u64>()
        };
        let threads: Vec<_> = (1..=CONNECTIONS).map(|seed| scope.spawn(move || put_in(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(added, KEYS);
    place.has_seen_no_deadlock();
}

fn those_who_end_jobs_and_those_who_add_them_see_no_deadlock() {
    let place = Place::new();
    drop(place.open());
    let left = AtomicUsize::new(4);
    thread::scope(|scope| {
        let (place, left) = (&place, &left);
        for seed in 1..=4 {
            scope.spawn(move || {
                add_and_cancel(&mut place.open(), seed);
                left.fetch_sub(1, Ordering::SeqCst);
            });
        }
        for seed in 5..=6 {
            scope.spawn(move || {
                let (mut queue, mut dice) = (place.open(), Dice::new(seed));
                let worker = queue.register().id;
                while left.load(Ordering::SeqCst) > 0 {
                    work_and_revive(&mut queue, worker, &mut dice);
                }
                queue.store.retire(worker, &POLICY, T0).unwrap();
            });
        }
    });
    place.has_seen_no_deadlock();
}

/// Adds jobs of few keys in any order, some of which replace others, and cancels some.
fn add_and_cancel(queue: &mut Queue, seed: u64) {
    let mut dice = Dice::new(seed);
    for step in 0..60 {
        let name = |number| format!("job-{seed}-{step}-{number}");
        let jobs: Vec<NewJob> = (0..20)
            .map(|number| {
                let job = keyed(&name(number), &format!("key-{}", dice.below(60)));
                on_duplicate(dice.of(&[OnDuplicate::Keep, OnDuplicate::Replace]), job)
            })
            .collect();
        enqueue(queue, &jobs, T0);
        let _was_kept_or_has_ended = queue.store.cancel(&id(&name(dice.below(20))), T0);
        let waits = Filter::of_states(&[State::Pending, State::Failed]);
        let mut seqs = queue.store.seqs(&waits).unwrap();
        seqs.truncate(dice.below(12) as usize);
        queue.store.grant_some(Wish::Cancel, &waits, &seqs, T0).unwrap();
    }
}

/// Ends jobs in any order, hands some back, and revives dead ones.
fn work_and_revive(queue: &mut Queue, worker: WorkerId, dice: &mut Dice) {
    let mut claimed = queue.claim(worker, 12, T0);
    claimed.sort_by_key(|_| dice.below(1000));
    let (mut ends, mut unstarted) = (Vec::new(), Vec::new());
    for job in &claimed {
        match dice.below(3) {
            0 => unstarted.push(job.last_lease()),
            code => ends.push(ended(job.last_lease(), Outcome::Exit(code as i32 - 1), T0)),
        }
    }
    queue.exchange(worker, &Exchange { ended: &ends, unstarted: &unstarted, ..NOTHING }, T0);
    let dead = Filter::of_states(&[State::Dead]);
    let seqs = queue.store.seqs(&dead).unwrap();
    let some = seqs.len().min(3);
    let begin = dice.below((seqs.len() - some + 1) as u64) as usize;
    queue.store.grant_some(Wish::Retry, &dead, &seqs[begin..begin + some], T0).unwrap();
}
