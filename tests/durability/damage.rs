//! Files of the queue that are damaged, swapped or taken away while workers run.

use crate::oracle::{Oracle, watched};
use crate::scale::{is_long, report, rounds};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::State;
use rusqlite::Connection;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

trials![
    workers_stop_with_an_error_when_their_database_is_damaged_and_nothing_is_overwritten,
    workers_stop_with_an_error_when_a_byte_that_every_exchange_reads_is_flipped,
    no_result_gets_into_a_queue_that_was_made_where_another_was_emptied,
    a_damaged_lock_file_never_lets_a_job_run_twice_at_once,
];

const PAGE_BYTES: usize = 4096;

/// A kind of damage to a database, done to its path.
type Damage = fn(&Home);

const TO_THE_DATABASE: [(&str, Damage); 9] = [
    ("all pages but the first overwritten", |home| overwrite(home, PAGE_BYTES, usize::MAX)),
    ("the header overwritten", |home| overwrite(home, 0, 100)),
    ("the first page overwritten", |home| overwrite(home, 0, PAGE_BYTES)),
    ("cut to one page", |home| cut(home, PAGE_BYTES as u64)),
    ("cut to half a page", |home| cut(home, PAGE_BYTES as u64 / 2)),
    ("emptied", |home| cut(home, 0)),
    ("deleted", |home| fs::remove_file(home.database()).unwrap()),
    ("replaced by a text", |home| {
        let other = home.queue_folder().join("other");
        fs::write(&other, "Dear diary, ".repeat(2000)).unwrap();
        fs::rename(other, home.database()).unwrap();
    }),
    ("replaced by another queue", |home| {
        let stranger = Home::quick();
        stranger.enqueue("stranger", "touch stranger-has-run");
        checkpoint(&stranger);
        let other = home.queue_folder().join("other");
        fs::copy(stranger.database(), &other).unwrap();
        fs::rename(other, home.database()).unwrap();
    }),
];

fn database(home: &Home) -> fs::File {
    OpenOptions::new().read(true).write(true).open(home.database()).unwrap()
}

fn overwrite(home: &Home, from: usize, to: usize) {
    let length = fs::metadata(home.database()).unwrap().len() as usize;
    let garbage = vec![0x5a; to.min(length) - from];
    database(home).write_all_at(&garbage, from as u64).unwrap();
}

fn cut(home: &Home, length: u64) {
    database(home).set_len(length).unwrap();
}

/// Brings all that was committed from the log into the database, so that damage
/// to the file is damage to the queue.
fn checkpoint(home: &Home) {
    let connection = Connection::open(home.database()).unwrap();
    connection.busy_timeout(DEADLINE).unwrap();
    wait_until(DEADLINE, "the log is empty", || {
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        busy.unwrap() == 0
    });
}

/// Runs while it is held; then it and all behind it can end.
fn held() -> String {
    watched("touch running; until [ -e go ]; do sleep 0.02; done")
}

/// A queue in use: something completed, something running, something waiting, and
/// its files as they would be in a backup.
struct InUse {
    oracle: Oracle,
    worker: crate::support::Worker,
    backup: PathBuf,
}

impl InUse {
    fn new() -> Self {
        let oracle = Oracle::new(Home::quick());
        for number in 0..3 {
            assert!(oracle.enqueue(&format!("done-{number}"), &watched("echo something"), &[]));
        }
        assert!(oracle.enqueue("held", &held(), &[]));
        for number in 0..3 {
            assert!(oracle.enqueue(&format!("waiting-{number}"), &watched(""), &[]));
        }
        let worker = oracle.home().worker([""; 0]);
        oracle.home().wait_for_file("running");
        wait_until(DEADLINE, "three are recorded", || oracle.home().counts()[State::Completed] == 3);
        checkpoint(oracle.home());
        let backup = oracle.home().root().join("backup.db");
        fs::copy(oracle.home().database(), &backup).unwrap();
        Self { oracle, worker, backup }
    }

    fn home(&self) -> &Home {
        self.oracle.home()
    }

