//! `queuectl enqueue --file`: many jobs at once.

use super::enqueue::is_untouched;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, both, wait_until};
use nix::sys::signal::Signal;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use std::fs;

trials![
    a_file_of_jobs_is_added,
    standard_input_can_be_the_file,
    one_bad_line_refuses_the_whole_file_and_is_named,
    a_file_can_be_resumed,
    a_run_that_was_killed_is_repeated_by_its_name,
    the_name_of_a_run_is_no_excuse_for_a_taken_id,
    a_taken_id_in_a_file_is_named_with_its_line,
    an_unreadable_file_is_named,
    a_byte_order_mark_and_the_line_ends_of_windows_do_no_harm,
    a_file_of_plain_lines_is_taken_with_a_flag,
    what_only_looks_like_json_is_told_with_its_reason,
    lines_that_are_none_are_refused_with_what_to_type,
    a_queue_that_a_file_makes_is_told,
    what_is_no_line_of_shell_is_named_with_file_and_line,
    an_error_names_the_file_and_leads_on,
];

fn a_file_of_jobs_is_added() {
    both(|spelling| {
        let home = Home::new();
        let lines: String =
            (0..250).map(|n| format!("{{\"id\":\"job-{n}\",\"command\":\"echo {n}\"}}\n")).collect();
        // Blank lines and a missing last line break do no harm.
        fs::write(home.path("jobs"), format!("{lines}\n\n{{\"command\":\"last\"}}")).unwrap();
        home.run(spelling, ["enqueue", "--file", "jobs", "--max-retries", "1"])
            .assert()
            .success()
            .stdout("Jobs added: 251\n");
        assert_eq!(home.counts()[State::Pending], 251);
        assert_eq!((home.job("job-249").command.as_str(), home.job("job-0").max_retries), ("echo 249", 1));
    });
}

fn standard_input_can_be_the_file() {
    both(|spelling| {
        let home = Home::new();
        let lines = "{\"id\":\"a\",\"command\":\"true\"}\n{\"id\":\"b\",\"command\":\"true\"}\n";
        home.run(spelling, ["enqueue", "--file", "-"]).write_stdin(lines).assert().success();
        assert_eq!(home.counts()[State::Pending], 2);
        home.run(spelling, ["enqueue", "--file", "-"]).write_stdin("").assert().success();
    });
}

fn one_bad_line_refuses_the_whole_file_and_is_named() {
    both(|spelling| {
        let home = Home::new();
        for bad in ["{\"command\":", "{\"command\":\"\"}", "{\"id\":\"a\",\"command\":\"x\"}", "[]", "echo"] {
            let lines = format!("{{\"id\":\"a\",\"command\":\"true\"}}\n\n{bad}\n{{\"command\":\"true\"}}\n");
            home.run(spelling, ["enqueue", "--file", "-"])
                .write_stdin(lines)
                .assert()
                .code(1)
                .stderr(contains("line 3"));
        }
        is_untouched(&home);
    });
}

fn a_file_can_be_resumed() {
    both(|spelling| {
        let home = Home::new();
        home.enqueue("b", "first");
        let lines: String =
            ["a", "b", "c"].map(|id| format!("{{\"id\":\"{id}\",\"command\":\"x\"}}\n")).concat();
        home.run(spelling, ["enqueue", "--file", "-", "--skip-existing"])
            .write_stdin(lines)
            .assert()
            .success()
            .stdout("Jobs added: 2, skipped: 1\n");
        assert_eq!((home.counts().total(), home.job("b").command.as_str()), (3, "first"));
    });
}

fn a_run_that_was_killed_is_repeated_by_its_name() {
    let home = Home::new();
    let lines: String = (0..20_000)
        .map(|n| match n % 2 {
            0 => format!("{{\"id\":\"job-{n}\",\"command\":\"true\"}}\n"),
            _ => "{\"command\":\"true\"}\n".to_owned(),
        })
        .collect();
    fs::write(home.path("jobs"), lines).unwrap();
    let repeat = ["enqueue", "--file", "jobs", "--run", "nightly"];
    let killed = home.background(Spelling::Direct, repeat);
    wait_until(DEADLINE, "some of them are there", || home.database().exists() && home.counts().total() > 0);
    killed.signal(Signal::SIGKILL);
    drop(killed);
    home.queuectl(repeat).assert().success();
    assert_eq!(home.counts().total(), 20_000);
    home.queuectl(repeat).assert().success().stdout("Jobs added: 0, skipped: 20000\n");
}

