//! `queuectl worker stop`, signals, and what becomes of running jobs.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, Worker, alive, both, send, wait_until};
use nix::sys::signal::Signal;
use predicates::str::contains;
use queuectl_core::{Outcome, State};

trials![
    control_c_lets_the_running_job_finish_and_leaves_the_next,
    sigterm_lets_the_running_job_finish_and_leaves_the_next,
    worker_stop_lets_the_running_job_finish_and_leaves_the_next,
    worker_stop_reaches_every_worker_of_the_queue,
    worker_stop_without_workers_succeeds,
    on_one_machine_everywhere_is_here,
    worker_stop_waits_for_a_running_job_as_long_as_it_takes,
    no_wait_returns_while_the_job_runs,
    a_stop_does_not_reach_workers_that_start_later,
    a_second_signal_ends_the_running_job_uncharged,
    a_forced_stop_ends_the_running_job_uncharged,
    a_forced_stop_leaves_no_process_behind,
    a_forced_stop_can_follow_a_graceful_one,
    a_forced_stop_does_not_wait_for_what_a_failed_job_has_left,
    a_cancelled_job_is_not_held_up_by_what_it_has_left,
    control_c_does_not_reach_the_job,
    workers_whose_manager_was_killed_finish_their_job_and_end,
    worker_stop_of_workers_whose_manager_was_killed_succeeds,
    worker_stop_of_a_killed_worker_does_not_wait_for_it,
    a_forced_stop_ends_what_a_killed_worker_has_left,
    a_job_that_stops_its_worker_does_not_wait_for_itself,
    a_job_that_clears_its_environment_does_not_wait_for_itself_either,
    an_idle_worker_stops_at_once_whatever_its_poll_interval,
    retries_that_wait_do_not_hold_up_a_stop,
];

/// A job that runs until there is a file `go`, and tells that it came to its end.
const HELD: &str = "touch running; until [ -e go ]; do sleep 0.05; done; touch finished";

/// A worker in the middle of the job `held`, with `next` behind it.
fn in_the_middle(home: &Home) -> Worker {
    started_as(Spelling::Dispatched, home)
}

fn started_as(spelling: Spelling, home: &Home) -> Worker {
    home.enqueue("held", HELD);
    home.enqueue("next", "touch next-ran");
    let worker = home.background(spelling, ["worker", "start"]);
    home.wait_for_file("running");
    worker
}

/// The same, and its manager is killed.
fn in_the_middle_without_a_manager(home: &Home) -> Worker {
    let mut worker = in_the_middle(home);
    worker.signal(Signal::SIGKILL);
    worker.wait();
    worker
}

/// Lets the job finish once the worker has been told to stop.
fn finishes(home: &Home, worker: &mut Worker) {
    wait_until_told(home, worker);
    home.make_file("go");
    worker.wait_for_success();
    finished_and_left_the_next(home);
}

/// Waits until the worker itself, and not only its manager, knows that it is to stop.
fn wait_until_told(home: &Home, worker: &Worker) {
    worker.wait_until_it_says(&format!("[Worker PID {}] Received shutdown signal", home.worker_pids()[0]));
}

/// Asserts that the job finished, by itself and once, and the next did not start.
fn finished_and_left_the_next(home: &Home) {
    assert!(home.path("finished").exists());
    assert_eq!(home.state("held"), State::Completed);
    assert_eq!((home.job("held").attempts, home.attempts("held").len()), (1, 1));
    let next = home.job("next");
    assert_eq!((next.state, next.attempts), (State::Pending, 0));
    assert!(!home.path("next-ran").exists());
    assert_eq!(home.worker_pids(), [0; 0]);
}

fn control_c_lets_the_running_job_finish_and_leaves_the_next() {
    both(|spelling| {
        let home = Home::new();
        let mut worker = started_as(spelling, &home);
        worker.press_control_c();
        finishes(&home, &mut worker);
        assert!(worker.said().contains("Shutdown complete."));
    });
}