    /// Lets the running job end, so that its worker has something to write, and
    /// waits until the workers have given up.
    fn gives_up(&mut self, what: &str) {
        self.home().make_file("go");
        let code = self.worker.wait().code();
        assert_eq!(code, Some(1), "{what}: {}", self.worker.said());
        let said = self.worker.said();
        assert!(said.contains("queuectl: error: ") && !said.contains("panicked"), "{what}: {said}");
        self.home().wait_until_nothing_is_left_of("held");
    }

    /// Asserts that the doctor does not call it well, and says why.
    fn is_not_called_well(&self, what: &str) {
        let assert = self.home().queuectl(["doctor"]).assert().code(1);
        let output = assert.get_output();
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        assert!(!said.is_empty(), "{what}: it says nothing");
    }

    /// Puts the backup in its place, as a person would, and asks the oracle.
    fn is_restored(&self) {
        for name in ["queue.db", "queue.db-wal", "queue.db-shm"] {
            let _was_not_there = fs::remove_file(self.home().queue_folder().join(name));
        }
        fs::copy(&self.backup, self.home().database()).unwrap();
        // What ran since the backup runs again under the same numbers.
        fs::write(self.oracle.folder().join("log"), "").unwrap();
        for entry in fs::read_dir(self.home().queue_folder()).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("-bell-") {
                fs::remove_file(path).unwrap();
            }
        }
        let again = fs::read(&self.backup).unwrap();
        assert_eq!(fs::read(self.home().database()).unwrap(), again);
        let mut breaches = self.oracle.judge();
        breaches.retain(|breach| !breach.contains("done-"));
        assert!(breaches.is_empty(), "{}", breaches.join("\n"));
        assert_eq!(self.home().counts()[State::Completed], 7);
    }
}

fn workers_stop_with_an_error_when_their_database_is_damaged_and_nothing_is_overwritten() {
    // Every third, or all of them.
    let step = rounds(3, 1) as usize;
    let kinds = TO_THE_DATABASE.into_iter().step_by(step);
    let count = kinds.len();
    for (what, damage) in kinds {
        let mut queue = InUse::new();
        damage(queue.home());
        let damaged = fs::read(queue.home().database()).ok();
        queue.gives_up(what);
        assert_eq!(fs::read(queue.home().database()).ok(), damaged, "{what}: the file was changed");
        assert!(!queue.home().path("stranger-has-run").exists(), "{what}");
        // What is gone or another queue altogether is not damaged by itself.
        if !["emptied", "deleted", "replaced by another queue"].contains(&what) {
            queue.is_not_called_well(what);
            assert_eq!(fs::read(queue.home().database()).ok(), damaged, "{what}: the doctor has changed it");
        }
        queue.is_restored();
    }
    report(&format!("{count} kinds of damage to a database in use, all noticed, none overwritten"));
}

/// Pages by what they are the root of.
fn roots(home: &Home) -> Vec<(String, usize)> {
    let connection = Connection::open(home.database()).unwrap();
    let mut statement = connection
        .prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0 ORDER BY name")
        .unwrap();
    let roots = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as usize))).unwrap();
    roots.collect::<Result<_, _>>().unwrap()
}

fn workers_stop_with_an_error_when_a_byte_that_every_exchange_reads_is_flipped() {
    // The kind of a page is its first byte.
    let mut pages = 0;
    for name in ["queue", "job", "worker", "job_in_line", "job_held"] {
        let mut queue = InUse::new();
        let (_, page) = roots(queue.home()).into_iter().find(|(root, _)| root == name).unwrap();
        let at = ((page - 1) * PAGE_BYTES) as u64;
        let mut kind = [0];
        let file = database(queue.home());
        file.read_exact_at(&mut kind, at).unwrap();
        file.write_all_at(&[kind[0] ^ 0xff], at).unwrap();
        let damaged = fs::read(queue.home().database()).unwrap();
        queue.gives_up(name);
        assert_eq!(fs::read(queue.home().database()).unwrap(), damaged, "{name}: the file was changed");
        queue.is_restored();
        pages += 1;
        if !is_long() && pages == 1 {
            break;
        }
    }
    report(&format!("{pages} pages of a database in use with a wrong first byte, all noticed"));
}

