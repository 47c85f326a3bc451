//! Workers in hostile surroundings: what they inherit, what they run short of,
//! and jobs that resist.

use crate::support::trials::trials;
use crate::support::{DEADLINE, HELD, Home, Worker, alive, send, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use queuectl_core::{Outcome, State};
use serde_json::json;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

trials![
    a_job_completes_although_sigchld_was_ignored,
    signals_that_were_blocked_stop_the_manager,
    a_low_soft_limit_on_open_files_costs_no_job_a_retry,
    a_hard_limit_on_open_files_that_is_too_low_is_refused,
    no_process_is_left_where_descriptors_run_out,
    processes_that_fork_and_exit_without_end_are_ended_by_a_timeout,
    a_forced_stop_reaches_jobs_that_were_claimed_ahead,
    a_forced_stop_is_heard_before_jobs_are_claimed,
    a_second_forced_stop_works_too,
    jobs_that_kill_their_worker_twice_complete_one_after_another,
    worker_stop_ends_a_manager_whose_worker_has_just_died,
    a_replacement_that_cannot_be_started_ends_nobody,
    what_was_claimed_ahead_and_handed_back_wakes_an_idle_neighbour,
];

const WORKER_PROGRAM: &str = env!("CARGO_BIN_EXE_queuectl-worker");

/// What a shell does to become the worker program that it was given.
const BECOME_IT: &str = r#"exec "$0" "$@""#;

/// Starts `worker start` from a shell that changes what it inherits.
fn worker_from(home: &Home, line: &str, arguments: &[&str]) -> Worker {
    let mut command = home.program("/bin/sh");
    command.args(["-c", line, WORKER_PROGRAM, "start"]).args(arguments);
    Worker::start(command, &home.root().join("said").join("from-a-shell"))
}

/// A mask of signals, as the kernel shows it when a program begins.
fn printed_mask(worker: &Worker, name: &str) -> u64 {
    let printed = worker.printed();
    let mask = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    u64::from_str_radix(mask.unwrap_or_else(|| panic!("no {name} in {printed:?}")).trim(), 16).unwrap()
}

fn has(mask: u64, signal: Signal) -> bool {
    mask & (1 << (signal as u32 - 1)) != 0
}

/// `env`, with the worker program to follow, after it has shown the masks.
fn with_signals(option: &str) -> String {
    format!("env {option} grep Sig /proc/self/status; exec env {option} \"$0\" \"$@\"")
}

fn a_job_completes_although_sigchld_was_ignored() {
    let home = Home::quick();
    home.enqueue_once("good", "exit 0");
    home.enqueue_once("bad", "exit 7");
    let mut worker = worker_from(&home, &with_signals("--ignore-signal=CHLD"), &["--max-jobs", "2"]);
    worker.wait_for_success();
    assert!(has(printed_mask(&worker, "SigIgn"), Signal::SIGCHLD), "it was not ignored");
    assert_eq!((home.state("good"), home.job("good").attempts), (State::Completed, 1));
    assert_eq!((home.state("bad"), home.job("bad").attempts), (State::Dead, 1));
    assert_eq!(home.attempts("bad")[0].outcome, Some(Outcome::Exit(7)));
}

fn signals_that_were_blocked_stop_the_manager() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let home = Home::quick();
        home.enqueue("held", HELD);
        let mut worker = worker_from(&home, &with_signals("--block-signal=TERM,INT,CHLD"), &[]);
        home.wait_for_file("running");
        assert!(has(printed_mask(&worker, "SigBlk"), signal), "it was not blocked");
        worker.signal(signal);
        worker.wait_until_it_says("Received shutdown signal");
        home.make_file("go");
        worker.wait_for_success();
        assert_eq!((home.state("held"), home.job("held").attempts), (State::Completed, 1));
    }
}

/// A named pipe which jobs cannot open before it is released.
struct Gate(PathBuf);

impl Gate {
    fn close(path: &Path) -> Self {
        mkfifo(path, Mode::S_IRWXU).unwrap();
        Self(path.to_owned())
    }

    /// Lets all through, for as long as the result is kept.
    fn open(&self) -> File {
        File::options().read(true).write(true).open(&self.0).unwrap()
    }
}

fn a_low_soft_limit_on_open_files_costs_no_job_a_retry() {
    let home = Home::quick();
    let gate = Gate::close(&home.path("gate"));
    let job = |n| json!({"id": format!("job-{n}"), "command": "echo up >> up; : < gate", "max_retries": 0});
    home.enqueue_all((0..300).map(job));
    let line = format!("ulimit -Sn 256; {BECOME_IT}");
    let mut worker = worker_from(&home, &line, &["--concurrency", "300", "--drain"]);
    wait_until(DEADLINE, "all of them run at a time", || home.lines("up").len() == 300);
    let open = gate.open();
    worker.wait_for_success();
    drop(open);
    assert_eq!(home.counts()[State::Completed], 300);
    assert!(!worker.said().contains("cannot be started"), "{}", worker.said());
}

