//! `queuectl enqueue --wait`: a job run as if it had been typed here.

use crate::support::postgres::Server;
use crate::support::terminal::Terminal;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, NO_WORKER, Spelling, both, wait_until};
use nix::sys::signal::Signal;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use serde_json::Value;
use std::os::unix::process::ExitStatusExt as _;

trials![
    what_the_job_writes_is_passed_on_with_its_exit_code,
    a_job_on_a_server_is_waited_for_as_one_on_a_file if Postgres,
    output_is_passed_on_while_the_job_runs,
    every_attempt_is_passed_on,
    a_job_that_is_cancelled_ends_the_wait,
    as_json_the_document_comes_at_the_end,
    a_job_that_exists_already_is_waited_for,
    the_job_that_has_the_unique_key_is_waited_for,
    a_file_of_jobs_is_not_waited_for,
    a_wait_that_is_broken_off_ends_no_job,
    a_terminal_obeys_nothing_of_what_is_passed_on,
];

fn runs_as_if_typed(home: &Home, spelling: Spelling) {
    let _worker = home.worker([""; 0]);
    let run = |words: &[&str]| home.run(spelling, ["enqueue", "--wait", "-q"].iter().chain(words)).assert();
    run(&["echo out; echo err >&2"]).code(0).stdout("out\n").stderr("err\n");
    run(&["--max-retries", "0", "printf 'a\\0b'; exit 7"])
        .code(7)
        .stdout("a\0b")
        .stderr(contains(" is dead: exit code 7").and(contains("hint: give it another life")));
    run(&["--max-retries", "0", "--timeout", "100ms", "sleep 1000"]).code(1).stderr(contains("is dead: "));
    run(&["--max-retries", "0", "kill -USR1 $$"]).code(138);
    // Behind one text the options of a job may follow.
    let id = home.run(spelling, ["enqueue", "echo later", "--wait", "--id", "named"]).assert().code(0);
    id.stdout("later\n").stderr("Job added with ID: named\n");
}

fn what_the_job_writes_is_passed_on_with_its_exit_code() {
    both(|spelling| runs_as_if_typed(&Home::quick(), spelling));
}

fn a_job_on_a_server_is_waited_for_as_one_on_a_file() {
    runs_as_if_typed(&Home::quick().on_server(Server::shared()), Spelling::Dispatched);
}

fn output_is_passed_on_while_the_job_runs() {
    let home = Home::quick();
    let _worker = home.worker([""; 0]);
    let command = "echo begun; until [ -e go ]; do sleep 0.02; done; echo ended";
    let mut wait = home.background(Spelling::Direct, ["enqueue", "--wait", command]);
    wait_until(DEADLINE, "the beginning is passed on", || wait.printed() == "begun\n");
    assert!(!wait.has_ended());
    home.make_file("go");
    wait.wait_for_success();
    assert_eq!(wait.printed(), "begun\nended\n");
}

fn every_attempt_is_passed_on() {
    let home = Home::quick();
    let _worker = home.worker([""; 0]);
    let command = "echo attempt $QUEUECTL_ATTEMPT; test $QUEUECTL_ATTEMPT = 2";
    home.queuectl(["enqueue", "--wait", "--max-retries", "1", command])
        .assert()
        .code(0)
        .stdout("attempt 1\nattempt 2\n")
        .stderr(contains("… attempt 2\n").and(contains("error").not()));
}

fn a_job_that_is_cancelled_ends_the_wait() {
    let home = Home::quick();
    let mut wait =
        home.background(Spelling::Dispatched, ["enqueue", "--wait", "--hold", "--id", "a", "true"]);
    wait.wait_until_it_says("Job a is held until `queuectl release a`");
    home.queuectl(["cancel", "a"]).assert().success();
    assert_eq!(wait.wait().code(), Some(1));
    assert!(wait.said().ends_with("queuectl: error: job a was cancelled\n"), "{}", wait.said());
    assert_eq!(wait.printed(), "");
}

