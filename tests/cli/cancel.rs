//! `queuectl cancel`, and that nothing of a job is left behind.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, both, send, wait_until};
use nix::sys::signal::Signal;
use predicates::str::contains;
use queuectl_core::{Outcome, State};

trials![
    a_pending_job_is_cancelled,
    a_failed_job_is_cancelled,
    a_running_job_is_ended,
    a_job_that_ignores_sigterm_is_ended,
    children_in_the_background_are_ended,
    children_in_sessions_of_their_own_are_ended,
    a_job_has_time_to_clean_up,
    a_job_that_has_come_to_rest_is_refused,
    several_jobs_are_cancelled_at_once,
    no_wait_returns_before_the_job_has_ended,
    the_worker_goes_on_with_the_next_job,
    a_cancelled_job_is_not_retried,
    a_job_whose_worker_and_manager_are_dead_is_ended_here,
    a_job_that_cancels_itself_does_not_wait_for_itself,
    it_is_said_when_the_worker_stands_still,
];

fn a_pending_job_is_cancelled() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "touch ran");
        home.run(spelling, ["cancel", "a"]).assert().success().stdout("Job a cancelled\n");
        home.drain();
        assert_eq!(home.state("a"), State::Cancelled);
        assert!(!home.path("ran").exists());
    });
}

fn a_failed_job_is_cancelled() {
    let home = Home::quick().with("QUEUECTL_BACKOFF_BASE", "3600");
    home.enqueue("a", "false");
    home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
    assert_eq!(home.state("a"), State::Failed);
    home.queuectl(["cancel", "a"]).assert().success();
    assert_eq!(home.state("a"), State::Cancelled);
}

/// Runs a job, cancels it, and asserts that nothing of it is left.
fn cancelled_while_running(command: &str) -> Home {
    let home = Home::quick();
    home.enqueue("a", &format!("{command}; touch ready; sleep 1000; touch too-far"));
    let _worker = home.worker_in_the_middle("ready");
    let processes = home.processes_of("a");
    assert!(!processes.is_empty(), "the job can be found by its mark");
    home.queuectl(["cancel", "a"]).assert().success();
    assert_eq!(home.state("a"), State::Cancelled, "cancel returns when it is done");
    assert_eq!(home.processes_of("a"), [0; 0], "nothing is left when the job is cancelled");
    assert_eq!(home.attempts("a")[0].outcome, Some(Outcome::Cancelled));
    assert!(!home.path("too-far").exists());
    home
}

fn a_running_job_is_ended() {
    cancelled_while_running("true");
}

fn a_job_that_ignores_sigterm_is_ended() {
    cancelled_while_running("trap '' TERM INT HUP");
}

fn children_in_the_background_are_ended() {
    cancelled_while_running("sleep 1000 & sleep 1000 & (sleep 1000 & sleep 1000 &)");
}

fn children_in_sessions_of_their_own_are_ended() {
    let stubborn = "setsid sh -c 'trap \"\" TERM; echo > up-1; sleep 1000; sleep 1000' & \
                    setsid nohup sleep 1000 >/dev/null 2>&1 & \
                    until [ -e up-1 ]; do sleep 0.05; done";
    cancelled_while_running(stubborn);
}

fn a_job_has_time_to_clean_up() {
    let home = Home::quick().with("QUEUECTL_KILL_GRACE", "60s");
    home.enqueue("a", "trap 'touch cleaned; exit 1' TERM; touch ready; while :; do sleep 0.05; done");
    let _worker = home.worker_in_the_middle("ready");
    home.queuectl(["cancel", "a"]).assert().success();
    assert!(home.path("cleaned").exists());
    assert_eq!(home.state("a"), State::Cancelled);
}

fn a_job_that_has_come_to_rest_is_refused() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "true");
        home.drain();
        let before = home.job("a");
        home.run(spelling, ["cancel", "a"]).assert().code(1).stderr(contains("job a is completed"));
        assert_eq!(home.job("a"), before);
    });
}

