//! `queuectl queue set --limit`: never more jobs of a queue run than may.

use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, wait_until};
use nix::sys::signal::Signal;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use serde_json::{Value, json};

trials![
    jobs_of_a_queue_with_a_limit_never_run_at_once,
    a_slot_that_is_free_is_taken_by_another_worker_at_once,
    the_slot_of_a_killed_worker_is_free_again,
    a_limit_that_is_lowered_or_raised_counts_from_then_on,
    why_names_the_jobs_that_fill_a_queue,
    rules_of_queues_are_backed_up_and_moved,
    retries_of_a_queue_with_a_limit_wake_its_worker if Postgres,
    a_wrong_limit_changes_nothing,
    only_a_queue_without_jobs_is_removed,
];

/// A job that fails if another one of it runs at the same time.
const ALONE: &str = "exec 9>>lock; flock -n 9 || { echo not alone >&2; exit 9; }; sleep 0.02";

fn limit(home: &Home, queue: &str, limit: &str) {
    home.queuectl(["queue", "set", queue, "--limit", limit]).assert().success();
}

fn jobs(home: &Home, queue: &str, command: &str, number: usize) {
    let job = |number| json!({"id": format!("{queue}{number}"), "queue": queue, "max_retries": 0, "command": command});
    home.enqueue_all((0..number).map(job));
}

fn count(home: &Home, queue: &str, state: &str) -> u64 {
    home.json(["status", "--json"])["queues"][queue][state].as_u64().unwrap_or(0)
}

fn jobs_of_a_queue_with_a_limit_never_run_at_once() {
    let home = Home::quick();
    limit(&home, "one", "1");
    jobs(&home, "one", ALONE, 40);
    jobs(&home, "free", "true", 40);
    home.queuectl(["worker", "start", "--count", "2", "--concurrency", "3", "--drain"])
        .assert()
        .success()
        .stderr(contains("Drained: 80 completed, 0 died, 0 left."));
    assert_eq!((count(&home, "one", "completed"), count(&home, "free", "completed")), (40, 40));
}

fn a_slot_that_is_free_is_taken_by_another_worker_at_once() {
    let home = Home::quick();
    limit(&home, "one", "1");
    // The first worker ends with its first job; the second has seen a full queue by then.
    jobs(&home, "one", "touch running; until [ -e go ]; do sleep 0.02; done", 2);
    let mut first = home.worker(["--max-jobs", "1"]);
    home.wait_for_file("running");
    let _second = home.worker(["--poll-interval", "1h"]);
    wait_until(DEADLINE, "the second worker is there", || home.store().workers().unwrap().len() == 2);
    home.make_file("go");
    first.wait_for_success();
    home.wait_for("one1", State::Completed);
}

fn the_slot_of_a_killed_worker_is_free_again() {
    let home = Home::quick();
    limit(&home, "one", "1");
    jobs(&home, "one", "[ $QUEUECTL_JOB_LEASE -gt 1 ] || { touch running; sleep 1000; }", 1);
    let _worker = home.worker(["--count", "2", "--poll-interval", "1h"]);
    home.wait_for_file("running");
    let holder = home.job("one0").worker.unwrap();
    let pid = home.store().worker(holder).unwrap().unwrap().pid;
    crate::support::send(i32::try_from(pid).unwrap(), Signal::SIGKILL);
    home.wait_for("one0", State::Completed);
    assert_eq!(home.job("one0").lease, 2);
}

fn a_limit_that_is_lowered_or_raised_counts_from_then_on() {
    let home = Home::quick();
    limit(&home, "q", "2");
    jobs(&home, "q", "until [ -e go ]; do sleep 0.02; done", 5);
    let _worker = home.worker(["--concurrency", "8", "--poll-interval", "1h"]);
    let running = || count(&home, "q", "processing");
    wait_until(DEADLINE, "two run", || running() == 2);
    limit(&home, "q", "4");
    wait_until(DEADLINE, "four run", || running() == 4);
    limit(&home, "q", "1");
    assert_eq!(running(), 4, "what runs goes on");
    home.queuectl(["queue", "set", "q", "--no-limit"])
        .assert()
        .success()
        .stdout("The queue q has no limit\n");
    wait_until(DEADLINE, "all run", || running() == 5);
    home.make_file("go");
    wait_until(DEADLINE, "all have ended", || count(&home, "q", "completed") == 5);
}

