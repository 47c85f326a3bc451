//! Databases of newer and of older programs.
//!
//! `tests/fixtures/schema-N.db` is a queue in use as the programs of schema N
//! left it, with jobs in every state. It is made once, when N is about to be
//! released, and never changed:
//! `QUEUECTL_MAKE_FIXTURE=tests/fixtures/schema-N.db cargo test --test durability fixture`.

use crate::oracle::Oracle;
use crate::scale::report;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Worker, both, send, wait_until};
use nix::sys::signal::Signal;
use predicates::str::contains;
use queuectl_core::{Filter, Job, Outcome, State};
use queuectl_store::{Access, Location, OpenOptions, Store};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

trials![
    a_newer_schema_is_refused_by_every_program_and_nothing_is_changed,
    a_replacement_of_a_worker_refuses_a_schema_that_became_newer,
    a_golden_database_of_each_schema_can_be_read_and_finished,
    a_golden_database_can_be_moved,
    a_fixture_can_be_made,
];

/// What every program is called with, one that changes nothing and one that does.
const CALLS: [&[&str]; 24] = [
    &["enqueue", "true"],
    &["enqueue", "--file", "-"],
    &["list"],
    &["list", "--json"],
    &["status"],
    &["status", "--json"],
    &["show", "a"],
    &["logs", "a"],
    &["cancel", "a"],
    &["dlq", "list"],
    &["dlq", "show", "a"],
    &["dlq", "retry", "a"],
    &["dlq", "retry", "--all"],
    &["dlq", "clear"],
    &["prune", "--state", "completed", "--older-than", "0s"],
    &["worker", "list"],
    &["worker", "stop"],
    &["worker", "start"],
    &["worker", "start", "--drain"],
    &["worker", "start", "--detach"],
    &["worker", "list", "--json"],
    &["backup", "copy.db"],
    &["move", "--to", "new.db"],
    &["move", "--abort"],
];

fn schema(path: &Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// Gives the queue the schema of a program that is not written yet.
fn make_newer(home: &Home) -> i64 {
    let newer = schema(&home.database()) + 1;
    let connection = Connection::open(home.database()).unwrap();
    connection.busy_timeout(DEADLINE).unwrap();
    connection.pragma_update(None, "user_version", newer).unwrap();
    newer
}

/// Every file of the queue.
fn files(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(home.queue_folder()).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn a_newer_schema_is_refused_by_every_program_and_nothing_is_changed() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue_once("a", "exit 1");
        home.drain();
        let newer = make_newer(&home);
        // Shared memory belongs to the processes that look, the log to who refuses.
        let queue = |home: &Home| {
            let mut files = files(home);
            let is_passing = |path: &Path| path.ends_with("queue.db-shm") || path.ends_with("worker.log");
            files.retain(|path, bytes| !is_passing(path) && !bytes.is_empty());
            files
        };
        let before = queue(&home);
        for call in CALLS {
            let assert = home.run(spelling, call).write_stdin("{\"command\":\"true\"}").assert();
            let output = assert.get_output();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{call:?}: {said}");
            assert!(said.contains(&format!("has schema {newer}")), "{call:?}: {said}");
            assert!(output.stdout.is_empty(), "{call:?}");
            assert!(queue(&home) == before, "{call:?} has changed something");
        }
    });
    report(&format!("{} calls refuse a newer schema, in both spellings", CALLS.len()));
}

