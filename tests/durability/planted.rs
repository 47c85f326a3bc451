//! The harness can fail: each bug of `Bug` is planted and must be found, and the
//! same scenario without it must find nothing.

use super::oracle::{Breach, Oracle, gated, watched};
use super::scale::report;
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, Worker, alive, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{RetryPolicy, State, Timestamp, WorkerId};
use queuectl_store::{Access, Bug, Clock, Exchange, Location, NewWorker, OpenOptions, Registration, Store};
use std::fs;
use std::time::Duration;

trials![
    a_rescue_that_is_too_early_is_found if PlantedBugs,
    a_dead_worker_that_counts_as_alive_by_its_pid_is_found if PlantedBugs,
    a_result_that_counts_whoever_hands_it_in_is_found if PlantedBugs,
    an_acknowledgement_before_the_commit_is_found if PlantedBugs and Strace,
    an_enqueue_that_does_not_sync_is_found if PlantedBugs and Strace,
    a_limit_that_is_counted_without_its_gate_is_found if PlantedBugs and Postgres,
    a_key_that_is_given_back_too_early_is_found if PlantedBugs,
];

/// Runs a scenario without the bug, where it must find nothing, and with it.
fn must_be_found(bug: Bug, scenario: impl Fn(Oracle, Option<Bug>) -> Vec<Breach>, breach: &str) {
    let control = scenario(Oracle::new(Home::quick()), None);
    assert_eq!(control, [""; 0], "nothing is planted here");
    let home = Home::quick().with("QUEUECTL_PLANTED_BUG", bug.name());
    let found = scenario(Oracle::new(home), Some(bug));
    assert!(found.iter().any(|found| found.contains(breach)), "{bug:?} was not found: {found:?}");
    report(&format!("planted: {} is found: {}", bug.name(), found.join("; ")));
}

/// The first run hangs with a child in a session of its own; another ends at once.
fn hangs_once() -> String {
    watched("if [ $QUEUECTL_JOB_LEASE = 1 ]; then touch hangs; setsid sleep 1000 & sleep 1000; fi")
}

/// The worker that holds a job, and its process.
fn holder(home: &Home, id: &str) -> (WorkerId, i32) {
    (home.job(id).worker.expect("a worker holds it"), home.holder(id))
}

fn stop(mut worker: Worker) {
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
}

/// Tells whether every thread of a process is stopped; until then it may still do something.
fn is_stopped(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status.contains("State:\tT")
    })
}

fn now() -> Timestamp {
    Clock::of_this_machine().now()
}

/// The queue as a program sees it that may change it. No bug is planted in this process.
fn store_of(home: &Home) -> Box<dyn Store> {
    let options = OpenOptions::new(Access::Write, DEADLINE);
    queuectl_store::open(&Location::File(home.database()), &options).unwrap()
}

const POLICY: RetryPolicy = RetryPolicy { base: 0.0, max: Duration::ZERO, crash_limit: 5 };

/// Makes a worker known that is no program; it has this pid.
fn register(store: &mut dyn Store, pid: u32) -> Registration {
    let newcomer = NewWorker { pid, manager_pid: pid, ..NewWorker::of_this_process(1) };
    store.register(&newcomer, now()).unwrap()
}

/// Many workers claim one job at a time of a queue with a limit of one.
fn a_limit_that_is_counted_without_its_gate_is_found() {
    const JOBS: usize = 150;
    let run = |home: Home| {
        let oracle = Oracle::new(home.on_server(Server::shared()));
        oracle.home().queuectl(["queue", "set", "one", "--limit", "1"]).assert().success();
        for number in 0..JOBS {
            oracle.enqueue(&format!("job-{number}"), &gated(1, "sleep 0.005"), &["--queue", "one"]);
        }
        oracle.home().queuectl(["worker", "start", "--drain", "--count", "6"]).assert().success();
        oracle.look()
    };
    assert_eq!(run(Home::quick()), [""; 0], "nothing is planted here");
    let bug = Bug::NoGate;
    let found = run(Home::quick().with("QUEUECTL_PLANTED_BUG", bug.name()));
    assert!(found.iter().any(|found| found.contains("ran beyond the limit of its queue")), "{found:?}");
    report(&format!("planted: {} is found {} times", bug.name(), found.len()));
}

fn a_rescue_that_is_too_early_is_found() {
    let scenario = |oracle: Oracle, _| {
        let home = oracle.home();
        oracle.enqueue("a", &hangs_once(), &[]);
        let worker = home.worker([""; 0]);
        home.wait_for_file("hangs");
        send(home.holder("a"), Signal::SIGKILL);
        home.wait_for("a", State::Completed);
        stop(worker);
        oracle.look()
    };
    must_be_found(Bug::EarlyRescue, scenario, "job a ran twice at once (lease 2)");
}

fn a_key_that_is_given_back_too_early_is_found() {
    let scenario = |oracle: Oracle, _| {
        let home = oracle.home();
        let fails_once =
            "[ $QUEUECTL_ATTEMPT = 2 ] || exit 1; touch again; until [ -e go ]; do sleep 0.05; done";
        oracle.enqueue("a", &watched(fails_once), &["--unique", "k"]);
        let worker = home.worker([""; 0]);
        home.wait_for_file("again");
        let said = home.stdout(["enqueue", "--unique", "k", "true"]);
        home.make_file("go");
        home.wait_for("a", State::Completed);
        stop(worker);
        let mut breaches = oracle.look();
        breaches.extend(said.contains("added").then(|| format!("two jobs of a key: {said}")));
        breaches
    };
    must_be_found(Bug::KeyGivenBackEarly, scenario, "two jobs of a key");
}

