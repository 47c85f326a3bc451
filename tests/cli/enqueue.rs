//! `queuectl enqueue`.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::{CommandLine, State};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

trials![
    an_id_that_cannot_be_printed_is_told_with_the_error,
    a_brace_before_a_quote_starts_json_and_anything_else_is_shell,
    broken_json_is_never_run_as_shell,
    an_unknown_json_field_is_named,
    bad_content_is_refused_and_leaves_nothing,
    a_wrong_command_line_exits_2,
    flags_win_over_json_fields,
    several_words_keep_their_quoting,
    what_list_prints_can_be_enqueued_again,
    texts_that_break_queues_round_trip,
    a_command_that_no_shell_can_be_given_is_refused,
    invalid_utf8_is_refused,
    a_duplicate_is_refused_unless_it_is_to_be_skipped,
    a_quiet_enqueue_prints_the_bare_id,
    retries_come_from_flag_json_configuration_and_default,
    a_job_runs_where_it_was_typed,
    only_named_variables_are_kept,
    json_prints_the_job,
    delay_and_priority_are_kept,
];

/// Asserts that nothing was made: no queue, no file.
pub fn is_untouched(home: &Home) {
    assert!(!home.queue_folder().exists(), "something was made");
}

fn an_id_that_cannot_be_printed_is_told_with_the_error() {
    let home = Home::new();
    for form in ["", "--json"] {
        let output = home
            .typed(Spelling::Dispatched, &format!("queuectl enqueue true {form} >/dev/full"))
            .assert()
            .code(1)
            .get_output()
            .clone();
        let said = String::from_utf8(output.stderr).unwrap();
        let added = said.split(' ').find(|word| word.len() == 36).unwrap_or_else(|| panic!("{said}"));
        assert!(said.contains(&format!("job {added} was added: cannot write to standard output")), "{said}");
        assert_eq!(home.state(added), State::Pending);
    }
}

