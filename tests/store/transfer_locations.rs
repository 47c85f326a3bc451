//! Between two stores, in every direction: what arrives is what has left.

use super::conformance::{self, Harness as _, NOTHING, POLICY, Queue, T0, at, ended, new_job, new_worker};
use super::sqlite::{Folder, open};
use super::transfer::all_records;
use super::{postgres, random, sqlite};
use crate::support::postgres::Server;
use crate::support::trials::trials;
use queuectl_core::{Environment, Job, NewJob, Outcome, QueueSet, State};
use queuectl_store::{
    Access, Exchange, Limits, Location, Move, MoveId, NewWorker, Position, Record, Stage, Stop, Store,
    StoreError,
};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

trials![
    every_column_comes_from_sqlite_to_sqlite,
    every_column_comes_from_sqlite_to_postgres if Postgres,
    every_column_comes_from_postgres_to_sqlite if Postgres,
    every_column_comes_from_postgres_to_postgres if Postgres,
    a_text_that_a_server_cannot_store_is_replaced_and_counts_as_kept if Postgres,
    who_may_only_work_on_a_server_can_bring_a_queue_there if Postgres,
    a_backup_of_a_server_has_every_column if Postgres,
    a_backup_of_a_queue_that_has_left_is_open,
    a_file_that_was_left_is_opened_only_to_be_read,
    a_schema_that_was_left_is_opened_only_to_be_read if Postgres,
];

/// The tables, and what orders their rows.
const TABLES: [(&str, &str); 5] = [
    ("unique_key", "seq"),
    ("worker", "id"),
    ("job", "seq"),
    ("attempt", "seq, lease"),
    ("output", "seq, lease, n"),
];

type Rows = BTreeMap<&'static str, Vec<Map<String, Value>>>;

/// A place whose tables can be read as they are, behind the store's back.
trait Dump: conformance::Harness {
    fn dump(&self) -> Rows;
}

impl Dump for sqlite::Harness {
    fn dump(&self) -> Rows {
        dump_file(&self.database())
    }
}