fn a_replacement_of_a_worker_refuses_a_schema_that_became_newer() {
    let home = Home::quick();
    home.enqueue("before", "true");
    let mut worker = home.worker([""; 0]);
    home.wait_for("before", State::Completed);
    let pid = home.worker_pids()[0];
    let newer = make_newer(&home);
    send(pid, Signal::SIGKILL);
    assert_eq!(worker.wait().code(), Some(1), "{}", worker.said());
    assert!(worker.said().contains(&format!("has schema {newer}")), "{}", worker.said());
    assert_eq!(schema(&home.database()), newer);
    let connection = Connection::open(home.database()).unwrap();
    let completed: i64 = connection
        .query_row("SELECT count(*) FROM job WHERE id = 'before' AND state = 'completed'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(completed, 1);
}

/// A store that may write: it brings an older queue to this program's schema.
fn open(path: &Path) -> Box<dyn Store> {
    let options = OpenOptions::new(Access::Write, DEADLINE);
    queuectl_store::open(&Location::File(path.to_owned()), &options).unwrap()
}

fn all_jobs(store: &mut dyn Store) -> Vec<Job> {
    store.jobs(&Filter { limit: 1000, ..Filter::default() }).unwrap()
}

/// What is in every golden database: ids and the states they were left in.
const GOLDEN: [(&str, State); 9] = [
    ("completed", State::Completed),
    ("completed-at-last", State::Completed),
    ("dead", State::Dead),
    ("cancelled", State::Cancelled),
    ("failed", State::Failed),
    ("processing", State::Processing),
    ("pending", State::Pending),
    ("urgent", State::Pending),
    ("delayed", State::Pending),
];

fn a_golden_database_of_each_schema_can_be_read_and_finished() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let fixture = entry.unwrap().path();
        let name = fixture.file_stem().unwrap().to_string_lossy().into_owned();
        let Some(number) = name.strip_prefix("schema-") else { continue };
        assert_eq!(schema(&copy_of(&fixture).1), number.parse::<i64>().unwrap());
        is_read_and_finished(&fixture);
        count += 1;
    }
    let (_home, path) = copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schema-1.db"));
    drop(open(&path));
    assert_eq!(count, schema(&path), "a released schema has no golden database");
    report(&format!("{count} golden databases read and finished"));
}

fn a_golden_database_can_be_moved() {
    both(|spelling| {
        let (home, _) = copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schema-1.db"));
        home.run(spelling, ["enqueue", "--id", "new", "true"]).assert().success();
        home.run(spelling, ["move", "--verify", "--to", "new.db"])
            .assert()
            .success()
            .stdout(contains("Moved 10 jobs"));
    });
}

/// A user whose queue is a copy of a fixture.
fn copy_of(fixture: &Path) -> (Home, PathBuf) {
    let home = Home::quick();
    fs::create_dir(home.queue_folder()).unwrap();
    let path = home.database();
    fs::copy(fixture, &path).unwrap();
    (home, path)
}

fn is_read_and_finished(fixture: &Path) {
    let (home, path) = copy_of(fixture);
    let mut store = open(&path);
    assert_eq!(store.check().unwrap(), [""; 0]);
    let jobs = all_jobs(store.as_mut());
    let states: Vec<(&str, State)> = jobs.iter().map(|job| (job.id.as_str(), job.state)).collect();
    // Its worker is gone, and it is a copy: what was held was handed back.
    let wanted = GOLDEN.map(|(id, state)| match state {
        State::Processing => (id, State::Pending),
        state => (id, state),
    });
    assert_eq!(states, wanted);
    for job in &jobs {
        for attempt in store.attempts(job.seq).unwrap() {
            assert!(store.output(attempt.lease, 0, 1000).is_ok());
        }
    }
    drop(store);

    for call in ["list --json", "status --json", "dlq list --json", "worker list --json"] {
        home.json(call.split(' '));
    }
    for (id, _) in GOLDEN {
        let shown = home.json(["show", id, "--json"]);
        assert_eq!(shown["id"], id);
    }
    home.queuectl(["logs", "completed"]).assert().success().stdout("to stdout\nto stderr\n");
    let outcomes: Vec<_> =
        home.attempts("completed-at-last").iter().map(|attempt| attempt.outcome.unwrap()).collect();
    assert_eq!(outcomes, [Outcome::Exit(7), Outcome::Timeout, Outcome::Exit(0)]);
    assert_eq!(home.job("dead").last_error.as_deref(), Some("exit code 3: no hope"));
    assert_eq!(home.job("urgent").priority, 9);
    assert_eq!(home.job("urgent").env.variables()["COLOUR"], "dark green");

    // The waits in it are over, or are cut short as a person would.
    home.queuectl(["dlq", "retry", "dead"]).assert().success();
    let connection = Connection::open(&path).unwrap();
    connection.execute("UPDATE job SET run_at_ms = 1, waits_since_ms = 0 WHERE run_at_ms > 1", []).unwrap();
    drop(connection);
    home.drain();
    for (id, state) in GOLDEN {
        let wanted = match id {
            "dead" => State::Dead,
            _ if state == State::Cancelled => State::Cancelled,
            _ => State::Completed,
        };
        assert_eq!(home.state(id), wanted, "{id}");
    }
    assert_eq!(open(&path).check().unwrap(), [""; 0]);
}

