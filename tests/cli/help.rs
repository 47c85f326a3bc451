//! What `--help` says is complete and true: every example in it is typed.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use nix::sys::signal::Signal;
use queuectl_core::State;
use serde_json::json;
use std::collections::BTreeSet;

trials![
    every_help_has_an_example_the_exit_codes_the_units_and_the_defaults,
    every_example_of_a_help_can_be_typed,
    every_action_is_among_them,
];

const VERBS: [&str; 40] = [
    "enqueue",
    "list",
    "status",
    "show",
    "logs",
    "cancel",
    "wait",
    "hold",
    "release",
    "queue",
    "queue list",
    "queue show",
    "queue pause",
    "queue resume",
    "queue drain",
    "queue set",
    "queue remove",
    "why",
    "worker",
    "worker start",
    "worker stop",
    "worker list",
    "dlq",
    "dlq list",
    "dlq show",
    "dlq retry",
    "dlq clear",
    "prune",
    "backup",
    "doctor",
    "move",
    "config",
    "config get",
    "config set",
    "config unset",
    "config list",
    "config path",
    "config check",
    "demo",
    "",
];

fn help(home: &Home, verb: &str) -> String {
    home.stdout(verb.split_whitespace().chain(["--help"]))
}

/// Options that name what is to be done and have no default.
const WITHOUT_DEFAULT: [&str; 8] =
    ["--file", "--run", "--to", "--older-than", "--key", "--value", "--state <STATE>  ", "--list"];

fn every_help_has_an_example_the_exit_codes_the_units_and_the_defaults() {
    let home = Home::new();
    for verb in VERBS {
        let help = help(&home, verb);
        assert!(help.contains("Exit codes: "), "{verb}:\n{help}");
        if verb.is_empty() {
            continue;
        }
        assert!(help.contains("Examples:\n  queuectl "), "{verb}:\n{help}");
        assert_eq!(help.contains("<TIME>"), help.contains("a bare number is seconds"), "{verb}:\n{help}");
        // Each option with what is said about it, on one line.
        let options = help.split("\nExamples:").next().unwrap();
        let mut entries: Vec<String> = Vec::new();
        for line in options.lines() {
            if line.trim_start().starts_with('-') {
                entries.push(line.trim().to_owned());
            } else if let Some(entry) = entries.last_mut() {
                *entry += " ";
                *entry += line.trim();
            }
        }
        for entry in entries.iter().filter(|entry| entry.contains('<') || entry.contains("[=<")) {
            let exempt = WITHOUT_DEFAULT.iter().any(|name| entry.starts_with(name)) || verb == "prune";
            assert!(exempt || entry.contains("[default: "), "{verb}: {entry}");
        }
    }
}

fn every_action_is_among_them() {
    let home = Home::new();
    let programs = home.json(["--list", "--json"]);
    let programs = programs.as_array().unwrap().iter().filter(|entry| entry["kind"] == "program");
    let mut expected: BTreeSet<String> = BTreeSet::from([String::new()]);
    for program in programs {
        let program = program["name"].as_str().unwrap();
        let help = help(&home, program);
        expected.insert(program.to_owned());
        if let Some(actions) = help.split("\nCommands:\n").nth(1) {
            let actions = actions.lines().take_while(|line| !line.is_empty());
            let names = actions.map(|line| line.split_whitespace().next().unwrap());
            expected.extend(names.filter(|name| *name != "help").map(|name| format!("{program} {name}")));
        }
    }
    assert_eq!(VERBS.map(str::to_owned).into_iter().collect::<BTreeSet<_>>(), expected);
}

