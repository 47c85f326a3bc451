//! Jobs that resist their end, and jobs that end their workers.
//!
//! Each hostile job keeps the oracle's lock as long as any of its processes
//! lives, so that a start beside what an earlier one has left is always seen.

use crate::oracle::{Oracle, watched};
use crate::scale::{is_long, report, rounds};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Worker, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{Outcome, State};
use std::fs;
use std::time::Instant;

trials![
    a_time_out_ends_whatever_a_hostile_job_has_started,
    a_cancellation_ends_whatever_a_hostile_job_has_started,
    a_failure_ends_whatever_a_hostile_job_has_left_before_the_next_start,
    a_rescue_ends_whatever_a_hostile_job_has_left_before_the_next_start,
    a_job_that_kills_its_workers_is_dead_in_the_end_and_its_neighbours_complete_uncharged,
    a_tree_of_processes_is_ended_whatever_ends_its_job,
];

/// Written by what a hostile job has started, so that it is known to run.
const UP: &str = ": > up-$QUEUECTL_JOB_ID";

/// Does not end by itself, and not when asked to.
const STAYS: &str = "trap \"\" TERM HUP INT; : > up-$QUEUECTL_JOB_ID; while :; do sleep 0.05; done";

/// What hostile jobs start: a name, and a command that returns.
fn hostile() -> Vec<(&'static str, String)> {
    let chains = if is_long() { "1 2 3" } else { "1" };
    vec![
        ("stubborn", format!("trap '' TERM HUP INT; ({STAYS}) &")),
        ("daemon", format!("setsid sh -c '{STAYS}' &")),
        ("twice-forked", format!("(setsid sh -c '({STAYS}) & exit 0' &)")),
        ("closed", format!("setsid sh -c 'exec >/dev/null 2>&1 </dev/null; {STAYS}' &")),
        (
            "noise",
            "(trap '' TERM; while :; do : > up-$QUEUECTL_JOB_ID; echo noise; sleep 0.01; done) &".into(),
        ),
        // One process at a time, each alive for a moment only.
        ("chain", format!("for n in {chains}; do sh ./hop & done")),
        ("chain-of-sessions", format!("for n in {chains}; do sh ./hop-away & done")),
        (
            "stopped",
            format!("({STAYS}) & until [ -e up-$QUEUECTL_JOB_ID ]; do sleep 0.02; done; kill -STOP $!"),
        ),
    ]
}

/// A user whose jobs find what they need for their chains.
fn oracle() -> Oracle {
    let oracle = Oracle::new(Home::quick());
    fs::write(oracle.home().path("hop"), format!("{UP}\nsh ./hop &\n")).unwrap();
    fs::write(oracle.home().path("hop-away"), format!("{UP}\nsetsid sh ./hop-away &\n")).unwrap();
    oracle
}

/// Starts a worker that can run all hostile jobs at a time.
fn worker_for_all(oracle: &Oracle) -> Worker {
    oracle.home().worker(["--concurrency", &hostile().len().to_string()])
}

/// Waits until every hostile job has started what it starts.
fn wait_until_up(oracle: &Oracle) {
    for (name, _) in hostile() {
        oracle.home().wait_for_file(&format!("up-{name}"));
    }
}

/// Asserts that nothing is left of any of these jobs, and reports how long that took.
fn are_gone(oracle: &Oracle, how: &str, since: Instant) {
    for (name, _) in hostile() {
        oracle.home().wait_until_nothing_is_left_of(name);
    }
    let took = since.elapsed().as_millis();
    report(&format!(
        "{} hostile jobs ended by {how}: all gone within {took} ms, grace 200 ms",
        hostile().len()
    ));
}

/// Asserts that every slot is free: as many jobs run at a time as there are slots.
fn all_slots_are_free(oracle: &Oracle, label: &str) {
    let all = hostile().len();
    let body = format!(
        "echo up >> together-{label}; until [ $(wc -l < together-{label}) -ge {all} ]; do sleep 0.02; done"
    );
    let ids: Vec<String> = (0..all).map(|number| format!("{label}-{number}")).collect();
    for id in &ids {
        assert!(oracle.enqueue(id, &watched(&body), &["--max-retries", "0"]));
    }
    for id in &ids {
        oracle.home().wait_for(id, State::Completed);
    }
}

