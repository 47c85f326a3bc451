//! Schemas of older and of newer programs on a server.

use super::conformance::{Harness as _, Queue, T0, new_worker};
use super::postgres::Harness;
use crate::support::trials::trials;
use queuectl_core::State;
use queuectl_store::{Access, Stage, StoreError};
use std::fs;
use std::path::Path;
use std::thread;

trials![
    a_schema_of_an_older_program_is_left_alone_by_who_looks if Postgres,
    a_schema_of_an_older_program_is_brought_up_to_date_once_by_many_who_write if Postgres,
    a_schema_of_a_newer_program_is_refused if Postgres,
];

/// Every migration there is, as text.
fn migrations() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shared/queuectl-store/migrations/postgres");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// A queue with one job, as the programs of schema 1 left it.
fn of_the_first_program() -> Harness {
    let place = Harness::new();
    let name = place.schema().name();
    let first = migrations()[0].replace('@', &format!("{name}."));
    let sql = format!(
        "CREATE SCHEMA {name}; {first};
         INSERT INTO queue (one, application, run, origin, schema, oldest_writer)
             VALUES (1, 'queuectl', 'run', '', 1, 1);
         INSERT INTO job (id, queue, priority, place, max_retries, created_at_ms, updated_at_ms, cwd, command)
             VALUES ('old', 'default', 0, nextval('place'), 3, 0, 0, '/', 'true');
         INSERT INTO line (rank, place, seq, suspect) SELECT 0, place, seq, false FROM job;
         INSERT INTO change (pending) VALUES (1)"
    );
    place.schema().client().batch_execute(&sql).unwrap();
    place
}

/// The schema, and the oldest whose programs may write.
fn schema(place: &Harness) -> (i64, i64) {
    let row = place.schema().client().query_one("SELECT schema, oldest_writer FROM queue", &[]).unwrap();
    (row.get(0), row.get(1))
}

fn a_schema_of_an_older_program_is_left_alone_by_who_looks() {
    let place = of_the_first_program();
    let refused = place.open(Access::Read).map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::OlderSchema { found: 1, .. }), "{refused}");
    assert_eq!(schema(&place), (1, 1));
}

fn a_schema_of_an_older_program_is_brought_up_to_date_once_by_many_who_write() {
    let place = of_the_first_program();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| place.open(Access::Write).unwrap());
        }
    });
    let newest = i64::try_from(migrations().len()).unwrap();
    assert_eq!(schema(&place), (newest, newest));
    let mut queue = Queue { store: place.open(Access::Read).unwrap() };
    assert_eq!(queue.state("old"), State::Pending);
    assert_eq!(queue.store.whereabouts().unwrap().unwrap().stage, Stage::Settled);
    let mut queue = Queue::open(&place);
    queue.enqueue(&["new"]);
    let worker = queue.store.register(&new_worker(), T0).unwrap();
    assert_eq!(queue.claim_ids(worker.id, 9, T0), ["old", "new"]);
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

fn a_schema_of_a_newer_program_is_refused() {
    let place = of_the_first_program();
    drop(place.open(Access::Write).unwrap());
    let newer = schema(&place).0 + 1;
    place.schema().client().execute("UPDATE queue SET schema = $1", &[&newer]).unwrap();
    // And it says things that are not known here.
    let sql = "ALTER TABLE queue DROP CONSTRAINT move_stage_is_known; \
               UPDATE queue SET move_stage = 'flown', move_id = '', move_place = ''";
    place.schema().client().batch_execute(sql).unwrap();
    for access in [Access::Read, Access::Write] {
        let refused = place.open(access).map(drop).unwrap_err();
        assert!(matches!(refused, StoreError::NewerSchema { found, .. } if found == newer), "{refused}");
    }
    assert_eq!(schema(&place).0, newer);
}
