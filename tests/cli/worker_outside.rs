//! Stops from outside: signals that reach jobs together with their worker.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Worker, send, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queuectl_core::{Outcome, State};

trials![
    a_job_that_is_signalled_together_with_its_worker_is_interrupted,
    a_job_that_is_signalled_just_before_its_worker_is_interrupted,
    a_job_that_exits_well_because_of_the_signal_is_not_completed,
    a_job_that_does_not_hear_the_signal_and_exits_well_is_completed,
    a_job_that_ends_by_itself_while_its_manager_stops_is_completed,
    a_job_that_catches_the_signal_and_ends_while_only_its_worker_is_signalled_is_completed,
    a_signal_without_a_stop_is_a_failure,
    a_terminal_that_closes_lets_the_running_job_finish,
    workers_in_the_background_do_not_end_with_a_hangup,
    a_hangup_of_everything_in_the_background_charges_no_job,
    nohup_is_obeyed,
];

/// What systemd does by default, and a logout: every process of a group is signalled.
/// Managers and workers first, or last.
#[derive(Clone, Copy, Debug)]
enum Order {
    JobsFirst,
    JobsLast,
}

fn signal_everything(home: &Home, signal: Signal, order: Order) {
    let ours = home.managers_and_workers();
    let mut jobs: Vec<i32> = Vec::new();
    // While it becomes another program its environment cannot be read.
    wait_until(DEADLINE, "the job is found", || {
        jobs = home.processes_of("a");
        !jobs.is_empty()
    });
    // The guardian of the manager as well.
    jobs.extend(home.guardians());
    let pids = match order {
        Order::JobsFirst => [jobs, ours],
        Order::JobsLast => [ours, jobs],
    };
    for pid in pids.concat() {
        // It may have ended because of another's end.
        let _gone_is_fine = kill(Pid::from_raw(pid), signal);
    }
}

/// A worker that runs this job, which has no retries.
fn running(command: &str) -> (Home, Worker) {
    let home = Home::quick().with("QUEUECTL_KILL_GRACE", "30s");
    home.enqueue_once("a", command);
    let worker = home.worker_in_the_middle("up");
    (home, worker)
}

fn was_interrupted(home: &Home) {
    let job = home.job("a");
    assert_eq!((job.state, job.attempts), (State::Pending, 0), "{:?}", home.attempts("a"));
    assert_eq!(home.attempts("a")[0].outcome, Some(Outcome::Interrupted));
    assert_eq!(home.processes_of("a"), [0; 0]);
}

fn a_job_that_is_signalled_together_with_its_worker_is_interrupted() {
    let commands = [
        "touch up; sleep 1000; true",
        "touch up; exec sleep 1000",
        "trap 'exit 143' TERM; trap 'exit 130' INT; trap 'exit 129' HUP; touch up; while :; do sleep 0.02; done",
    ];
    for command in commands {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            let (home, mut worker) = running(command);
            signal_everything(&home, signal, Order::JobsLast);
            worker.wait_for_success();
            was_interrupted(&home);
        }
    }
}

fn a_job_that_is_signalled_just_before_its_worker_is_interrupted() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let (home, mut worker) = running("touch up; sleep 1000; true");
        signal_everything(&home, signal, Order::JobsFirst);
        worker.wait_for_success();
        was_interrupted(&home);
    }
}

