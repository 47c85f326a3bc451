//! `queuectl show`.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, both, wait_until};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, ends_with, is_match, starts_with};
use queuectl_core::State;
use serde_json::json;

trials![
    everything_about_a_job_is_told,
    json_has_the_attempts_and_the_output,
    a_missing_command_shows_the_path_and_a_hint,
    a_running_attempt_is_told_before_and_after_its_first_output,
    an_unknown_job_exits_4,
    a_job_of_a_queue_that_is_not_there_is_told_from_an_unknown_one,
    an_id_that_cannot_be_one_is_an_error,
    escape_sequences_are_shown_and_not_obeyed,
];

fn everything_about_a_job_is_told() {
    both(|spelling| {
        let home = Home::quick();
        // What is told of the run stands nowhere in the command, which is shown too.
        home.enqueue_once("job-1", "echo out-$((20 + 1)); echo err-$((21 + 1)) >&2; exit $((1 + 2))");
        home.drain();
        home.run(spelling, ["show", "job-1"])
            .assert()
            .success()
            .stdout(starts_with("Job job-1\n"))
            .stdout(is_match(r"(?m)^  command +: echo out-\$\(\(20 \+ 1\)\); ").unwrap())
            .stdout(is_match(r"(?m)^  state +: dead$").unwrap())
            .stdout(is_match(r"(?m)^  exit code +: 3$").unwrap())
            .stdout(is_match(r"(?m)^  last error +: exit code 3: err-22$").unwrap())
            .stdout(is_match(r"(?m)^  1  .* exit code 3 .* 14 B ").unwrap())
            .stdout(ends_with("\nOutput of the last attempt\n  out-21\n  err-22\n"));
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
    home.queuectl(["worker", "start", "--drain"]).env("PATH", path).assert().code(1);
    assert_eq!(home.job("a").exit_code, Some(127));
    let assert = home.queuectl(["show", "a"]).assert().success();
    let output = assert.get_output();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(path) && said.contains("--env PATH"), "{said}");
}

fn a_running_attempt_is_told_before_and_after_its_first_output() {
    let home = Home::quick();
    home.enqueue(
        "a",
        "until [ -e say ]; do sleep 0.05; done; echo said; until [ -e go ]; do sleep 0.05; done",
    );
    let mut worker = home.worker(["--drain"]);
    home.wait_for("a", State::Processing);
    let is_told = |output: &str| {
        let document = home.json(["show", "a", "--json"]);
        let [attempt] = &document["attempt_history"].as_array().unwrap()[..] else { panic!("{document}") };
        assert_eq!((&attempt["attempt"], &attempt["lease"]), (&json!(1), &document["lease"]));
        assert_eq!(attempt["worker"], document["worker"]);
        assert!(attempt["host"].as_str().is_some_and(|host| !host.is_empty()), "{attempt}");
        assert!(attempt["started_at"].is_string(), "{attempt}");
        for unknown in ["finished_at", "outcome", "output_bytes", "dropped_bytes"] {
            assert!(attempt[unknown].is_null(), "{unknown} in {attempt}");
        }
        assert_eq!(document["output"], output);
        let shown = home.stdout(["show", "a"]);
        let row = shown.lines().find(|line| line.contains("running")).unwrap_or_else(|| panic!("{shown}"));
        assert!(row.contains(" so far") && row.contains(" on ") && !row.contains(" B "), "{row}");
    };
    is_told("");
    home.make_file("say");
    wait_until(DEADLINE, "its output is there", || home.json(["show", "a", "--json"])["output"] == "said\n");
    is_told("said\n");
    home.make_file("go");
    worker.wait_for_success();
    let attempt = &home.json(["show", "a", "--json"])["attempt_history"][0];
    assert_eq!((&attempt["output_bytes"], &attempt["dropped_bytes"]), (&json!(5), &json!(0)));
}

fn a_job_of_a_queue_that_is_not_there_is_told_from_an_unknown_one() {
    both(|spelling| {
        let home = Home::new();
        home.enqueue("a", "true");
        for line in ["show 1", "logs 1", "logs -f 1", "dlq show 1"] {
            let words = line.split(' ').chain(["--database", "missing.db"]);
            home.run(spelling, words)
                .assert()
                .code(4)
                .stderr(contains("There is no queue at ").and(contains("missing.db")))
                .stderr(contains("there is no job 1"));
        }
        home.run(spelling, ["show", "9"]).assert().code(4).stderr(contains("There is no queue").not());
    });
}

fn an_unknown_job_exits_4() {
    both(|spelling| {
        let home = Home::new();
        home.enqueue("a", "true");
        for program in ["show", "logs", "cancel"] {
            home.run(spelling, [program, "ghost"])
                .assert()
                .code(4)
                .stdout("")
                .stderr(contains("there is no job ghost"));
        }
        home.run(spelling, ["dlq", "show", "ghost"]).assert().code(4);
        home.run(spelling, ["dlq", "show", "a"])
            .assert()
            .code(4)
            .stderr(contains("job a is pending, not dead"));
    });
}

fn an_id_that_cannot_be_one_is_an_error() {
    both(|spelling| {
        let home = Home::new();
        home.enqueue("a", "true");
        for program in ["show", "logs", "cancel"] {
            home.run(spelling, [program, "a b"])
                .assert()
                .code(1)
                .stdout("")
                .stderr(contains("the id \"a b\" contains ' '"));
            home.run(spelling, [program]).assert().code(2);
        }
    });
}

fn escape_sequences_are_shown_and_not_obeyed() {
    let home = Home::quick();
    home.enqueue_once("a", "printf '\\033[31mred\\n'; printf '\\033]0;evil\\007' >&2; exit 1");
    home.enqueue("b", "echo '\u{1b}[2J\u{202e}'");
    home.drain();
    for (arguments, shown) in [
        (vec!["show", "a"], r"\x1b[31mred"),
        (vec!["show", "b"], r"\x1b[2J\u{202e}"),
        (vec!["dlq", "list"], r"\x1b]0;evil\x07"),
        (vec!["dlq", "show", "a"], r"\x1b]0;evil\x07"),
        (vec!["show", "a", "--json"], r"\u001b[31mred\n"),
    ] {
        let output = home.stdout(&arguments);
        assert!(output.contains(shown), "{arguments:?}: {output}");
        assert!(!output.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{arguments:?}: {output:?}");
    }
}
