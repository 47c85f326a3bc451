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
            .stdout(contains("251"));
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
            .stdout(contains("2").and(contains("1")));
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
    home.queuectl(repeat).assert().success().stdout(contains("Jobs added: 0, skipped: 20000"));
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

fn an_unreadable_file_is_named() {
    let home = Home::new();
    home.queuectl(["enqueue", "--file", "no-such-file"]).assert().code(1).stderr(contains("no-such-file"));
    home.queuectl(["enqueue", "--file", "."]).assert().code(1);
    is_untouched(&home);
}