fn the_name_of_a_run_is_no_excuse_for_a_taken_id() {
    let home = Home::new();
    home.enqueue("a", "something else");
    home.queuectl(["enqueue", "--file", "-", "--run", "one"])
        .write_stdin("{\"id\":\"a\",\"command\":\"true\"}\n")
        .assert()
        .code(1)
        .stderr(contains("line 1: job a exists already"));
    home.queuectl(["enqueue", "--run", "one", "true"]).assert().code(2);
}

fn a_taken_id_in_a_file_is_named_with_its_line() {
    let home = Home::new();
    home.enqueue("c", "first");
    let lines: String = ["a", "b", "c"].map(|id| format!("{{\"id\":\"{id}\",\"command\":\"x\"}}\n")).concat();
    home.queuectl(["enqueue", "--file", "-"])
        .write_stdin(lines)
        .assert()
        .code(1)
        .stderr(contains("line 3").and(contains("job c exists already")));
    assert_eq!(home.counts().total(), 1, "the lines before it are not added either");
}

fn a_byte_order_mark_and_the_line_ends_of_windows_do_no_harm() {
    both(|spelling| {
        let home = Home::new();
        let text =
            "\u{feff}{\"id\":\"a\",\"command\":\"echo é\"}\r\n\r\n{\"id\":\"b\",\"command\":\"true\"}\r\n";
        fs::write(home.path("jobs"), text).unwrap();
        home.run(spelling, ["enqueue", "--file", "jobs"]).assert().success();
        fs::write(home.path("lines"), "\u{feff}echo 'a b'\r\n\r\necho c\r\n").unwrap();
        home.run(spelling, ["enqueue", "--lines", "--file", "lines"]).assert().success();
        let commands: Vec<_> = home
            .json(["list", "--json"])
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["command"].clone())
            .collect();
        assert_eq!(commands, ["echo é", "true", "echo 'a b'", "echo c"]);
        // The same on a command line, as `"$(cat file)"` makes it.
        home.run(spelling, ["enqueue", "\u{feff}{\"id\":\"d\",\"command\":\"true\"}"]).assert().success();
        assert_eq!(home.job("d").command.as_str(), "true");
    });
}

