//! What waits says why, and what was drained is told.

use crate::support::terminal::Terminal;
use crate::support::trials::trials;
use crate::support::{DEADLINE, HELD, Home, NO_WORKER, Spelling, both, send, wait_until};
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
    a_drain_tells_what_became_of_the_jobs,
    a_drain_that_is_stopped_says_so,
    a_drain_says_in_how_long_the_next_is_due,
    an_idle_worker_that_is_stopped_finishes_no_job,
    a_quiet_drain_says_nothing,
    a_drain_names_only_some_of_many_that_died,
    the_bar_of_a_drain_fits_and_tells_failures,
    the_bar_of_a_drain_tells_nothing_that_is_not_known,
    a_start_says_how_many_jobs_run_at_a_time,
    workers_that_do_not_start_say_why_without_times,
    the_log_names_the_queue_that_was_named,
    the_log_of_the_background_has_times_commands_and_durations,
    a_job_never_begins_after_its_end_in_the_log,
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
        .stderr(contains("2 workers of this queue ran on this machine already"));
    let third = home.worker([""; 0]);
    third.wait_until_it_says("3 workers of this queue ran on this machine already");
    third.wait_until_it_says("Loop started");
    home.queuectl(["worker", "stop"]).assert().success().stdout("Stopped 4 workers\n");
}

fn a_drain_tells_what_became_of_the_jobs() {
    let home = Home::quick();
    home.enqueue_once("died-before", "exit 1");
    home.drain();
    for id in ["a", "b"] {
        home.enqueue(id, "true");
    }
    home.enqueue_once("bad", "echo why >&2; exit 3");
    home.queuectl(["enqueue", "true", "--delay", "1h", "--id", "later"]).assert().success();
    home.queuectl(["worker", "start", "--drain=ready"])
        .assert()
        .success()
        .stderr(contains("Drained: 2 completed, 1 died, 1 left."))
        .stderr(contains("Died: job bad (number 4): exit code 3: why"))
        .stderr(contains("died-before").not());
    home.queuectl(["cancel", "later"]).assert().success();
    let nothing = home.queuectl(["worker", "start", "--drain"]).assert().success();
    nothing.stderr(contains("Drained: 0 completed, 0 died, 0 left.").and(contains("Died:").not()));
    // In the background it stands in the log.
    home.enqueue("c", "true");
    home.queuectl(["worker", "start", "--drain", "--detach"]).assert().success();
    let log = home.queue_folder().join("worker.log");
    wait_until(DEADLINE, "the log tells what was drained", || {
        std::fs::read_to_string(&log).unwrap_or_default().contains("Drained: 1 completed, 0 died, 0 left.")
    });
}

fn a_drain_that_is_stopped_says_so() {
    for (drain, stop) in [("--drain", "signals"), ("--drain=ready", "signals"), ("--drain", "worker stop")] {
        let home = Home::quick();
        home.enqueue("held", HELD);
        home.enqueue("next", "true");
        home.queuectl(["enqueue", "true", "--delay", "1h"]).assert().success();
        let mut worker = home.worker([drain]);
        home.wait_for_file("running");
        if stop == "signals" {
            worker.press_control_c();
            worker.wait_until_it_says("] Received shutdown signal, finishing current job...");
            worker.press_control_c();
        } else {
            home.queuectl(["worker", "stop", "--force"]).assert().success();
        }
        worker.wait();
        let said = worker.said();
        assert!(said.contains("Stopped: 0 completed, 0 died, 3 left."), "{drain} {stop}: {said}");
        assert!(!said.contains("Drained: "), "{said}");
    }
}

