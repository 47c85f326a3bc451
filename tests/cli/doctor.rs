//! `queuectl doctor`.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use predicates::str::contains;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

trials![
    a_queue_at_work_is_well,
    its_json_names_each_check_with_what_was_found,
    a_missing_queue_is_an_error_and_none_is_made,
    a_file_that_is_no_good_queue_is_an_error_with_advice,
    damage_deep_inside_is_found,
    nothing_is_ever_changed,
    a_locked_queue_is_an_error_and_not_a_crash,
    a_url_nobody_serves_is_an_error_without_its_password,
    a_broken_configuration_is_an_error,
    wrong_counts_are_an_error,
    a_queue_that_has_moved_is_a_warning,
    another_journal_mode_is_an_error_until_a_worker_has_mended_it,
    files_that_others_can_open_are_warnings_until_the_advice_is_typed,
    a_large_log_is_a_warning,
    a_queue_in_memory_and_little_room_are_warnings if Root,
    a_read_only_queue_is_an_error_and_not_a_crash if Root,
];

/// What the doctor finds, and whether it calls it well.
pub fn examined(home: &Home) -> Value {
    let assert = home.queuectl(["doctor", "--json"]).assert();
    let output = assert.get_output();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(i32::from(found["ok"] == false)), "{found}");
    assert_eq!(output.stderr, b"", "{found}");
    for finding in found["findings"].as_array().unwrap() {
        assert_eq!(finding["advice"].is_null(), finding["level"] == "ok", "{finding}");
    }
    found
}

/// The findings that are not as they should be, but for what the machine is like
/// on which the test runs.
pub fn complaints(home: &Home) -> Vec<Value> {
    let found = examined(home);
    let all = found["findings"].as_array().unwrap().iter();
    let complaints = all.filter(|finding| {
        let is_the_machines = ["file-system", "disk"].iter().any(|check| finding["check"] == *check);
        finding["level"] != "ok" && !is_the_machines
    });
    complaints.cloned().collect()
}

/// Asserts that one thing is not well; gives the advice.
pub fn complains(home: &Home, level: &str, check: &str, word: &str) -> String {
    let complaints = complaints(home);
    let meant = complaints.iter().find(|finding| {
        finding["check"] == check
            && finding["level"] == level
            && finding["found"].as_str().unwrap().contains(word)
    });
    let Some(meant) = meant else { panic!("no {level} of {check} with {word:?} in {complaints:?}") };
    meant["advice"].as_str().unwrap().to_owned()
}

/// Types the first command of an advice.
pub fn follow(home: &Home, advice: &str) {
    let command = advice.split('`').nth(1).unwrap_or_else(|| panic!("no command in {advice:?}"));
    home.typed(Spelling::Dispatched, command).assert().success();
}

fn a_queue_at_work_is_well() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "true");
        let worker = home.worker([""; 0]);
        worker.wait_until_it_says("completed");
        let assert = home.run(spelling, ["doctor"]).assert().success().stderr("");
        let said = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        for word in
            ["ok       integrity: ", "ok       workers: 1 alive", "ok       sync: ", "ok       leases: "]
        {
            assert!(said.contains(word), "{word} in\n{said}");
        }
        assert_eq!(complaints(&home), [json!(null); 0]);
    });
}

fn its_json_names_each_check_with_what_was_found() {
    let home = Home::quick();
    home.enqueue("a", "true");
    let found = examined(&home);
    assert_eq!(found["ok"], true, "warnings are no errors: {found}");
    let findings = found["findings"].as_array().unwrap();
    let checks: Vec<&str> = findings.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    for check in [
        "program",
        "configuration",
        "sqlite",
        "database",
        "permissions",
        "access",
        "disk",
        "log",
        "schema",
        "journal-mode",
        "sync",
        "integrity",
        "counts",
        "keys",
        "lock-file",
        "workers",
        "leases",
    ] {
        assert!(checks.contains(&check), "{check} in {checks:?}");
    }
    let workers = findings.iter().find(|finding| finding["check"] == "workers").unwrap();
    let expected = json!({"check": "workers", "level": "warning", "found": "none is there for 1 job",
        "advice": "start one: `queuectl worker start`"});
    assert_eq!(workers, &expected);
    // The same in words.
    let words = home.stdout(["doctor"]);
    assert!(words.contains("warning  workers: none is there for 1 job\n         hint: start one"), "{words}");
}

fn a_missing_queue_is_an_error_and_none_is_made() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["doctor"])
            .assert()
            .code(1)
            .stdout(contains("error    database: there is no queue at"))
            .stdout(contains("queuectl enqueue"));
        complains(&home, "error", "database", "there is no queue");
        assert!(!home.queue_folder().exists(), "nothing is made");
    });
}

