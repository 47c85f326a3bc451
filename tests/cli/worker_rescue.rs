//! What becomes of the jobs of a worker that was killed.

use crate::support::trials::trials;
use crate::support::{ALIVE, DEADLINE, Home, Worker, alive, seconds, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{Outcome, State};
use serde_json::json;
use std::time::Instant;

trials![
    a_drain_of_nothing_leaves_nothing_of_the_dead,
    a_job_of_a_killed_worker_runs_again_within_5_seconds,
    it_runs_again_within_5_seconds_while_the_only_other_worker_is_busy,
    it_is_taken_over_when_the_manager_is_killed_too,
    it_is_recovered_while_every_other_worker_is_busy,
    it_is_recovered_by_the_next_start,
    the_old_command_is_ended_before_the_job_runs_again,
    an_old_command_that_resists_is_ended_before_the_job_runs_again,
    claimed_jobs_that_never_started_count_no_crash,
    a_worker_that_sleeps_keeps_its_job,
    a_poison_job_is_dead_in_the_end_and_takes_no_neighbour_along,
    the_crash_limit_of_the_configuration_is_used,
    a_job_whose_cancellation_its_worker_did_not_live_to_see_is_cancelled,
    readers_never_requeue_a_job_that_runs,
    output_written_before_the_crash_is_kept,
];

/// The first run hangs until it is killed; the second completes.
fn hangs_once() -> String {
    format!(
        "{ALIVE}; [ -e pid ] && alive $(cat pid) && touch two-at-once; \
         if [ -e pid ]; then exit 0; fi; echo $$ > pid; touch hangs; sleep 1000"
    )
}

/// Asserts that the job completed in its second run, uncharged for the first.
fn ran_again(home: &Home) {
    let job = home.job("victim");
    assert_eq!((job.state, job.attempts, job.crashes), (State::Completed, 1, 1));
    assert_eq!(home.outcomes("victim"), [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))]);
    assert!(!home.path("two-at-once").exists(), "the old command was still alive");
    assert_eq!(home.processes_of("victim"), [0; 0]);
}

/// A worker in whose hands the victim hangs.
fn hanging(home: &Home) -> Worker {
    home.enqueue("victim", &hangs_once());
    home.worker_in_the_middle("hangs")
}

/// A worker that has something else to do.
fn busy(home: &Home) -> Worker {
    home.enqueue("busy", "touch busy; until [ -e go ]; do sleep 0.05; done");
    home.worker_in_the_middle("busy")
}

/// Kills the worker that holds the victim, and nothing else.
fn kill_its_worker(home: &Home) {
    send(home.holder("victim"), Signal::SIGKILL);
}

/// Kills a manager with its worker, and leaves the victim's command alone.
fn kill_both(home: &Home, manager: &mut Worker) {
    let pid = home.holder("victim");
    manager.signal(Signal::SIGKILL);
    send(pid, Signal::SIGKILL);
    manager.wait();
}

/// Kills, and asserts that the victim is in a state within the 5 seconds that are promised.
fn within_5_seconds(home: &Home, state: State, kill: impl FnOnce()) {
    let killed = Instant::now();
    kill();
    home.wait_for("victim", state);
    let took = killed.elapsed();
    assert!(took < seconds(5), "it took {took:?}");
}

fn a_job_of_a_killed_worker_runs_again_within_5_seconds() {
    let home = Home::new();
    let _worker = hanging(&home);
    within_5_seconds(&home, State::Completed, || kill_its_worker(&home));
    ran_again(&home);
}

fn it_runs_again_within_5_seconds_while_the_only_other_worker_is_busy() {
    let home = Home::new();
    let _other = busy(&home);
    let _worker = hanging(&home);
    within_5_seconds(&home, State::Completed, || kill_its_worker(&home));
    assert_eq!(home.state("busy"), State::Processing);
    ran_again(&home);
}

fn it_is_taken_over_when_the_manager_is_killed_too() {
    let home = Home::new();
    let mut worker = hanging(&home);
    let other = home.worker([""; 0]);
    other.wait_until_it_says("Loop started");
    within_5_seconds(&home, State::Completed, || kill_both(&home, &mut worker));
    ran_again(&home);
}

fn it_is_recovered_while_every_other_worker_is_busy() {
    let home = Home::new();
    let mut worker = hanging(&home);
    let _other = busy(&home);
    within_5_seconds(&home, State::Pending, || kill_both(&home, &mut worker));
    assert_eq!((home.state("busy"), home.processes_of("victim").len()), (State::Processing, 0));
    home.make_file("go");
    home.wait_for("victim", State::Completed);
    ran_again(&home);
}

fn it_is_recovered_by_the_next_start() {
    let home = Home::new();
    let mut worker = hanging(&home);
    kill_both(&home, &mut worker);
    assert_eq!(home.state("victim"), State::Processing, "nobody is there to notice");
    home.drain();
    ran_again(&home);
}

fn the_old_command_is_ended_before_the_job_runs_again() {
    let home = Home::new();
    let _worker = hanging(&home);
    let old = home.processes_of("victim");
    assert!(!old.is_empty());
    kill_its_worker(&home);
    home.wait_for("victim", State::Completed);
    assert!(old.iter().all(|&pid| !alive(pid)));
    ran_again(&home);
}

fn an_old_command_that_resists_is_ended_before_the_job_runs_again() {
    let home = Home::new();
    let stubborn = format!(
        "{ALIVE}; trap '' TERM HUP; [ -e up ] || setsid sh -c 'trap \"\" TERM; echo $$ > pid-of-child; touch up; \
         sleep 1000; sleep 1000' & until [ -e up ]; do sleep 0.05; done; \
         [ -e pid ] && alive $(cat pid-of-child) && touch two-at-once; {}",
        hangs_once()
    );
    home.enqueue("victim", &stubborn);
    let _worker = home.worker_in_the_middle("hangs");
    kill_its_worker(&home);
    home.wait_for("victim", State::Completed);
    ran_again(&home);
}