fn a_drain_says_in_how_long_the_next_is_due() {
    let home = Home::quick();
    home.queuectl(["enqueue", "true", "--delay", "2h"]).assert().success();
    let worker = home.worker(["--drain"]);
    worker.wait_until_it_says("Waiting for jobs that are not due; 1 left, the next in ");
    let said = worker.said();
    let due = said.split("the next in ").nth(1).unwrap().lines().next().unwrap();
    assert!(["2 h.", "1 h 59 m."].contains(&due), "{due}");
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

fn a_quiet_drain_says_nothing() {
    let home = Home::quick();
    home.enqueue_once("bad", "exit 3");
    home.enqueue("good", "true");
    home.queuectl(["-q", "worker", "start", "--drain"]).assert().success().stdout("").stderr("");
    home.enqueue("good-too", "true");
    let command = home.command(Spelling::Direct, ["worker", "start", "--drain", "-q"]);
    let shown = Terminal::run(command, 80).wait().assert_success();
    assert_eq!(shown.written, "");
}

fn a_drain_names_only_some_of_many_that_died() {
    let home = Home::quick();
    home.enqueue_all(
        (0..25).map(|n| json!({"id": format!("bad-{n}"), "command": "exit 3", "max_retries": 0})),
    );
    let said = home.queuectl(["worker", "start", "--drain", "--concurrency", "4"]).assert().success();
    let said = String::from_utf8(said.get_output().stderr.clone()).unwrap();
    assert!(said.contains("Drained: 0 completed, 25 died, 0 left."), "{said}");
    assert_eq!(said.matches("Died: job bad-").count(), 10, "{said}");
    assert!(said.contains("… and 15 more jobs: see them with `queuectl dlq list`"), "{said}");
}

fn the_bar_of_a_drain_fits_and_tells_failures() {
    for columns in [80, 60] {
        let home = Home::quick().with("QUEUECTL_LOG_LEVEL", "WARNING");
        home.enqueue_once("bad", "exit 3");
        home.enqueue("waits", "until [ -e go ]; do sleep 0.05; done");
        home.enqueue("after", "true");
        let terminal =
            Terminal::run(home.command(Spelling::Dispatched, ["worker", "start", "--drain"]), columns);
        wait_until(DEADLINE, "the bar tells of the failure", || {
            terminal.written().contains("1 died, 0 to retry")
        });
        home.make_file("go");
        let shown = terminal.wait().assert_success();
        shown.assert_nothing_wraps();
        let last = shown.lines().into_iter().rfind(|line| line.contains("/s, ")).unwrap();
        assert!(last.contains("3/3, "), "{last}");
        let rate = last.split("/s, ").next().unwrap().rsplit(' ').next().unwrap();
        let (_, decimals) = rate.split_once('.').unwrap_or_else(|| panic!("{rate} in {last}"));
        assert_eq!(decimals.len(), 1, "{last}");
        assert!(last.contains(" left, ") && last.contains("1 died"), "{last}");
    }
}

fn the_bar_of_a_drain_tells_nothing_that_is_not_known() {
    let home = Home::quick().with("QUEUECTL_LOG_LEVEL", "WARNING");
    home.enqueue("held", "until [ -e go ]; do sleep 0.05; done");
    home.queuectl(["enqueue", "true", "--delay", "1h", "--id", "later"]).assert().success();
    let begin = |drain| Terminal::run(home.command(Spelling::Dispatched, ["worker", "start", drain]), 80);
    // Nothing has ended yet, and nobody knows how long it takes.
    let all = begin("--drain");
    wait_until(DEADLINE, "the bar is there", || all.written().contains("0/2, 0 died, 0 to retry, 1 not due"));
    home.wait_for("held", State::Processing);
    assert!(!all.written().contains(" left, ") && !all.written().contains("/s"), "{}", all.written());
    home.queuectl(["worker", "stop", "--force"]).assert().success();
    all.wait();
    // What is not due is not drained.
    let ready = begin("--drain=ready");
    wait_until(DEADLINE, "the bar is there", || {
        ready.written().contains("0/1, 0 died, 0 to retry, 1 not due")
    });
    home.make_file("go");
    let shown = ready.wait().assert_success();
    let last = shown.lines().into_iter().rfind(|line| line.contains(" died, ")).unwrap();
    assert!(last.contains("1/1, ") && last.contains("/s, ") && last.contains(" left, "), "{last}");
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

fn workers_that_do_not_start_say_why_without_times() {
    let home = Home::quick();
    home.enqueue("a", "true");
    home.queuectl(["move", "--to", "new.db"]).assert().success();
    let failed = home.queuectl(["start"]).assert().code(1);
    let said = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
    let (_, log) = said.split_once("their log ends with: ").unwrap_or_else(|| panic!("{said}"));
    assert!(log.starts_with("queuectl: error: ") && log.contains("new.db"), "{said}");
    let year = jiff::Timestamp::now().strftime("%Y-").to_string();
    assert!(!log.contains(&year), "{said}");
}

fn the_log_names_the_queue_that_was_named() {
    let home = Home::quick();
    for database in ["one.db", "two.db"] {
        home.queuectl(["--database", database, "enqueue", "true"]).assert().success();
        home.queuectl(["worker", "start", "--drain", "--detach", "--database", database]).assert().success();
        let place = home.path(database).display().to_string();
        wait_until(DEADLINE, "the log tells what was drained", || {
            log_of(&home).lines().any(|line| line.contains(&place) && line.contains("Drained: 1 completed"))
        });
        for role in ["Manager", "Worker"] {
            let is_named = |line: &str| {
                line.contains(&format!("[{role} PID ")) && line.contains(&format!(" of {place}] "))
            };
            assert!(log_of(&home).lines().any(is_named), "{role}: {}", log_of(&home));
        }
    }
    assert!(log_of(&home).lines().all(|line| line.contains(".db] ")), "{}", log_of(&home));
}

fn log_of(home: &Home) -> String {
    std::fs::read_to_string(home.queue_folder().join("worker.log")).unwrap()
}

fn the_log_of_the_background_has_times_commands_and_durations() {
    let home = Home::quick();
    home.enqueue("good", "echo hello");
    home.enqueue_once("bad", "exit 3");
    home.queuectl(["worker", "start", "--detach"]).assert().success();
    wait_until(DEADLINE, "both jobs have ended", || home.counts().unsettled() == 0);
    home.queuectl(["worker", "stop"]).assert().success();
    wait_until(DEADLINE, "the manager has ended", || {
        log_of(&home).matches("Shutdown complete.").count() == 2
    });
    let log = log_of(&home);
    for line in log.lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{line}");
        assert!(rest.starts_with("[Manager PID ") || rest.starts_with("[Worker PID "), "{line}");
    }
    let end = |word: &str| log.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{log}"));
    assert!(end("good completed successfully. Took 0.").ends_with(" s: echo hello"), "{log}");
    assert!(end("bad failed (exit code 3)").ends_with(" s: exit 3"), "{log}");
}

fn a_job_never_begins_after_its_end_in_the_log() {
    let home = Home::quick();
    home.enqueue_all((0..300).map(|n| json!({"id": format!("job-{n}."), "command": "true"})));
    home.queuectl(["worker", "start", "--count", "2", "--concurrency", "3", "--detach"]).assert().success();
    wait_until(DEADLINE, "all have ended", || home.counts()[State::Completed] == 300);
    home.queuectl(["worker", "stop"]).assert().success();
    let log = log_of(&home);
    let lines: Vec<&str> = log.lines().collect();
    for n in 0..300 {
        let at = |text: String| lines.iter().position(|line| line.contains(&text));
        let (begin, end) = (at(format!("Running job job-{n}...")), at(format!("Job job-{n}. completed")));
        assert!(begin.is_some() && begin < end, "job-{n}: {begin:?} {end:?}");
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