fn a_brace_before_a_quote_starts_json_and_anything_else_is_shell() {
    both(|spelling| {
        let home = Home::new();
        for (given, command) in [
            ("{ echo a; }", "{ echo a; }"),
            ("{echo,a}", "{echo,a}"),
            (" { \"command\" : \"echo b\" } ", "echo b"),
            ("{\n\t\"command\":\"echo c\"}", "echo c"),
            ("[ -e x ]", "[ -e x ]"),
            ("\"quoted program\"", "\"quoted program\""),
        ] {
            home.run(spelling, ["enqueue", given]).assert().success();
            let last = home.json(["list", "--json"]).as_array().unwrap().last().unwrap().clone();
            assert_eq!(last["command"], command, "{given}");
        }
        home.run(spelling, ["enqueue", "--shell", "--id", "forced", r#"{"command":"x"}"#]).assert().success();
        assert_eq!(home.job("forced").command.as_str(), r#"{"command":"x"}"#);
    });
}

fn broken_json_is_never_run_as_shell() {
    both(|spelling| {
        for broken in
            [r#"{"command":"echo a""#, r#"{"command":}"#, "{}", r#"{"command":"a"} b"#, r#"{"id":"x"}"#]
        {
            let home = Home::new();
            home.run(spelling, ["enqueue", broken])
                .assert()
                .code(1)
                .stdout("")
                .stderr(contains("queuectl: error:"));
            is_untouched(&home);
        }
        let home = Home::new();
        // Quotes that the shell has eaten.
        home.run(spelling, ["enqueue", r#"{"command":"echo"#, r#"a"}"#])
            .assert()
            .code(1)
            .stderr(contains("hint:"));
        is_untouched(&home);
    });
}

fn an_unknown_json_field_is_named() {
    let home = Home::new();
    home.queuectl(["enqueue", r#"{"command":"a","max_retires":3}"#])
        .assert()
        .code(1)
        .stderr(contains("no field \"max_retires\"").and(contains("did you mean \"max_retries\"?")));
    is_untouched(&home);
}

fn bad_content_is_refused_and_leaves_nothing() {
    both(|spelling| {
        let home = Home::new();
        for arguments in [
            vec![""],
            vec!["  \n "],
            vec!["true", "--id", ""],
            vec!["true", "--id", "a b"],
            vec!["true", "--id", "a\nb"],
            vec!["true", "--id", "a\u{1b}[31m"],
            vec!["true", "--id", "a\u{202e}b"],
            vec![r#"{"command":"true","id":""}"#],
            vec![r#"{"command":"true","id":7}"#],
            vec![r#"{"command":""}"#],
            vec![r#"{"command":["a"]}"#],
            vec![r#"{"command":"a\u0000b"}"#],
            vec![r#"{"command":"true","max_retries":-1}"#],
            vec![r#"{"command":"true","max_retries":1.5}"#],
            vec![r#"{"command":"true","max_retries":"3"}"#],
            vec![r#"{"command":"true","max_retries":99999999999999999999}"#],
            vec![r#"{"command":"true","timeout":"soon"}"#],
            vec![r#"{"command":"true","priority":1e30}"#],
            vec![r#"{"command":"true","command":"false"}"#],
            vec!["true", "--env", "=x"],
            vec![r#"{"command":"true","cwd":""}"#],
        ] {
            let given = ["enqueue"].into_iter().chain(arguments.iter().copied());
            let assert = home.run(spelling, given).assert();
            let output = assert.get_output();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
            assert!(said.starts_with("queuectl: error: "), "{arguments:?}: {said}");
            assert!(output.stdout.is_empty(), "{arguments:?}");
            assert!(!said.contains(['\u{1b}', '\u{202e}']), "{arguments:?}: {said:?}");
        }
        is_untouched(&home);
    });
}

fn a_wrong_command_line_exits_2() {
    both(|spelling| {
        let home = Home::new();
        for arguments in [
            vec![],
            vec!["--frobnicate", "true"],
            vec!["true", "--max-retries", "-1"],
            vec!["true", "--max-retries", "many"],
            vec!["true", "--max-retries", "99999999999999999999"],
            vec!["true", "--timeout", "soon"],
            vec!["true", "--timeout", "-5"],
            vec!["true", "--priority", "9999999999"],
            vec!["--file", "-", "true"],
        ] {
            let given = ["enqueue"].into_iter().chain(arguments.iter().copied());
            let output = home.run(spelling, given).write_stdin("").assert().get_output().clone();
            assert!(!output.stderr.is_empty() && output.stdout.is_empty());
            assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        }
        is_untouched(&home);
    });
}

fn flags_win_over_json_fields() {
    let home = Home::new();
    let json =
        r#"{"id":"j","command":"true","max_retries":1,"timeout":"1m","priority":1,"env":{"A":"1","B":"1"}}"#;
    home.queuectl([
        "enqueue",
        json,
        "--id",
        "f",
        "--max-retries",
        "0",
        "--timeout",
        "5s",
        "--priority",
        "-2",
    ])
    .args(["--env", "A=2"])
    .assert()
    .success()
    .stdout("Job added with ID: f\n");
    let job = home.job("f");
    assert_eq!((job.max_retries, job.timeout, job.priority), (0, Some(Duration::from_secs(5)), -2));
    let variables: Vec<(&str, &str)> =
        job.env.variables().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(variables, [("A", "2"), ("B", "1")]);
}

fn several_words_keep_their_quoting() {
    let home = Home::quick();
    home.queuectl([
        "enqueue",
        "--id",
        "a",
        "--",
        "printf",
        "[%s]",
        "two words",
        "$HOME",
        "*",
        "it's",
        "-n",
        "",
    ])
    .assert()
    .success();
    home.drain();
    assert_eq!(home.stdout(["logs", "a"]), "[two words][$HOME][*][it's][-n][]");
}

fn what_list_prints_can_be_enqueued_again() {
    let (home, other) = (Home::quick(), Home::quick());
    home.queuectl([
        "enqueue",
        "exit 3",
        "--id",
        "a",
        "--max-retries",
        "0",
        "--timeout",
        "90s",
        "--env",
        "X=1",
    ])
    .assert()
    .success();
    home.drain();
    let printed = home.json(["list", "--json"])[0].to_string();
    other.queuectl(["enqueue", &printed]).assert().success();
    let (before, after) = (home.job("a"), other.job("a"));
    assert_eq!((after.state, after.attempts, after.exit_code), (State::Pending, 0, None));
    assert_eq!((after.command, after.cwd, after.env), (before.command, before.cwd, before.env));
    assert_eq!((after.max_retries, after.timeout, after.queue), (0, before.timeout, before.queue));
    // So can what show prints.
    let shown = home.json(["show", "a", "--json"]).to_string();
    let third = Home::new();
    third.queuectl(["enqueue", &shown]).assert().success();
}

fn texts_that_break_queues_round_trip() {
    both(|spelling| {
        let home = Home::new();
        let texts = [
            "echo '; DROP TABLE jobs;--",
            "printf '\\n' \"a\"\necho b\t`id` $(id)",
            "echo \u{1b}[31mred\u{1b}[0m \u{202e}evil \u{7}",
            "echo été 漢字 🙂",
            "  echo spaces  ",
        ];
        for (number, text) in texts.iter().enumerate() {
            let id = format!("';DROP-{number}--\"é");
            home.run(spelling, ["enqueue", "--id", &id, text]).assert().success();
            assert_eq!(home.job(&id).command.as_str(), *text);
            assert_eq!(home.json(["show", &id, "--json"])["command"], *text);
        }
        // None of them breaks a table: a line each, and nothing hidden.
        let table = home.stdout(["list"]);
        assert_eq!(table.lines().count(), texts.len() + 1, "{table}");
        assert!(!table.contains(['\u{1b}', '\u{202e}', '\u{7}', '\t']), "{table:?}");
    });
}

fn a_command_that_no_shell_can_be_given_is_refused() {
    let home = Home::new();
    let megabyte = "x".repeat(1024 * 1024);
    // One argument of a program is too short for it: it comes from a file.
    fs::write(home.path("jobs"), format!("{{\"command\":\"{megabyte}\"}}\n")).unwrap();
    home.queuectl(["enqueue", "--file", "jobs"]).assert().code(1).stderr(contains("line 1"));
    is_untouched(&home);
    let longest = "x".repeat(CommandLine::MAX_BYTES);
    fs::write(home.path("jobs"), format!("{{\"id\":\"long\",\"command\":\"{longest}\"}}\n")).unwrap();
    home.queuectl(["enqueue", "--file", "jobs"]).assert().success();
    assert_eq!(home.job("long").command.as_str(), longest);
    assert!(home.stdout(["list"]).contains("long"));
}

fn invalid_utf8_is_refused() {
    both(|spelling| {
        let home = Home::new();
        let command = OsStr::from_bytes(b"echo \xff\xfe");
        home.run(spelling, [OsStr::new("enqueue"), command]).assert().code(1).stderr(contains("UTF-8"));
        fs::write(home.path("jobs"), b"{\"command\":\"true\"}\n{\"command\":\"\xff\"}\n").unwrap();
        home.run(spelling, ["enqueue", "--file", "jobs"]).assert().code(1).stderr(contains("line 2"));
        is_untouched(&home);
    });
}

fn a_quiet_enqueue_prints_the_bare_id() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["enqueue", "-q", "--id", "a", "true"])
            .assert()
            .success()
            .stdout("a\n")
            .stderr("");
        let printed = home.run(spelling, ["enqueue", "-q", "true"]).assert().success().get_output().clone();
        let id = String::from_utf8(printed.stdout).unwrap();
        assert_eq!(home.job(id.trim_end()).command.as_str(), "true");
    });
}

fn a_duplicate_is_refused_unless_it_is_to_be_skipped() {
    both(|spelling| {
        let home = Home::new();
        home.enqueue("a", "first");
        home.run(spelling, ["enqueue", "second", "--id", "a"])
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains("job a exists already"));
        home.run(spelling, ["enqueue", "third", "--id", "a", "--skip-existing"]).assert().success();
        assert_eq!((home.job("a").command.as_str(), home.counts().total()), ("first", 1));
    });
}

fn retries_come_from_flag_json_configuration_and_default() {
    let home = Home::new();
    home.queuectl(["enqueue", "true", "--id", "default"]).assert().success();
    home.queuectl(["config", "set", "max-retries", "7"]).assert().success();
    home.queuectl(["enqueue", "true", "--id", "configured"]).assert().success();
    home.queuectl(["enqueue", r#"{"id":"json","command":"true","max_retries":0}"#]).assert().success();
    home.queuectl(["enqueue", r#"{"id":"flag","command":"true","max_retries":5}"#, "--max-retries", "0"])
        .assert()
        .success();
    let retries = ["default", "configured", "json", "flag"].map(|id| home.job(id).max_retries);
    assert_eq!(retries, [3, 7, 0, 0]);
}

fn a_job_runs_where_it_was_typed() {
    let home = Home::quick();
    fs::create_dir(home.path("here")).unwrap();
    home.queuectl(["enqueue", "pwd", "--id", "here"]).current_dir(home.path("here")).assert().success();
    home.queuectl(["enqueue", "pwd", "--id", "there", "--cwd", "/"]).assert().success();
    home.drain();
    assert_eq!(home.stdout(["logs", "here"]).trim_end(), home.path("here").to_str().unwrap());
    assert_eq!(home.stdout(["logs", "there"]), "/\n");
}

fn only_named_variables_are_kept() {
    let home = Home::quick();
    home.queuectl(["enqueue", "echo ${A-none} ${B-none} ${SECRET-none}", "--id", "a"])
        .args(["--env", "A", "--env", "B=two words"])
        .env("A", "one")
        .env("SECRET", "hidden")
        .assert()
        .success();
    home.queuectl(["enqueue", "true", "--env", "NOT_SET_ANYWHERE"]).assert().code(1);
    home.drain();
    assert_eq!(home.stdout(["logs", "a"]), "one two words none\n");
}

fn json_prints_the_job() {
    both(|spelling| {
        let home = Home::new();
        let output = home.run(spelling, ["enqueue", "--json", "true", "--id", "a"]).assert().success();
        let job: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        assert_eq!((&job["id"], &job["state"]), (&"a".into(), &"pending".into()));
    });
}

fn delay_and_priority_are_kept() {
    let home = Home::quick();
    home.queuectl(["enqueue", "echo later >> order", "--id", "later", "--delay", "1h"]).assert().success();
    home.enqueue("low", "echo low >> order");
    home.queuectl(["enqueue", "echo high >> order", "--id", "high", "--priority", "5"]).assert().success();
    home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
    assert_eq!(home.lines("order"), ["high", "low"]);
    assert_eq!(home.state("later"), State::Pending);
    assert!(home.json(["show", "later", "--json"])["run_at"].is_string());
}
