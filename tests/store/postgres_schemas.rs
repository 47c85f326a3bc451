//! Schemas of older and of newer programs on a server.

use super::conformance::{Harness as _, Queue, T0, new_worker};
use super::postgres::Harness;
use crate::support::trials::trials;
use queuectl_core::State;
use queuectl_store::{Access, PostgresStore, Stage, Store, StoreError};
use std::fs;
use std::path::Path;
use std::thread;

trials![
    a_schema_of_an_older_program_is_left_alone_by_who_looks if Postgres,
    a_schema_of_an_older_program_is_brought_up_to_date_once_by_many_who_write if Postgres,
    a_queue_is_made_once_by_many_who_write if Postgres,
    a_migration_that_fails_leaves_the_queue_as_it_was if Postgres,
    a_schema_of_a_newer_program_is_refused if Postgres,
];

/// What a program of tomorrow adds; a second time it would fail.
const NEXT: &str = "ALTER TABLE @queue ADD COLUMN colour text NOT NULL DEFAULT 'green'";

/// The migrations of this program and one more.
fn with(next: &'static str) -> &'static [&'static str] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shared/queuectl-store/migrations/postgres");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap().leak() as &str);
    texts.chain([next]).collect::<Vec<_>>().leak()
}

fn open_tomorrow(place: &Harness, access: Access, next: &'static str) -> Result<Box<dyn Store>, StoreError> {
    let (url, options) = place.way(access);
    PostgresStore::open_with_migrations(&url, &options, with(next))
}

/// The number of the program of today.
fn today() -> i64 {
    with(NEXT).len() as i64 - 1
}

/// A queue with one job, as the programs of today leave it.
fn of_today() -> Harness {
    let place = Harness::new();
    Queue::open(&place).enqueue(&["old"]);
    assert_eq!(schema(&place), (today(), today()));
    place
}

/// The schema, and the oldest whose programs may write.
fn schema(place: &Harness) -> (i64, i64) {
    let row = place.schema().client().query_one("SELECT schema, oldest_writer FROM queue", &[]).unwrap();
    (row.get(0), row.get(1))
}

fn a_schema_of_an_older_program_is_left_alone_by_who_looks() {
    let place = of_today();
    let refused = open_tomorrow(&place, Access::Read, NEXT).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::OlderSchema { found, .. } if found == today()), "{refused}");
    assert_eq!(schema(&place), (today(), today()));
}

/// Has many programs open a queue to write; then all of its jobs can be claimed.
fn is_opened_by_many(place: &Harness) {
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| open_tomorrow(place, Access::Write, NEXT).unwrap());
        }
    });
    assert_eq!(schema(place), (today() + 1, today() + 1));
    let mut queue = Queue { store: open_tomorrow(place, Access::Write, NEXT).unwrap() };
    assert_eq!(queue.store.whereabouts().unwrap().unwrap().stage, Stage::Idle);
    queue.enqueue(&["new"]);
    let expected = queue.all().len();
    let worker = queue.store.register(&new_worker(), T0).unwrap();
    assert_eq!(queue.claim_ids(worker.id, 9, T0).len(), expected);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

fn a_schema_of_an_older_program_is_brought_up_to_date_once_by_many_who_write() {
    let place = of_today();
    is_opened_by_many(&place);
    let mut queue = Queue { store: open_tomorrow(&place, Access::Read, NEXT).unwrap() };
    assert_eq!(queue.state("old"), State::Processing);
}

fn a_queue_is_made_once_by_many_who_write() {
    is_opened_by_many(&Harness::new());
}

fn a_migration_that_fails_leaves_the_queue_as_it_was() {
    let place = of_today();
    let failing = "ALTER TABLE @queue ADD COLUMN colour text; SELECT nonsense";
    open_tomorrow(&place, Access::Write, failing).map(drop).unwrap_err();
    assert_eq!(schema(&place), (today(), today()));
    let colour = place.schema().client().query("SELECT colour FROM queue", &[]);
    assert!(colour.is_err(), "half of it is there");
    assert_eq!(Queue::open(&place).state("old"), State::Pending);
}

fn a_schema_of_a_newer_program_is_refused() {
    let place = of_today();
    drop(open_tomorrow(&place, Access::Write, NEXT).unwrap());
    // And it says things that are not known here.
    let sql = "ALTER TABLE queue DROP CONSTRAINT move_stage_is_known; \
               UPDATE queue SET move_stage = 'flown', move_id = '', move_place = ''";
    place.schema().client().batch_execute(sql).unwrap();
    let newer = today() + 1;
    for access in [Access::Read, Access::Write] {
        let refused = place.open(access).map(drop).unwrap_err();
        assert!(matches!(refused, StoreError::NewerSchema { found, .. } if found == newer), "{refused}");
    }
    assert_eq!(schema(&place), (newer, newer));
}
