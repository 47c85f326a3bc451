//! Workers and managers that are cut off or refused at any step.

use super::tracer::{
    Disturbed, Fault, Lasts, SYNC, at_each_place, counted, kills, quick, single_refusals, some_of, traced,
    traced_worker, tracer, was_hit, words,
};
use crate::oracle::{Oracle, failing, watched};
use crate::scale::{is_long, report};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Worker, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::State;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

trials![
    a_disk_that_fails_for_good_ends_a_worker_and_loses_nothing if Strace and Root,
    a_manager_killed_at_any_step_loses_nothing if Strace,
    a_worker_killed_at_any_step_loses_nothing if Strace,
    a_worker_killed_at_its_work_is_replaced if Strace and Root,
    a_worker_that_fails_once_at_its_start_loses_nothing if Strace,
    a_worker_whose_lock_the_system_does_not_take_back_ends_with_it if Strace,
    a_worker_that_fails_once_at_its_work_goes_on if Strace and Root,
    a_manager_that_fails_once_loses_nothing if Strace,
    a_disk_that_fails_once_at_a_commit_does_not_end_a_worker if Strace and Root,
    a_disk_that_is_full_for_good_loses_nothing if Strace and Root,
];

/// Jobs for a worker: two that succeed and one that fails twice.
fn some_jobs(oracle: &Oracle, name: &str) {
    let job =
        |n: u32, command: String| json!({"id": format!("{name}-{n}"), "command": command, "max_retries": 1});
    let jobs: Vec<Value> = vec![job(0, watched("echo words")), job(1, failing("")), job(2, watched(""))];
    let ids: Vec<String> = jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    oracle.home().enqueue_all(jobs);
    for id in &ids {
        oracle.acknowledge(id);
    }
}

/// Ends what the oracle looks at. A doorbell whose removal was refused is left
/// beside the queue, where it harms nobody.
fn judge(oracle: &Oracle, faults: &[Fault]) {
    if faults.iter().any(|fault| fault.call == "unlink" && fault.error.is_some()) {
        oracle.home().drain();
        for entry in fs::read_dir(oracle.home().queue_folder()).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("queue.db-bell-") {
                fs::remove_file(path).unwrap();
            }
        }
    }
    oracle.expect_no_breach();
}

/// Disturbs workers or their manager at each place; whatever comes of them, a
/// later worker ends everything.
fn workers_suffer(what: &str, sample: u32, faults: &[Fault], run: impl Fn(&Home, &[String]) -> Disturbed) {
    let oracle = Oracle::new(quick());
    let home = oracle.home();
    some_jobs(&oracle, "counted");
    let undisturbed = run(home, &[]);
    assert!(undisturbed.is_done(), "{undisturbed}");
    let counts = counted(&undisturbed.trace);
    let next = Cell::new(0);
    at_each_place(what, &counts, sample, faults, |fault| {
        next.set(next.get() + 1);
        some_jobs(&oracle, &format!("round-{}", next.get()));
        let disturbed = run(home, &fault.rules());
        if fault.error.is_some() {
            disturbed.expect_plain_words(fault);
        }
        if disturbed.is_done() {
            assert_eq!(home.counts().unfinished(), 0, "{disturbed}");
        }
        home.drain();
        let breaches = oracle.look();
        assert!(breaches.is_empty(), "{fault}: {breaches:?}");
        disturbed.is_hit()
    });
    judge(&oracle, faults);
}

fn drain_words() -> Vec<String> {
    words(["worker", "start", "--drain", "--exit-zero"])
}

fn a_manager_killed_at_any_step_loses_nothing() {
    workers_suffer("manager killed", 2, &kills(), |home, rules| traced(home, rules, &drain_words()));
}

fn a_worker_killed_at_any_step_loses_nothing() {
    workers_suffer("worker killed", 2, &kills(), traced_worker);
}