fn why_names_the_jobs_that_fill_a_queue() {
    let home = Home::quick();
    limit(&home, "q", "1");
    jobs(&home, "q", "touch running; until [ -e go ]; do sleep 0.02; done", 2);
    let _worker = home.worker(["--concurrency", "4"]);
    home.wait_for_file("running");
    home.queuectl(["why", "q1"])
        .assert()
        .success()
        .stdout(contains("the queue q runs 1 of 1 at a time: job 1 (`queuectl queue set q --limit N`)"));
    let why = home.json(["why", "q1", "--json"]);
    assert_eq!(why["reasons"].as_array().unwrap().len(), 1, "{why}");
    assert_eq!(why["reasons"][0]["kind"], "limit");
    assert_eq!(home.json(["queue", "show", "q", "--json"])["limit"], 1);
    home.make_file("go");
    home.wait_for("q1", State::Completed);
}

fn rules_of_queues_are_backed_up_and_moved() {
    let home = Home::quick();
    limit(&home, "q", "3");
    home.queuectl(["queue", "pause", "mail", "--reason", "the relay is down"]).assert().success();
    jobs(&home, "mail", "true", 1);
    let rules = |home: &Home| home.json(["queue", "list", "--json"]);
    let before = rules(&home);
    home.queuectl(["backup", "copy.db"]).assert().success();
    let copy = home.json(["--database", "copy.db", "queue", "list", "--json"]);
    assert_eq!(copy, before);
    home.queuectl(["move", "--to", "new.db", "--verify"]).assert().success();
    assert_eq!(home.json(["--database", "new.db", "queue", "list", "--json"]), before);
    home.queuectl(["--database", "new.db", "worker", "start", "--drain"])
        .assert()
        .success()
        .stderr(contains("1 held or paused."));
    home.queuectl(["queue", "resume", "mail"]).assert().failure().stderr(contains("moved"));
    let left = home.json(["why", "mail0", "--json"]);
    assert_eq!(left["reasons"][0]["kind"], "moved", "{left}");
    let hint = left["reasons"][0]["hint"].as_str().unwrap();
    home.typed(crate::support::Spelling::Dispatched, hint).assert().success().stdout(contains("is paused"));
}

fn retries_of_a_queue_with_a_limit_wake_its_worker() {
    for home in [Home::new(), Home::new().on_server(Server::shared())] {
        let home = home.with("QUEUECTL_BACKOFF_BASE", "1");
        limit(&home, "q", "1");
        let job = |number| json!({"id": format!("q{number}"), "queue": "q", "command": "[ $QUEUECTL_ATTEMPT = 2 ]", "max_retries": 1});
        home.enqueue_all((0..3).map(job));
        let _worker = home.worker(["--concurrency", "1", "--poll-interval", "1h"]);
        for id in ["q0", "q1", "q2"] {
            home.wait_for(id, State::Completed);
        }
    }
}

fn a_wrong_limit_changes_nothing() {
    let home = Home::quick();
    for wrong in ["0", "-1", "many", "1000001", ""] {
        home.queuectl(["queue", "set", "q", &format!("--limit={wrong}")]).assert().code(2).stdout("");
    }
    home.queuectl(["queue", "set", "q"]).assert().code(2).stderr(contains("--limit"));
    home.queuectl(["queue", "set", "a b", "--limit", "1"]).assert().code(2);
    home.queuectl(["queue", "set", "q", "--limit", "1", "--no-limit"]).assert().code(2);
    assert_eq!(home.json(["queue", "list", "--json"]), json!([]));
}

fn only_a_queue_without_jobs_is_removed() {
    let home = Home::quick();
    limit(&home, "q", "1");
    jobs(&home, "q", "true", 1);
    home.queuectl(["queue", "remove", "q"]).assert().code(1).stderr(
        contains("the queue q has 1 job; only one without jobs").and(contains("`queuectl list --queue q`")),
    );
    home.queuectl(["queue", "remove", "ghost"]).assert().code(4);
    home.queuectl(["cancel", "q0"]).assert().success();
    home.queuectl(["prune", "q0"]).assert().success();
    home.queuectl(["queue", "remove", "q"])
        .assert()
        .success()
        .stdout("Forgot what was said of the queue q\n");
    assert_eq!(home.json(["queue", "list", "--json"]), Value::Array(Vec::new()));
}
