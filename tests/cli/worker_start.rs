//! `queuectl worker start`: workers and the order of their work.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, alive, both, send, wait_until};
use nix::sys::signal::Signal;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

trials![
    two_hundred_jobs_over_four_worker_starts_leave_200_marks,
    the_log_reads_as_documented,
    the_log_is_on_standard_error,
    workers_are_processes_of_their_own,
    a_worker_runs_as_many_jobs_at_a_time_as_it_was_told,
    a_worker_runs_one_job_at_a_time_by_default,
    max_jobs_ends_after_so_many,
    drain_waits_for_retries_until_nothing_is_left,
    drain_of_an_empty_queue_ends_at_once,
    drain_ready_leaves_what_is_not_due,
    drain_says_when_the_next_retry_is_due,
    a_new_job_wakes_a_sleeping_worker,
    a_worker_notices_jobs_without_a_doorbell,
    detach_returns_when_the_workers_hold_their_locks,
    detach_leaves_nothing_attached,
    detach_that_fails_exits_1_with_the_reason,
    a_log_that_is_rotated_is_begun_anew_by_all_who_write_it,
    a_log_that_cannot_be_begun_anew_is_said_once,
    a_worker_that_dies_is_replaced,
    list_shows_workers_in_a_table_and_as_json,
    wrong_numbers_are_usage_errors,
    a_worker_started_by_a_job_is_not_taken_for_the_job,
    verbosity_follows_the_log_level,
];

fn two_hundred_jobs_over_four_worker_starts_leave_200_marks() {
    let home = Home::new();
    let job = |n| json!({"id": format!("job-{n}"), "command": format!("echo {n} >> marks")});
    home.enqueue_all((0..200).map(job));
    let mut workers: Vec<_> = (0..4).map(|_| home.worker(["--drain"])).collect();
    for worker in &mut workers {
        worker.wait_for_success();
    }
    let marks = home.lines("marks");
    assert_eq!(marks.len(), 200);
    assert_eq!(marks.iter().collect::<BTreeSet<_>>().len(), 200, "each job left one");
    assert_eq!(home.counts()[State::Completed], 200);
}

fn the_log_reads_as_documented() {
    let home = Home::quick();
    home.enqueue("good", "true");
    home.enqueue_once("bad", "exit 3");
    let mut worker = home.worker(["--count", "2"]);
    wait_until(DEADLINE, "both jobs have ended", || home.counts().unfinished() == 0);
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    let said = worker.said();
    let manager = format!("[Manager PID {}] ", worker.pid());
    assert!(said.starts_with(&format!("{manager}Starting 2 workers...\n")), "{said}");
    for line in [
        format!("{manager}Received shutdown signal, finishing current job"),
        format!("{manager}Shutdown complete."),
        "] Loop started\n".into(),
        "] Running job good...\n".into(),
        "good completed successfully.\n".into(),
        "] Running job bad...\n".into(),
    ] {
        assert!(said.contains(&line), "{line:?} in\n{said}");
    }
    let pids: BTreeSet<&str> =
        said.lines().filter_map(|line| line.strip_prefix("[Worker PID ")?.split(']').next()).collect();
    assert_eq!(pids.len(), 2, "{said}");
}

fn the_log_is_on_standard_error() {
    let home = Home::quick();
    home.enqueue("a", "echo words of the job");
    let output = home.queuectl(["worker", "start", "--drain"]).assert().success().stdout("");
    output.stderr(contains("Running job a").and(contains("words of the job").not()));
}

fn workers_are_processes_of_their_own() {
    let home = Home::quick();
    let worker = home.worker(["--count", "3"]);
    wait_until(DEADLINE, "three workers", || home.worker_pids().len() == 3);
    let pids: BTreeSet<i32> = home.worker_pids().into_iter().collect();
    assert_eq!(pids.len(), 3);
    assert!(!pids.contains(&worker.pid()) && pids.iter().all(|&pid| alive(pid)));
}

fn a_worker_runs_as_many_jobs_at_a_time_as_it_was_told() {
    let home = Home::quick();
    // Each waits for the other two.
    for id in ["a", "b", "c"] {
        home.enqueue(
            id,
            &format!("touch at-{id}; until [ -e at-a -a -e at-b -a -e at-c ]; do sleep 0.05; done"),
        );
    }
    home.queuectl(["worker", "start", "--concurrency", "3", "--drain"]).assert().success();
    assert_eq!(home.counts()[State::Completed], 3);
}

fn a_worker_runs_one_job_at_a_time_by_default() {
    let home = Home::quick();
    for id in ["a", "b", "c", "d"] {
        home.enqueue(id, "mkdir here || touch two-at-once; sleep 0.1; rmdir here");
    }
    home.drain();
    assert!(!home.path("two-at-once").exists());
}