fn dump_file(database: &std::path::Path) -> Rows {
    let connection = Connection::open(database).unwrap();
    let value = |value: ValueRef<'_>| match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
        ValueRef::Blob(bytes) => {
            json!(format!("\\x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
        }
        ValueRef::Real(number) => panic!("{number}"),
    };
    let rows = TABLES.map(|(table, order)| {
        let mut select = connection.prepare(&format!("SELECT * FROM {table} ORDER BY {order}")).unwrap();
        let names: Vec<String> = select.column_names().map(str::to_owned).collect();
        let mut found = select.query([]).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = found.next().unwrap() {
            let column = |(index, name): (usize, &String)| (name.clone(), value(row.get_ref(index).unwrap()));
            rows.push(names.iter().enumerate().map(column).collect());
        }
        (table, rows)
    });
    rows.into_iter().collect()
}

/// A job as one row, of which a server has the parts in several tables.
const JOB_ON_A_SERVER: &str = "SELECT j.seq, j.id, j.queue, j.priority, j.max_retries, j.timeout_ms,
        j.created_at_ms, j.unique_key, j.env, j.cwd, j.command, j.position, c.worker, c.cancel_at_ms, b.blocked_by,
        CASE WHEN r.seq IS NOT NULL THEN 'ready' WHEN s.seq IS NOT NULL THEN 'scheduled'
            WHEN b.seq IS NOT NULL THEN 'blocked' WHEN c.seq IS NOT NULL THEN 'claimed'
            WHEN f.seq IS NOT NULL THEN 'finished' END AS stage,
        coalesce(f.state, CASE WHEN c.seq IS NULL THEN j.state ELSE 'processing' END) AS state,
        coalesce(f.attempts, c.attempts, j.attempts) AS attempts, coalesce(f.crashes, j.crashes) AS crashes,
        coalesce(f.lease, c.lease, j.lease) AS lease,
        coalesce(f.updated_at_ms, c.claimed_at_ms, j.updated_at_ms) AS updated_at_ms,
        coalesce(s.run_at_ms, r.run_at_ms, b.run_at_ms) AS run_at_ms,
        coalesce(s.waits_since_ms, r.waits_since_ms, b.waits_since_ms) AS waits_since_ms,
        CASE WHEN f.seq IS NULL THEN coalesce(c.claimed_at_ms, j.started_at_ms) ELSE f.started_at_ms END
            AS started_at_ms, f.finished_at_ms,
        CASE WHEN f.seq IS NULL THEN j.exit_code ELSE f.exit_code END AS exit_code,
        CASE WHEN f.seq IS NULL THEN j.signal ELSE f.signal END AS signal,
        CASE WHEN f.seq IS NULL THEN j.last_error ELSE f.last_error END AS last_error
    FROM job AS j LEFT JOIN ready AS r ON r.seq = j.seq LEFT JOIN scheduled AS s ON s.seq = j.seq
    LEFT JOIN blocked AS b ON b.seq = j.seq LEFT JOIN claimed AS c ON c.seq = j.seq
    LEFT JOIN finished AS f ON f.seq = j.seq";

/// An attempt likewise.
const ATTEMPT_ON_A_SERVER: &str = "SELECT * FROM attempt UNION ALL SELECT seq, lease, worker, started_at_ms,
        finished_at_ms, outcome, coalesce(exit_code, signal), last_error, 0, 0
    FROM finished WHERE outcome IS NOT NULL";

impl Dump for postgres::Harness {
    fn dump(&self) -> Rows {
        let mut client = self.schema().client();
        let rows = TABLES.map(|(table, order)| {
            let from = match table {
                "job" => JOB_ON_A_SERVER,
                "attempt" => ATTEMPT_ON_A_SERVER,
                table => &format!("SELECT * FROM {table}"),
            };
            let sql = format!("SELECT to_json(t)::text FROM ({from}) AS t ORDER BY {order}");
            let read = |row: &::postgres::Row| serde_json::from_str(row.get(0)).unwrap();
            let mut rows: Vec<Map<String, Value>> =
                client.query(&sql, &[]).unwrap().iter().map(read).collect();
            for row in rows.iter_mut().filter(|_| table == "worker") {
                // What it locks and how it was connected means nothing elsewhere; what it
                // did may not be folded.
                row.remove("lock_file").unwrap();
                row.remove("connection").unwrap();
                let id = row["id"].as_i64().unwrap();
                let sql = "SELECT coalesce(sum(done), 0)::bigint FROM change WHERE worker = $1";
                let more: i64 = client.query_one(sql, &[&id]).unwrap().get(0);
                row["jobs_done"] = json!(row["jobs_done"].as_i64().unwrap() + more);
            }
            (table, rows)
        });
        rows.into_iter().collect()
    }
}

/// Puts jobs into every state, with something in every column.
fn populate(place: &dyn conformance::Place) {
    random::live(place, 3);
    let mut queue = Queue::open(place);
    let plain = |name: &str, priority: i32| NewJob { priority, max_retries: 0, ..new_job(name) };
    let jobs = [
        plain("writes", 90),
        plain("dies", 80),
        plain("killed", 70),
        NewJob { max_retries: 9, ..plain("fails", 60) },
        NewJob { max_retries: 9, ..plain("suspect", 50) },
        plain("handed-back", 40),
        NewJob {
            cwd: "/tmp/ümläut".into(),
            env: Environment::trusted(
                [("A".into(), "1\n\u{1f642}".into()), ("B".into(), String::new())].into(),
            ),
            queue: "other".into(),
            timeout: Some(Duration::from_millis(1500)),
            max_retries: 7,
            ..plain("everything", -5)
        },
        NewJob { delay: Duration::from_hours(9), ..plain("later", 0) },
        NewJob { hold: true, delay: Duration::from_hours(9), ..plain("held", 95) },
        plain("cancelled", -9),
        plain("pruned", 100),
    ];
    let now = at(90_000_000);
    queue.accept(&jobs, now);
    let registration = queue.register();
    let worker = registration.id;
    let pruned = queue.run(worker, Outcome::Exit(0), now);
    let mut take = |output: &[&[u8]], outcome: Outcome| {
        let lease = queue.claim_one(worker, now).last_lease();
        let parts: Vec<_> =
            output.iter().enumerate().map(|(n, bytes)| super::output::part(lease, n as i64, bytes)).collect();
        let mut end = ended(lease, outcome, now.after(Duration::from_secs(2)));
        (end.output_bytes, end.dropped_bytes) = (7_000_000_000, 6_999_999_999);
        let exchange = Exchange { output: &parts, ended: &[end], ..NOTHING };
        queue.exchange(worker, &exchange, now.after(Duration::from_secs(2)));
    };
    let every_byte: Vec<u8> = (0..=255).collect();
    take(&[&every_byte, b"", b"\0\xff words\n"], Outcome::Exit(0));
    take(&[], Outcome::Exit(-1));
    take(&[b"last words"], Outcome::Signal(9));
    take(&[], Outcome::Timeout);
    let suspect = queue.claim_one(worker, now).last_lease();
    drop(registration);
    queue.store.rescue(worker, &[suspect], &POLICY, now.after(Duration::from_secs(5))).unwrap();
    let next = queue.register();
    for _ in 0..2 {
        let lease = queue.claim_one(next.id, now).last_lease();
        queue.hand_back(next.id, lease, now);
    }
    queue.store.request_stop(&[next.id], Stop::Forced, now).unwrap();
    queue.store.cancel(&conformance::id("cancelled"), now).unwrap();
    queue.store.retire(next.id, &POLICY, now).unwrap();
    let queues = QueueSet::of(["mail", "video*"]).unwrap();
    let of_some_queues = queue.store.register(&NewWorker { queues, ..new_worker() }, now).unwrap();
    queue.store.retire(of_some_queues.id, &POLICY, now).unwrap();
    queue.prune(&[State::Completed], now.after(Duration::from_secs(1)), 1000).unwrap();
    assert!(queue.store.attempts(pruned.seq).unwrap().is_empty());
}

/// Everything that is in a store, as a move has it.
fn records(store: &mut dyn Store) -> Vec<Record> {
    all_records(store, Limits::BATCH)
}

/// Moves a queue as the program does, but for the waiting.
fn bring(old: &mut dyn Store, new: &mut dyn Store, limits: Limits) -> MoveId {
    let id = MoveId::random();
    let to = |place: &str| Move { id: id.clone(), place: place.to_owned() };
    old.leave(&to("new")).unwrap();
    new.receive(&to("old")).unwrap();
    let mut after = new.last_imported().unwrap();
    assert_eq!(after, Position::BEGINNING);
    loop {
        let records = old.export(after, limits).unwrap();
        let Some(last) = records.last().map(Record::position) else { break };
        after = new.import(&id, after, &records).unwrap();
        assert_eq!(after, last);
    }
    assert_eq!(old.inventory().unwrap(), new.inventory().unwrap());
    old.switch(&id).unwrap();
    new.arrive(&id, &old.numbers().unwrap()).unwrap();
    old.close(&id).unwrap();
    id
}

fn every_column_comes<Old: Dump, New: Dump>() {
    let (old, new) = (Old::new(), New::new());
    populate(&old);
    let expected = old.dump();
    for (table, rows) in &expected {
        let columns = rows[0].keys();
        for column in columns.filter(|column| !["worker", "cancel_at_ms"].contains(&column.as_str())) {
            let is_used = rows.iter().any(|row| ![Value::Null, json!(0), json!("")].contains(&row[column]));
            assert!(is_used, "nothing is in {table}.{column}, so nothing is tested");
        }
    }
    let (mut from, mut to) = (old.connect(), new.connect());
    let limits = Limits { records: 7, bytes: 600 };
    bring(from.as_mut(), to.as_mut(), limits);
    assert_eq!(old.dump(), expected, "the old place is as it was");
    assert_eq!(new.dump(), expected);
    assert_eq!(records(from.as_mut()), records(to.as_mut()));
    assert_eq!(to.check().unwrap(), [""; 0]);
    assert_eq!(to.counts().unwrap(), from.counts().unwrap());
    let numbers = (to.numbers().unwrap(), from.numbers().unwrap());
    assert_eq!(numbers.0, numbers.1);
    // Where it goes on: in the same order.
    let mut queue = Queue { store: to };
    let waits = |job: &Job| !job.state.is_finished() && job.blocked_by.is_none();
    let waiting: Vec<Job> = queue.all().into_iter().filter(waits).collect();
    // One worker runs one suspect at a time.
    let passed_over = waiting.iter().filter(|job| job.is_suspect()).count().saturating_sub(1);
    queue.accept(&[new_job("new")], at(99_000_000));
    assert!(queue.job("new").seq.0 > numbers.1.last_job);
    let worker = queue.register().id;
    let claimed = queue.claim_ids(worker, 1000, at(99_000_000));
    assert_eq!(claimed.len() + passed_over, waiting.len() + 1, "{claimed:?} of {waiting:?}");
    assert_eq!(queue.store.check().unwrap(), [""; 0]);
}

fn every_column_comes_from_sqlite_to_sqlite() {
    every_column_comes::<sqlite::Harness, sqlite::Harness>();
}

fn every_column_comes_from_sqlite_to_postgres() {
    every_column_comes::<sqlite::Harness, postgres::Harness>();
}

fn every_column_comes_from_postgres_to_sqlite() {
    every_column_comes::<postgres::Harness, sqlite::Harness>();
}

fn every_column_comes_from_postgres_to_postgres() {
    every_column_comes::<postgres::Harness, postgres::Harness>();
}

fn a_text_that_a_server_cannot_store_is_replaced_and_counts_as_kept() {
    let (old, new) = (sqlite::Harness::new(), postgres::Harness::new());
    let mut queue = Queue::open(&old);
    queue.enqueue(&["a"]);
    let worker = queue.register().id;
    let lease = queue.claim_one(worker, T0).last_lease();
    let mut end = ended(lease, Outcome::Exit(1), at(1));
    end.error = Some("exit code 1: \0words\0".into());
    queue.exchange(worker, &Exchange { ended: &[end], ..NOTHING }, at(1));
    queue.store.retire(worker, &POLICY, at(1)).unwrap();
    let mut to = new.connect();
    bring(queue.store.as_mut(), to.as_mut(), Limits::BATCH);
    let job = Queue { store: new.connect() }.job("a");
    assert_eq!(job.last_error.as_deref(), Some("exit code 1: \u{fffd}words\u{fffd}"));
    let (old, new) = (records(queue.store.as_mut()), records(to.as_mut()));
    assert_ne!(old, new);
    assert!(old.iter().zip(&new).all(|(record, copy)| record.is_kept_in(copy)));
    assert!(!new.iter().zip(&old).all(|(record, copy)| record.is_kept_in(copy)), "not the other way round");
}

fn who_may_only_work_on_a_server_can_bring_a_queue_there() {
    let (old, new) = (sqlite::Harness::new(), postgres::Harness::new());
    populate(&old);
    drop(new.connect());
    let (server, schema) = (Server::shared(), new.schema().name());
    let role = format!("{schema}_worker");
    server.psql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
    ));
    let url = server.url(schema).replace("user=postgres", &format!("user={role}"));
    let mut to = queuectl_store::open(&Location::Url(url), &sqlite::OPTIONS).unwrap();
    let mut from = old.connect();
    bring(from.as_mut(), to.as_mut(), Limits::BATCH);
    assert_eq!(to.numbers().unwrap(), from.numbers().unwrap());
    assert_eq!(records(from.as_mut()), records(to.as_mut()));
    drop(to);
    server.psql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