fn sigterm_lets_the_running_job_finish_and_leaves_the_next() {
    both(|spelling| {
        let home = Home::new();
        let mut worker = started_as(spelling, &home);
        worker.signal(Signal::SIGTERM);
        finishes(&home, &mut worker);
    });
}

fn worker_stop_lets_the_running_job_finish_and_leaves_the_next() {
    both(|spelling| {
        let home = Home::new();
        let mut worker = in_the_middle(&home);
        let mut stop = home.background(spelling, ["worker", "stop"]);
        finishes(&home, &mut worker);
        stop.wait_for_success();
    });
}

fn worker_stop_reaches_every_worker_of_the_queue() {
    let home = Home::quick();
    let mut workers = [home.worker(["--count", "2"]), home.worker([""; 0])];
    home.queuectl(["worker", "start", "--detach", "--count", "2"]).assert().success();
    wait_until(DEADLINE, "five workers", || home.worker_pids().len() == 5);
    home.queuectl(["worker", "stop"]).assert().success();
    assert_eq!(home.worker_pids(), [0; 0]);
    for worker in &mut workers {
        worker.wait_for_success();
    }
}

fn worker_stop_without_workers_succeeds() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["worker", "stop"]).assert().success();
        assert!(!home.queue_folder().exists());
        home.enqueue("a", "true");
        home.run(spelling, ["worker", "stop", "--force"]).assert().success();
        home.run(spelling, ["worker", "stop", "--no-wait"]).assert().success();
    });
}

fn on_one_machine_everywhere_is_here() {
    both(|spelling| {
        let home = Home::quick();
        let mut worker = home.worker([""; 0]);
        worker.wait_until_it_says("Loop started");
        home.run(spelling, ["worker", "stop", "--everywhere"])
            .assert()
            .success()
            .stdout("Stopped 1 worker\n")
            .stderr("");
        worker.wait_for_success();
        let stop = home.run(spelling, ["worker", "stop", "--everywhere", "--json"]).assert().success();
        stop.stdout("{\"workers\":0,\"stopped\":true,\"elsewhere\":0}\n");
    });
}

fn worker_stop_waits_for_a_running_job_as_long_as_it_takes() {
    let home = Home::new();
    let mut worker = in_the_middle(&home);
    let mut stop = home.background(Spelling::Dispatched, ["worker", "stop"]);
    wait_until_told(&home, &worker);
    // Ctrl+C ends the wait, not the request.
    let mut impatient = home.background(Spelling::Dispatched, ["worker", "stop"]);
    impatient.press_control_c();
    impatient.wait();
    assert!(!stop.has_ended() && !worker.has_ended());
    assert_eq!(home.state("held"), State::Processing, "and it is not killed");
    home.make_file("go");
    stop.wait_for_success();
    worker.wait_for_success();
    finished_and_left_the_next(&home);
}

fn no_wait_returns_while_the_job_runs() {
    let home = Home::new();
    let mut worker = in_the_middle(&home);
    home.queuectl(["worker", "stop", "--no-wait"]).assert().success();
    assert_eq!(home.state("held"), State::Processing);
    finishes(&home, &mut worker);
}

fn a_stop_does_not_reach_workers_that_start_later() {
    let home = Home::new();
    let mut worker = in_the_middle(&home);
    home.queuectl(["worker", "stop", "--no-wait"]).assert().success();
    let mut later = home.worker([""; 0]);
    // The old one still works, the new one takes the next job.
    home.wait_for("next", State::Completed);
    assert!(!later.has_ended() && !worker.has_ended());
    home.make_file("go");
    worker.wait_for_success();
    home.enqueue("more", "true");
    home.wait_for("more", State::Completed);
    assert!(!later.has_ended());
}

/// Asserts that the running job was ended, uncharged, and can run again.
fn was_interrupted(home: &Home) {
    let job = home.job("held");
    assert_eq!((job.state, job.attempts, job.crashes), (State::Pending, 0, 0));
    assert_eq!(home.attempts("held")[0].outcome, Some(Outcome::Interrupted));
    assert_eq!(home.processes_of("held"), [0; 0]);
    assert!(!home.path("finished").exists() && !home.path("next-ran").exists());
    home.make_file("go");
    home.drain();
    assert_eq!((home.state("held"), home.job("held").attempts), (State::Completed, 1));
}