fn a_file_that_is_no_good_queue_is_an_error_with_advice() {
    type Spoil = fn(&Path);
    let cases: [(&str, &str, &str, Spoil); 8] = [
        ("database", "no SQLite database", "--database PATH", |path| {
            fs::write(path, "Dear diary, ".repeat(1000)).unwrap();
        }),
        ("database", "another program", "--database PATH", |path| {
            fs::remove_file(path).unwrap();
            Connection::open(path).unwrap().execute_batch("CREATE TABLE jobs (id TEXT)").unwrap();
        }),
        ("schema", "has schema 99;", "newer queuectl", |path| {
            Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        }),
        ("database", "empty file", "queuectl enqueue", |path| fs::write(path, "").unwrap()),
        ("database", "is not a file", "queuectl config get database", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("database", "hard links", "-samefile", |path| {
            fs::hard_link(path, path.with_extension("other")).unwrap();
        }),
        ("integrity", "damaged", "never write over", |path| {
            File::options().write(true).open(path).unwrap().set_len(4096).unwrap();
        }),
        ("integrity", "damaged", "queuectl backup", |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[4096..].fill(0x5a);
            fs::write(path, bytes).unwrap();
        }),
    ];
    for (check, word, advice, spoil) in cases {
        let home = Home::new();
        home.enqueue("a", "true");
        spoil(&home.database());
        let given = complains(&home, "error", check, word);
        assert!(given.contains(advice), "{word}: {given}");
        home.direct(["doctor"]).assert().code(1).stdout(contains(word)).stdout(contains(advice));
    }
}

fn damage_deep_inside_is_found() {
    let home = Home::new();
    let jobs = (0..2000).map(|number| json!({"id": format!("job-{number}"), "command": "true"}));
    home.enqueue_all(jobs);
    let mut bytes = fs::read(home.database()).unwrap();
    let pages = bytes.len() / 4096;
    let mut advice = None;
    // A page in the middle that nobody needs in order to open the queue.
    for page in (pages / 2..pages).take(3) {
        bytes[page * 4096..][..4096].fill(0x5a);
        fs::write(home.database(), &bytes).unwrap();
        let complaints = complaints(&home);
        if complaints.iter().any(|finding| finding["check"] == "integrity" && finding["level"] == "error") {
            advice = Some(complains(&home, "error", "integrity", ""));
            break;
        }
    }
    assert!(advice.unwrap().contains(".recover"));
    assert_eq!(fs::read(home.database()).unwrap(), bytes, "nothing is repaired in silence");
}

/// Everything in a folder but the index of the log, which every reader writes its
/// place into.
fn contents(folder: &Path) -> BTreeMap<String, (u32, Option<Vec<u8>>)> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let metadata = entry.metadata().unwrap();
            let is_read = metadata.is_file() && !name.ends_with("-shm");
            (name, (metadata.permissions().mode(), is_read.then(|| fs::read(entry.path()).unwrap())))
        })
        .collect()
}

fn nothing_is_ever_changed() {
    type Prepare = fn(&Home);
    let cases: [(&str, Prepare); 6] = [
        ("a queue at rest", |_| {}),
        ("a log that a killed program has left", |home| {
            let holder = Connection::open(home.database()).unwrap();
            let _: i64 = holder.query_row("SELECT count(*) FROM job", [], |row| row.get(0)).unwrap();
            home.enqueue("b", "true");
            // The log and its index, as they are while a program has them open.
            let kept: Vec<_> = ["queue.db", "queue.db-wal", "queue.db-shm"]
                .map(|name| (name, fs::read(home.queue_folder().join(name)).unwrap()))
                .into();
            drop(holder);
            for (name, bytes) in kept {
                fs::write(home.queue_folder().join(name), bytes).unwrap();
            }
        }),
        ("another journal mode", |home| {
            Connection::open(home.database()).unwrap().pragma_update(None, "journal_mode", "DELETE").unwrap();
        }),
        ("a newer schema", |home| {
            Connection::open(home.database()).unwrap().pragma_update(None, "user_version", 99).unwrap();
        }),
        ("damage", |home| {
            File::options().write(true).open(home.database()).unwrap().set_len(8192).unwrap();
        }),
        ("an empty database", |home| {
            fs::remove_file(home.database()).unwrap();
            Connection::open(home.database())
                .unwrap()
                .execute_batch("PRAGMA user_version = 0; VACUUM")
                .unwrap();
        }),
    ];
    for (what, prepare) in cases {
        let home = Home::new();
        home.enqueue("a", "true");
        home.drain();
        prepare(&home);
        let before = contents(&home.queue_folder());
        for _ in 0..2 {
            examined(&home);
            assert!(before == contents(&home.queue_folder()), "{what} was changed");
        }
    }
}

fn a_locked_queue_is_an_error_and_not_a_crash() {
    let home = Home::new().with("QUEUECTL_BUSY_TIMEOUT", "100ms");
    home.enqueue("a", "true");
    let holder = Connection::open(home.database()).unwrap();
    holder.pragma_update(None, "locking_mode", "EXCLUSIVE").unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let advice = complains(&home, "error", "database", "busy");
    assert!(advice.contains("fuser"), "{advice}");
    drop(holder);
    assert_eq!(examined(&home)["ok"], true);
}

