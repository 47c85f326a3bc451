//! `queuectl backup`.

use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, both, wait_until};
use nix::sys::signal::Signal;
use predicates::str::contains;
use queuectl_core::{JobId, State};
use queuectl_store::{Access, Counts, Location, OpenOptions, Store};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

trials![
    a_backup_is_a_queue_of_its_own,
    a_backup_amid_work_has_all_that_was_accepted_before,
    a_running_job_is_pending_in_the_copy_and_runs_again_from_it,
    what_is_there_is_refused_and_kept,
    a_file_without_its_folder_is_refused,
    a_backup_of_nothing_is_refused,
    a_damaged_queue_gives_no_backup,
    a_backup_may_have_any_name,
    a_killed_backup_leaves_nothing_under_its_name if Strace,
    a_backup_that_another_is_writing_is_left_alone,
    a_failing_sync_leaves_nothing if Strace,
    a_full_disk_leaves_nothing if Root,
    a_copy_that_has_its_name_is_told_though_the_server_is_lost_then if Postgres and Strace,
];

/// Opens a copy as any reader does.
fn open(path: &Path) -> Box<dyn Store> {
    let options = OpenOptions::new(Access::Read, DEADLINE);
    queuectl_store::open(&Location::File(path.to_owned()), &options).unwrap()
}