fn a_backup_of_a_server_has_every_column() {
    let place = postgres::Harness::new();
    populate(&place);
    let mut queue = Queue::open(&place);
    let expected = place.dump();
    let folder = Folder::new();
    let copied = queue.store.backup(&folder.path("copy.db")).unwrap();
    assert_eq!(copied.counts, queue.store.counts().unwrap());
    assert_eq!(dump_file(&folder.path("copy.db")), expected);

    // While two workers, in the same region of two machines, hold jobs.
    let workers = [queue.register(), queue.register()];
    let sql = "UPDATE worker SET lock_file = 'elsewhere' || id, note_region = 0 WHERE ended_at_ms IS NULL";
    place.schema().client().execute(sql, &[]).unwrap();
    let held: usize = workers.iter().map(|worker| queue.claim(worker.id, 2, at(95_000_000)).len()).sum();
    assert_eq!(held, 4);
    let counts = queue.store.counts().unwrap();
    let copied = queue.store.backup(&folder.path("second.db")).unwrap();
    assert_eq!(copied.counts[State::Processing], 0);
    assert_eq!(copied.counts[State::Pending], counts[State::Pending] + 4);
    let mut copy = open(&folder.path("second.db"), Access::Write).unwrap();
    assert_eq!(copy.check().unwrap(), [""; 0]);
    assert!(copy.workers().unwrap().is_empty());
    assert_eq!(copy.numbers().unwrap().last_job, queue.store.numbers().unwrap().last_job);
    assert_eq!(queue.store.counts().unwrap(), counts, "the queue itself has noticed nothing");
}

