//! Workers that stand still: stopped by a signal, a debugger, a frozen machine.

use crate::oracle::{Oracle, watched};
use crate::scale::{is_long, report, rounds};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, seconds, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{Outcome, RetryPolicy, State, Timestamp};
use queuectl_store::{Access, Ended, Exchange, Location, NewWorker, OpenOptions, Store};
use std::process::Command;
use std::time::{Duration, Instant};

trials![
    a_stalled_worker_is_shown_as_such_and_keeps_its_jobs,
    the_late_result_of_a_stalled_worker_is_refused_and_what_it_left_is_ended,
];

/// Runs until it is told to go on.
fn held() -> String {
    watched("touch running; until [ -e go ]; do sleep 0.02; done")
}

/// The workers as `worker list` tells a program: number, life, stalled.
fn listed(home: &Home) -> Vec<(i64, bool, bool)> {
    let workers = home.json(["worker", "list", "--json"]);
    let one = |worker: &serde_json::Value| {
        (
            worker["id"].as_i64().unwrap(),
            worker["alive"].as_bool().unwrap(),
            worker["stalled"].as_bool().unwrap(),
        )
    };
    workers.as_array().unwrap().iter().map(one).collect()
}

fn a_stalled_worker_is_shown_as_such_and_keeps_its_jobs() {
    let oracle = Oracle::new(Home::quick());
    let home = oracle.home();
    assert!(oracle.enqueue("held", &held(), &["--max-retries", "0"]));
    let mut worker = home.worker([""; 0]);
    home.wait_for_file("running");
    let sleeper = home.worker_pids()[0];
    let id = home.job("held").worker.unwrap().0;
    assert_eq!(listed(home), [(id, true, false)]);
    send(sleeper, Signal::SIGSTOP);
    let stopped = Instant::now();
    wait_until(DEADLINE, "it is shown as stalled", || listed(home) == [(id, true, true)]);
    let table = home.stdout(["worker", "list"]);
    assert!(table.contains("stalled"), "{table}");
    let mut other = home.worker([""; 0]);
    other.wait_until_it_says("Loop started");
    // Longer than any limit that others know.
    let at_least = if is_long() { seconds(20) } else { seconds(1) };
    let mut number = 0;
    while number < 10 || stopped.elapsed() < at_least {
        let id = format!("other-{number}");
        assert!(oracle.enqueue(&id, &watched("sleep 0.05"), &[]));
        home.wait_for(&id, State::Completed);
        let job = home.job("held");
        assert_eq!((job.state, job.lease), (State::Processing, 1), "who holds its lock lives");
        number += 1;
    }
    home.make_file("go");
    send(sleeper, Signal::SIGCONT);
    home.wait_for("held", State::Completed);
    assert!(listed(home).contains(&(id, true, false)));
    assert_eq!((home.job("held").attempts, home.job("held").crashes), (1, 0));
    report(&format!("a worker that stood still for {:.1?} kept its job", stopped.elapsed()));
    for worker in [&mut worker, &mut other] {
        worker.signal(Signal::SIGTERM);
        worker.wait_for_success();
    }
    oracle.expect_no_breach();
}

const POLICY: RetryPolicy = RetryPolicy { base: 0.0, max: Duration::ZERO, crash_limit: 5 };

fn now() -> Timestamp {
    queuectl_store::Clock::of_this_machine().now()
}

/// A worker of the test's own, which holds its lock as long as it is kept.
fn register(store: &mut dyn Store) -> queuectl_store::Registration {
    store.register(&NewWorker::of_this_process(1), now()).unwrap()
}

/// What the job says and does as a process, started by the test's own worker.
fn run_as(oracle: &Oracle, id: &str, lease: i64) {
    let mut second: Command = oracle.home().program("/bin/sh");
    second.args(["-c", &watched("")]).env("ORACLE", oracle.folder());
    second.env("QUEUECTL_JOB_ID", id).env("QUEUECTL_JOB_LEASE", lease.to_string());
    assert!(second.status().unwrap().success());
}

/// A job's end while its worker stood still, or after it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// The job has ended; its worker is about to hand in the result.
    Result,
    /// The job still runs and will not end by itself.
    Job,
}

fn the_late_result_of_a_stalled_worker_is_refused_and_what_it_left_is_ended() {
    let count = rounds(1, 20);
    for late in [Late::Result, Late::Job].into_iter().cycle().take(2 * count as usize) {
        let oracle = Oracle::new(Home::quick());
        let home = oracle.home();
        // The second start is the test's own.
        assert!(oracle.enqueue("held", &held(), &["--max-retries", "0"]));
        let mut worker = home.worker([""; 0]);
        home.wait_for_file("running");
        let old = home.processes_of("held");
        let (first, sleeper) = (home.job("held").last_lease(), home.worker_pids()[0]);
        let stalled = home.job("held").worker.unwrap();
        send(sleeper, Signal::SIGSTOP);
        if late == Late::Result {
            home.make_file("go");
            wait_until(DEADLINE, "the job has ended", || !old.iter().any(|&pid| crate::support::alive(pid)));
        }

        // By force what a rescuer would do if the kernel had freed the lock.
        let options = OpenOptions::new(Access::Write, DEADLINE);
        let mut store = queuectl_store::open(&Location::File(home.database()), &options).unwrap();
        let mine = register(store.as_mut());
        store.rescue(stalled, &[first], &POLICY, now()).unwrap();
        let nothing = Exchange { want: 1, ..Exchange::nothing(&POLICY) };
        let claimed = store.exchange(mine.id, &nothing, now()).unwrap().claimed;
        assert_eq!(claimed.len(), 1);
        let second = claimed[0].last_lease();
        assert!(second.number > first.number);

        send(sleeper, Signal::SIGCONT);
        worker.wait_until_it_says("taken over");
        home.wait_until_nothing_is_left_of("held");
        let job = home.job("held");
        assert_eq!(
            (job.state, job.lease, job.worker),
            (State::Processing, second.number, Some(mine.id)),
            "{late:?}"
        );
        let outcomes = home.outcomes("held");
        assert_eq!(outcomes, [Some(Outcome::WorkerLost)], "one record, and it is not the late one");

        // A worker that was called dead claims nothing more under its old number.
        assert!(oracle.enqueue("next", &watched(""), &[]));
        home.wait_for("next", State::Completed);
        assert_ne!(home.attempts("next")[0].worker, stalled, "nobody would rescue what it holds");

        run_as(&oracle, "held", second.number);
        let ended = Ended {
            lease: second,
            started_at: now(),
            ended_at: now(),
            outcome: Outcome::Exit(0),
            error: None,
            output_bytes: 0,
            dropped_bytes: 0,
        };
        store.exchange(mine.id, &Exchange { ended: &[ended], want: 0, ..nothing }, now()).unwrap();
        store.retire(mine.id, &POLICY, now()).unwrap();
        drop((store, mine));
        assert_eq!(home.state("held"), State::Completed);
        worker.signal(Signal::SIGTERM);
        worker.wait_for_success();
        oracle.expect_no_breach();
    }
    report(&format!("{} late results or jobs of stalled workers, all refused and ended", 2 * count));
}