fn a_second_signal_ends_the_running_job_uncharged() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let home = Home::quick();
        let mut worker = in_the_middle(&home);
        worker.signal(signal);
        worker.wait_until_it_says("Received shutdown signal");
        worker.signal(signal);
        worker.wait_for_success();
        was_interrupted(&home);
    }
}

fn a_forced_stop_ends_the_running_job_uncharged() {
    both(|spelling| {
        let home = Home::quick();
        let mut worker = in_the_middle(&home);
        home.run(spelling, ["worker", "stop", "--force"]).assert().success();
        worker.wait_for_success();
        was_interrupted(&home);
    });
}

fn a_forced_stop_leaves_no_process_behind() {
    let home = Home::quick();
    let stubborn = "trap '' TERM INT; setsid sh -c 'trap \"\" TERM; touch up; sleep 1000; sleep 1000' & \
                    until [ -e up ]; do sleep 0.05; done; touch running; while :; do sleep 0.05; done";
    home.enqueue("a", stubborn);
    let mut worker = home.worker_in_the_middle("running");
    assert!(home.processes_of("a").len() >= 2);
    home.queuectl(["worker", "stop", "--force"]).assert().success();
    assert_eq!(home.processes_of("a"), [0; 0]);
    worker.wait_for_success();
}

fn a_forced_stop_can_follow_a_graceful_one() {
    let home = Home::quick();
    let mut worker = in_the_middle(&home);
    let mut stop = home.background(Spelling::Dispatched, ["worker", "stop"]);
    home.queuectl(["worker", "stop", "--force"]).assert().success();
    stop.wait_for_success();
    worker.wait_for_success();
    was_interrupted(&home);
}

/// A worker whose job has failed and left a process that does not hear TERM, for
/// which the worker would wait an hour.
fn waiting_for_what_is_left(home: &Home) -> Worker {
    home.enqueue_once("held", "(trap '' TERM; touch up; while :; do sleep 0.05; done) & until [ -e up ]; do sleep 0.05; done; echo $$ >shell; exit 7");
    let worker = home.worker_in_the_middle("shell");
    wait_until(DEADLINE, "the shell has ended", || {
        home.lines("shell").first().is_some_and(|pid| !alive(pid.parse().unwrap()))
    });
    assert!(!home.processes_of("held").is_empty());
    assert_eq!(home.state("held"), State::Processing, "it is not over while something of it runs");
    worker
}

fn a_forced_stop_does_not_wait_for_what_a_failed_job_has_left() {
    let home = Home::new().with("QUEUECTL_KILL_GRACE", "1h");
    let mut worker = waiting_for_what_is_left(&home);
    home.queuectl(["worker", "stop", "--force"]).assert().success();
    worker.wait_for_success();
    assert_eq!(home.processes_of("held"), [0; 0]);
    assert_eq!(home.attempts("held")[0].outcome, Some(Outcome::Exit(7)), "it had ended by itself");
    assert_eq!(home.state("held"), State::Dead);
}

fn a_cancelled_job_is_not_held_up_by_what_it_has_left() {
    let home = Home::new().with("QUEUECTL_KILL_GRACE", "1h");
    let _worker = waiting_for_what_is_left(&home);
    home.queuectl(["cancel", "held"]).assert().success();
    wait_until(DEADLINE, "it is finished", || home.state("held").is_finished());
    assert_eq!(home.processes_of("held"), [0; 0]);
}

fn control_c_does_not_reach_the_job() {
    let home = Home::new();
    home.enqueue("held", &format!("trap 'touch interrupted' INT TERM HUP; {HELD}"));
    let mut worker = home.worker_in_the_middle("running");
    worker.press_control_c();
    worker.wait_until_it_says("Received shutdown signal");
    home.make_file("go");
    worker.wait_for_success();
    assert!(home.path("finished").exists() && !home.path("interrupted").exists());
    assert_eq!(home.state("held"), State::Completed);
}