fn a_url_nobody_serves_is_an_error_without_its_password() {
    both(|spelling| {
        let home = Home::new();
        let assert = home
            .run(spelling, ["doctor"])
            .env("QUEUECTL_DATABASE", "nosql://me:secret@there/q")
            .assert()
            .code(1);
        let said = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        assert!(said.contains("nosql://") && !said.contains("secret"), "{said}");
    });
}

fn a_broken_configuration_is_an_error() {
    let home = Home::new();
    home.enqueue("a", "true");
    home.configure("max-retries = \"many\"\n");
    let advice = complains(&home, "error", "configuration", "max-retries");
    assert!(advice.contains("`queuectl config check`"), "{advice}");
    home.configure("max-retries = 1\n");
    assert_eq!(examined(&home)["ok"], true);
}

fn wrong_counts_are_an_error() {
    let home = Home::new();
    home.enqueue("a", "true");
    Connection::open(home.database()).unwrap().execute("UPDATE counts SET dead = dead + 1", []).unwrap();
    complains(&home, "error", "counts", "0 dead jobs are there in the queue default and 1 are counted");
}

fn a_queue_that_has_moved_is_a_warning() {
    let home = Home::quick();
    home.enqueue("a", "true");
    home.drain();
    let moved = "UPDATE queue SET move_stage = 'left', move_id = 'm', move_place = 'postgres://me@db/q'";
    Connection::open(home.database()).unwrap().execute(moved, []).unwrap();
    let advice = complains(&home, "warning", "move", "it has moved to postgres://me@db/q");
    follow(&home, &advice);
    home.queuectl(["config", "get", "database"]).assert().success().stdout("postgres://me@db/q\n");
}

fn another_journal_mode_is_an_error_until_a_worker_has_mended_it() {
    let home = Home::quick();
    home.enqueue("a", "true");
    Connection::open(home.database()).unwrap().pragma_update(None, "journal_mode", "DELETE").unwrap();
    let advice = complains(&home, "error", "journal-mode", "delete");
    assert!(advice.contains("`queuectl worker start`"), "{advice}");
    home.drain();
    assert_eq!(complaints(&home), [json!(null); 0]);
}

fn files_that_others_can_open_are_warnings_until_the_advice_is_typed() {
    let home = Home::quick();
    home.enqueue("a", "true");
    home.drain();
    let folder = home.queue_folder();
    for (path, mode) in
        [(home.database(), 0o644), (folder.join("queue.db-workers"), 0o660), (folder.clone(), 0o755)]
    {
        assert_eq!(complaints(&home), [json!(null); 0]);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(examined(&home)["ok"], true, "it works");
        let advice = complains(&home, "warning", "permissions", &format!("{mode:04o}"));
        assert!(advice.contains("chmod "), "{advice}");
        follow(&home, &advice);
    }
    assert_eq!(complaints(&home), [json!(null); 0]);
}

fn a_large_log_is_a_warning() {
    let home = Home::new();
    home.enqueue("a", "true");
    let reader = Connection::open(home.database()).unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM job", [], |row| row.get(0)).unwrap();
    home.enqueue("b", "true");
    let log = home.queue_folder().join("queue.db-wal");
    File::options().write(true).open(log).unwrap().set_len(100 << 20).unwrap();
    let advice = complains(&home, "warning", "log", "100 MiB");
    assert!(advice.contains("fuser"), "{advice}");
    drop(reader);
    assert!(complaints(&home).iter().all(|finding| finding["check"] != "log"), "it is gone");
}

/// Runs a script in a mount namespace of its own, with the programs on its PATH.
fn in_a_namespace(home: &Home, script: &str) -> assert_cmd::assert::Assert {
    home.typed(Spelling::Dispatched, &format!("unshare --mount sh -ec '{script}'")).assert()
}

fn a_queue_in_memory_and_little_room_are_warnings() {
    let home = Home::new();
    let script = "mkdir -m 700 $QUEUECTL_HOME
        mount -t tmpfs -o size=20m,mode=700 tmpfs $QUEUECTL_HOME
        queuectl enqueue --id a true
        queuectl doctor
        dd if=/dev/zero of=$QUEUECTL_HOME/filler bs=4k 2>/dev/null || :
        queuectl doctor || echo code: $?";
    in_a_namespace(&home, script)
        .success()
        .stdout(contains("warning  file-system: it lies in memory (tmpfs): nothing of it survives a reboot"))
        .stdout(contains("warning  disk: 14 MiB free"))
        .stdout(contains("error    disk: "))
        .stdout(contains("queuectl prune"))
        .stdout(contains("code: 1"));
}

fn a_read_only_queue_is_an_error_and_not_a_crash() {
    let home = Home::new();
    home.enqueue("a", "true");
    let script = "mount --bind $QUEUECTL_HOME $QUEUECTL_HOME
        mount -o remount,ro,bind $QUEUECTL_HOME
        queuectl doctor || echo code: $?";
    in_a_namespace(&home, script)
        .success()
        .stdout(contains("error    access: "))
        .stdout(contains("findmnt"))
        .stdout(contains("code: 1"));
    assert_eq!(home.counts().total(), 1);
}
