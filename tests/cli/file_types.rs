//! What stands where a file of ours should be and is none: refused at once, never
//! waited for, never followed, never removed.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, both, wait_until};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

trials![
    a_database_that_is_no_file_is_refused_at_once,
    a_configuration_that_is_no_file_is_refused_at_once,
    a_configuration_of_any_size_costs_no_memory,
    jobs_come_from_a_fifo_and_not_from_a_folder_or_without_end,
    a_doorbell_that_is_no_fifo_costs_time_and_nothing_else,
    a_link_where_a_doorbell_should_be_is_not_followed,
    a_full_inode_table_costs_the_doorbell_and_not_the_worker if Root,
    what_stands_beside_a_queue_is_never_followed_or_waited_for,
    a_log_that_is_no_file_is_refused,
    a_configuration_is_locked_in_a_file_and_nowhere_else,
];

/// Puts something that is no regular file at a path; sockets are kept open meanwhile.
fn put(kind: &str, path: &Path) -> Option<UnixListener> {
    match kind {
        "a folder" => fs::create_dir(path).unwrap(),
        "a FIFO" => mkfifo(path, Mode::S_IRWXU).unwrap(),
        "a socket" => return Some(UnixListener::bind(path).unwrap()),
        "a device" => symlink("/dev/zero", path).unwrap(),
        _ => unreachable!("{kind}"),
    }
    None
}