/// A queue in which everything is that the examples name.
fn surroundings(verb: &str) -> Home {
    let home = Home::quick();
    let jobs = |ids: [&str; 2]| ids.map(|id| json!({"id": id, "command": "true"}));
    for folder in ["backups", "lib"] {
        std::fs::create_dir(home.path(folder)).unwrap();
    }
    std::fs::write(home.path("jobs.jsonl"), "{\"id\":\"from-a-file\",\"command\":\"true\"}\n").unwrap();
    std::fs::write(home.path("commands.txt"), "true\n").unwrap();
    home.make_file("two words.txt");
    match verb {
        "enqueue" | "queue drain" => {}
        "queue remove" => {
            home.queuectl(["queue", "set", "old-imports", "--limit", "1"]).assert().success();
        }
        "wait" => {
            home.enqueue_all(jobs(["job-1", "job-2"]));
            home.drain();
        }
        "cancel" | "hold" => {
            home.enqueue_all(jobs(["job-1", "job-2"]));
            home.enqueue_all([json!({"id": "mail", "command": "make mail", "queue": "mail"})]);
        }
        "release" => {
            let held = |id| json!({"id": id, "command": "true", "hold": true});
            home.enqueue_all(["deploy", "job-1", "job-2"].map(held));
        }
        verb if verb.starts_with("dlq") => {
            home.enqueue_once("job-1", "echo no; exit 3");
            home.drain();
        }
        _ => {
            let command = "echo said; echo told >&2; [ $QUEUECTL_ATTEMPT -ge 2 ]";
            home.enqueue_all([json!({"id": "job-1", "command": command})]);
            home.drain();
        }
    }
    home
}

/// An example as it can be typed here: other locations, and an end.
fn here(home: &Home, line: &str) -> String {
    let backup = home.path("backups").display().to_string();
    let line = line.replace("/backups", &backup);
    let line = line.replace("--database 'postgres://queue@db.example/jobs'", "");
    let line = line.replace("/var/lib/", "lib/").replace("postgres://queue@db.example/jobs", "elsewhere.db");
    let has_jq = std::process::Command::new("jq").arg("--version").output().is_ok();
    match line.split_once(" | jq") {
        Some((before, _)) if !has_jq => before.to_owned(),
        _ if line.contains("--watch") => format!("{line} | head -n 3"),
        _ => line,
    }
}

fn type_example(spelling: Spelling, verb: &str, line: &str) {
    let home = surroundings(verb);
    let typed = here(&home, line);
    let earlier = match () {
        () if line.contains("--abort") => return, // There is nothing to be given up.
        () if line.contains("backups/queue-2026") => {
            format!("queuectl backup {}/queue-2026-11-22.db", home.path("backups").display())
        }
        () if line.contains("doctor --database") => {
            format!("queuectl backup {}/queue.db", home.path("backups").display())
        }
        () if line.contains("config unset") => "queuectl config set max-retries 5".to_owned(),
        () => "true".to_owned(),
    };
    home.typed(Spelling::Dispatched, &earlier).assert().success();
    if line.starts_with("queuectl worker start") && !line.contains("--drain") && !line.contains("--detach") {
        let words = line.split_whitespace().skip(1);
        let mut worker = home.background(spelling, words);
        worker.wait_until_it_says("Loop started");
        worker.signal(Signal::SIGTERM);
        worker.wait_for_success();
        return;
    }
    // Somebody is to run what is waited for.
    let _worker = (verb == "enqueue" && line.contains("--wait")).then(|| home.worker(["--max-jobs", "1"]));
    let output = home.typed(spelling, &typed).assert().get_output().clone();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{typed}: {}: {said}", output.status);
    if verb == "enqueue" && !line.contains("--wait") {
        assert_eq!(home.counts()[State::Pending], 1, "{typed}");
    }
    if line.contains("--detach") {
        home.queuectl(["worker", "stop"]).assert().success();
    }
}

fn every_example_of_a_help_can_be_typed() {
    both(|spelling| {
        let home = Home::new();
        let mut count = 0;
        for verb in VERBS {
            let help = help(&home, verb);
            let examples = help.split("Examples:\n").nth(1).unwrap_or_default();
            for line in examples.lines().filter_map(|line| line.strip_prefix("  queuectl ")) {
                type_example(spelling, verb, &format!("queuectl {line}"));
                count += 1;
            }
        }
        assert!(count > 40, "{count} examples");
    });
}
