//! What a job's own calls of queuectl mean: the worker's queue, and nothing else of
//! the worker's.

use super::dispatch::extension;
use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use predicates::str::contains;
use queuectl_core::State;
use queuectl_settings::Key;
use std::fs;

trials![
    nothing_a_job_is_told_is_a_setting,
    a_job_enqueues_with_the_defaults_of_the_configuration,
    the_workers_settings_do_not_reach_nested_calls,
    a_variable_that_was_asked_for_is_kept,
    a_relative_location_means_the_same_queue_inside_a_job,
    an_extension_finds_the_queue_from_another_folder,
];

/// How a job calls queuectl.
const QUEUECTL: &str = env!("CARGO_BIN_EXE_queuectl");

fn nothing_a_job_is_told_is_a_setting() {
    let mut home = Home::quick();
    // Every setting that can be, is given to the worker as a variable.
    for key in Key::ALL {
        let value = match key {
            Key::Database => continue,
            Key::LogLevel => "ERROR",
            Key::OutputLimit => "1MiB",
            _ => "10",
        };
        home = home.with(&key.variable(), value);
    }
    home.enqueue_once("a", "env");
    home.drain();
    let seen = home.stdout(["logs", "a"]);
    let names: Vec<&str> = seen.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert!(names.contains(&"QUEUECTL_JOB_MAX_RETRIES") && names.contains(&"QUEUECTL_HOME"), "{seen}");
    for key in Key::ALL {
        assert!(!names.contains(&key.variable().as_str()), "{key} in {seen}");
    }
}

fn a_job_enqueues_with_the_defaults_of_the_configuration() {
    let home = Home::quick();
    home.enqueue_once("outer", &format!("{QUEUECTL} enqueue --id inner true"));
    home.queuectl(["worker", "start", "--drain"]).env("QUEUECTL_MAX_RETRIES", "7").assert().success();
    assert_eq!(home.state("inner"), State::Completed);
    assert_eq!(home.job("inner").max_retries, 3, "neither the job's nor the worker's");
}

fn the_workers_settings_do_not_reach_nested_calls() {
    for (spelling, line) in [
        (Spelling::Dispatched, "queuectl -q worker start --drain"),
        (Spelling::Dispatched, "queuectl worker start --drain -q"),
        (Spelling::Direct, "queuectl worker start --drain --quiet"),
        (Spelling::Dispatched, "queuectl -v worker start --drain"),
    ] {
        let home = Home::quick();
        home.enqueue_once("a", &format!("{QUEUECTL} config get log-level; {QUEUECTL} dlq list"));
        home.typed(spelling, line).assert().success();
        assert_eq!(home.stdout(["logs", "a"]), "INFO\nNo dead jobs\n", "{line}");
    }
}

fn a_variable_that_was_asked_for_is_kept() {
    let home = Home::quick();
    home.queuectl(["enqueue", "--id", "a", "--env", "QUEUECTL_MAX_RETRIES=9", "--"])
        .args([QUEUECTL, "enqueue", "true", "--id", "b"])
        .assert()
        .success();
    home.drain();
    assert_eq!(home.job("b").max_retries, 9);
}

fn a_relative_location_means_the_same_queue_inside_a_job() {
    both(|spelling| {
        for (name, value) in [
            ("QUEUECTL_HOME", "there"),
            ("QUEUECTL_DATABASE", "./there.db"),
            ("QUEUECTL_CONFIG", "there.toml"),
        ] {
            let home = Home::quick().with(name, value);
            fs::write(home.path("there.toml"), "database = \"from-the-file.db\"\nmax-retries = 5\n").unwrap();
            fs::create_dir(home.path("elsewhere")).unwrap();
            let inner =
                format!("cd {} && {QUEUECTL} enqueue --id inner true", home.path("elsewhere").display());
            home.enqueue_once("outer", &inner);
            home.run(spelling, ["worker", "start", "--drain=ready"]).assert().success();
            home.queuectl(["show", "inner"]).assert().success().stdout(contains("completed"));
            assert_eq!(fs::read_dir(home.path("elsewhere")).unwrap().count(), 0, "{name} made another queue");
        }
    });
}

fn an_extension_finds_the_queue_from_another_folder() {
    let home = Home::new();
    let script = "#!/bin/sh\ncd / && exec \"$QUEUECTL\" enqueue true --id a\n";
    home.queuectl(["elsewhere"])
        .env("PATH", extension(&home, "elsewhere", script))
        .env("QUEUECTL_HOME", "there")
        .assert()
        .success();
    home.queuectl(["show", "a"]).env("QUEUECTL_HOME", "there").assert().success();
}