fn a_hard_limit_on_open_files_that_is_too_low_is_refused() {
    let home = Home::quick();
    let job = |n| json!({"id": format!("job-{n}"), "command": "true", "max_retries": 0});
    home.enqueue_all((0..300).map(job));
    let line = format!("ulimit -n 256; {BECOME_IT}");
    let mut worker = worker_from(&home, &line, &["--concurrency", "300", "--drain"]);
    assert_eq!(worker.wait().code(), Some(1));
    let said = worker.said();
    assert!(said.contains("300 jobs at a time need") && said.contains("the limit is 256"), "{said}");
    assert_eq!((home.counts()[State::Pending], home.worker_pids().len()), (300, 0));
}

fn no_process_is_left_where_descriptors_run_out() {
    let home = Home::quick();
    // Enough for eight jobs, and by far not for a look at all that these leave.
    let command = "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 301 & done; sleep 0.5; exit 1";
    let ids: Vec<_> = (0..16).map(|n| format!("job-{n}")).collect();
    home.enqueue_all(ids.iter().map(|id| json!({"id": id, "command": command, "max_retries": 0})));
    let line = format!("ulimit -n 120; {BECOME_IT}");
    let mut worker = worker_from(&home, &line, &["--concurrency", "8", "--drain", "--exit-zero"]);
    worker.wait_for_success();
    for id in &ids {
        assert_eq!((home.state(id), home.processes_of(id)), (State::Dead, vec![]), "{id}");
    }
}

fn processes_that_fork_and_exit_without_end_are_ended_by_a_timeout() {
    let home = Home::quick();
    // One process at a time, each alive for a moment only.
    fs::write(home.path("hop"), ": > heartbeat\nsh ./hop &\n").unwrap();
    home.queuectl(["enqueue", "--id", "chain", "--max-retries", "0", "--timeout", "1s"])
        .args(["--shell", "sh ./hop; sleep 1000"])
        .assert()
        .success();
    let _worker = home.worker_in_the_middle("heartbeat");
    home.wait_for("chain", State::Dead);
    fs::remove_file(home.path("heartbeat")).unwrap();
    // A chain that lives has long made it again when these have run.
    for number in 0..5 {
        let id = format!("other-{number}");
        home.enqueue(&id, "sleep 0.1");
        home.wait_for(&id, State::Completed);
        assert!(!home.path("heartbeat").exists(), "the chain is alive");
        assert_eq!(home.processes_of("chain"), [0; 0]);
    }
}

/// Asserts that no job was charged for what its worker was made to do.
fn are_pending_and_uncharged(home: &Home, ids: &[String]) {
    for id in ids {
        let job = home.job(id);
        assert_eq!((job.state, job.attempts, job.crashes), (State::Pending, 0, 0), "{id}");
        assert_eq!(home.processes_of(id), [0; 0], "{id}");
    }
}

fn a_forced_stop_reaches_jobs_that_were_claimed_ahead() {
    let home = Home::quick();
    // Short ones first, so that the worker claims ahead.
    let short = (0..40).map(|n| json!({"id": format!("short-{n}"), "command": "true"}));
    let ids: Vec<_> = (0..12).map(|n| format!("long-{n}")).collect();
    let long = ids.iter().map(|id| json!({"id": id, "command": "touch running; sleep 1000"}));
    home.enqueue_all(short.chain(long));
    let mut worker = home.worker(["--concurrency", "4"]);
    home.wait_for_file("running");
    home.queuectl(["worker", "stop", "--force"]).assert().success();
    worker.wait_for_success();
    are_pending_and_uncharged(&home, &ids);
}

fn a_forced_stop_is_heard_before_jobs_are_claimed() {
    let home = Home::quick().with("QUEUECTL_POLL_INTERVAL", "1h");
    home.enqueue("first", "true");
    let mut worker = home.worker(["--concurrency", "4"]);
    home.wait_for("first", State::Completed);
    let pid = Pid::from_raw(home.worker_pids()[0]);
    kill(pid, Signal::SIGSTOP).unwrap();
    let ids: Vec<_> = (0..8).map(|n| format!("long-{n}")).collect();
    home.enqueue_all(ids.iter().map(|id| json!({"id": id, "command": "touch running; sleep 1000"})));
    home.queuectl(["worker", "stop", "--force", "--no-wait"]).assert().success();
    kill(pid, Signal::SIGCONT).unwrap();
    worker.wait_for_success();
    are_pending_and_uncharged(&home, &ids);
    assert!(!home.path("running").exists());
}