fn workers_whose_manager_was_killed_finish_their_job_and_end() {
    let home = Home::new();
    let worker = in_the_middle_without_a_manager(&home);
    let pid = home.worker_pids()[0];
    wait_until_told(&home, &worker);
    home.make_file("go");
    wait_until(DEADLINE, "the worker has ended", || !alive(pid));
    finished_and_left_the_next(&home);
}

fn worker_stop_of_workers_whose_manager_was_killed_succeeds() {
    let home = Home::new();
    let worker = in_the_middle_without_a_manager(&home);
    let mut stop = home.background(Spelling::Dispatched, ["worker", "stop"]);
    wait_until_told(&home, &worker);
    home.make_file("go");
    stop.wait_for_success();
    finished_and_left_the_next(&home);
}

fn worker_stop_of_a_killed_worker_does_not_wait_for_it() {
    let home = Home::new();
    let _worker = in_the_middle_without_a_manager(&home);
    send(home.worker_pids()[0], Signal::SIGKILL);
    home.queuectl(["worker", "stop"]).assert().success();
}

fn a_forced_stop_ends_what_a_killed_worker_has_left() {
    let home = Home::quick();
    let mut worker = in_the_middle(&home);
    for pid in home.managers_and_workers() {
        send(pid, Signal::SIGKILL);
    }
    worker.wait();
    wait_until(DEADLINE, "a dead worker", || {
        home.json(["worker", "list", "--json"])[0]["alive"] == serde_json::Value::Bool(false)
    });
    home.queuectl(["worker", "stop"]).assert().success().stderr(contains("worker stop --force"));
    assert!(!home.processes_of("held").is_empty(), "it may finish");
    home.queuectl(["worker", "stop", "--force"]).assert().success().stdout(contains("1 dead worker"));
    assert_eq!(home.processes_of("held"), [0; 0]);
    assert_eq!(home.state("held"), State::Pending);
}

fn a_job_that_stops_its_worker_does_not_wait_for_itself() {
    for stop in ["stop", "worker stop", "worker stop --everywhere"] {
        let home = Home::quick();
        home.enqueue("a", &format!("\"$QUEUECTL\" {stop} >said 2>&1 && touch returned"));
        home.enqueue("other", "until [ -e returned ]; do sleep 0.02; done");
        let mut worker = home.worker(["--count", "2"]);
        worker.wait_for_success();
        assert!(home.path("returned").exists(), "{stop}");
        assert_eq!(home.state("a"), State::Completed);
        assert!(home.lines("said")[0].contains("when it has ended"), "{:?}", home.lines("said"));
    }
}

fn a_job_that_clears_its_environment_does_not_wait_for_itself_either() {
    let home = Home::quick();
    let stop =
        "env -i PATH=\"$PATH\" HOME=\"$HOME\" QUEUECTL_HOME=\"$QUEUECTL_HOME\" \"$QUEUECTL\" worker stop";
    for (id, command) in [("plain", stop.to_owned()), ("session", format!("setsid -w {stop}"))] {
        home.enqueue_once(id, &command);
        home.worker(["--count", "1"]).wait_for_success();
        assert_eq!(home.state(id), State::Completed, "{id}");
    }
}

fn an_idle_worker_stops_at_once_whatever_its_poll_interval() {
    for stop in ["signal", "command"] {
        let home = Home::new().with("QUEUECTL_POLL_INTERVAL", "24h");
        let mut worker = home.worker(["--count", "2"]);
        wait_until(DEADLINE, "two workers", || home.worker_pids().len() == 2);
        if stop == "signal" {
            worker.press_control_c();
        } else {
            home.queuectl(["worker", "stop"]).assert().success();
        }
        worker.wait_for_success();
    }
}

fn retries_that_wait_do_not_hold_up_a_stop() {
    let home = Home::new().with("QUEUECTL_BACKOFF_BASE", "1000000");
    home.enqueue("a", "false");
    let mut worker = home.worker(["--drain"]);
    home.wait_for("a", State::Failed);
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    assert_eq!(home.state("a"), State::Failed);
}