fn max_jobs_ends_after_so_many() {
    both(|spelling| {
        let home = Home::quick();
        for number in 0..5 {
            home.enqueue(&format!("job-{number}"), "echo run >> runs");
        }
        home.run(spelling, ["worker", "start", "--max-jobs", "2"]).assert().success();
        assert_eq!((home.lines("runs").len(), home.counts()[State::Pending]), (2, 3));
        home.run(spelling, ["worker", "start", "--max-jobs", "3", "--count", "2"]).assert().success();
        assert_eq!(home.lines("runs").len(), 5);
    });
}

fn drain_waits_for_retries_until_nothing_is_left() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("flaky", "echo run >> runs; [ $(wc -l < runs) -ge 3 ]");
        home.enqueue("hopeless", "exit 1");
        home.run(spelling, ["worker", "start", "--drain"]).assert().code(1);
        assert_eq!((home.state("flaky"), home.state("hopeless")), (State::Completed, State::Dead));
        assert_eq!(home.job("flaky").attempts, 3);
    });
}

fn drain_of_an_empty_queue_ends_at_once() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["worker", "start", "--drain"]).assert().success();
        home.run(spelling, ["worker", "start", "--drain=ready"]).assert().success();
        home.run(spelling, ["worker", "start", "--drain=everything"]).assert().code(2);
    });
}

fn drain_ready_leaves_what_is_not_due() {
    let home = Home::quick().with("QUEUECTL_BACKOFF_BASE", "3600");
    home.enqueue("fails", "false");
    home.enqueue("good", "true");
    home.queuectl(["enqueue", "true", "--id", "later", "--delay", "1h"]).assert().success();
    home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
    let states = ["fails", "good", "later"].map(|id| home.state(id));
    assert_eq!(states, [State::Failed, State::Completed, State::Pending]);
}

fn drain_says_when_the_next_retry_is_due() {
    let home = Home::quick().with("QUEUECTL_BACKOFF_BASE", "3600");
    home.enqueue("fails", "false");
    let worker = home.worker(["--drain"]);
    home.wait_for("fails", State::Failed);
    worker.wait_until_it_says("not due");
}

fn a_new_job_wakes_a_sleeping_worker() {
    let home = Home::new().with("QUEUECTL_POLL_INTERVAL", "24h");
    let worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    for id in ["a", "b"] {
        home.enqueue(id, "true");
        home.wait_for(id, State::Completed);
    }
}

fn a_worker_notices_jobs_without_a_doorbell() {
    let home = Home::quick();
    let worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    for entry in fs::read_dir(home.queue_folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("-bell-") {
            fs::remove_file(path).unwrap();
        }
    }
    home.enqueue("a", "true");
    home.wait_for("a", State::Completed);
}

fn detach_returns_when_the_workers_hold_their_locks() {
    both(|spelling| {
        let home = Home::quick();
        home.run(spelling, ["worker", "start", "--count", "2", "--detach"]).assert().success();
        let workers = home.json(["status", "--json"])["workers"].clone();
        assert_eq!(workers.as_array().unwrap().len(), 2);
        assert!(workers.as_array().unwrap().iter().all(|worker| worker["alive"] == true), "{workers}");
        home.run(spelling, ["worker", "stop"]).assert().success();
    });
}

fn detach_leaves_nothing_attached() {
    let home = Home::quick();
    // A reader of both streams is at their end when the command has returned.
    let line = "queuectl worker start --detach 2>&1 | cat";
    home.typed(Spelling::Dispatched, line).assert().success();
    home.enqueue("a", "true");
    home.wait_for("a", State::Completed);
    // Nor does it hold the folder it was started in.
    for pid in home.worker_pids() {
        let stdin = fs::read_link(format!("/proc/{pid}/fd/0")).unwrap();
        assert!(!stdin.to_string_lossy().contains("/pts/"), "{}", stdin.display());
    }
}

fn detach_that_fails_exits_1_with_the_reason() {
    both(|spelling| {
        let home = Home::new();
        fs::create_dir_all(home.database()).unwrap();
        home.run(spelling, ["worker", "start", "--detach"])
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains("queuectl: error: ").and(contains("queue.db")));
    });
}

fn a_worker_that_dies_is_replaced() {
    let home = Home::quick();
    let mut worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    for _ in 0..3 {
        let before = home.worker_pids();
        send(before[0], Signal::SIGKILL);
        wait_until(DEADLINE, "another worker has taken its place", || {
            let now = home.worker_pids();
            now.len() == 1 && now != before
        });
    }
    home.enqueue("a", "true");
    home.wait_for("a", State::Completed);
    assert!(!worker.has_ended());
}

