//! What `queuectl doctor` says about workers and what they hold.

use super::doctor::{complains, complaints, examined, follow};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Worker, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queuectl_core::State;
use rusqlite::Connection;
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

trials![
    jobs_of_a_killed_worker_are_a_warning_until_the_next_one_has_taken_them,
    jobs_of_a_worker_that_has_ended_are_an_error,
    a_stopped_worker_is_a_warning_until_the_advice_is_typed,
    a_removed_lock_file_is_an_error_while_workers_live,
    a_replaced_lock_file_is_an_error_while_workers_live,
    a_copied_queue_blames_no_worker_of_the_original,
];

/// A worker in whose hands a job is.
fn at_work(home: &Home) -> (Worker, Pid) {
    let manager = home.hold("long");
    let pid = home.worker_pids()[0];
    (manager, Pid::from_raw(pid))
}

/// Kills a worker before anybody can take care of what it holds.
fn kill_both(mut manager: Worker, worker: Pid) {
    manager.signal(Signal::SIGKILL);
    manager.wait();
    kill(worker, Signal::SIGKILL).unwrap();
}

fn jobs_of_a_killed_worker_are_a_warning_until_the_next_one_has_taken_them() {
    let home = Home::quick();
    let (manager, worker) = at_work(&home);
    assert_eq!(complaints(&home), [json!(null); 0]);
    kill_both(manager, worker);
    wait_until(DEADLINE, "the worker is dead", || {
        complaints(&home).iter().any(|finding| finding["check"] == "leases")
    });
    let advice =
        complains(&home, "warning", "leases", "1 job is processing and held by workers that have died");
    assert!(advice.contains("`queuectl worker start`"), "{advice}");
    complains(&home, "warning", "workers", "has died, and holds 1 job");
    complains(&home, "warning", "workers", "none is there for 1 job");
    assert_eq!(home.state("long"), State::Processing, "it only looks");
    home.make_file("go");
    home.drain();
    assert_eq!(complaints(&home), [json!(null); 0]);
}

fn jobs_of_a_worker_that_has_ended_are_an_error() {
    let home = Home::quick();
    let (manager, worker) = at_work(&home);
    kill_both(manager, worker);
    // Nobody of ours does that.
    let connection = Connection::open(home.database()).unwrap();
    connection.execute("UPDATE worker SET ended_at_ms = started_at_ms", []).unwrap();
    complains(&home, "error", "leases", "1 job is processing and held by workers that have ended");
}

fn a_stopped_worker_is_a_warning_until_the_advice_is_typed() {
    let home = Home::quick();
    let (_manager, worker) = at_work(&home);
    kill(worker, Signal::SIGSTOP).unwrap();
    wait_until(DEADLINE, "it is stopped", || !complaints(&home).is_empty());
    let advice = complains(&home, "warning", "workers", "stands still, and holds 1 job");
    follow(&home, &advice);
    wait_until(DEADLINE, "it goes on", || complaints(&home).is_empty());
}

/// Takes the lock file away from a worker that cannot notice it.
fn without_its_lock_file(home: &Home) -> Worker {
    let (manager, worker) = at_work(home);
    kill(worker, Signal::SIGSTOP).unwrap();
    fs::remove_file(home.queue_folder().join("queue.db-workers")).unwrap();
    manager
}

fn a_removed_lock_file_is_an_error_while_workers_live() {
    let home = Home::quick();
    let _manager = without_its_lock_file(&home);
    let advice = complains(&home, "error", "lock-file", "missing");
    assert!(advice.contains("`queuectl worker list`"), "{advice}");
    complains(&home, "warning", "workers", "nobody can tell whether worker 1");
    assert!(!home.queue_folder().join("queue.db-workers").exists(), "none is made");
}

fn a_replaced_lock_file_is_an_error_while_workers_live() {
    let home = Home::quick();
    let _manager = without_its_lock_file(&home);
    fs::write(home.queue_folder().join("queue.db-workers"), "").unwrap();
    complains(&home, "error", "lock-file", "was replaced");
}

fn a_copied_queue_blames_no_worker_of_the_original() {
    let home = Home::quick();
    let (_manager, _worker) = at_work(&home);
    let connection = Connection::open(home.database()).unwrap();
    wait_until(DEADLINE, "all of it is in the database", || {
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        busy == Ok(0)
    });
    let other = Home::quick();
    other.configure("");
    fs::set_permissions(other.queue_folder(), Permissions::from_mode(0o700)).unwrap();
    fs::copy(home.database(), other.database()).unwrap();
    assert_eq!(complaints(&other), [json!(null); 0]);
    let found = examined(&other)["findings"].to_string();
    assert!(found.contains("it is a copy"), "{found}");
    assert_eq!(other.state("long"), State::Processing, "it only looks");
}