/// Makes a queue in use with jobs in every state.
fn golden() -> (Oracle, Worker) {
    let home = Home::new().with("QUEUECTL_POLL_INTERVAL", "100ms").with("QUEUECTL_KILL_GRACE", "200ms");
    let oracle = Oracle::new(home.with("QUEUECTL_BACKOFF_BASE", "0"));
    let home = oracle.home();
    let add = |id: &str, command: &str, options: &[&str]| {
        // They must find their folder and their programs on any machine.
        assert!(oracle.enqueue(id, command, &[&["--cwd", "/"], options].concat()));
    };
    add("completed", "echo to stdout; echo to stderr >&2", &[]);
    add(
        "completed-at-last",
        "case $QUEUECTL_ATTEMPT in 1) exit 7;; 2) sleep 1000;; esac",
        &["--timeout", "1s"],
    );
    add("dead", "echo no hope >&2; exit 3", &["--max-retries", "1"]);
    add("cancelled", "true", &["--delay", "30d"]);
    home.queuectl(["cancel", "cancelled"]).assert().success();
    home.drain();
    add("failed", "[ $QUEUECTL_ATTEMPT -gt 1 ] || exit 1", &["--max-retries", "5"]);
    let mut slow = home.command(crate::support::Spelling::Direct, ["worker", "start", "--max-jobs", "1"]);
    assert!(slow.env("QUEUECTL_BACKOFF_BASE", "3600").output().unwrap().status.success());
    // It is held while the queue is copied, and short afterwards.
    add("processing", "[ -z \"$ORACLE\" ] || sleep 1000", &[]);
    let worker = home.worker([""; 0]);
    home.wait_for("processing", State::Processing);
    add("pending", "true", &[]);
    add("urgent", "[ \"$COLOUR\" = 'dark green' ]", &["--priority", "9", "--env", "COLOUR=dark green"]);
    add("delayed", "true", &["--delay", "30d", "--unique", "golden"]);
    (oracle, worker)
}

fn a_fixture_can_be_made() {
    let (oracle, _worker) = golden();
    let made = oracle.home().root().join("made.db");
    let connection = Connection::open(oracle.home().database()).unwrap();
    connection.busy_timeout(DEADLINE).unwrap();
    connection.execute("VACUUM INTO ?1", [made.to_str().unwrap()]).unwrap();
    // Nothing in it tells of the machine it was made on.
    let copy = Connection::open(&made).unwrap();
    copy.execute_batch("UPDATE worker SET host = 'laptop', path = '/usr/bin:/bin'; VACUUM").unwrap();
    drop(copy);
    wait_until(DEADLINE, "it is closed", || !made.with_extension("db-wal").exists());
    is_read_and_finished(&made);
    if let Some(to) = std::env::var_os("QUEUECTL_MAKE_FIXTURE") {
        fs::copy(&made, Path::new(env!("CARGO_MANIFEST_DIR")).join(&to)).unwrap();
        report(&format!("{} was made", to.display()));
    }
}