fn a_second_forced_stop_works_too() {
    let home = Home::quick();
    let ids: Vec<_> = (0..4).map(|n| format!("long-{n}")).collect();
    let stubborn = "trap '' TERM; touch running; while :; do sleep 0.05; done";
    home.enqueue_all(ids.iter().map(|id| json!({"id": id, "command": stubborn})));
    let mut worker = home.worker(["--concurrency", "2"]);
    home.wait_for_file("running");
    home.queuectl(["worker", "stop", "--force", "--no-wait"]).assert().success();
    home.queuectl(["worker", "stop", "--force"]).assert().success();
    worker.wait_for_success();
    are_pending_and_uncharged(&home, &ids);
}

fn jobs_that_kill_their_worker_twice_complete_one_after_another() {
    let home = Home::quick().with("QUEUECTL_POLL_INTERVAL", "1h").with("QUEUECTL_CRASH_LIMIT", "100");
    let command = "echo run >> runs-of-$QUEUECTL_JOB_ID; [ $(wc -l < runs-of-$QUEUECTL_JOB_ID) -gt 2 ] && exit 0; \
                   sleep 0.2; kill -9 $PPID; sleep 1000";
    for number in 0..4 {
        home.enqueue_once(&format!("suspect-{number}"), command);
    }
    home.queuectl(["worker", "start", "--concurrency", "4", "--drain=ready"]).assert().success();
    for number in 0..4 {
        let job = home.job(&format!("suspect-{number}"));
        assert_eq!(
            (job.state, job.attempts),
            (State::Completed, 1),
            "{} crashed {} times",
            job.id,
            job.crashes
        );
    }
}

fn worker_stop_ends_a_manager_whose_worker_has_just_died() {
    let home = Home::quick().with("QUEUECTL_CRASH_LIMIT", "1000");
    home.enqueue("poison", "kill -9 $PPID; sleep 5");
    let mut worker = home.worker([""; 0]);
    // By now a replacement is made to wait, so that most of the time none lives.
    wait_until(DEADLINE, "it has crashed 7 times", || home.job("poison").crashes >= 7);
    home.queuectl(["worker", "stop"]).assert().success();
    worker.wait_for_success();
    assert_eq!(home.worker_pids(), [0; 0]);
    let poison = home.job("poison");
    assert_eq!((poison.state, poison.attempts), (State::Pending, 0));
}

/// A worker program of the home's own, which can be taken away.
fn install(program: &Path) {
    if fs::hard_link(WORKER_PROGRAM, program).is_err() {
        fs::copy(WORKER_PROGRAM, program).unwrap();
    }
}

fn a_replacement_that_cannot_be_started_ends_nobody() {
    let home = Home::quick();
    let program = home.path("queuectl-worker");
    home.enqueue("before", "true");
    install(&program);
    let mut command = home.program(&program);
    command.args(["start", "--count", "2"]);
    let mut manager = Worker::start(command, &home.root().join("said").join("manager"));
    home.wait_for("before", State::Completed);
    wait_until(DEADLINE, "two workers", || home.worker_pids().len() == 2);
    let pids = home.worker_pids();
    fs::remove_file(&program).unwrap();
    send(pids[0], Signal::SIGKILL);
    manager.wait_until_it_says("a worker cannot be started");
    home.enqueue("meanwhile", "true");
    home.wait_for("meanwhile", State::Completed);
    assert!(!manager.has_ended() && alive(pids[1]), "{}", manager.said());
    install(&program);
    wait_until(DEADLINE, "there is a replacement", || home.worker_pids().len() == 2);
    manager.signal(Signal::SIGTERM);
    manager.wait_for_success();
}

fn what_was_claimed_ahead_and_handed_back_wakes_an_idle_neighbour() {
    let home = Home::quick().with("QUEUECTL_POLL_INTERVAL", "1h");
    let quick = |kind: &str, count: u32| -> Vec<_> {
        (0..count).map(|n| json!({"id": format!("{kind}-{n}"), "command": "true"})).collect()
    };
    let _worker = home.worker(["--count", "2"]);
    home.enqueue("first", "true");
    home.wait_for("first", State::Completed);
    wait_until(DEADLINE, "two workers", || home.worker_pids().len() == 2);
    // They learn how short the jobs are.
    home.enqueue_all(quick("short", 60));
    wait_until(DEADLINE, "all of these are done", || home.counts().unfinished() == 0);
    let mut jobs = vec![json!({"id": "long", "command": HELD})];
    jobs.extend(quick("behind", 40));
    home.enqueue_all(jobs);
    home.wait_for_file("running");
    wait_until(DEADLINE, "all but the long one are done", || home.counts().unfinished() == 1);
    assert_eq!(home.state("long"), State::Processing);
    home.make_file("go");
    home.wait_for("long", State::Completed);
}