fn list_shows_workers_in_a_table_and_as_json() {
    both(|spelling| {
        let home = Home::quick();
        home.run(spelling, ["worker", "list", "--json"]).assert().success().stdout("[]\n");
        let worker = home.worker(["--concurrency", "3"]);
        worker.wait_until_it_says("Loop started");
        let pid = home.worker_pids()[0];
        let output = home.run(spelling, ["worker", "list", "--json"]).assert().success();
        let list: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        assert_eq!(
            (&list[0]["pid"], &list[0]["concurrency"], &list[0]["alive"]),
            (&pid.into(), &3.into(), &true.into())
        );
        assert_eq!((&list[0]["here"], &list[0]["heartbeat_at"]), (&true.into(), &serde_json::Value::Null));
        home.run(spelling, ["worker", "list"]).assert().success().stdout(contains(pid.to_string()));
    });
}

fn wrong_numbers_are_usage_errors() {
    both(|spelling| {
        let home = Home::new();
        for arguments in [
            ["--count", "0"],
            ["--count", "-1"],
            ["--count", "many"],
            ["--concurrency", "0"],
            ["--concurrency", "1000000"],
            ["--max-jobs", "0"],
            ["--max-jobs", "-5"],
        ] {
            home.run(spelling, ["worker", "start"]).args(arguments).assert().code(2);
        }
        home.run(spelling, ["worker", "start", "--poll-interval", "soon"])
            .assert()
            .code(1)
            .stderr(contains("`soon` is not a value of poll-interval"));
        assert!(!home.queue_folder().exists());
    });
}

fn a_worker_started_by_a_job_is_not_taken_for_the_job() {
    let home = Home::quick();
    home.enqueue("outer", "\"$WORKER\" start --detach");
    home.queuectl(["worker", "start", "--drain"])
        .env("WORKER", env!("CARGO_BIN_EXE_queuectl-worker"))
        .assert()
        .success();
    assert_eq!(home.state("outer"), State::Completed);
    let inner = home.worker_pids();
    assert_eq!(inner.len(), 1, "what a completed job leaves in the background lives on");
    home.enqueue("inner", "env | grep ^QUEUECTL_JOB_ID=");
    home.wait_for("inner", State::Completed);
    assert_eq!(home.stdout(["logs", "inner"]), "QUEUECTL_JOB_ID=inner\n");
    assert_eq!(home.processes_of("outer"), [0; 0], "it dropped what it inherited");
    home.queuectl(["worker", "stop"]).assert().success();
}

fn verbosity_follows_the_log_level() {
    let home = Home::quick();
    home.enqueue("a", "true");
    home.queuectl(["-q", "worker", "start", "--drain"]).assert().success().stderr("");
    home.queuectl(["config", "set", "log-level", "ERROR"]).assert().success();
    home.enqueue("b", "true");
    home.queuectl(["worker", "start", "--drain"]).assert().success().stderr("");
}

fn a_log_that_is_rotated_is_begun_anew_by_all_who_write_it() {
    let home = Home::quick();
    for _ in 0..2 {
        home.queuectl(["worker", "start", "--count", "2", "--detach"]).assert().success();
    }
    let log = home.queue_folder().join("worker.log");
    let written = || fs::read_to_string(&log).unwrap_or_default();
    let processes = home.managers_and_workers();
    assert_eq!(processes.len(), 6);
    for rotation in [0, 1] {
        if rotation == 0 {
            fs::rename(&log, home.queue_folder().join("worker.log-20261130")).unwrap();
        } else {
            fs::remove_file(&log).unwrap();
        }
        let identity = |path: &str| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
        wait_until(DEADLINE, "every manager and worker writes the new log", || {
            let new = identity(log.to_str().unwrap());
            new.is_some() && processes.iter().all(|pid| identity(&format!("/proc/{pid}/fd/2")) == new)
        });
        let id = format!("after-{rotation}");
        home.enqueue(&id, "true");
        wait_until(DEADLINE, "its job stands there", || written().contains(&id));
    }
    home.queuectl(["worker", "stop"]).assert().success();
    // A manager ends after its workers, for which the stop has waited.
    wait_until(DEADLINE, "all have said so there", || written().matches("Shutdown complete.").count() == 6);
}

fn a_log_that_cannot_be_begun_anew_is_said_once() {
    let home = Home::quick();
    home.queuectl(["worker", "start", "--detach"]).assert().success();
    let (log, old) = (home.queue_folder().join("worker.log"), home.queue_folder().join("worker.log.old"));
    fs::rename(&log, &old).unwrap();
    fs::create_dir(&log).unwrap();
    let warnings = || fs::read_to_string(&old).unwrap().matches("cannot be begun anew").count();
    wait_until(DEADLINE, "it is said", || warnings() > 0);
    fs::remove_dir(&log).unwrap();
    wait_until(DEADLINE, "it goes on when it can", || log.is_file());
    assert_eq!(warnings(), 1);
}
