//! Unique keys on a server, where many put jobs in at once.

use super::conformance::{T0, new_job};
use super::random::Dice;
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, wait_until};
use queuectl_core::{NewJob, OnDuplicate, Unique, UniqueKey};
use queuectl_store::{Access, Location, OnTaken, OpenOptions, Store};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

trials![eight_connections_put_in_ten_thousand_keyed_jobs_without_a_deadlock if Postgres];

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

fn eight_connections_put_in_ten_thousand_keyed_jobs_without_a_deadlock() {
    // Of its own: the server counts deadlocks of all who use it.
    let server = Server::start(&[("fsync", "off")]);
    let (schema, folder) = (server.schema(), tempfile::tempdir().unwrap());
    let open = || -> Box<dyn Store> {
        let options = OpenOptions {
            state_folder: Some(folder.path().to_owned()),
            ..OpenOptions::new(Access::Write, Duration::from_mins(1))
        };
        queuectl_store::open(&Location::Url(server.url(schema.name())), &options).unwrap()
    };
    let mut store = open();
    let begin = Barrier::new(CONNECTIONS as usize);
    let added: u64 = thread::scope(|scope| {
        let put_in = |seed| {
            let (mut store, jobs) = (open(), jobs(seed));
            begin.wait();
            let steps = jobs.chunks(AT_ONCE);
            steps.map(|jobs| store.enqueue(jobs, OnTaken::Refuse, T0).unwrap().added).sum::<u64>()
        };
        let threads: Vec<_> = (1..=CONNECTIONS).map(|seed| scope.spawn(move || put_in(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(added, KEYS);
    assert_eq!(store.check().unwrap(), [""; 0]);
    let asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    drop(store);
    let mut client = schema.client();
    // What the processes of the server have counted is there once they have ended.
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    wait_until(DEADLINE, "the connections are gone", || {
        client.query_one(others, &[]).unwrap().get::<_, i64>(0) == 0
    });
    let deadlocks: i64 = client.query_one(asked, &[]).unwrap().get(0);
    assert_eq!(deadlocks, 0);
}