/// Stops the worker and asks the oracle.
fn judge(oracle: &Oracle, worker: &mut Worker) {
    assert!(!worker.has_ended(), "it survives its jobs; it said:\n{}", worker.said());
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    oracle.expect_no_breach();
}

fn outcomes(oracle: &Oracle, id: &str) -> Vec<Option<Outcome>> {
    oracle.home().outcomes(id)
}

fn a_time_out_ends_whatever_a_hostile_job_has_started() {
    let oracle = oracle();
    for (name, start) in hostile() {
        let command = watched(&format!("{start}\n while :; do sleep 0.05; done"));
        assert!(oracle.enqueue(name, &command, &["--max-retries", "1", "--timeout", "700ms"]));
    }
    let mut worker = worker_for_all(&oracle);
    let began = Instant::now();
    for (name, _) in hostile() {
        oracle.home().wait_for(name, State::Dead);
        assert_eq!(outcomes(&oracle, name), [Some(Outcome::Timeout); 2], "{name}");
    }
    are_gone(&oracle, "two time-outs of 700 ms each", began);
    all_slots_are_free(&oracle, "after");
    judge(&oracle, &mut worker);
}

fn a_cancellation_ends_whatever_a_hostile_job_has_started() {
    let oracle = oracle();
    for (name, start) in hostile() {
        let command = watched(&format!("{start}\n while :; do sleep 0.05; done"));
        assert!(oracle.enqueue(name, &command, &[]));
    }
    let mut worker = worker_for_all(&oracle);
    wait_until_up(&oracle);
    let began = Instant::now();
    let names = hostile().into_iter().map(|(name, _)| name);
    oracle.home().queuectl(["cancel", "--no-wait"].into_iter().chain(names)).assert().success();
    for (name, _) in hostile() {
        oracle.home().wait_for(name, State::Cancelled);
    }
    are_gone(&oracle, "a cancellation", began);
    all_slots_are_free(&oracle, "after");
    judge(&oracle, &mut worker);
}

fn a_failure_ends_whatever_a_hostile_job_has_left_before_the_next_start() {
    let oracle = oracle();
    for (name, start) in hostile() {
        let wait = "until [ -e up-$QUEUECTL_JOB_ID ]; do sleep 0.02; done; exit 3";
        let command = watched(&format!("rm -f up-$QUEUECTL_JOB_ID; {start}\n {wait}"));
        assert!(oracle.enqueue(name, &command, &["--max-retries", "1"]));
    }
    let began = Instant::now();
    let mut worker = worker_for_all(&oracle);
    for (name, _) in hostile() {
        oracle.home().wait_for(name, State::Dead);
        assert_eq!(outcomes(&oracle, name), [Some(Outcome::Exit(3)); 2], "{name}");
    }
    are_gone(&oracle, "two failures each", began);
    all_slots_are_free(&oracle, "after");
    judge(&oracle, &mut worker);
}

fn a_rescue_ends_whatever_a_hostile_job_has_left_before_the_next_start() {
    let count = rounds(2, 40);
    for round in 0..count {
        let oracle = oracle();
        for (name, start) in hostile() {
            let first = format!("{start}\n while :; do sleep 0.05; done");
            let command = watched(&format!("if [ $QUEUECTL_JOB_LEASE = 1 ]; then {first}; fi"));
            assert!(oracle.enqueue(name, &command, &["--max-retries", "0"]));
        }
        let mut worker = worker_for_all(&oracle);
        wait_until_up(&oracle);
        let began = Instant::now();
        let victims = oracle.home().worker_pids();
        let mut rescuer = (round % 2 == 1).then(|| oracle.home().worker(["--concurrency", "16"]));
        if let Some(rescuer) = &rescuer {
            rescuer.wait_until_it_says("Loop started");
            // Else it would be the rescuer.
            worker.signal(Signal::SIGKILL);
        }
        for pid in victims {
            send(pid, Signal::SIGKILL);
        }
        for (name, _) in hostile() {
            oracle.home().wait_for(name, State::Completed);
            assert_eq!(
                outcomes(&oracle, name),
                [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))],
                "{name}"
            );
            let job = oracle.home().job(name);
            assert_eq!((job.attempts, job.crashes), (1, 1), "{name}");
        }
        are_gone(
            &oracle,
            if rescuer.is_some() { "a neighbour's rescue" } else { "its manager's rescue" },
            began,
        );
        if rescuer.is_none() {
            all_slots_are_free(&oracle, "after");
        }
        judge(&oracle, rescuer.as_mut().unwrap_or(&mut worker));
    }
    report(&format!("{count} rounds of a rescue from {} hostile jobs", hostile().len()));
}

