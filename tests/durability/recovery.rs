//! F12: how soon a job runs again after its worker was killed.
//!
//! The facts are asserted: it runs again, once, with the next lease. The times
//! are reported; the benchmark `recovery` holds them against the goals.

use super::oracle::{Oracle, watched};
use super::scale::{report, rounds};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Worker, alive, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{Outcome, State};
use std::fs;
use std::time::{Duration, SystemTime};

trials![
    a_job_runs_again_after_its_worker_was_killed,
    a_job_runs_again_after_its_worker_and_the_manager_were_killed,
    a_job_runs_again_at_the_next_start_after_all_were_killed,
];

/// The first run hangs, with a child in a session of its own; the second ends.
fn hangs_once() -> String {
    watched(
        ": >run-$QUEUECTL_JOB_LEASE; if [ $QUEUECTL_JOB_LEASE = 1 ]; then setsid sleep 1000 & sleep 1000; fi",
    )
}

/// A home in which some worker runs the victim's first run.
fn hanging() -> (Oracle, Worker) {
    let oracle = Oracle::new(Home::new());
    assert!(oracle.enqueue("victim", &hangs_once(), &[]));
    let worker = oracle.home().worker([""; 0]);
    oracle.home().wait_for_file("run-1");
    oracle.home().wait_for("victim", State::Processing);
    (oracle, worker)
}

#[expect(clippy::disallowed_methods, reason = "compared with the times of files")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Waits for the second run; gives the time from `since` to its first instruction.
fn second_run(oracle: &Oracle, since: SystemTime) -> Duration {
    let home = oracle.home();
    home.wait_for("victim", State::Completed);
    let job = home.job("victim");
    assert_eq!((job.lease, job.attempts, job.crashes), (2, 1, 1));
    assert_eq!(home.outcomes("victim"), [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))]);
    let began = fs::metadata(home.path("run-2")).unwrap().modified().unwrap();
    // The kernel's clock for files may be a tick behind.
    began.duration_since(since).unwrap_or_default()
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let median = times[times.len() / 2];
    report(&format!(
        "{what}: median {median:.0?}, longest {:.0?}, n={}",
        times[times.len() - 1],
        times.len()
    ));
}

fn a_job_runs_again_after_its_worker_was_killed() {
    let once = |_| {
        let (oracle, mut worker) = hanging();
        let killed = now();
        send(oracle.home().holder("victim"), Signal::SIGKILL);
        let took = second_run(&oracle, killed);
        worker.signal(Signal::SIGTERM);
        worker.wait_for_success();
        oracle.expect_no_breach();
        took
    };
    tell("worker killed, manager alive", (0..rounds(3, 100)).map(once).collect());
}

fn a_job_runs_again_after_its_worker_and_the_manager_were_killed() {
    let once = |_| {
        let (oracle, mut worker) = hanging();
        let mut other = oracle.home().worker([""; 0]);
        other.wait_until_it_says("Loop started");
        let pid = oracle.home().holder("victim");
        let killed = now();
        worker.signal(Signal::SIGKILL);
        send(pid, Signal::SIGKILL);
        worker.wait();
        let took = second_run(&oracle, killed);
        other.signal(Signal::SIGTERM);
        other.wait_for_success();
        oracle.expect_no_breach();
        took
    };
    tell("worker and manager killed, another worker there", (0..rounds(3, 100)).map(once).collect());
}

fn a_job_runs_again_at_the_next_start_after_all_were_killed() {
    let once = |_| {
        let (oracle, mut worker) = hanging();
        let pid = oracle.home().holder("victim");
        worker.signal(Signal::SIGKILL);
        send(pid, Signal::SIGKILL);
        worker.wait();
        wait_until(DEADLINE, "the worker is dead", || !alive(pid));
        assert_eq!(oracle.home().state("victim"), State::Processing, "nobody is there to notice");
        let started = now();
        let mut next = oracle.home().worker([""; 0]);
        let took = second_run(&oracle, started);
        next.signal(Signal::SIGTERM);
        next.wait_for_success();
        oracle.expect_no_breach();
        took
    };
    tell("all killed, from the next start", (0..rounds(3, 100)).map(once).collect());
}