fn a_file_of_plain_lines_is_taken_with_a_flag() {
    both(|spelling| {
        let home = Home::quick();
        let lines = "#!/bin/sh\n# two of them\necho 'one of' \"two\" | tr a-z A-Z\n\n  exit 3  \n";
        home.run(spelling, ["enqueue", "--file", "-", "--lines", "--max-retries", "0"])
            .write_stdin(lines)
            .assert()
            .success()
            .stdout("Jobs added: 2\n");
        home.drain();
        let counts = home.counts();
        assert_eq!((counts[State::Completed], counts[State::Dead]), (1, 1));
        let first = home.json(["list", "--json"])[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(home.stdout(["logs", &first]), "ONE OF TWO\n");
        home.run(spelling, ["enqueue", "--lines", "true"]).assert().code(2);
    });
}

fn what_is_no_line_of_shell_is_named_with_file_and_line() {
    let home = Home::new();
    for (line, said) in
        [("{\"command\":\"true\"}", "leave --lines out"), ("curl \\", "backslash"), ("“make all”", "curly")]
    {
        fs::write(home.path("commands.txt"), format!("true\n{line}\n")).unwrap();
        home.queuectl(["enqueue", "--file", "commands.txt", "--lines"])
            .assert()
            .code(1)
            .stderr(contains("commands.txt, line 2:").and(contains(said)));
    }
    is_untouched(&home);
}

fn an_error_names_the_file_and_leads_on() {
    let home = Home::new();
    for (text, said) in [
        ("make all\n", "add --lines"),
        ("{\"cmd\":\"make all\"}\n", "did you mean \"command\"?"),
        ("[{\"command\":\"true\"}]\n", "jq -c '.[]'"),
        ("{\n  \"command\": \"true\"\n}\n", "jq -c ."),
        ("\u{ff}\u{fe}", "add --lines"),
    ] {
        fs::write(home.path("jobs.txt"), text).unwrap();
        home.queuectl(["enqueue", "--file", "jobs.txt"])
            .assert()
            .code(1)
            .stderr(contains("jobs.txt, line 1:").and(contains(said)));
        home.queuectl(["enqueue", "--file", "-"])
            .write_stdin(text)
            .assert()
            .code(1)
            .stderr(contains("standard input, line 1:").and(contains(said)));
    }
    fs::write(home.path("jobs.txt"), b"\xff\xfe{\0\"\0").unwrap();
    home.queuectl(["enqueue", "--file", "jobs.txt"]).assert().code(1).stderr(contains("iconv"));
    is_untouched(&home);
}

fn an_unreadable_file_is_named() {
    let home = Home::new();
    for (file, reason) in [("no-such-file", "No such file"), (".", "Is a directory")] {
        let said = format!("cannot read {file}: {reason}");
        home.queuectl(["enqueue", "--file", file]).assert().code(1).stderr(contains(said));
    }
    is_untouched(&home);
}

fn what_only_looks_like_json_is_told_with_its_reason() {
    both(|spelling| {
        let home = Home::new();
        for (line, reason) in [
            ("{'command':'x'}", "double quotes, not single ones"),
            ("{“command”: “x”}", "curly, not straight"),
            ("{command:\"x\"}", "have quotes, and here are none"),
            (r#"{\"command\":\"x\"}"#, "have backslashes before them"),
            (r#"'{"command":"x"}'"#, "the quotes around the JSON job"),
        ] {
            for lines in [&[][..], &["--lines"]] {
                home.run(spelling, [&["enqueue", "--file", "-"], lines].concat())
                    .write_stdin(format!("{line}\n"))
                    .assert()
                    .code(1)
                    .stderr(contains("standard input, line 1: ").and(contains(reason)))
                    .stderr(contains(r#"hint: a line of JSON has straight double quotes, {"id":"#));
            }
            home.run(spelling, ["enqueue", line]).assert().code(1).stderr(contains(reason));
        }
        for list in ["['a']", "[]"] {
            home.run(spelling, ["enqueue", list]).assert().code(1).stderr(contains("this is a JSON list"));
        }
        home.run(spelling, ["enqueue", "--file", "-"])
            .write_stdin("echo\n")
            .assert()
            .code(1)
            .stderr(contains("hint: each line is one job").and(contains("add --lines")));
        assert!(!home.database().exists());
    });
}

fn lines_that_are_none_are_refused_with_what_to_type() {
    both(|spelling| {
        let home = Home::new();
        for (text, hint) in [
            ("{\n  \"command\": \"x\"\n}\n", "jq -c . FILE"),
            ("[\n  {\"command\": \"x\"}\n]\n", "jq -c '.[]' FILE"),
            ("[{\"command\":\"x\"}]\n", "jq -c '.[]' FILE"),
            ("true\rfalse\r", r"`tr '\r' '\n' < FILE | queuectl enqueue --file -`"),
        ] {
            home.run(spelling, ["enqueue", "--lines", "--file", "-"])
                .write_stdin(text)
                .assert()
                .code(1)
                .stderr(contains("standard input, line 1: ").and(contains(hint)));
        }
        home.run(spelling, ["enqueue", "--file", "-"])
            .write_stdin("{\"command\":\"a\"}\r{\"command\":\"b\"}\r")
            .assert()
            .code(1)
            .stderr(contains(r"`tr '\r' '\n' < FILE | queuectl enqueue --file -`"));
        assert!(!home.database().exists());
    });
}

fn a_queue_that_a_file_makes_is_told() {
    both(|spelling| {
        let home = Home::new();
        let add = |place: &str, more: &[&str]| {
            let words = [&["enqueue", "--file", "-", "--lines", "--database", place], more].concat();
            home.run(spelling, words).write_stdin("true\n").assert().success()
        };
        let made = format!("Made a new queue at {}\n", home.path("mistyped.db").display());
        add("./mistyped.db", &[]).stderr(contains(made));
        add("./mistyped.db", &[]).stderr(contains("Made").not());
        add("./quiet.db", &["-q"]).stderr("");
        add("./json.db", &["--json"]).stderr("");
        // Where it is always made, nobody has mistyped it.
        home.queuectl(["enqueue", "true"]).assert().success().stderr(contains("Made").not());
    });
}