/// A copy that must be sound; how many jobs stand where in it.
fn sound(path: &Path) -> Counts {
    let mut store = open(path);
    assert_eq!(store.check().unwrap(), [""; 0], "{}", path.display());
    store.counts().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The names in the folder in which the user types.
fn names(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.path(".")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn a_backup_is_a_queue_of_its_own() {
    both(|spelling| {
        let home = Home::with_one_of_each();
        let copy = home.path("copy.db");
        home.run(spelling, ["backup", "copy.db"]).assert().success().stdout(contains("copy.db: 3 jobs"));
        assert_eq!((mode(&copy), names(&home)), (0o600, vec!["copy.db".to_owned()]));
        assert_eq!(sound(&copy), home.counts());
        let listed = home.stdout(["list", "--json"]);
        home.run(spelling, ["list", "--json", "--database", "copy.db"]).assert().success().stdout(listed);
        home.run(spelling, ["logs", "good", "--database", "copy.db"]).assert().success().stdout("words\n");
        // What happens to one happens to it alone.
        home.run(spelling, ["cancel", "waits", "--database", "copy.db"]).assert().success();
        assert_eq!(home.state("waits"), State::Pending);

        let said = home.run(spelling, ["backup", "second.db", "--json"]).assert().success();
        let said: serde_json::Value = serde_json::from_slice(&said.get_output().stdout).unwrap();
        let bytes = fs::metadata(home.path("second.db")).unwrap().len();
        let jobs = serde_json::json!({"pending": 1, "processing": 0, "completed": 1, "failed": 0, "dead": 1,
            "cancelled": 0, "blocked": 0, "total": 3});
        assert_eq!(said, serde_json::json!({"file": "second.db", "bytes": bytes, "jobs": jobs}));
    });
}

fn a_backup_amid_work_has_all_that_was_accepted_before() {
    const BACKUPS: usize = 4;
    let home = Home::quick();
    home.enqueue("first", "true");
    let mut worker = home.worker(["--count", "2", "--concurrency", "2"]);
    let accepted = Mutex::new(vec!["first".to_owned()]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for enqueuer in ["a", "b"] {
            let (home, accepted, is_over) = (&home, &accepted, &is_over);
            scope.spawn(move || {
                for number in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = format!("{enqueuer}-{number}");
                    home.enqueue(&id, "echo $QUEUECTL_JOB_ID >> ran");
                    accepted.lock().unwrap().push(id);
                }
            });
        }
        for number in 0..BACKUPS {
            let so_many = accepted.lock().unwrap().len() + 10;
            wait_until(DEADLINE, "more jobs are accepted", || accepted.lock().unwrap().len() >= so_many);
            let before = accepted.lock().unwrap().clone();
            let copy = home.path(&format!("copy-{number}.db"));
            home.queuectl(["backup"]).arg(&copy).assert().success();
            assert_eq!(sound(&copy)[State::Processing], 0, "nothing runs in a copy");
            let mut store = open(&copy);
            for id in before {
                assert!(
                    store.job(&JobId::trusted(id.clone())).unwrap().is_some(),
                    "{id} was accepted before"
                );
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let mut accepted = accepted.into_inner().unwrap();
    wait_until(DEADLINE, "everything is completed", || {
        home.counts()[State::Completed] == i64::try_from(accepted.len()).unwrap()
    });
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    // The original has noticed nothing: each job ran once.
    let mut ran = home.lines("ran");
    ran.push("first".to_owned());
    ran.sort();
    accepted.sort();
    assert_eq!(ran, accepted);
    assert_eq!(sound(&home.database()).unfinished(), 0);
    // What was left to do in a copy is done there.
    let copy = home.path("copy-0.db");
    let total = sound(&copy).total();
    home.queuectl(["worker", "start", "--drain", "--database"]).arg(&copy).assert().success();
    let counts = sound(&copy);
    assert_eq!((counts[State::Completed], counts.total()), (total, total));
}

fn a_running_job_is_pending_in_the_copy_and_runs_again_from_it() {
    let home = Home::quick();
    home.enqueue("long", "echo run >> runs; until [ -e go ]; do sleep 0.05; done");
    let mut worker = home.worker([""; 0]);
    home.wait_for("long", State::Processing);
    wait_until(DEADLINE, "it runs", || home.lines("runs").len() == 1);
    home.queuectl(["backup", "copy.db"]).assert().success();
    let copied = open(&home.path("copy.db")).job(&JobId::trusted("long".into())).unwrap().unwrap();
    assert_eq!((copied.state, copied.attempts), (State::Pending, 0));
    // The original runs on, and nobody takes its process for one of the copy's.
    let processes = home.processes_of("long");
    let mut other = home.worker(["--drain", "--database", "copy.db"]);
    wait_until(DEADLINE, "it runs from the copy too", || home.lines("runs").len() == 2);
    let now = home.processes_of("long");
    assert!(processes.iter().any(|pid| now.contains(pid)), "{processes:?} and {now:?}");
    assert_eq!(home.state("long"), State::Processing);
    home.make_file("go");
    other.wait_for_success();
    home.wait_for("long", State::Completed);
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    assert_eq!(home.lines("runs").len(), 2);
    assert_eq!((home.attempts("long").len(), home.job("long").attempts), (1, 1));
    assert_eq!(sound(&home.path("copy.db"))[State::Completed], 1);
    assert_eq!(sound(&home.database())[State::Completed], 1);
}

fn what_is_there_is_refused_and_kept() {
    both(|spelling| {
        let home = Home::with_one_of_each();
        fs::write(home.path("letter"), "Dear").unwrap();
        fs::write(home.path("free-wal"), "log").unwrap();
        fs::create_dir(home.path("folder")).unwrap();
        symlink("nowhere", home.path("link")).unwrap();
        let before = names(&home);
        for name in ["letter", "./free", "link", "folder", "."] {
            home.run(spelling, ["backup", name])
                .assert()
                .code(1)
                .stdout("")
                .stderr(contains("exists already"))
                .stderr(contains("\nhint: "));
        }
        let own = home.database();
        let bytes = fs::read(&own).unwrap();
        home.run(spelling, ["backup"]).arg(&own).assert().code(1).stderr(contains("exists already"));
        assert_eq!(fs::read(&own).unwrap(), bytes);
        assert_eq!(fs::read(home.path("letter")).unwrap(), b"Dear");
        assert_eq!(names(&home), before);
        home.run(spelling, ["backup"]).assert().code(2);
    });
}

fn a_file_without_its_folder_is_refused() {
    let home = Home::with_one_of_each();
    home.queuectl(["backup", "no/such/copy.db"])
        .assert()
        .code(1)
        .stderr(contains("no/such/copy.db"))
        .stderr(contains("mkdir -p"));
    assert_eq!(names(&home), [""; 0]);
}

fn a_backup_of_nothing_is_refused() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["backup", "copy.db"]).assert().code(1).stderr(contains("there is no queue"));
        assert_eq!(names(&home), [""; 0]);
        assert!(!home.database().exists(), "none is made");
    });
}

fn a_damaged_queue_gives_no_backup() {
    let home = Home::with_one_of_each();
    let mut bytes = fs::read(home.database()).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page.fill(0x5a);
    }
    fs::write(home.database(), bytes).unwrap();
    home.queuectl(["backup", "copy.db"])
        .assert()
        .code(1)
        .stderr(contains("damaged"))
        .stderr(contains("`queuectl doctor`"));
    assert_eq!(names(&home), [""; 0]);
}

fn a_backup_may_have_any_name() {
    let home = Home::with_one_of_each();
    for name in ["./file:x?mode=memory", "./it's", "-dash.db", "./zwölf\n\t%20", "./:memory:"] {
        home.queuectl(["backup", "--", name]).assert().success();
        assert_eq!(sound(&home.path(name)), home.counts(), "{name:?}");
    }
    assert_eq!(names(&home).len(), 5);
}

