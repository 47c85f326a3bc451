//! What waits says why, and what workers are doing is told.

use crate::support::terminal::Terminal;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, NO_WORKER, Spelling, both, send, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, starts_with};
use queuectl_core::State;
use serde_json::json;

trials![
    enqueue_says_when_no_worker_is_there,
    following_says_what_is_waited_for,
    following_ends_as_the_job_does,
    a_queue_that_was_chosen_is_named,
    a_queue_that_is_not_there_is_told_from_an_empty_one,
    a_second_start_says_that_workers_run_already,
    an_idle_worker_that_is_stopped_finishes_no_job,
    a_start_says_how_many_jobs_run_at_a_time,
    a_worker_that_was_sent_a_signal_is_stopping,
    a_worker_that_stands_still_is_stalled_in_the_status,
    what_was_claimed_in_advance_is_told_apart,
];

fn enqueue_says_when_no_worker_is_there() {
    both(|spelling| {
        let home = Home::quick();
        let added = |arguments: &[&str]| home.run(spelling, arguments).assert().success();
        added(&["enqueue", "true"]).stdout(starts_with("Job added with ID: ")).stderr(contains(NO_WORKER));
        added(&["enqueue", "-q", "true"]).stderr("");
        added(&["enqueue", "--json", "true"]).stderr("");
        home.run(spelling, ["enqueue", "--file", "-"])
            .write_stdin(r#"{"command":"true"}"#)
            .assert()
            .success()
            .stderr(contains(NO_WORKER));
        let worker = home.worker([""; 0]);
        worker.wait_until_it_says("Loop started");
        added(&["enqueue", "true"]).stderr("");
        drop(worker);
        // Nobody has noticed its end yet.
        added(&["enqueue", "true"]).stderr(contains(NO_WORKER));
    });
}

fn following_says_what_is_waited_for() {
    let home = Home::quick().with("QUEUECTL_BACKOFF_BASE", "2");
    home.queuectl(["enqueue", "--delay", "1s", "--id", "a", "--max-retries", "1", "exit 3"])
        .assert()
        .success();
    let mut logs = home.background(Spelling::Dispatched, ["logs", "-f", "a"]);
    logs.wait_until_it_says("Job a is due: ");
    logs.wait_until_it_says(NO_WORKER);
    let _worker = home.worker([""; 0]);
    logs.wait_until_it_says("Job a failed (exit code 3); it is due again: ");
    assert_eq!(logs.wait().code(), Some(1));
    assert!(logs.said().contains("queuectl: error: job a is dead: exit code 3"), "{}", logs.said());
}

fn following_ends_as_the_job_does() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("good", "echo yes");
        home.enqueue_once("bad", "echo no; exit 3");
        home.drain();
        home.enqueue("unwanted", "true");
        home.queuectl(["cancel", "unwanted"]).assert().success();
        let follow = |id: &str| home.run(spelling, ["logs", "-f", id]).assert();
        follow("good").code(0).stdout("yes\n").stderr("Job good completed\n");
        follow("bad")
            .code(1)
            .stdout("no\n")
            .stderr(contains("job bad is dead").and(contains("dlq retry bad")));
        follow("unwanted").code(1).stdout("").stderr(contains("job unwanted was cancelled"));
        home.run(spelling, ["logs", "bad"]).assert().success().stdout("no\n").stderr("");
    });
}

fn a_queue_that_was_chosen_is_named() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "true");
        home.run(spelling, ["status"]).assert().success().stdout(starts_with("Queue status\n"));
        home.run(spelling, ["list"]).assert().success().stderr("");
        let other = home.path("other.db").display().to_string();
        home.run(spelling, ["enqueue", "--database", &other, "true"]).assert().success();
        let heading = format!("Queue status of {other}\n");
        for (name, value) in [("QUEUECTL_DATABASE", other.as_str()), ("QUEUECTL_CONFIG", "other.toml")] {
            std::fs::write(home.path("other.toml"), format!("database = {other:?}\n")).unwrap();
            let said = home.run(spelling, ["status"]).env(name, value).assert().success();
            said.stdout(starts_with(heading.as_str()));
        }
        home.run(spelling, ["list", "--database", &other])
            .assert()
            .success()
            .stderr(format!("Queue {other}\n"));
        home.run(spelling, ["list", "--json", "--database", &other]).assert().success().stderr("");
    });
}

fn a_queue_that_is_not_there_is_told_from_an_empty_one() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "true");
        for line in ["list", "status", "dlq list", "worker list", "dlq clear", "worker stop"] {
            let words = line.split(' ').chain(["--database", "missing.db"]);
            home.run(spelling, words)
                .assert()
                .success()
                .stderr(contains("There is no queue at ").and(contains("missing.db")))
                .stderr(contains("No jobs").not());
        }
        home.run(spelling, ["status"]).assert().success().stderr("");
        home.queuectl(["prune", "--state", "completed", "--older-than", "0s"]).assert().success().stderr("");
    });
}

