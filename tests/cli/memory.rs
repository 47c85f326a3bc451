//! No program needs more memory for a larger queue or a larger output.
//!
//! Each runs with a limit to its memory, which ends a program that exceeds it.

use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{Home, Spelling};
use serde_json::json;

trials![
    large_outputs_and_many_jobs_need_no_more_memory,
    large_outputs_and_many_jobs_need_no_more_memory_on_a_server if Postgres,
    a_document_has_the_end_of_an_output_and_says_that_it_is_cut,
];

/// Kibibytes of data, less than what the queue of these tests has of anything.
const MEMORY: u32 = 40 * 1024;

/// Bytes that the large job writes, all of which are kept.
const LARGE: usize = 48 << 20;

/// Many jobs with long commands, and one with a large output.
fn fill(home: &Home) {
    let long = |number| format!("true {}", "x".repeat(if number < 500 { 120_000 } else { 1000 }));
    home.enqueue_all(
        (0..12_000).map(|number| json!({"id": format!("job-{number}"), "command": long(number)})),
    );
    home.queuectl(["enqueue", "--id", "large", "--max-retries", "0", "--priority", "1"])
        .arg(format!("yes 0123456789abcde | head -c {LARGE}; echo the end; exit 1"))
        .assert()
        .success();
    home.queuectl(["worker", "start", "--max-jobs", "1"]).assert().success();
    assert_eq!(home.attempts("large")[0].dropped_bytes, 0);
}

fn large_outputs_and_many_jobs_need_no_more_memory() {
    let home = Home::quick().with("QUEUECTL_OUTPUT_LIMIT", "200MiB");
    fill(&home);
    every_program_needs_little(&home);
}

fn large_outputs_and_many_jobs_need_no_more_memory_on_a_server() {
    let server = Server::start(&[("fsync", "off")]);
    let home = Home::quick().with("QUEUECTL_OUTPUT_LIMIT", "200MiB").on_server(&server);
    fill(&home);
    every_program_needs_little(&home);
}

fn every_program_needs_little(home: &Home) {
    let limited = |line: &str| {
        let line = format!("ulimit -d {MEMORY} && queuectl {line}");
        home.typed(Spelling::Dispatched, &line).assert().success();
    };
    for line in [
        "show large | tail -n 1 | grep -q 'the end'",
        "show large --json >shown; grep -q 'the end' shown",
        "dlq show large --json >shown; grep -q 'the end' shown",
        "logs large | tail -n 1 | grep -q 'the end'",
        "logs large --attempt 1 --json | tail -n 2 | grep -q 'the end'",
        "logs large --stream stdout --follow | tail -n 1 | grep -q 'the end'",
        "logs large --follow --json | tail -n 1 | grep -q 'the end'",
        "list | tail -n 1 | grep -q large",
        "list --json | tail -n 2 | grep -q large",
        "list --state pending --json >listed",
        "dlq list",
        "status",
        "prune --state completed --state dead --older-than 1h --dry-run",
        "backup copy.db",
        "move --to moved.db --verify",
        "prune --state dead --older-than 0s --database moved.db",
    ] {
        limited(line);
    }
}

fn a_document_has_the_end_of_an_output_and_says_that_it_is_cut() {
    let home = Home::quick();
    home.enqueue("short", "echo hello; echo words >&2");
    home.enqueue("long", "yes é | head -c 200001; echo; echo the end");
    home.enqueue("silent", "true");
    home.drain();
    let long = home.json(["show", "long", "--json"]);
    let output = long["output"].as_str().unwrap();
    assert!(output.ends_with("\nthe end\n") && output.len() <= 64 * 1024 && output.len() > 60 * 1024);
    assert!(!output.starts_with('\u{fffd}'), "it begins within a character");
    assert_eq!((&long["output_bytes"], &long["output_is_cut"]), (&json!(200_010), &json!(true)));
    let short = home.json(["show", "short", "--json"]);
    assert_eq!((&short["output_bytes"], &short["output_is_cut"]), (&json!(12), &json!(false)));
    let silent = home.json(["show", "silent", "--json"]);
    assert_eq!((&silent["output"], &silent["output_is_cut"]), (&json!(""), &json!(false)));
}