fn claimed_jobs_that_never_started_count_no_crash() {
    let home = Home::quick();
    // Short ones first, so that the worker claims ahead.
    for number in 0..40 {
        home.enqueue(&format!("short-{number}"), "true");
    }
    home.enqueue("victim", &hangs_once());
    for number in 0..10 {
        home.enqueue(&format!("behind-{number}"), "true");
    }
    let _worker = home.worker_in_the_middle("hangs");
    kill_its_worker(&home);
    wait_until(DEADLINE, "everything is done", || home.counts().unfinished() == 0);
    for number in 0..10 {
        let job = home.job(&format!("behind-{number}"));
        assert_eq!((job.state, job.attempts, job.crashes), (State::Completed, 1, 0));
    }
    ran_again(&home);
}

fn a_worker_that_sleeps_keeps_its_job() {
    let home = Home::quick();
    let _worker = home.hold("held");
    let sleeper = home.holder("held");
    send(sleeper, Signal::SIGSTOP);
    let _other = home.worker([""; 0]);
    // The other one has long looked around when it has run these.
    for number in 0..5 {
        let id = format!("other-{number}");
        home.enqueue(&id, "sleep 0.2");
        home.wait_for(&id, State::Completed);
    }
    let job = home.job("held");
    assert_eq!((job.state, job.lease), (State::Processing, 1), "a worker that holds its lock lives");
    home.make_file("go");
    send(sleeper, Signal::SIGCONT);
    home.wait_for("held", State::Completed);
    assert_eq!((home.job("held").attempts, home.job("held").crashes), (1, 0));
}

fn a_poison_job_is_dead_in_the_end_and_takes_no_neighbour_along() {
    let home = Home::quick();
    let harmless = |numbers: std::ops::Range<u32>| {
        let job = |n| json!({"id": format!("harmless-{n}"), "command": "sleep 0.1", "max_retries": 0});
        home.enqueue_all(numbers.map(job));
    };
    harmless(0..15);
    home.enqueue("poison", "kill -9 $PPID; sleep 1000");
    harmless(15..30);
    home.queuectl(["worker", "start", "--count", "2", "--concurrency", "4", "--drain"]).assert().code(1);
    let poison = home.job("poison");
    assert_eq!((poison.state, poison.crashes), (State::Dead, 6));
    for number in 0..30 {
        let job = home.job(&format!("harmless-{number}"));
        assert_eq!(job.state, State::Completed, "{} crashed {} times", job.id, job.crashes);
    }
    assert_eq!(home.processes_of("poison"), [0; 0]);
}

fn the_crash_limit_of_the_configuration_is_used() {
    let home = Home::quick();
    home.queuectl(["config", "set", "crash-limit", "1"]).assert().success();
    home.enqueue("poison", "echo run >> runs; kill -9 $PPID; sleep 1000");
    home.drain();
    assert_eq!((home.state("poison"), home.lines("runs").len()), (State::Dead, 2));
}

fn a_job_whose_cancellation_its_worker_did_not_live_to_see_is_cancelled() {
    let home = Home::quick();
    let mut worker = hanging(&home);
    kill_both(&home, &mut worker);
    home.queuectl(["cancel", "victim", "--no-wait"]).assert().success();
    home.drain();
    assert_eq!(home.state("victim"), State::Cancelled);
    assert_eq!(home.processes_of("victim"), [0; 0]);
}

fn readers_never_requeue_a_job_that_runs() {
    let home = Home::quick();
    let _worker = home.hold("held");
    for arguments in [
        vec!["list"],
        vec!["status"],
        vec!["show", "held"],
        vec!["worker", "list"],
        vec!["dlq", "list"],
        vec!["enqueue", "true"],
        vec!["dlq", "retry", "--all"],
        vec!["prune", "--state", "completed", "--older-than", "7d"],
        vec!["worker", "start", "--max-jobs", "1"],
    ] {
        home.queuectl(&arguments).assert().success();
        let job = home.job("held");
        assert_eq!((job.state, job.lease), (State::Processing, 1), "after {arguments:?}");
    }
    home.make_file("go");
    home.wait_for("held", State::Completed);
}

fn output_written_before_the_crash_is_kept() {
    let home = Home::quick();
    home.enqueue("victim", &format!("echo run $QUEUECTL_JOB_LEASE; {}", hangs_once()));
    let _worker = home.worker_in_the_middle("hangs");
    wait_until(DEADLINE, "the first words are stored", || {
        let attempts = home.attempts("victim");
        attempts.first().is_some_and(|attempt| !home.store().output(attempt.lease, 0, 1).unwrap().is_empty())
    });
    kill_its_worker(&home);
    home.wait_for("victim", State::Completed);
    home.queuectl(["logs", "victim", "--attempt", "1"]).assert().stdout("run 1\n");
    home.queuectl(["logs", "victim"]).assert().stdout("run 2\n");
}

/// It would have ended before it had looked at its neighbours.
fn a_drain_of_nothing_leaves_nothing_of_the_dead() {
    let home = Home::quick();
    for _ in 0..10 {
        let worker = home.worker(["--count", "1"]);
        worker.wait_until_it_says("Loop started");
        // First the manager, so that it looks after nothing.
        worker.signal(Signal::SIGSTOP);
        home.kill_everything();
        home.drain();
        assert_eq!(home.store().workers().unwrap(), [], "a dead worker is on the list");
    }
}