fn no_result_gets_into_a_queue_that_was_made_where_another_was_emptied() {
    let mut queue = InUse::new();
    cut(queue.home(), 0);
    // The same numbers as in the queue that is lost.
    for number in 0..5 {
        let id = format!("new-{number}");
        // Refused or accepted: if accepted it must run.
        queue.oracle.enqueue(&id, &watched(""), &[]);
    }
    queue.home().make_file("go");
    let code = queue.worker.wait().code();
    assert_eq!(code, Some(1), "{}", queue.worker.said());
    if fs::metadata(queue.home().database()).unwrap().len() == 0 {
        queue.is_restored();
        report("an emptied database in use: nothing is accepted into it");
        return;
    }
    let mut breaches = queue.oracle.judge();
    let lost = |breach: &String| ["done-", "held", "waiting-"].iter().any(|id| breach.contains(id));
    breaches.retain(|breach| !lost(breach));
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    report("an emptied database in use: what was accepted into it has run");
}

/// What is done to the lock file, and whether workers can know.
const TO_THE_LOCK_FILE: [(&str, bool, Damage); 4] = [
    ("deleted", true, |home| fs::remove_file(lock_file(home)).unwrap()),
    ("replaced by its copy", true, |home| {
        let copy = home.queue_folder().join("copy");
        fs::copy(lock_file(home), &copy).unwrap();
        fs::rename(copy, lock_file(home)).unwrap();
    }),
    ("emptied", false, |home| {
        fs::File::options().write(true).open(lock_file(home)).unwrap().set_len(0).unwrap();
    }),
    ("overwritten", false, |home| {
        let length = fs::metadata(lock_file(home)).unwrap().len() as usize;
        let file = fs::File::options().write(true).open(lock_file(home)).unwrap();
        file.write_all_at(&vec![0x5a; length], 0).unwrap();
    }),
];

fn lock_file(home: &Home) -> PathBuf {
    home.queue_folder().join("queue.db-workers")
}

/// Locks are the kernel's and not the file's: what is in it are only notes.
fn a_damaged_lock_file_never_lets_a_job_run_twice_at_once() {
    for (what, is_noticed, damage) in TO_THE_LOCK_FILE {
        let oracle = Oracle::new(Home::quick());
        let home = oracle.home();
        let first = "touch running; while :; do sleep 0.05; done";
        let command = watched(&format!("if [ $QUEUECTL_JOB_LEASE = 1 ]; then {first}; fi"));
        // Its end by a rescuer may count as its own, where a living worker was called dead.
        assert!(oracle.enqueue("victim", &command, &["--max-retries", "3"]));
        let mut worker = home.worker([""; 0]);
        home.wait_for_file("running");
        let pid = home.worker_pids()[0];
        damage(home);
        // A reader that looks at the new file before the old worker has.
        let mut second = home.worker(["--drain"]);
        if is_noticed {
            // It notices first and stops, or it was called dead and is replaced.
            worker.wait_until_it_says("queuectl: error: ");
            second.wait();
            if !worker.has_ended() {
                worker.signal(Signal::SIGTERM);
            }
            worker.wait();
        } else {
            second.wait_until_it_says("Loop started");
            assert_eq!((home.state("victim"), home.job("victim").lease), (State::Processing, 1), "{what}");
            send(pid, Signal::SIGKILL);
            home.wait_for("victim", State::Completed);
            second.wait_for_success();
            worker.signal(Signal::SIGTERM);
            worker.wait_for_success();
        }
        let breaches = oracle.judge();
        let said = [worker.said(), second.said()].join("\n");
        assert!(breaches.is_empty(), "{what}: {}\n{said}", breaches.join("\n"));
        assert_eq!(home.state("victim"), State::Completed, "{what}");
    }
    report(&format!(
        "{} kinds of damage to a lock file in use, no job twice at once",
        TO_THE_LOCK_FILE.len()
    ));
}