fn a_worker_that_fails_once_at_its_start_loses_nothing() {
    workers_suffer("worker fails once", 1, &some_of(single_refusals(), 3), traced_worker);
}

/// The call, in any thread, with which a lock of who writes to the database is given
/// back: where each is among the calls of its thread.
fn releases_of_the_writers_lock(trace: &str) -> BTreeSet<u32> {
    let mut calls: BTreeMap<&str, u32> = BTreeMap::new();
    let mut releases = BTreeSet::new();
    for (thread, call) in trace.lines().filter_map(|line| line.split_once(' ')) {
        if call.trim_start().starts_with("fcntl(") {
            let number = calls.entry(thread).or_default();
            *number += 1;
            if is_release_of_the_writers_lock(call) {
                releases.insert(*number);
            }
        }
    }
    releases
}

fn is_release_of_the_writers_lock(call: &str) -> bool {
    call.contains("F_UNLCK") && call.contains("l_start=120, ")
}

fn a_worker_whose_lock_the_system_does_not_take_back_ends_with_it() {
    let oracle = Oracle::new(quick());
    let home = oracle.home();
    some_jobs(&oracle, "counted");
    let calls = ["trace=?fcntl".to_owned()];
    let undisturbed = traced_worker(home, &calls);
    assert!(undisturbed.is_done(), "{undisturbed}");
    let mut hits = 0;
    let most = if is_long() { usize::MAX } else { 8 };
    for number in releases_of_the_writers_lock(&undisturbed.trace).into_iter().take(most) {
        let fault = Fault::refuse(("fcntl", "EIO"), Lasts::Once).at(number);
        some_jobs(&oracle, &format!("call-{number}"));
        let disturbed = traced_worker(home, &fault.rules());
        disturbed.expect_plain_words(fault);
        let is_meant = |line: &str| line.contains("INJECTED") && is_release_of_the_writers_lock(line);
        if disturbed.trace.lines().any(is_meant) {
            hits += 1;
            assert!(disturbed.is_done() || disturbed.said.contains("this program itself"), "{disturbed}");
        }
        home.drain();
        oracle.expect_no_breach();
    }
    report(&format!("{hits} locks that the system did not take back: no worker waited for itself"));
    assert!(hits > 0, "nothing was hit");
}

fn a_manager_that_fails_once_loses_nothing() {
    workers_suffer("manager fails once", 1, &some_of(single_refusals(), 4), |home, rules| {
        traced(home, rules, &drain_words())
    });
}

/// A tracer of a worker that is at its work already.
fn trace_worker(home: &Home, rules: &[String]) -> Worker {
    let pid = home.worker_pids()[0].to_string();
    let mut command = tracer(home, rules);
    command.args(["-p", &pid]);
    let tracer = Worker::start(command, &home.root().join("said").join("tracer"));
    tracer.wait_until_it_says(&format!("Process {pid} attached"));
    tracer
}

/// A manager with a worker that waits for jobs.
fn idle_worker(home: &Home) -> Worker {
    let worker = home.worker(["--concurrency", "2"]);
    worker.wait_until_it_says("Loop started");
    worker
}

/// A worker that is disturbed at its work: the jobs that come in then are all
/// ended, by it or by its replacement. Gives what the tracer has seen.
fn at_work(oracle: &Oracle, name: &str, rules: &[String]) -> String {
    let home = oracle.home();
    let mut manager = idle_worker(home);
    let tracer = trace_worker(home, rules);
    some_jobs(oracle, name);
    let mut has_ended = false;
    wait_until(DEADLINE, &format!("{rules:?}: all jobs are finished"), || {
        has_ended = manager.has_ended();
        has_ended || home.counts().unfinished() == 0
    });
    assert!(!has_ended, "{rules:?}: {}", manager.said());
    manager.signal(Signal::SIGTERM);
    let status = manager.wait();
    assert!(
        status.success() && !manager.said().contains("panicked"),
        "{rules:?}: {status}: {}",
        manager.said()
    );
    drop(tracer);
    let breaches = oracle.look();
    assert!(breaches.is_empty(), "{rules:?}: {breaches:?}");
    fs::read_to_string(home.path("trace")).unwrap()
}

