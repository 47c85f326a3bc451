//! What each program does with a database that is no good queue.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use predicates::str::contains;
use rusqlite::Connection;
use std::fs;

trials![
    a_file_that_is_no_database_is_refused_and_kept,
    the_database_of_another_program_is_refused_and_kept,
    a_newer_queue_is_refused_and_kept,
    a_damaged_queue_is_refused,
    a_folder_is_refused,
    a_hard_linked_queue_is_refused,
    a_locked_queue_is_busy_and_exits_75,
    a_url_nobody_serves_is_refused_without_its_password,
    a_read_only_file_system_is_refused if Root,
    a_full_disk_is_refused_and_loses_nothing if Root,
    results_wait_for_room_on_a_full_disk if Root,
    a_failing_sync_is_an_error if Strace,
];

/// Every program that touches the queue refuses it with exit code 1 and this word.
fn is_refused(home: &Home, word: &str) {
    let before = fs::read(home.database()).ok();
    both(|spelling| {
        for arguments in [
            vec!["enqueue", "true"],
            vec!["list"],
            vec!["list", "--json"],
            vec!["status"],
            vec!["show", "a"],
            vec!["dlq", "list"],
            vec!["dlq", "retry", "a"],
            vec!["cancel", "a"],
            vec!["prune", "--state", "dead", "--older-than", "1d"],
            vec!["worker", "start"],
            vec!["worker", "stop"],
        ] {
            let assert = home.run(spelling, &arguments).assert();
            let output = assert.get_output();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
            let begin = if arguments.contains(&"--json") { "{\"error\":" } else { "queuectl: error: " };
            assert!(said.contains(begin) && said.contains(word), "{arguments:?}: {said}");
            assert!(output.stdout.is_empty(), "{arguments:?}");
        }
    });
    assert_eq!(fs::read(home.database()).ok(), before, "it was changed");
}

fn a_file_that_is_no_database_is_refused_and_kept() {
    let home = Home::new();
    home.configure("");
    fs::write(home.database(), "Dear diary, ".repeat(1000)).unwrap();
    is_refused(&home, "is not a queue");
}

fn the_database_of_another_program_is_refused_and_kept() {
    let home = Home::new();
    home.configure("");
    Connection::open(home.database()).unwrap().execute_batch("CREATE TABLE jobs (id TEXT)").unwrap();
    is_refused(&home, "another program");
}

fn a_newer_queue_is_refused_and_kept() {
    let home = Home::new();
    home.enqueue("a", "true");
    Connection::open(home.database()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    is_refused(&home, "has schema 99; this program knows schemas up to ");
}

fn a_damaged_queue_is_refused() {
    let home = Home::new();
    home.enqueue("a", "true");
    let mut bytes = fs::read(home.database()).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page.fill(0x5a);
    }
    fs::write(home.database(), bytes).unwrap();
    is_refused(&home, "damaged");
}

fn a_folder_is_refused() {
    let home = Home::new();
    fs::create_dir_all(home.database()).unwrap();
    is_refused(&home, "cannot be opened");
}

fn a_hard_linked_queue_is_refused() {
    let home = Home::new();
    home.enqueue("a", "true");
    fs::hard_link(home.database(), home.path("other.db")).unwrap();
    is_refused(&home, "hard links");
}

fn a_locked_queue_is_busy_and_exits_75() {
    both(|spelling| {
        let home = Home::new().with("QUEUECTL_BUSY_TIMEOUT", "100ms");
        home.enqueue("a", "true");
        let holder = Connection::open(home.database()).unwrap();
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        home.run(spelling, ["enqueue", "true"]).assert().code(75).stdout("").stderr(contains("busy"));
        home.run(spelling, ["cancel", "a"]).assert().code(75);
        // Who only looks is not kept waiting.
        home.run(spelling, ["list"]).assert().success();
        holder.execute_batch("ROLLBACK").unwrap();
        home.run(spelling, ["cancel", "a"]).assert().success();
    });
}

