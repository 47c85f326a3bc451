//! The mistakes that implementations of the same documents made; each was
//! reproduced there or read in their source, and must not happen here.

use crate::support::trials::trials;
use crate::support::{ALIVE, DEADLINE, Home, alive, send, wait_until};
use nix::sys::signal::Signal;
use predicates::str::contains;
use queuectl_core::{Outcome, State};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

trials![
    no_job_of_150_runs_twice_with_four_workers,
    no_job_of_100_is_stuck_in_processing,
    failed_is_no_sink_and_a_setting_is_what_was_set,
    a_duplicate_id_replaces_nothing_and_an_unknown_id_is_an_error,
    processing_is_recovered_and_live_jobs_are_not_requeued,
    a_finished_job_does_not_overwrite_the_result_of_who_took_over,
    a_crash_loop_has_an_end_and_no_orphan_runs_beside_its_re_run,
    worker_stop_does_what_it_says_and_the_next_start_is_not_stopped,
    zero_is_not_unset_and_a_jobs_own_retries_count,
    a_huge_back_off_holds_up_nobody,
    a_time_out_ends_more_than_the_shell_and_output_is_bounded,
    errors_exit_with_1_and_nothing_is_cut_or_depends_on_the_folder,
    an_id_never_leaves_its_folder,
];

fn enqueue_many(home: &Home, count: u32, command: &str) {
    home.enqueue_all((0..count).map(|n| json!({"id": format!("job-{n}"), "command": command})));
}

fn no_job_of_150_runs_twice_with_four_workers() {
    let home = Home::new();
    enqueue_many(&home, 150, "echo $QUEUECTL_JOB_ID >> marks");
    home.queuectl(["worker", "start", "--count", "4", "--drain"]).assert().success();
    let marks = home.lines("marks");
    assert_eq!((marks.len(), marks.iter().collect::<BTreeSet<_>>().len()), (150, 150));
}

fn no_job_of_100_is_stuck_in_processing() {
    let home = Home::new();
    let mut workers: Vec<_> = (0..3).map(|_| home.worker(["--concurrency", "2"])).collect();
    enqueue_many(&home, 100, "echo $QUEUECTL_JOB_ID >> marks");
    wait_until(DEADLINE, "all are completed", || home.counts()[State::Completed] == 100);
    let marks = home.lines("marks");
    assert_eq!((marks.len(), marks.iter().collect::<BTreeSet<_>>().len()), (100, 100));
    home.queuectl(["worker", "stop"]).assert().success();
    workers.iter_mut().for_each(crate::support::Worker::wait_for_success);
}

fn failed_is_no_sink_and_a_setting_is_what_was_set() {
    let home = Home::quick();
    home.queuectl(["config", "set", "max-retries", "5"]).assert().success();
    home.queuectl(["config", "get", "max-retries"]).assert().success().stdout("5\n");
    home.enqueue("a", "echo run >> runs; exit 1");
    home.drain();
    assert_eq!((home.state("a"), home.lines("runs").len()), (State::Dead, 6), "one run and five retries");
}

fn a_duplicate_id_replaces_nothing_and_an_unknown_id_is_an_error() {
    let home = Home::new();
    home.enqueue("a", "first");
    home.queuectl(["enqueue", "--id", "a", "second"]).assert().code(1);
    assert_eq!((home.job("a").command.as_str(), home.counts().total()), ("first", 1));
    home.queuectl(["dlq", "retry", "ghost"]).assert().code(4);
}

fn processing_is_recovered_and_live_jobs_are_not_requeued() {
    let home = Home::new();
    home.enqueue("live", "echo run >> runs; touch running; until [ -e go ]; do sleep 0.05; done");
    let mut worker = home.worker_in_the_middle("running");
    for _ in 0..3 {
        home.queuectl(["status"]).assert().success();
        home.queuectl(["enqueue", "true"]).assert().success();
    }
    assert_eq!((home.job("live").lease, home.lines("runs").len()), (1, 1));
    let pid = home.worker_pids()[0];
    worker.signal(Signal::SIGKILL);
    send(pid, Signal::SIGKILL);
    worker.wait();
    home.make_file("go");
    home.drain();
    assert_eq!((home.state("live"), home.lines("runs").len()), (State::Completed, 2));
    assert_eq!(home.counts()[State::Processing], 0);
}

fn a_finished_job_does_not_overwrite_the_result_of_who_took_over() {
    let home = Home::quick();
    // The first run would fail in the end, if it were let.
    home.enqueue("a", "[ $QUEUECTL_JOB_LEASE -ge 2 ] && exit 0; touch running; sleep 1000; exit 7");
    let _worker = home.worker_in_the_middle("running");
    send(home.worker_pids()[0], Signal::SIGKILL);
    home.wait_for("a", State::Completed);
    home.wait_until_nothing_is_left_of("a");
    let job = home.job("a");
    assert_eq!((job.state, job.exit_code, job.lease), (State::Completed, Some(0), 2));
    assert_eq!(home.outcomes("a"), [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))]);
}