fn several_jobs_are_cancelled_at_once() {
    let home = Home::quick();
    home.enqueue("a", "true");
    home.enqueue("b", "true");
    home.queuectl(["cancel", "a", "ghost", "b"]).assert().code(4).stderr(contains("there is no job ghost"));
    assert_eq!(home.counts()[State::Cancelled], 2);
    home.queuectl(["cancel"]).assert().code(2);
}

fn no_wait_returns_before_the_job_has_ended() {
    let home = Home::quick().with("QUEUECTL_KILL_GRACE", "120s");
    home.enqueue(
        "a",
        "trap 'echo asked >> asked' TERM; touch ready; until [ -e go ]; do sleep 0.05; done; exit 1",
    );
    let _worker = home.worker_in_the_middle("ready");
    home.queuectl(["cancel", "a", "--no-wait"]).assert().success();
    assert!(home.job("a").cancel_requested);
    home.wait_for_file("asked");
    home.make_file("go");
    home.wait_for("a", State::Cancelled);
}

fn the_worker_goes_on_with_the_next_job() {
    let home = Home::quick();
    home.enqueue("a", "touch ready; sleep 1000");
    home.enqueue("b", "true");
    let mut worker = home.worker_in_the_middle("ready");
    home.queuectl(["cancel", "a"]).assert().success();
    home.wait_for("b", State::Completed);
    assert!(!worker.has_ended());
}

fn a_cancelled_job_is_not_retried() {
    let home = Home::quick();
    home.enqueue("a", "echo run >> runs; sleep 1000");
    let _worker = home.worker([""; 0]);
    wait_until(DEADLINE, "the job runs", || home.lines("runs").len() == 1);
    home.queuectl(["cancel", "a"]).assert().success();
    home.enqueue("after", "true");
    home.wait_for("after", State::Completed);
    assert_eq!(home.lines("runs").len(), 1);
    home.queuectl(["dlq", "retry", "a"]).assert().code(4);
}

fn a_job_whose_worker_and_manager_are_dead_is_ended_here() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "(setsid sleep 1000 &); touch ready; sleep 1000");
        home.enqueue("b", "true");
        let mut worker = home.worker_in_the_middle("ready");
        for pid in home.managers_and_workers() {
            send(pid, Signal::SIGKILL);
        }
        worker.wait();
        assert!(!home.processes_of("a").is_empty());
        home.run(spelling, ["cancel", "a"]).assert().success().stdout(contains("Job a cancelled"));
        assert_eq!(home.processes_of("a"), [0; 0]);
        assert_eq!((home.state("a"), home.state("b")), (State::Cancelled, State::Pending));
    });
}

fn a_job_that_cancels_itself_does_not_wait_for_itself() {
    let home = Home::quick().with("QUEUECTL_KILL_GRACE", "10s");
    // It hears nothing of its end until it has done it.
    home.enqueue("a", "trap '' TERM; \"$QUEUECTL\" cancel a >said && touch returned; sleep 1000");
    let _worker = home.worker([""; 0]);
    home.wait_for("a", State::Cancelled);
    assert!(home.path("returned").exists());
    assert_eq!(home.lines("said"), ["Job a is being cancelled"]);
}

fn it_is_said_when_the_worker_stands_still() {
    let home = Home::quick();
    home.enqueue("a", "touch ready; sleep 1000");
    let _worker = home.worker_in_the_middle("ready");
    let pid = home.worker_pids()[0];
    send(pid, Signal::SIGSTOP);
    let mut cancel = home.background(Spelling::Dispatched, ["cancel", "a"]);
    cancel.wait_until_it_says(&format!("stands still; job a is ended when it goes on: `kill -CONT {pid}`"));
    let mut stop = home.background(Spelling::Dispatched, ["worker", "stop"]);
    stop.wait_until_it_says(&format!("stands still, and stops when it goes on: `kill -CONT {pid}`"));
    assert!(home.stdout(["status"]).contains("stalled"));
    send(pid, Signal::SIGCONT);
    cancel.wait_for_success();
    stop.wait_for_success();
    assert_eq!(home.state("a"), State::Cancelled);
}