fn a_url_nobody_serves_is_refused_without_its_password() {
    both(|spelling| {
        let home = Home::new();
        let assert = home
            .run(spelling, ["list"])
            .env("QUEUECTL_DATABASE", "nosql://me:secret@there/q")
            .assert()
            .code(1)
            .stdout("");
        let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(said.contains("nosql://") && !said.contains("secret"), "{said}");
    });
}

/// Runs a script in a mount namespace of its own, with the programs on its PATH.
fn in_a_namespace(home: &Home, script: &str) -> assert_cmd::assert::Assert {
    let quoted = script.replace('\'', "'\\''");
    home.typed(Spelling::Dispatched, &format!("unshare --mount sh -ec '{quoted}'")).assert()
}

fn a_read_only_file_system_is_refused() {
    let home = Home::new();
    home.enqueue("a", "true");
    let script = "mount --bind $QUEUECTL_HOME $QUEUECTL_HOME
        mount -o remount,ro,bind $QUEUECTL_HOME
        queuectl enqueue --id b true && exit 50
        echo enqueue: $?
        queuectl cancel a && exit 51
        echo cancel: $?";
    in_a_namespace(&home, script).success().stdout("enqueue: 1\ncancel: 1\n").stderr(contains("read-only"));
    assert_eq!(home.counts().total(), 1);
    assert_eq!(home.state("a"), queuectl_core::State::Pending);
}

fn a_full_disk_is_refused_and_loses_nothing() {
    let home = Home::new();
    let script = "mkdir $QUEUECTL_HOME
        mount -t tmpfs -o size=1m tmpfs $QUEUECTL_HOME
        queuectl enqueue --id before true
        dd if=/dev/zero of=$QUEUECTL_HOME/filler bs=4k 2>/dev/null || :
        head -c 60000 /dev/zero | tr '\\0' x > long
        n=0
        while :; do
            queuectl enqueue --id job-$n \"$(cat long)\" >>accepted || { echo code: $?; break; }
            n=$((n+1))
        done
        rm $QUEUECTL_HOME/filler
        queuectl list --json | grep -c '\"id\"' >listed
        queuectl enqueue --id after true";
    let assert = in_a_namespace(&home, script).success();
    let output = assert.get_output();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(String::from_utf8_lossy(&output.stdout).contains("code: 1"), "{said}");
    assert!(said.contains("full"), "{said}");
    let listed: usize = home.lines("listed")[0].parse().unwrap();
    assert_eq!(listed, home.lines("accepted").len() + 1, "what was accepted is there, and nothing else");
}

fn results_wait_for_room_on_a_full_disk() {
    let home = Home::quick();
    let script = "mkdir $QUEUECTL_HOME
        mount -t tmpfs -o size=2m tmpfs $QUEUECTL_HOME
        queuectl enqueue --id a 'echo run >> runs; touch running; until [ -e go ]; do sleep 0.05; done'
        queuectl worker start 2>worker-said & worker=$!
        until [ -e running ]; do sleep 0.05; done
        dd if=/dev/zero of=$QUEUECTL_HOME/filler bs=4k 2>/dev/null || :
        touch go
        until grep -q -i full worker-said; do sleep 0.05; done
        rm $QUEUECTL_HOME/filler
        until queuectl list --state completed --json | grep -q '\"a\"'; do sleep 0.05; done
        kill $worker
        wait $worker";
    in_a_namespace(&home, script).success();
    assert_eq!(home.lines("runs").len(), 1, "the job ran once");
}

fn a_failing_sync_is_an_error() {
    let home = Home::new();
    home.enqueue("a", "true");
    let line = "strace -f -qq -o trace -e trace=fsync,fdatasync -e inject=fsync,fdatasync:error=EIO \
                queuectl-enqueue --id b true";
    home.typed(Spelling::Dispatched, line).assert().code(1).stdout("").stderr(contains("queuectl: error: "));
}