/// A line of words with global flags behind the name of the program.
fn with<'a>(words: &[&'a str], flags: [&'a str; 2]) -> Vec<&'a str> {
    [&words[..1], &flags, &words[1..]].concat()
}

const KINDS: [&str; 4] = ["a folder", "a FIFO", "a socket", "a device"];

fn a_database_that_is_no_file_is_refused_at_once() {
    for kind in KINDS {
        both(|spelling| {
            let home = Home::new();
            let path = home.path("other.db");
            let _socket = put(kind, &path);
            for arguments in [
                &["list"][..],
                &["status"],
                &["enqueue", "true"],
                &["worker", "start", "--drain"],
                &["move", "--abort"],
                &["doctor"],
            ] {
                let assert = home.run(spelling, with(arguments, ["--database", "other.db"])).assert().code(1);
                let output = assert.get_output();
                let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
                assert!(said.contains(kind) && said.contains("hint: "), "{arguments:?}: {said}");
            }
        });
    }
    let home = Home::new();
    home.queuectl(["list", "--database", "/dev/null"]).assert().code(1).stderr(contains("a device"));
    home.enqueue("a", "true");
    let to = home.path("other.db");
    let _socket = put("a FIFO", &to);
    home.queuectl(["move", "--to", "other.db"]).assert().code(1).stderr(contains("a FIFO"));
}

fn a_configuration_that_is_no_file_is_refused_at_once() {
    for kind in KINDS {
        both(|spelling| {
            let home = Home::new();
            let path = home.path("other.toml");
            let _socket = put(kind, &path);
            for arguments in [
                &["list"][..],
                &["config", "list"],
                &["config", "check"],
                &["enqueue", "true"],
                &["worker", "start", "--drain"],
                &["doctor"],
            ] {
                let assert = home.run(spelling, with(arguments, ["--config", "other.toml"])).assert().code(1);
                let output = assert.get_output();
                let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
                assert!(said.contains(kind), "{arguments:?}: {said}");
            }
            home.run(spelling, ["config", "set", "max-retries", "5", "--config", "other.toml"])
                .assert()
                .code(1)
                .stderr(contains("not a regular file"));
        });
    }
    let home = Home::new();
    home.queuectl(["config", "get", "max-retries", "--config", "/dev/null"]).assert().success().stdout("3\n");
}

fn a_configuration_of_any_size_costs_no_memory() {
    let home = Home::new();
    fs::File::create(home.path("huge.toml")).unwrap().set_len(1 << 40).unwrap();
    home.queuectl(["list", "--config", "huge.toml"]).assert().code(1).stderr(contains("more than 1 MiB"));
}

fn jobs_come_from_a_fifo_and_not_from_a_folder_or_without_end() {
    let home = Home::new();
    mkfifo(&home.path("jobs"), Mode::S_IRWXU).unwrap();
    let line = r#"{ echo '{"command":"true"}' > jobs & }; queuectl enqueue --file jobs"#;
    home.typed(Spelling::Dispatched, line).assert().success().stdout("Jobs added: 1\n");
    fs::create_dir(home.path("folder")).unwrap();
    home.queuectl(["enqueue", "--file", "folder"])
        .assert()
        .code(1)
        .stderr(contains("cannot read folder: Is a directory"));
    let limited = "ulimit -v 2000000; queuectl enqueue --file /dev/zero";
    home.typed(Spelling::Dispatched, limited)
        .assert()
        .code(1)
        .stderr(contains("line 1: this is longer than 16 MiB"));
    assert_eq!(home.counts().total(), 1);
}

/// Where the doorbell of the next worker should be.
fn next_bell(home: &Home) -> PathBuf {
    let last = home.store().workers().unwrap().iter().map(|worker| worker.id.0).max().unwrap_or(0);
    home.queue_folder().join(format!("queue.db-bell-{}", last + 1))
}

/// Time of processors that a process has used, in ticks of the kernel.
fn ticks_used(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn a_doorbell_that_is_no_fifo_costs_time_and_nothing_else() {
    let home = Home::quick();
    home.enqueue("a", "true");
    let bell = next_bell(&home);
    fs::write(&bell, "words").unwrap();
    let mut worker = home.worker([""; 0]);
    home.wait_for("a", State::Completed);
    worker.wait_until_it_says("The doorbell");
    assert!(worker.said().contains("it is no FIFO"), "{}", worker.said());
    home.queuectl(["doctor"])
        .assert()
        .stdout(contains(format!("warning  owner: {} is no FIFO", bell.display())));
    // Ten rounds of jobs that it must find by itself: a spin would use all the time that passes.
    let pid = home.worker_pids()[0];
    let (before, began) = (ticks_used(pid), std::time::Instant::now());
    for number in 0..5 {
        home.enqueue(&format!("job-{number}"), "true");
        home.wait_for(&format!("job-{number}"), State::Completed);
    }
    let used = ticks_used(pid) - before;
    let passed = began.elapsed().as_millis() as u64 / 10;
    assert!(used * 2 < passed.max(10), "{used} of {passed} ticks");
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    assert_eq!(fs::read_to_string(&bell).unwrap(), "words", "it was written or removed");
}

fn a_link_where_a_doorbell_should_be_is_not_followed() {
    let home = Home::quick();
    home.enqueue("a", "true");
    let bell = next_bell(&home);
    mkfifo(&home.path("elsewhere"), Mode::S_IRWXU).unwrap();
    symlink(home.path("elsewhere"), &bell).unwrap();
    let mut worker = home.worker(["--drain"]);
    worker.wait_for_success();
    assert!(worker.said().contains("The doorbell"), "{}", worker.said());
    assert!(fs::symlink_metadata(&bell).unwrap().is_symlink());
    assert!(home.path("elsewhere").exists());
}

fn a_full_inode_table_costs_the_doorbell_and_not_the_worker() {
    let home = Home::quick();
    let script = "mkdir $QUEUECTL_HOME
        mount -t tmpfs -o size=16m,nr_inodes=20 tmpfs $QUEUECTL_HOME
        queuectl enqueue --id a true
        queuectl worker start 2>said-first & first=$!
        until queuectl list --state completed --json | grep -q '\"a\"'; do sleep 0.05; done
        n=0; while touch $QUEUECTL_HOME/filler-$n 2>/dev/null; do n=$((n + 1)); done
        queuectl enqueue --id b 'until [ -e go ]; do sleep 0.05; done'
        queuectl enqueue --id c true
        queuectl worker start --count 2 2>said-second & second=$!
        until grep -q 'The doorbell' said-second; do sleep 0.05; done
        touch go
        until [ $(queuectl list --state completed --json | grep -c '\"id\"') = 3 ]; do sleep 0.05; done
        kill $first $second
        wait $first
        wait $second";
    let quoted = script.replace('\'', "'\\''");
    home.typed(Spelling::Dispatched, &format!("unshare --mount sh -ec '{quoted}'")).assert().success();
    let said = home.lines("said-second").join("\n");
    assert!(!said.contains(" error: "), "{said}");
    assert_eq!(said.matches("The doorbell").count(), 2, "once a worker: {said}");
}

fn what_stands_beside_a_queue_is_never_followed_or_waited_for() {
    for name in ["queue.db-workers", "queue.db-wal", "queue.db-shm", "queue.db-journal"] {
        for kind in KINDS {
            let home = Home::new();
            home.enqueue("a", "true");
            let path = home.queue_folder().join(name);
            let _socket = put(kind, &path);
            let shown = if kind == "a device" { "a symbolic link" } else { kind };
            let mut worker = home.queuectl(["worker", "start", "--drain"]).assert().code(1);
            worker = worker.stderr(contains(format!("{name} is {shown}, and not a file")));
            drop(worker);
            if name != "queue.db-workers" {
                home.queuectl(["list"]).assert().code(1).stderr(contains(name).and(contains("hint: ")));
            }
            home.queuectl(["doctor"]).assert().code(1).stdout(contains(format!("{name} is {shown}")));
            assert!(fs::symlink_metadata(&path).is_ok(), "it was removed");
        }
    }
}

fn a_log_that_is_no_file_is_refused() {
    for kind in KINDS {
        let home = Home::new();
        home.enqueue("a", "true");
        let _socket = put(kind, &home.queue_folder().join("worker.log"));
        let shown = if kind == "a device" { "a symbolic link" } else { kind };
        home.queuectl(["worker", "start", "--detach"])
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains(format!("worker.log is {shown}")).and(contains("hint: ")));
        home.queuectl(["doctor"]).assert().code(1).stdout(contains(format!("worker.log is {shown}")));
        wait_until(DEADLINE, "nothing was started", || home.managers_and_workers().is_empty());
    }
}

fn a_configuration_is_locked_in_a_file_and_nowhere_else() {
    for kind in KINDS {
        let home = Home::new();
        home.configure("max-retries = 4\n");
        let _socket = put(kind, &home.queue_folder().join("config.toml.lock"));
        home.queuectl(["config", "set", "max-retries", "5"])
            .assert()
            .code(1)
            .stderr(contains("config.toml.lock is ").and(contains("hint: ")));
        assert_eq!(fs::read_to_string(home.config_file()).unwrap(), "max-retries = 4\n");
        home.queuectl(["doctor"]).assert().code(1).stdout(contains("config.toml.lock is "));
    }
}