fn a_backup_of_a_queue_that_has_left_is_open() {
    let (old, new) = (sqlite::Harness::new(), sqlite::Harness::new());
    Queue::open(&old).enqueue(&["a"]);
    bring(old.connect().as_mut(), new.connect().as_mut(), Limits::BATCH);
    let folder = Folder::new();
    let mut left = open(&old.database(), Access::Read).unwrap();
    left.backup(&folder.path("copy.db")).unwrap();
    let mut copy = Queue { store: open(&folder.path("copy.db"), Access::Write).unwrap() };
    assert_eq!(copy.store.whereabouts().unwrap().unwrap().stage, Stage::Idle);
    copy.enqueue(&["b"]);
    assert_eq!(copy.all().len(), 2);
}

/// Opens the old place of a move that was finished.
fn is_opened_only_to_be_read(
    mut left: Result<Box<dyn Store>, StoreError>,
    to_write: Result<Box<dyn Store>, StoreError>,
) {
    let refused = to_write.map(drop).unwrap_err();
    assert!(matches!(refused, StoreError::Moved { .. }), "{refused}");
    let left = left.as_mut().unwrap();
    assert_eq!(left.counts().unwrap().total(), 1);
    assert!(matches!(left.whereabouts().unwrap().unwrap().stage, Stage::Left(_)));
}