/// The worker stays a zombie, since its manager is stopped.
fn a_dead_worker_that_counts_as_alive_by_its_pid_is_found() {
    let scenario = |oracle: Oracle, bug: Option<Bug>| {
        let home = oracle.home();
        oracle.enqueue("a", &hangs_once(), &[]);
        let first = home.worker([""; 0]);
        home.wait_for_file("hangs");
        let zombie = home.holder("a");
        let second = home.worker([""; 0]);
        second.wait_until_it_says("Loop started");
        first.signal(Signal::SIGSTOP);
        wait_until(DEADLINE, "the first manager is stopped", || is_stopped(first.pid()));
        send(zombie, Signal::SIGKILL);
        wait_until(DEADLINE, "the first worker is dead", || !alive(zombie));
        // Each of these died later, and was found dead at a later look.
        for _ in 0..3 {
            let mut store = store_of(home);
            // No process ever has such a number.
            let Registration { id, presence, doorbell, .. } =
                register(store.as_mut(), i32::MAX.cast_unsigned());
            drop((presence, doorbell));
            wait_until(DEADLINE, "the second worker has looked after its neighbours", || {
                store.worker(id).unwrap().unwrap().ended_at.is_some()
            });
        }
        if bug.is_none() {
            home.wait_for("a", State::Completed);
        }
        let mut breaches = Vec::new();
        let job = home.job("a");
        if job.lease == 1 {
            breaches.push("a dead worker's job is not taken over".to_owned());
        }
        // It was a zombie all the time.
        send(zombie, Signal::SIGCONT);
        first.signal(Signal::SIGCONT);
        stop(first);
        stop(second);
        breaches.extend(oracle.look());
        breaches
    };
    must_be_found(Bug::LivenessByPid, scenario, "a dead worker's job is not taken over");
}

/// The job is taken from a worker that is stopped, by force, since no worker would
/// do it; then the worker goes on and hands in what is no longer its own.
fn a_result_that_counts_whoever_hands_it_in_is_found() {
    let scenario = |oracle: Oracle, _| {
        let home = oracle.home();
        let body = "touch running; until [ -e go ]; do sleep 0.01; done";
        oracle.enqueue("a", &watched(body), &[]);
        let worker = home.worker(["--max-jobs", "1"]);
        home.wait_for_file("running");
        let (late, pid) = holder(home, "a");
        let lease = home.job("a").last_lease();
        send(pid, Signal::SIGSTOP);

        let mut store = store_of(home);
        store.rescue(late, &[lease], &POLICY, now()).unwrap();
        let taker = register(store.as_mut(), std::process::id());
        let nothing = Exchange::nothing(&POLICY);
        let claimed = store.exchange(taker.id, &Exchange { want: 1, ..nothing }, now()).unwrap().claimed;
        assert_eq!(claimed.len(), 1);

        home.make_file("go");
        home.wait_until_nothing_is_left_of("a");
        send(pid, Signal::SIGCONT);
        // It ends by itself, since it was taken for dead, or has run what it was to run.
        wait_until(DEADLINE, "the late worker has ended", || !alive(pid));
        let mut breaches = oracle.look();

        let unstarted = [claimed[0].last_lease()];
        store.exchange(taker.id, &Exchange { unstarted: &unstarted, ..nothing }, now()).unwrap();
        store.retire(taker.id, &POLICY, now()).unwrap();
        drop((taker, store));
        stop(worker);
        breaches.extend(oracle.judge());
        breaches
    };
    must_be_found(Bug::NoLeaseCheck, scenario, "job a is completed, and its last attempt is");
}

/// Runs the enqueuer under strace; tells whether it said that it is done.
fn traced(home: &Home, options: &str, id: &str) -> bool {
    let line = format!("strace -f -y -qq -o trace {options} queuectl-enqueue --id {id} true");
    let assert = home.typed(Spelling::Dispatched, &line).assert();
    let has_traced = fs::metadata(home.path("trace")).is_ok_and(|trace| trace.len() > 0);
    assert!(has_traced, "strace has seen nothing: {assert}");
    assert.get_output().status.success()
}

fn an_acknowledgement_before_the_commit_is_found() {
    let scenario = |oracle: Oracle, _| {
        let home = oracle.home();
        oracle.enqueue("before", &watched(""), &[]);
        let options = "-e trace=fsync,fdatasync -e inject=fsync,fdatasync:error=EIO";
        if traced(home, options, "a") {
            oracle.acknowledge("a");
        }
        oracle.look()
    };
    must_be_found(Bug::AcknowledgedBeforeCommit, scenario, "job a was acknowledged and is lost");
}

/// Whether a power cut would lose it cannot be seen here, but whether anybody asked
/// the disk. The power cuts of `power` have this bug as their control.
fn an_enqueue_that_does_not_sync_is_found() {
    let scenario = |oracle: Oracle, _| {
        let home = oracle.home();
        oracle.enqueue("before", &watched(""), &[]);
        // Another program has the queue open, so that its end is no reason to sync.
        let mut reader = home.store();
        assert_eq!(reader.counts().unwrap().total(), 1);
        // The beginning of a new log is always synced, before there is a job in it.
        oracle.enqueue("begins-the-log", &watched(""), &[]);
        assert!(traced(home, "-e trace=fsync,fdatasync,write", "a"));
        let lines = home.lines("trace");
        let said = lines.iter().position(|line| line.contains(" write(1<")).expect("it prints the id");
        let is_sync = |line: &String| line.contains("sync(") && line.contains("queue.db-wal");
        let mut breaches = oracle.look();
        if !lines[..said].iter().any(is_sync) {
            breaches.push("the id was printed before the log was synced".into());
        }
        breaches
    };
    must_be_found(Bug::NormalSync, scenario, "the id was printed before the log was synced");
}