fn a_job_that_exits_well_because_of_the_signal_is_not_completed() {
    let catches = "trap 'touch heard; exit 0' TERM; touch up; while :; do sleep 0.02; done";
    for command in [catches, &catches.replace("exit 0", "exit 1")] {
        let (home, mut worker) = running(command);
        for pid in home.managers_and_workers() {
            send(pid, Signal::SIGTERM);
        }
        worker.wait_until_it_says("Received shutdown signal, finishing current job...");
        for pid in home.processes_of("a") {
            let _gone_is_fine = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        worker.wait_for_success();
        assert!(home.path("heard").exists(), "{command}");
        was_interrupted(&home);
    }
}

fn a_job_that_does_not_hear_the_signal_and_exits_well_is_completed() {
    let (home, mut worker) =
        running("trap '' TERM; touch up; until [ -e go ]; do sleep 0.02; done; touch finished");
    signal_everything(&home, Signal::SIGTERM, Order::JobsLast);
    worker.wait_until_it_says("finishing current job");
    home.make_file("go");
    worker.wait_for_success();
    assert_eq!(home.state("a"), State::Completed);
}

const CATCHES_AND_GOES_ON: &str =
    "trap 'touch heard' TERM; touch up; until [ -e go ]; do sleep 0.02; done; touch finished";

fn a_job_that_ends_by_itself_while_its_manager_stops_is_completed() {
    let (home, mut worker) = running(CATCHES_AND_GOES_ON);
    worker.signal(Signal::SIGTERM);
    worker.wait_until_it_says("finishing current job");
    home.make_file("go");
    worker.wait_for_success();
    assert_eq!(home.state("a"), State::Completed);
}

fn a_job_that_catches_the_signal_and_ends_while_only_its_worker_is_signalled_is_completed() {
    let (home, mut worker) = running(CATCHES_AND_GOES_ON);
    send(home.worker_pids()[0], Signal::SIGTERM);
    worker.wait_until_it_says("finishing current job");
    home.make_file("go");
    home.wait_for("a", State::Completed);
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
}

fn a_signal_without_a_stop_is_a_failure() {
    for signal in ["TERM", "INT", "HUP"] {
        let home = Home::quick();
        home.enqueue_once("a", &format!("kill -{signal} $$; sleep 1000"));
        home.drain();
        assert_eq!((home.state("a"), home.job("a").attempts), (State::Dead, 1));
    }
}

fn a_terminal_that_closes_lets_the_running_job_finish() {
    let (home, mut worker) = running("touch up; until [ -e go ]; do sleep 0.02; done; touch finished");
    worker.signal(Signal::SIGHUP);
    worker.wait_until_it_says("terminal was closed");
    // Nothing makes it a second request.
    worker.signal(Signal::SIGHUP);
    home.make_file("go");
    worker.wait_for_success();
    assert_eq!(home.state("a"), State::Completed);
}

/// The manager in the background, and where it writes its log.
fn in_the_background(home: &Home) -> (i32, String) {
    let started = home.json(["worker", "start", "--detach", "--json"]);
    let manager = i32::try_from(started["manager_pid"].as_i64().unwrap()).unwrap();
    (manager, started["log"].as_str().unwrap().to_owned())
}

fn workers_in_the_background_do_not_end_with_a_hangup() {
    let home = Home::quick();
    let (manager, log) = in_the_background(&home);
    send(manager, Signal::SIGHUP);
    let log_says = |text: &str| std::fs::read_to_string(&log).unwrap_or_default().contains(text);
    wait_until(DEADLINE, "the log says so", || log_says("Received SIGHUP; workers in the background go on"));
    home.enqueue("a", "true");
    home.wait_for("a", State::Completed);
    home.queuectl(["worker", "stop"]).assert().success();
}

fn a_hangup_of_everything_in_the_background_charges_no_job() {
    let home = Home::quick();
    home.enqueue_once("a", "[ $QUEUECTL_JOB_LEASE = 1 ] || exit 0; touch up; sleep 1000; true");
    in_the_background(&home);
    home.wait_for_file("up");
    signal_everything(&home, Signal::SIGHUP, Order::JobsFirst);
    home.wait_for("a", State::Completed);
    let outcomes = home.outcomes("a");
    assert_eq!(outcomes, [Some(Outcome::Interrupted), Some(Outcome::Exit(0))]);
    home.queuectl(["worker", "stop"]).assert().success();
}

fn nohup_is_obeyed() {
    let home = Home::quick();
    let mut command = home.program("nohup");
    command.arg(env!("CARGO_BIN_EXE_queuectl-worker")).arg("start");
    let mut worker = Worker::start(command, &home.root().join("said").join("nohup"));
    worker.wait_until_it_says("Loop started");
    for pid in home.managers_and_workers() {
        send(pid, Signal::SIGHUP);
    }
    home.enqueue("a", "true");
    home.wait_for("a", State::Completed);
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    assert!(!worker.said().contains("terminal was closed"));
}