fn workers_suffer_at_work(what: &str, sample: u32, faults: &[Fault]) {
    let oracle = Oracle::new(quick());
    let counts = counted(&at_work(&oracle, "counted", &[]));
    let next = Cell::new(0);
    at_each_place(what, &counts, sample, faults, |fault| {
        next.set(next.get() + 1);
        was_hit(&at_work(&oracle, &format!("round-{}", next.get()), &fault.rules()))
    });
    judge(&oracle, faults);
}

fn a_worker_killed_at_its_work_is_replaced() {
    workers_suffer_at_work("worker killed at its work", 1, &kills());
}

fn a_worker_that_fails_once_at_its_work_goes_on() {
    // To SQLite a page that cannot be read is a damaged one, and nothing that passes.
    let passing = single_refusals().into_iter().filter(|fault| fault.call != "pread64").collect();
    workers_suffer_at_work("worker fails once at its work", 1, &some_of(passing, 3));
}

/// A worker that runs the job `held`, with the fault from its end on.
fn disturbed_at_the_result(home: &Home, fault: Fault) -> (Worker, Worker) {
    let worker = home.worker(["--drain"]);
    home.wait_for_file("running");
    let tracer = trace_worker(home, &fault.rules());
    home.make_file("go");
    (worker, tracer)
}

fn with_a_held_job() -> Oracle {
    let oracle = Oracle::new(quick());
    let body = "touch running; until [ -e go ]; do sleep 0.01; done";
    assert!(oracle.enqueue("held", &watched(body), &[]));
    assert!(oracle.enqueue("next", &watched(""), &[]));
    oracle
}

fn a_disk_that_fails_once_at_a_commit_does_not_end_a_worker() {
    for fault in [(SYNC, "EIO"), ("pwrite64", "EIO")] {
        let oracle = with_a_held_job();
        let home = oracle.home();
        let (mut worker, _tracer) = disturbed_at_the_result(home, Fault::refuse(fault, Lasts::Once));
        worker.wait_for_success();
        let said = worker.said();
        assert!(
            said.contains("the disk fails") && said.contains("The queue can be written again."),
            "{said}"
        );
        assert!(!said.contains("A worker died"), "{said}");
        assert_eq!(home.attempts("held").len(), 1, "the result of the only run was kept");
        assert_eq!(home.state("held"), State::Completed);
        oracle.expect_no_breach();
    }
}

/// Waits for a worker that cannot go on, which must have said so.
fn expect_failure(worker: &mut Worker, word: &str) {
    let status = worker.wait();
    let said = worker.said();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("queuectl: error: ") && said.contains(word), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

fn a_disk_that_fails_for_good_ends_a_worker_and_loses_nothing() {
    let oracle = with_a_held_job();
    let fault = Fault::refuse((SYNC, "EIO"), Lasts::ForGood);
    let (mut worker, _tracer) = disturbed_at_the_result(oracle.home(), fault);
    expect_failure(&mut worker, "the disk fails");
    oracle.home().drain();
    oracle.expect_no_breach();
}

fn a_disk_that_is_full_for_good_loses_nothing() {
    let oracle = with_a_held_job();
    let fault = Fault::refuse(("pwrite64", "ENOSPC"), Lasts::ForGood);
    let (mut worker, _tracer) = disturbed_at_the_result(oracle.home(), fault);
    worker.wait_until_it_says("results are kept");
    // The first request waits for what it cannot write; the second does not.
    worker.signal(Signal::SIGTERM);
    worker.wait_until_it_says("Received shutdown signal");
    worker.signal(Signal::SIGTERM);
    expect_failure(&mut worker, "full");
    oracle.home().drain();
    oracle.expect_no_breach();
}