fn a_second_start_says_that_workers_run_already() {
    let home = Home::quick();
    home.queuectl(["worker", "start", "--count", "2", "--detach"]).assert().success().stderr("");
    home.queuectl(["start"])
        .assert()
        .success()
        .stdout(contains("Started 1 worker"))
        .stderr(contains("2 workers more ran on this machine already"));
    let third = home.worker([""; 0]);
    third.wait_until_it_says("3 workers ran on this machine already");
    third.wait_until_it_says("Loop started");
    home.queuectl(["worker", "stop"]).assert().success().stdout("Stopped 4 workers\n");
}

fn an_idle_worker_that_is_stopped_finishes_no_job() {
    let home = Home::quick();
    let mut worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    let said = worker.said();
    let of_worker = said.lines().find(|line| line.starts_with("[Worker ") && line.contains("Received"));
    assert!(of_worker.is_some_and(|line| line.ends_with("] Received shutdown signal.")), "{said}");
    assert!(said.contains("finishing current jobs, if any..."), "{said}");
}

fn a_start_says_how_many_jobs_run_at_a_time() {
    for (arguments, said) in [
        (["-c", "4", "-n", "1"], "Started 1 worker, 4 jobs at a time in the background "),
        (["-c", "4", "-n", "2"], "Started 2 workers, 4 jobs at a time each in the background "),
        (["-c", "1", "-n", "2"], "Started 2 workers in the background "),
    ] {
        let home = Home::quick();
        home.queuectl(["start"].into_iter().chain(arguments)).assert().success().stdout(starts_with(said));
        home.queuectl(["stop"]).assert().success();
    }
}

fn a_worker_that_was_sent_a_signal_is_stopping() {
    for to_the_worker in [false, true] {
        let home = Home::quick();
        home.enqueue("a", "until [ -e go ]; do sleep 0.05; done");
        let mut worker = home.worker([""; 0]);
        home.wait_for("a", State::Processing);
        worker.wait_until_it_says("Running job a");
        if to_the_worker {
            send(home.worker_pids()[0], Signal::SIGTERM);
        } else {
            worker.signal(Signal::SIGTERM);
        }
        wait_until(DEADLINE, "the worker is shown to be stopping", || {
            home.stdout(["worker", "list"]).contains(" stopping ")
        });
        assert!(home.stdout(["status"]).contains(", stopping: 1 job now"), "{}", home.stdout(["status"]));
        assert_eq!(home.json(["worker", "list", "--json"])[0]["stop"], "graceful");
        home.make_file("go");
        worker.wait_for_success();
        assert_eq!(home.state("a"), State::Completed);
    }
}

fn a_worker_that_stands_still_is_stalled_in_the_status() {
    let home = Home::quick();
    let worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    let pid = Pid::from_raw(home.worker_pids()[0]);
    kill(pid, Signal::SIGSTOP).unwrap();
    wait_until(DEADLINE, "it is stalled", || home.stdout(["status"]).contains(", stalled, "));
    assert!(home.stdout(["worker", "list"]).contains(" stalled "));
    assert_eq!(home.json(["status", "--json"])["workers"][0]["stalled"], true);
    kill(pid, Signal::SIGCONT).unwrap();
    wait_until(DEADLINE, "it is not", || !home.stdout(["status"]).contains("stalled"));
}

fn what_was_claimed_in_advance_is_told_apart() {
    let home = Home::quick();
    // A worker claims ahead while jobs are short; this one says what it sees meanwhile.
    let look = "[ -e seen ] || { queuectl status --json >now && mv now \"seen-$QUEUECTL_JOB_ID\"; }";
    home.enqueue_all((0..400).map(|n| match n % 40 {
        39 => json!({"id": format!("looks-{n}"), "command": look}),
        _ => json!({"command": "true"}),
    }));
    let mut command = home.command(Spelling::Dispatched, ["worker", "start", "--drain"]);
    command.env("PATH", crate::support::path_with_the_programs());
    Terminal::run(command, 80).wait().assert_success();
    let mut in_advance = 0;
    for entry in std::fs::read_dir(home.path("")).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().starts_with("seen-") {
            continue;
        }
        let status: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(entry.path()).unwrap()).unwrap();
        let (jobs, worker) = (&status["jobs"], &status["workers"][0]);
        assert!(jobs["processing"].as_i64().unwrap() <= 1, "{status}");
        assert!(worker["jobs_now"].as_i64().unwrap() <= 1, "{status}");
        let sum: i64 = jobs
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| *name != "total")
            .map(|(_, count)| count.as_i64().unwrap())
            .sum();
        assert_eq!(sum, jobs["total"].as_i64().unwrap(), "{status}");
        in_advance += jobs["claimed"].as_i64().unwrap();
    }
    assert!(in_advance > 0, "nothing was ever claimed in advance");
}
