//! The words of JSON documents: one name for one thing, everywhere.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, both, wait_until};
use queuectl_core::State;
use serde_json::{Value, json};

trials![
    an_attempt_has_the_names_of_a_job,
    attempts_are_numbered_alike_everywhere,
    what_was_skipped_is_told,
    values_of_settings_have_types,
];

fn an_attempt_has_the_names_of_a_job() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue_once("fails", "echo why >&2; exit 3");
        home.enqueue_once("killed", "kill -9 $$");
        home.enqueue("good", "true");
        home.drain();
        for (id, exit_code, signal) in [
            ("fails", json!(3), Value::Null),
            ("killed", Value::Null, json!(9)),
            ("good", json!(0), Value::Null),
        ] {
            let output = home.run(spelling, ["show", id, "--json"]).assert().success().get_output().clone();
            let job: Value = serde_json::from_slice(&output.stdout).unwrap();
            let attempt = &job["attempt_history"][0];
            assert_eq!((&attempt["exit_code"], &attempt["signal"]), (&exit_code, &signal), "{attempt}");
            for name in ["exit_code", "signal", "last_error", "started_at", "finished_at"] {
                assert_eq!(attempt[name], job[name], "{name} of {id}");
            }
            for name in ["code", "error", "ended_at"] {
                assert!(attempt.get(name).is_none(), "{name} in {attempt}");
            }
        }
    });
}

fn attempts_are_numbered_alike_everywhere() {
    let home = Home::quick();
    home.queuectl([
        "enqueue",
        "--id",
        "a",
        "--max-retries",
        "1",
        "--shell",
        "echo run >>runs; wc -l <runs; exit 3",
    ])
    .assert()
    .success();
    home.drain();
    home.queuectl(["dlq", "retry", "a"]).assert().success();
    home.drain();
    // A claim that was given back has a lease and is no attempt.
    assert_eq!(home.state("a"), State::Dead);
    let shown = home.json(["show", "a", "--json"]);
    let history = shown["attempt_history"].as_array().unwrap();
    assert_eq!(history.len(), 4);
    let words = home.stdout(["show", "a"]);
    let rows: Vec<&str> = words
        .lines()
        .skip_while(|line| !line.contains("Attempt  "))
        .skip(1)
        .take(4)
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(rows, ["1", "2", "3", "4"], "{words}");
    for (number, attempt) in (1..).zip(history) {
        assert_eq!(attempt["attempt"], number);
        let typed = number.to_string();
        let printed = home.stdout(["logs", "a", "--attempt", &typed]);
        assert_eq!(printed.trim(), typed, "what attempt {number} wrote");
        let parts = home.json(["logs", "a", "--attempt", &typed, "--json"]);
        assert_eq!((&parts[0]["attempt"], &parts[0]["lease"]), (&json!(number), &attempt["lease"]));
    }
    for none in ["0", "5"] {
        home.queuectl(["logs", "a", "--attempt", none]).assert().code(4);
    }
    // One that is running has the next number.
    home.enqueue("waits", "echo here; until [ -e go ]; do sleep 0.05; done");
    let _worker = home.worker([""; 0]);
    wait_until(DEADLINE, "the running attempt can be chosen", || {
        let logs = home.queuectl(["logs", "waits", "--attempt", "1"]).assert();
        logs.get_output().stdout == b"here\n"
    });
    home.make_file("go");
}

fn what_was_skipped_is_told() {
    both(|spelling| {
        let home = Home::quick();
        let added = |id: &str| {
            let arguments = ["enqueue", "--json", "--skip-existing", "--id", id, "true"];
            let output = home.run(spelling, arguments).assert().success().get_output().clone();
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        };
        let first = added("a");
        assert_eq!(first["skipped"], false);
        let again = added("a");
        assert_eq!((&again["skipped"], &again["seq"]), (&json!(true), &first["seq"]));
        let output = home
            .run(spelling, ["enqueue", "--json", "--skip-existing", "--file", "-"])
            .write_stdin("{\"id\":\"b\",\"command\":\"true\"}\n{\"id\":\"a\",\"command\":\"true\"}\n")
            .assert()
            .success()
            .get_output()
            .clone();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let expected = json!({"added": 1, "skipped": 1, "skipped_ids": ["a"], "kept": 0, "replaced": 0});
        assert_eq!(document, expected);
        // What is printed can be enqueued again.
        let mut printed = first;
        printed["id"] = json!("c");
        home.run(spelling, ["enqueue", &printed.to_string()]).assert().success();
    });
}

fn values_of_settings_have_types() {
    both(|spelling| {
        let home = Home::quick();
        let document = |arguments: &[&str]| {
            let output = home.run(spelling, arguments).assert().success().get_output().clone();
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        };
        assert_eq!(document(&["config", "get", "max-retries", "--json"])["value"], 3);
        assert_eq!(document(&["config", "set", "backoff-base", "1.5", "--json"])["value"], 1.5);
        assert_eq!(document(&["config", "get", "output-limit", "--json"])["value"], "1MiB");
        assert_eq!(document(&["config", "get", "log-level", "--json"])["value"], "INFO");
        let listed = document(&["config", "list", "--json"]);
        let value = |key: &str| {
            let entry = listed.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap();
            entry["value"].clone()
        };
        assert_eq!(value("worker-count"), 1);
        assert_eq!(value("alias.stop"), "worker stop");
    });
}