fn a_job_that_kills_its_workers_is_dead_in_the_end_and_its_neighbours_complete_uncharged() {
    let count = rounds(1, 20);
    for _ in 0..count {
        let oracle = oracle();
        assert!(oracle.enqueue("poison", &watched("kill -9 $PPID; sleep 1000"), &[]));
        let neighbours: Vec<String> = (0..20).map(|number| format!("neighbour-{number}")).collect();
        for id in &neighbours {
            assert!(oracle.enqueue(id, &watched("sleep 0.2"), &["--max-retries", "0"]));
        }
        let mut worker = oracle.home().worker(["--count", "2", "--concurrency", "3"]);
        wait_until(DEADLINE, "all of them are finished", || oracle.home().counts().unfinished() == 0);
        let poison = oracle.home().job("poison");
        assert_eq!((poison.state, poison.crashes), (State::Dead, 6));
        assert_eq!(outcomes(&oracle, "poison"), [Some(Outcome::WorkerLost); 6]);
        for id in &neighbours {
            let job = oracle.home().job(id);
            assert_eq!(
                (job.state, job.attempts),
                (State::Completed, 1),
                "{id} crashed {} times",
                job.crashes
            );
        }
        judge(&oracle, &mut worker);
    }
    report(&format!(
        "{count} poison jobs among 20 neighbours each: dead after 6 crashes, no neighbour charged"
    ));
}

/// 127 processes, each in a group or a session of its own every other time; their
/// number is bounded by the depth, since no limit counts for root.
const TREE: &str = "trap '' TERM HUP
[ $1 -lt 6 ] || : > up-$QUEUECTL_JOB_ID
if [ $1 -lt 6 ]; then sh ./tree $(($1 + 1)) & setsid sh ./tree $(($1 + 1)) & fi
sleep 1000; sleep 1000
";

fn a_tree_of_processes_is_ended_whatever_ends_its_job() {
    let oracle = oracle();
    fs::write(oracle.home().path("tree"), TREE).unwrap();
    let once = ["--max-retries", "0"];
    assert!(oracle.enqueue("cancelled", &watched("sh ./tree 0"), &once));
    assert!(oracle.enqueue("late", &watched("sh ./tree 0"), &["--max-retries", "0", "--timeout", "1s"]));
    let mut worker = worker_for_all(&oracle);
    oracle.home().wait_for_file("up-cancelled");
    oracle.home().queuectl(["cancel", "cancelled", "--no-wait"]).assert().success();
    let began = Instant::now();
    oracle.home().wait_for("cancelled", State::Cancelled);
    oracle.home().wait_until_nothing_is_left_of("cancelled");
    let took = began.elapsed().as_millis();
    oracle.home().wait_for("late", State::Dead);
    oracle.home().wait_until_nothing_is_left_of("late");
    let on_the_first = "if [ $QUEUECTL_JOB_LEASE = 1 ]; then sh ./tree 0; fi";
    assert!(oracle.enqueue("lost", &watched(on_the_first), &once));
    oracle.home().wait_for_file("up-lost");
    send(oracle.home().worker_pids()[0], Signal::SIGKILL);
    let killed = Instant::now();
    oracle.home().wait_for("lost", State::Completed);
    report(&format!(
        "a tree of 127 processes: gone {took} ms after its cancellation, rescued {} ms after its worker's death",
        killed.elapsed().as_millis()
    ));
    all_slots_are_free(&oracle, "after");
    judge(&oracle, &mut worker);
}
