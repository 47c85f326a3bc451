//! What a drain tells: while it goes on, when it is stopped, and at its end.

use crate::support::terminal::Terminal;
use crate::support::trials::trials;
use crate::support::{DEADLINE, HELD, Home, Spelling, both, wait_until};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, ends_with, starts_with};
use queuectl_core::State;
use serde_json::json;

trials![
    a_drain_tells_what_became_of_the_jobs,
    a_drain_fails_if_a_job_died_while_it_ran,
    a_job_that_dies_again_while_a_drain_runs_makes_it_fail,
    a_drain_that_is_stopped_says_so,
    a_drain_says_in_how_long_the_next_is_due,
    a_quiet_drain_says_nothing,
    a_drain_names_only_some_of_many_that_died,
    the_bar_of_a_drain_fits_and_tells_failures,
    the_bar_of_a_drain_tells_nothing_that_is_not_known,
    a_drain_of_some_queues_tells_of_their_jobs,
];

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
        .code(1)
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

fn a_drain_fails_if_a_job_died_while_it_ran() {
    both(|spelling| {
        let home = Home::quick();
        let drain = |more: &[&str]| {
            let words = ["worker", "start", "--drain"];
            home.run(spelling, words.iter().chain(more)).assert()
        };
        home.enqueue_once("bad", "exit 3");
        drain(&[]).code(1).stderr(contains("Died: job bad").and(contains("error").not()));
        drain(&[]).code(0);
        // It was dead already, and died again.
        home.queuectl(["dlq", "retry", "bad"]).assert().success();
        drain(&["--exit-zero"]).code(0).stderr(contains("Drained: 0 completed, 1 died, 0 left."));
        // Where the log is not to be seen, the reason is.
        home.queuectl(["dlq", "retry", "bad"]).assert().success();
        let said = "] error: 1 job died: see which and why with `queuectl dlq list`\n";
        drain(&["-q"]).code(1).stdout("").stderr(starts_with("[Manager PID ").and(ends_with(said)));
        home.run(spelling, ["worker", "start", "--exit-zero"]).assert().code(2);
    });
}

fn a_job_that_dies_again_while_a_drain_runs_makes_it_fail() {
    let home = Home::quick();
    home.enqueue_once("bad", "exit 3");
    home.drain();
    home.enqueue("retries", "queuectl -q dlq retry bad");
    let drained = home.typed(Spelling::Dispatched, "queuectl worker start --drain").assert().code(1);
    drained.stderr(contains("Drained: 1 completed, 1 died, 0 left.").and(contains("Died: job bad")));
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

fn a_quiet_drain_says_nothing() {
    let home = Home::quick();
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
    let said = home.queuectl(["worker", "start", "--drain", "--concurrency", "4"]).assert().code(1);
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
        let words = ["worker", "start", "--drain", "--exit-zero"];
        let terminal = Terminal::run(home.command(Spelling::Dispatched, words), columns);
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

fn a_drain_of_some_queues_tells_of_their_jobs() {
    let home = Home::quick();
    home.enqueue_all([
        json!({"id": "m", "command": "true", "queue": "mail"}),
        json!({"id": "v", "command": "true", "queue": "video"}),
        json!({"id": "later", "command": "true", "queue": "video", "delay": "1h"}),
    ]);
    home.queuectl(["worker", "start", "--drain", "--queue", "mail"])
        .assert()
        .success()
        .stderr(contains("Drained: 1 completed, 0 died, 0 left."));
    home.queuectl(["worker", "start", "--drain=ready", "--queue", "vid*"])
        .assert()
        .success()
        .stderr(contains("Drained: 1 completed, 0 died, 1 left."));
}
