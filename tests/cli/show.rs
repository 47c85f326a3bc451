//! `queuectl show`.

use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use serde_json::json;

trials![
    everything_about_a_job_is_told,
    json_has_the_attempts_and_the_output,
    a_missing_command_shows_the_path_and_a_hint,
    an_unknown_job_exits_4,
    an_id_that_cannot_be_one_is_an_error,
    escape_sequences_are_shown_and_not_obeyed,
];

fn everything_about_a_job_is_told() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue_once("job-1", "echo to-stdout; echo to-stderr >&2; exit 3");
        home.drain();
        home.run(spelling, ["show", "job-1"])
            .assert()
            .success()
            .stdout(contains("job-1").and(contains("dead")).and(contains("exit 3")))
            .stdout(contains("to-stdout").and(contains("to-stderr")));
    });
}

fn json_has_the_attempts_and_the_output() {
    let home = Home::quick();
    home.queuectl(["enqueue", "--id", "a", "--max-retries", "1", "echo hello; exit 3"]).assert().success();
    home.drain();
    let document = home.json(["show", "a", "--json"]);
    assert_eq!(document["output"], "hello\n");
    let attempts = document["attempt_history"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    for (index, attempt) in attempts.iter().enumerate() {
        assert_eq!(attempt["lease"], index + 1);
        assert_eq!((&attempt["outcome"], &attempt["exit_code"]), (&json!("exit"), &json!(3)));
        assert_eq!(attempt["output_bytes"], 6);
        assert!(attempt["started_at"].is_string() && attempt["finished_at"].is_string());
    }
}

fn a_missing_command_shows_the_path_and_a_hint() {
    let home = Home::quick();
    home.enqueue_once("a", "no-such-program-anywhere");
    let path = "/usr/local/bin:/usr/bin:/bin:/nowhere/special";
    home.queuectl(["worker", "start", "--drain"]).env("PATH", path).assert().success();
    assert_eq!(home.job("a").exit_code, Some(127));
    let assert = home.queuectl(["show", "a"]).assert().success();
    let output = assert.get_output();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(path) && said.contains("--env PATH"), "{said}");
}

fn an_unknown_job_exits_4() {
    both(|spelling| {
        let home = Home::new();
        home.enqueue("a", "true");
        for program in ["show", "logs", "cancel"] {
            home.run(spelling, [program, "ghost"]).assert().code(4).stdout("").stderr(contains("ghost"));
        }
        home.run(spelling, ["dlq", "show", "ghost"]).assert().code(4);
        home.run(spelling, ["dlq", "show", "a"]).assert().code(4).stderr(contains("pending"));
    });
}

fn an_id_that_cannot_be_one_is_an_error() {
    both(|spelling| {
        let home = Home::new();
        home.enqueue("a", "true");
        for program in ["show", "logs", "cancel"] {
            let assert = home.run(spelling, [program, "a b"]).assert().failure();
            assert!(matches!(assert.get_output().status.code(), Some(1 | 4)));
            home.run(spelling, [program]).assert().code(2);
        }
    });
}

fn escape_sequences_are_shown_and_not_obeyed() {
    let home = Home::quick();
    home.enqueue_once("a", "printf '\\033[31mred\\n'; printf '\\033]0;evil\\007' >&2; exit 1");
    home.enqueue("b", "echo '\u{1b}[2J\u{202e}'");
    home.drain();
    for arguments in [
        vec!["show", "a"],
        vec!["show", "b"],
        vec!["dlq", "list"],
        vec!["dlq", "show", "a"],
        vec!["show", "a", "--json"],
    ] {
        let output = home.stdout(&arguments);
        assert!(!output.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{arguments:?}: {output:?}");
    }
}