fn as_json_the_document_comes_at_the_end() {
    both(|spelling| {
        let home = Home::quick();
        let _worker = home.worker([""; 0]);
        let words = ["enqueue", "--wait", "--json", "--max-retries", "0", "--id", "a", "echo out; exit 7"];
        let ended = home.run(spelling, words).assert().code(7);
        let printed: Value = serde_json::from_slice(&ended.get_output().stdout).unwrap();
        assert_eq!((&printed["state"], &printed["exit_code"]), (&"dead".into(), &7.into()));
        assert_eq!((&printed["output"], &printed["skipped"]), (&"out\n".into(), &false.into()));
        let said: Value = serde_json::from_slice(&ended.get_output().stderr).unwrap();
        assert_eq!(said["exit"], 7);
    });
}

fn a_job_that_exists_already_is_waited_for() {
    let home = Home::quick();
    home.enqueue_once("a", "echo was; exit 3");
    home.drain();
    let words = ["enqueue", "--wait", "--skip-existing", "--id", "a", "echo is"];
    home.queuectl(words).assert().code(3).stdout("was\n").stderr(contains("job a exists already: skipped"));
}

fn the_job_that_has_the_unique_key_is_waited_for() {
    both(|spelling| {
        let home = Home::quick();
        let job =
            ["enqueue", "--id", "first", "--unique", "k", "echo first; until [ -e go ]; do sleep 0.02; done"];
        home.queuectl(job).assert().success();
        let mut wait = home.background(spelling, ["enqueue", "--wait", "--unique", "k", "echo second"]);
        wait.wait_until_it_says("already queued: job first has had the key k since ");
        wait.wait_until_it_says("waiting for job first");
        let _worker = home.worker([""; 0]);
        home.make_file("go");
        wait.wait_for_success();
        assert_eq!(wait.printed(), "first\n");
        assert_eq!(home.counts().total(), 1);

        let window = ["--unique", "w", "--unique-for", "1h", "--max-retries", "0"];
        let run = |more: &[&str]| {
            home.run(spelling, ["enqueue", "--wait"].iter().chain(&window).chain(more)).assert()
        };
        run(&["--id", "bad", "echo bad; exit 7"]).code(7).stdout("bad\n");
        run(&["true"]).code(7).stdout("bad\n").stderr(contains("job bad is dead, and has the key w from "));
        let printed = run(&["--json", "true"]).code(7);
        let document: Value = serde_json::from_slice(&printed.get_output().stdout).unwrap();
        assert_eq!(
            (&document["id"], &document["existing"], &document["skipped"]),
            (&"bad".into(), &true.into(), &false.into())
        );
        home.queuectl(["dlq", "clear", "--yes"]).assert().success();
        run(&["true"])
            .code(4)
            .stdout("")
            .stderr(contains("job bad, which is deleted, keeps the key w until "));
    });
}

fn a_file_of_jobs_is_not_waited_for() {
    both(|spelling| {
        let home = Home::quick();
        std::fs::write(home.path("commands.txt"), "true\n").unwrap();
        home.run(spelling, ["enqueue", "--wait", "--file", "commands.txt", "--lines"])
            .assert()
            .code(2)
            .stderr(contains("`--wait` goes with one job").and(contains("`queuectl wait ID…`")));
        assert!(!home.queue_folder().exists(), "nothing is added");
    });
}

fn a_wait_that_is_broken_off_ends_no_job() {
    let home = Home::quick();
    let mut wait = home.background(Spelling::Dispatched, ["enqueue", "--wait", "--id", "a", "true"]);
    wait.wait_until_it_says(NO_WORKER);
    wait.press_control_c();
    assert_eq!(wait.wait().signal(), Some(Signal::SIGINT as i32));
    assert_eq!(home.state("a"), State::Pending);
}

fn a_terminal_obeys_nothing_of_what_is_passed_on() {
    let home = Home::quick();
    let _worker = home.worker([""; 0]);
    let words = ["enqueue", "--wait", r"printf 'a\033[2Jb\n'; printf 'c\033[2Jd\n' >&2"];
    let shown = Terminal::run(home.command(Spelling::Direct, words), 80).wait().assert_success();
    assert!(
        shown.written.contains(r"a\x1b[2Jb") && shown.written.contains(r"c\x1b[2Jd"),
        "{}",
        shown.written
    );
}