fn a_crash_loop_has_an_end_and_no_orphan_runs_beside_its_re_run() {
    let home = Home::quick();
    let command = format!(
        "{ALIVE}; [ -e pid ] && alive $(cat pid) && touch two-at-once; echo $$ > pid; \
         echo run >> runs; kill -9 $PPID; sleep 1000"
    );
    home.enqueue("a", &command);
    home.drain();
    assert_eq!((home.state("a"), home.lines("runs").len()), (State::Dead, 6));
    assert!(!home.path("two-at-once").exists());
    assert_eq!(home.processes_of("a"), [0; 0]);
}

fn worker_stop_does_what_it_says_and_the_next_start_is_not_stopped() {
    let home = Home::quick();
    let mut first = home.worker(["--count", "2"]);
    wait_until(DEADLINE, "two workers", || home.worker_pids().len() == 2);
    let pids = home.worker_pids();
    home.queuectl(["worker", "stop"]).assert().success();
    assert_eq!(home.worker_pids(), [0; 0], "it says so when it is so");
    first.wait_for_success();
    wait_until(DEADLINE, "their processes have ended", || pids.iter().all(|&pid| !alive(pid)));
    // A request that nobody is there to hear is not kept for the next.
    home.queuectl(["worker", "stop"]).assert().success();
    let mut next = home.worker([""; 0]);
    home.enqueue("a", "true");
    home.wait_for("a", State::Completed);
    assert!(!next.has_ended());
}

fn zero_is_not_unset_and_a_jobs_own_retries_count() {
    let home = Home::quick();
    for (id, retries, runs) in [("none", "0", 1), ("one", "1", 2), ("two", "2", 3)] {
        home.queuectl(["enqueue", "--id", id, "--max-retries", retries, "exit 1"]).assert().success();
        home.drain();
        assert_eq!((home.state(id), home.attempts(id).len()), (State::Dead, runs), "{id}");
    }
    home.queuectl(["enqueue", r#"{"id":"json","command":"exit 1","max_retries":0}"#]).assert().success();
    home.queuectl(["config", "set", "max-retries", "0"]).assert().success();
    home.enqueue("configured", "exit 1");
    home.drain();
    for id in ["json", "configured"] {
        assert_eq!((home.state(id), home.attempts(id).len()), (State::Dead, 1), "{id}");
    }
}

fn a_huge_back_off_holds_up_nobody() {
    let home = Home::new().with("QUEUECTL_BACKOFF_BASE", "1000000");
    home.queuectl(["enqueue", "--id", "fails", "--max-retries", "1000", "exit 1"]).assert().success();
    for number in 0..5 {
        home.enqueue(&format!("job-{number}"), "true");
    }
    home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
    assert_eq!(home.counts()[State::Completed], 5);
    let (job, attempts) = (home.job("fails"), home.attempts("fails"));
    let wait = job.run_at.unwrap().since(attempts[0].ended_at.unwrap());
    assert_eq!((job.state, wait), (State::Failed, Duration::from_hours(24)));
}

fn a_time_out_ends_more_than_the_shell_and_output_is_bounded() {
    let home = Home::quick();
    let command = "sh -c 'sleep 1000; :' & sleep 1000 & yes";
    home.queuectl(["enqueue", "--id", "a", "--timeout", "1s", "--max-retries", "0", command])
        .assert()
        .success();
    home.drain();
    assert_eq!(home.attempts("a")[0].outcome, Some(Outcome::Timeout));
    assert_eq!(home.processes_of("a"), [0; 0]);
    let kept = home.stdout(["logs", "a"]).len() as u64;
    let written = home.attempts("a")[0].output_bytes;
    assert!(kept <= 1024 * 1024 && kept < written, "{kept} of {written} bytes");
}

fn errors_exit_with_1_and_nothing_is_cut_or_depends_on_the_folder() {
    let home = Home::new();
    home.queuectl(["enqueue", "{\"command\":"]).assert().code(1).stderr(contains("queuectl: error: "));
    home.queuectl(["config", "set", "max-retries", "x"]).assert().code(1);
    enqueue_many(&home, 150, "true");
    for folder in [home.path("."), home.user_home(), PathBuf::from("/")] {
        let output = home.queuectl(["list", "--json"]).current_dir(folder).assert().success();
        let list: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        assert_eq!(list.as_array().unwrap().len(), 150);
    }
}

/// Every file below a folder.
fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.insert(path);
        }
    }
    files
}

fn an_id_never_leaves_its_folder() {
    let home = Home::quick();
    home.enqueue("plain", "echo words");
    home.drain();
    let before = files_below(home.root());
    for id in ["../../escape", "/etc/escape", "..", "a/b/c", "~", "-rf", "CON"] {
        home.queuectl(["enqueue", "--shell", "echo words; exit 1", "--max-retries", "0"])
            .arg(format!("--id={id}"))
            .assert()
            .success();
    }
    home.drain();
    for id in ["../../escape", "/etc/escape", "..", "a/b/c", "~", "-rf", "CON"] {
        home.queuectl(["logs", "--", id]).assert().success().stdout("words\n");
        home.queuectl(["show", "--", id]).assert().success();
    }
    assert_eq!(files_below(home.root()), before, "no id became part of a path");
}