/// Runs a backup and disturbs some of its system calls; its umask hides nothing.
fn disturbed(home: &Home, calls: &str, disturbance: &str) -> assert_cmd::assert::Assert {
    let line = format!(
        "umask 0; exec strace -f -qq -o $TEST_HOME/trace -e trace={calls} -e inject={calls}:{disturbance} \
         queuectl-backup copy.db"
    );
    home.typed(Spelling::Dispatched, &line).assert()
}

fn a_killed_backup_leaves_nothing_under_its_name() {
    let home = Home::with_one_of_each();
    // Early, in the middle of it, and when only its name is missing. A call during
    // which a milder signal comes is still made.
    for (signal, calls, when) in [
        (Signal::SIGKILL, "pwrite64", 1),
        (Signal::SIGKILL, "pwrite64", 8),
        (Signal::SIGKILL, "fsync,fdatasync", 1),
        (Signal::SIGKILL, "renameat2", 1),
        (Signal::SIGINT, "pwrite64", 1),
        (Signal::SIGINT, "pwrite64", 8),
        (Signal::SIGTERM, "fsync,fdatasync", 1),
    ] {
        let moment = format!("{signal} at {calls} {when}");
        let assert = disturbed(&home, calls, &format!("signal={signal}:when={when}"));
        let status = assert.get_output().status;
        assert_eq!(status.signal(), Some(signal as i32), "{moment}: {status}");
        let left = names(&home);
        assert!(!left.iter().any(|name| name.starts_with("copy.db")), "{moment}: {left:?}");
        for name in left {
            assert_eq!(mode(&home.path(&name)), 0o600, "{moment}: others may read {name}");
        }
    }
    assert_ne!(names(&home), [""; 0], "a killed program cannot tidy up");
    home.queuectl(["backup", "copy.db"]).assert().success();
    assert_eq!(names(&home), ["copy.db"], "the next backup does");
    assert_eq!(sound(&home.path("copy.db")), home.counts());
    assert_eq!(sound(&home.database()).total(), 3);
}

fn a_backup_that_another_is_writing_is_left_alone() {
    let home = Home::with_one_of_each();
    let another = home.path(".queuectl-backup-1-0");
    let writing = fs::File::create(&another).unwrap();
    writing.lock().unwrap();
    home.queuectl(["backup", "first.db"]).assert().success();
    assert_eq!(names(&home), [".queuectl-backup-1-0", "first.db"]);
    drop(writing);
    home.queuectl(["backup", "second.db"]).assert().success();
    assert_eq!(names(&home), ["first.db", "second.db"], "nobody writes it any more");
}

fn a_failing_sync_leaves_nothing() {
    let home = Home::with_one_of_each();
    let assert = disturbed(&home, "fsync,fdatasync", "error=EIO");
    assert.code(1).stdout("").stderr(contains("queuectl: error: "));
    assert_eq!(names(&home), [""; 0]);
}

fn a_full_disk_leaves_nothing() {
    let home = Home::new();
    home.enqueue_all((0..400).map(|number| {
        serde_json::json!({"id": format!("job-{number}"), "command": format!("true {}", "x".repeat(5000))})
    }));
    let script = "mkdir small
        mount -t tmpfs -o size=1m tmpfs small
        queuectl backup small/copy.db && exit 50
        echo backup: $?
        ls -A small";
    home.typed(Spelling::Dispatched, &format!("unshare --mount sh -c '{script}'"))
        .assert()
        .success()
        .stdout("backup: 1\n")
        .stderr(contains("the disk is full"))
        .stderr(contains("\nhint: "));
    assert_eq!(home.counts().total(), 400);
}

/// The connection is cut between the copy's getting its name and the end of the
/// transaction that was read.
fn a_copy_that_has_its_name_is_told_though_the_server_is_lost_then() {
    let server = Server::start(&[("fsync", "off")]);
    let home = Home::quick().on_server(&server);
    home.enqueue("a", "true");
    let held = "renameat2:delay_exit=3000000";
    let line = format!(
        "exec strace -f -qq -o $TEST_HOME/trace -e trace=renameat2 -e inject={held} queuectl-backup copy.db"
    );
    let mut backup = home.typed_in_background(&line);
    home.wait_for_file("copy.db");
    server.kill_backends();
    backup.wait_for_success();
    assert!(backup.printed().starts_with("Wrote copy.db: 1 job"), "{}", backup.printed());
    assert_eq!(sound(&home.path("copy.db")).total(), 1);
}