fn a_file_that_was_left_is_opened_only_to_be_read() {
    let (old, new) = (sqlite::Harness::new(), sqlite::Harness::new());
    Queue::open(&old).enqueue(&["a"]);
    let mut opened_before = Queue::open(&old);
    bring(old.connect().as_mut(), new.connect().as_mut(), Limits::BATCH);
    let at = old.database();
    is_opened_only_to_be_read(open(&at, Access::Read), open(&at, Access::Write));
    assert!(matches!(opened_before.store.cancel(&conformance::id("a"), T0), Err(StoreError::Moved { .. })));
    drop(opened_before);
    let folder = Folder::new();
    std::fs::copy(&at, folder.path("copy.db")).unwrap();
    // Also under another name: nobody knows what has become of its jobs.
    let copy = open(&folder.path("copy.db"), Access::Write).map(drop);
    assert!(matches!(copy, Err(StoreError::Moved { .. })), "{copy:?}");
}

fn a_schema_that_was_left_is_opened_only_to_be_read() {
    let (old, new) = (postgres::Harness::new(), sqlite::Harness::new());
    Queue::open(&old).enqueue(&["a"]);
    bring(old.connect().as_mut(), new.connect().as_mut(), Limits::BATCH);
    is_opened_only_to_be_read(old.open(Access::Read), old.open(Access::Write));
}
