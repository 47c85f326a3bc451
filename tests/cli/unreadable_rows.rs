//! Rows that cannot be read and are no job's: attempts, output, workers, counts; and what
//! copies take of any.

use super::doctor::complains;
use super::unreadable::{in_file, on_server, with_three};
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, wait_until};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use rusqlite::Connection;

trials![
    an_attempt_or_output_that_cannot_be_read_is_shown_as_far_as_it_can_be,
    a_worker_whose_row_cannot_be_read_keeps_nobody_from_working,
    a_dead_worker_whose_row_is_spoilt_keeps_no_worker_from_starting,
    a_dead_worker_of_a_server_whose_row_is_spoilt_keeps_no_worker_from_starting if Postgres,
    counts_that_cannot_be_are_counted_anew,
    a_backup_keeps_a_row_as_it_is,
    a_move_to_a_server_names_the_row_that_it_cannot_take if Postgres,
    a_move_to_a_file_takes_a_row_as_it_is,
];

fn an_attempt_or_output_that_cannot_be_read_is_shown_as_far_as_it_can_be() {
    let home = Home::quick();
    home.enqueue("a", "echo hello");
    home.drain();
    in_file(
        &home,
        "UPDATE attempt SET outcome = 'vanished', output_bytes = -1;
         UPDATE output SET stream = 7",
    );
    home.queuectl(["show", "a"]).assert().success().stdout(contains("hello").and(contains("vanished")));
    home.queuectl(["logs", "a"]).assert().success();
    complains(&home, "error", "rows", "attempt 1 of the job of seq 1: column outcome has \"vanished\"");
    complains(&home, "error", "rows", "output 0 of the job of seq 1: column stream has 7");
}

fn a_worker_whose_row_cannot_be_read_keeps_nobody_from_working() {
    let home = Home::quick();
    home.enqueue("a", "true");
    home.drain();
    in_file(
        &home,
        "INSERT INTO worker (host, pid, manager_pid, boot_id, pid_namespace, run, note_region, concurrency,
             path, started_at_ms) VALUES (CAST(x'ff' AS TEXT), -1, -1, 'gone', 0, 'x', 9, -1, '/bin', 1)",
    );
    home.enqueue("b", "true");
    home.queuectl(["worker", "list"]).assert().success().stderr(contains("cannot be read"));
    home.queuectl(["status"]).assert().success();
    complains(&home, "error", "rows", "worker 2: column host is not UTF-8");
    home.drain();
    assert_eq!(home.counts()[State::Completed], 2);
}

/// Its place for notes cannot be one, and it has left a job.
fn starts_beside_a_spoilt_row(home: &Home, spoil: &dyn Fn(&Home)) {
    home.enqueue("left", "[ $QUEUECTL_JOB_LEASE -gt 1 ] || { touch running; sleep 1000; }");
    let _killed_with_its_home = home.worker(["--count", "1"]);
    wait_until(DEADLINE, "the job runs", || home.path("running").exists());
    home.kill_everything();
    spoil(home);
    let advice = complains(home, "error", "rows", "column note_region has the number -5");
    assert!(advice.contains("UPDATE") && advice.contains("worker SET … WHERE id = 1"), "{advice}");
    home.queuectl(["worker", "start", "--drain", "--exit-zero"]).assert().success();
    assert_eq!(home.state("left"), State::Completed);
}

fn a_dead_worker_whose_row_is_spoilt_keeps_no_worker_from_starting() {
    starts_beside_a_spoilt_row(&Home::quick(), &|home| in_file(home, "UPDATE worker SET note_region = -5"));
}

fn a_dead_worker_of_a_server_whose_row_is_spoilt_keeps_no_worker_from_starting() {
    let home = Home::quick().on_server(Server::shared());
    starts_beside_a_spoilt_row(&home, &|home| on_server(home, "UPDATE worker SET note_region = -5"));
}

fn counts_that_cannot_be_are_counted_anew() {
    let home = Home::quick();
    home.enqueue("a", "true");
    in_file(&home, "UPDATE counts SET pending = -5, completed = -9223372036854775808");
    complains(&home, "error", "counts", "the counters have what is no number of jobs");
    home.queuectl(["status"]).assert().success().stdout(contains("  pending   : 1\n"));
    home.drain();
    assert_eq!(home.counts()[State::Completed], 1);
    home.queuectl(["doctor"]).assert().success();
}

fn a_backup_keeps_a_row_as_it_is() {
    let home = Home::quick();
    with_three(&home);
    in_file(&home, "UPDATE job SET command = CAST(x'74ff' AS TEXT), env = '{' WHERE id = 'bad'");
    home.queuectl(["backup", "copy.db"]).assert().success();
    let copy = Connection::open(home.path("copy.db")).unwrap();
    let kept: (Vec<u8>, String) = copy
        .query_row("SELECT CAST(command AS BLOB), env FROM job WHERE id = 'bad'", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(kept, (b"t\xff".to_vec(), "{".to_owned()));
}

fn a_move_to_a_server_names_the_row_that_it_cannot_take() {
    let home = Home::quick();
    with_three(&home);
    in_file(&home, "UPDATE job SET command = CAST(x'74ff' AS TEXT) WHERE id = 'bad'");
    let schema = Server::shared().schema();
    let url = Server::shared().url(schema.name());
    home.queuectl(["move", "--to", &url])
        .assert()
        .code(1)
        .stderr(contains("job (1)").and(contains("column command is not UTF-8")));
    home.queuectl(["move", "--abort"]).assert().success();
    home.enqueue("c", "true");
}

fn a_move_to_a_file_takes_a_row_as_it_is() {
    let home = Home::quick();
    with_three(&home);
    in_file(&home, "UPDATE job SET command = CAST(x'74ff' AS TEXT), env = '{' WHERE id = 'bad'");
    home.queuectl(["move", "--to", "./there.db"]).assert().success();
    let moved = home.with("QUEUECTL_DATABASE", "./there.db");
    moved.queuectl(["list"]).assert().success().stderr(contains("job bad"));
    moved
        .queuectl(["worker", "start", "--drain", "--exit-zero"])
        .assert()
        .success()
        .stderr(contains("column command is not UTF-8"));
}
