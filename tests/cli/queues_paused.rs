//! `queuectl queue`: what is paused starts nothing; and what `why` says of it.

use crate::support::trials::trials;
use crate::support::{DEADLINE, HELD, Home, wait_until};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use serde_json::{Value, json};

trials![
    a_paused_queue_runs_nothing_until_it_is_resumed,
    what_was_claimed_in_advance_is_given_back_when_its_queue_is_paused,
    a_pause_that_ends_by_itself_wakes_the_workers,
    a_drain_ends_although_a_paused_queue_has_jobs,
    a_drain_waits_for_a_pause_that_ends_by_itself,
    people_are_told_that_a_queue_is_paused,
    a_pause_of_all_queues_is_told_of_each,
    queues_are_shown_with_what_is_there,
    a_queue_is_drained_by_its_workers,
    a_drain_of_a_paused_queue_ends,
    why_names_each_thing_that_is_in_the_way,
];

fn home_with_queues() -> Home {
    let home = Home::quick();
    for (id, queue) in [("m1", "mail"), ("m2", "mail"), ("v1", "video")] {
        home.queuectl(["enqueue", "--queue", queue, "--id", id, "true"]).assert().success();
    }
    home
}

fn reasons(home: &Home, id: &str) -> Vec<String> {
    let why = home.json(["why", id, "--json"]);
    why["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason["kind"].as_str().unwrap().to_owned())
        .collect()
}

fn a_paused_queue_runs_nothing_until_it_is_resumed() {
    let home = home_with_queues();
    home.queuectl(["queue", "pause", "mail"])
        .assert()
        .success()
        .stdout(contains("Paused the queue mail since "));
    let _worker = home.worker(["--poll-interval", "1h"]);
    home.wait_for("v1", State::Completed);
    // It was behind those of the paused queue.
    assert_eq!((home.state("m1"), home.state("m2")), (State::Pending, State::Pending));
    home.queuectl(["enqueue", "--queue", "mail", "--id", "m3", "true"])
        .assert()
        .success()
        .stderr(contains("The queue mail is paused since ").and(contains("`queuectl queue resume mail`")));
    home.queuectl(["queue", "resume", "mail"])
        .assert()
        .success()
        .stdout(contains("Resumed the queue mail\n"));
    for id in ["m1", "m2", "m3"] {
        home.wait_for(id, State::Completed);
    }
    home.queuectl(["queue", "resume", "mail"])
        .assert()
        .success()
        .stdout("")
        .stderr(contains("The queue mail was not paused"));
}

fn what_was_claimed_in_advance_is_given_back_when_its_queue_is_paused() {
    let home = Home::quick();
    let quick =
        (0..300).map(|number| json!({"id": format!("q{number}"), "queue": "mail", "command": "sleep 0.01"}));
    home.enqueue_all(quick);
    let _worker = home.worker(["--poll-interval", "1h"]);
    let count = |state: &str| home.json(["status", "--json"])["queues"]["mail"][state].as_u64().unwrap_or(0);
    wait_until(DEADLINE, "some have run", || count("completed") > 20);
    home.queuectl(["queue", "pause", "mail"]).assert().success();
    wait_until(DEADLINE, "nothing of it is held by a worker", || count("processing") == 0);
    let completed = count("completed");
    assert!(completed < 300, "{completed}");
    home.queuectl(["enqueue", "--queue", "other", "--id", "other", "true"]).assert().success();
    home.wait_for("other", State::Completed);
    assert_eq!((count("completed"), count("pending")), (completed, 300 - completed));
    home.queuectl(["queue", "resume", "--all"])
        .assert()
        .success()
        .stderr(contains("There was no pause of all"));
    home.queuectl(["queue", "resume", "mail"]).assert().success();
    wait_until(DEADLINE, "all have run, each once", || count("completed") == 300);
}

fn a_pause_that_ends_by_itself_wakes_the_workers() {
    let home = home_with_queues();
    home.queuectl(["queue", "pause", "mail", "--for", "1500ms", "--reason", "a moment"]).assert().success();
    let _worker = home.worker(["--poll-interval", "1h"]);
    home.wait_for("v1", State::Completed);
    home.wait_for("m2", State::Completed);
    assert_eq!(home.json(["queue", "show", "mail", "--json"])["paused"], Value::Null);
}

fn a_drain_ends_although_a_paused_queue_has_jobs() {
    let home = home_with_queues();
    home.queuectl(["queue", "pause", "mail"]).assert().success();
    for drain in ["--drain", "--drain=ready"] {
        home.queuectl(["worker", "start", drain])
            .assert()
            .success()
            .stderr(contains("Drained: ").and(contains(" 0 left, 2 held or paused.")));
    }
    assert_eq!((home.state("m1"), home.state("v1")), (State::Pending, State::Completed));
}

fn a_drain_waits_for_a_pause_that_ends_by_itself() {
    let home = home_with_queues();
    home.queuectl(["queue", "pause", "--all", "--for", "1s"]).assert().success();
    home.queuectl(["worker", "start", "--drain"])
        .assert()
        .success()
        .stderr(contains("Drained: 3 completed, 0 died, 0 left."));
}

fn people_are_told_that_a_queue_is_paused() {
    let home = home_with_queues();
    let pause = ["queue", "pause", "mail", "--for", "1h", "--reason", "the relay is down"];
    home.queuectl(pause)
        .assert()
        .success()
        .stderr(contains("hint: end it with `queuectl queue resume mail`"));
    let words = || contains("the queue mail is paused since ").and(contains(": the relay is down"));
    home.queuectl(["why", "m1"]).assert().success().stdout(words());
    home.queuectl(["show", "m1"]).assert().success().stdout(contains("waits because : ").and(words()));
    let shown = home.json(["queue", "show", "mail", "--json"]);
    let paused = &shown["paused"];
    assert_eq!((&paused["reason"], &paused["all"]), (&json!("the relay is down"), &json!(false)));
    assert!(paused["by"].as_str().unwrap().contains('@') && paused["until"].is_string(), "{paused}");
}

fn a_pause_of_all_queues_is_told_of_each() {
    let home = home_with_queues();
    home.queuectl(["queue", "pause", "--all"])
        .assert()
        .success()
        .stdout(contains("Paused every queue since "));
    for queue in home.json(["queue", "list", "--json"]).as_array().unwrap() {
        assert_eq!(queue["paused"]["all"], true, "{queue}");
    }
    home.queuectl(["queue", "resume", "mail"]).assert().success().stderr(
        contains("The queue mail was not paused")
            .and(contains("nothing starts until `queuectl queue resume --all`")),
    );
    assert_eq!(reasons(&home, "v1"), ["paused", "no-worker"]);
    home.queuectl(["queue", "resume", "--all"]).assert().success().stdout("Resumed every queue\n");
    home.drain();
    assert_eq!(home.state("m2"), State::Completed);
}

fn queues_are_shown_with_what_is_there() {
    let home = home_with_queues();
    home.queuectl(["enqueue", "--queue", "mail", "--hold", "--id", "held", "true"]).assert().success();
    let queues = home.json(["queue", "list", "--json"]);
    let names: Vec<&str> =
        queues.as_array().unwrap().iter().map(|queue| queue["queue"].as_str().unwrap()).collect();
    assert_eq!(names, ["mail", "video"]);
    assert_eq!((&queues[0]["jobs"]["pending"], &queues[0]["jobs"]["blocked"]), (&json!(3), &json!(1)));
    assert!(queues[0]["oldest_waiting_at"].is_string() && queues[0]["workers"] == 0, "{queues}");
    let _worker = home.worker(["--queue", "video", "--queue", "letters"]);
    home.wait_for("v1", State::Completed);
    let queues = home.json(["queue", "list", "--json"]);
    let served: Vec<_> = queues
        .as_array()
        .unwrap()
        .iter()
        .map(|queue| (queue["queue"].as_str(), queue["workers"].as_u64()))
        .collect();
    assert_eq!(served, [(Some("letters"), Some(1)), (Some("mail"), Some(0)), (Some("video"), Some(1))]);
    home.queuectl(["queue", "show", "nothing"])
        .assert()
        .code(4)
        .stderr(contains("there is no queue nothing here"));
    home.queuectl(["queue", "pause", "a,b"]).assert().code(2).stderr(contains("`,`"));
    home.queuectl(["queue", "pause", "mail", "--for", "0s"])
        .assert()
        .code(2)
        .stderr(contains("a pause of no time"));
}

fn a_queue_is_drained_by_its_workers() {
    let home = home_with_queues();
    let in_vain = home.queuectl(["queue", "drain", "mail", "--timeout", "200ms"]).assert().code(124);
    in_vain
        .stderr(contains("No worker serves the queue mail").and(contains("the queue mail has 2 jobs left")));
    home.queuectl(["enqueue", "--queue", "mail", "--delay", "1h", "true"]).assert().success();
    home.queuectl(["enqueue", "--queue", "mail", "--max-retries", "0", "exit 3"]).assert().success();
    let _worker = home.worker(["--queue", "mail"]);
    home.queuectl(["queue", "drain", "mail"])
        .assert()
        .success()
        .stdout(contains("Nothing of mail runs: ").and(contains(", 1 left")));
    assert_eq!((home.state("m2"), home.state("v1")), (State::Completed, State::Pending));
}

fn a_drain_of_a_paused_queue_ends() {
    let home = home_with_queues();
    home.queuectl(["queue", "pause", "mail", "--reason", "a\u{1b}[31m"])
        .assert()
        .success()
        .stdout(contains("\u{1b}").not());
    home.queuectl(["queue", "drain", "mail"])
        .assert()
        .success()
        .stdout("Nothing of mail runs: 0 completed, 0 died, 0 left, 2 held or paused\n");
    home.queuectl(["queue", "pause", "video", "--for", "1h"]).assert().success();
    home.queuectl(["worker", "start", "--drain=ready"])
        .assert()
        .success()
        .stderr(contains("Drained: 0 completed, 0 died, 0 left, 3 held or paused."));
}

fn why_names_each_thing_that_is_in_the_way() {
    let home = Home::quick().with("QUEUECTL_BACKOFF_BASE", "1000");
    home.queuectl(["enqueue", "--hold", "--delay", "1h", "--id", "held", "true"]).assert().success();
    assert_eq!(reasons(&home, "held"), ["held", "no-worker", "not-due"]);
    home.enqueue("fails", "exit 75");
    home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
    home.queuectl(["why", "fails"]).assert().success().stdout(
        contains("Job fails is failed and waits:").and(contains("as attempt 2 of 4, after exit code 75")),
    );
    home.enqueue("runs", HELD);
    home.enqueue("next", "true");
    let _worker = home.worker(["--concurrency", "1", "--queue", "default"]);
    home.wait_for_file("running");
    assert_eq!(reasons(&home, "runs"), [""; 0]);
    wait_until(DEADLINE, "what was claimed in advance is given back", || {
        home.state("next") == State::Pending
    });
    assert_eq!(reasons(&home, "next"), ["all-busy"]);
    home.queuectl(["enqueue", "--queue", "mail", "--id", "other", "true"]).assert().success();
    home.queuectl(["why", "other"])
        .assert()
        .success()
        .stdout(contains("no worker serves the queue mail: the one that runs serves others"))
        .stdout(contains("`queuectl worker start --queue mail`"));
    home.queuectl(["cancel", "other"]).assert().success();
    home.queuectl(["why", "other"])
        .assert()
        .success()
        .stdout(contains("will not run again:").and(contains("it is cancelled")));
    home.queuectl(["why", "ghost"]).assert().code(4);
}
