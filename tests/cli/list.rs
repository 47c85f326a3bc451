//! `queuectl list`.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, both, wait_until};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use serde_json::{Value, json};
use std::io::Read as _;
use std::process::Stdio;

trials![
    an_empty_queue_prints_an_empty_array,
    reading_an_empty_queue_makes_nothing,
    json_is_one_array_and_nothing_else,
    json_has_every_documented_field,
    states_can_be_repeated_and_are_taken_in_any_case,
    nothing_is_cut_without_a_limit,
    a_limit_takes_the_newest,
    the_newest_can_come_first,
    jobs_are_found_by_what_is_known_of_them,
    jobs_are_found_by_when_they_were_added,
    what_no_job_can_be_is_refused,
    a_pipe_is_not_padded_by_one_long_command,
    a_long_id_is_shown_whole,
    a_pipe_gets_no_colour,
    a_reader_that_leaves_ends_it_quietly,
    words_go_to_standard_error,
    absurd_limits_are_refused,
];

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

/// A home with so many jobs, `job-0` and so on.
fn with_jobs(count: usize) -> Home {
    let home = Home::quick();
    home.enqueue_all((0..count).map(|n| json!({"id": format!("job-{n}"), "command": "true"})));
    home
}

fn an_empty_queue_prints_an_empty_array() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["list", "--json"]).assert().success().stdout("[]\n");
        home.run(spelling, ["list", "--state", "dead", "--json"]).assert().success().stdout("[]\n");
        home.enqueue("a", "true");
        home.run(spelling, ["list", "--state", "dead", "--json"]).assert().success().stdout("[]\n");
    });
}

fn reading_an_empty_queue_makes_nothing() {
    both(|spelling| {
        let home = Home::new();
        for arguments in [
            vec!["list"],
            vec!["status"],
            vec!["status", "--json"],
            vec!["dlq", "list"],
            vec!["config", "list"],
            vec!["worker", "list"],
            vec!["prune", "--state", "completed", "--older-than", "7d"],
            vec!["dlq", "clear"],
            vec!["dlq", "retry", "--all"],
        ] {
            home.run(spelling, &arguments).assert().success();
            assert!(!home.queue_folder().exists(), "{arguments:?} made something");
        }
        for arguments in
            [vec!["show", "a"], vec!["logs", "a"], vec!["dlq", "retry", "a"], vec!["cancel", "a"]]
        {
            home.run(spelling, &arguments).assert().code(4).stderr(contains("there is no job a"));
            assert!(!home.queue_folder().exists(), "{arguments:?} made something");
        }
    });
}

fn json_is_one_array_and_nothing_else() {
    let home = with_jobs(3);
    let output = home.queuectl(["list", "--json"]).assert().success();
    let list: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(ids(&list), ["job-0", "job-1", "job-2"]);
    assert!(output.get_output().stderr.is_empty());
}

fn json_has_every_documented_field() {
    let home = Home::quick();
    home.enqueue_once("a", "exit 3");
    home.drain();
    let job = &home.json(["list", "--json"])[0];
    for (field, value) in [
        ("id", json!("a")),
        ("command", json!("exit 3")),
        ("state", json!("dead")),
        ("attempts", json!(1)),
        ("max_retries", json!(0)),
        ("exit_code", json!(3)),
        ("next_retry_at", json!(null)),
    ] {
        assert_eq!(job[field], value, "{field}");
    }
    for time in ["created_at", "updated_at", "started_at", "finished_at"] {
        let text = job[time].as_str().unwrap_or_else(|| panic!("{time} in {job}"));
        assert!(text.parse::<jiff::Timestamp>().is_ok() && text.ends_with('Z'), "{time}: {text}");
    }
}

fn states_can_be_repeated_and_are_taken_in_any_case() {
    both(|spelling| {
        let home = Home::with_one_of_each();
        let list = |states: &[&str]| {
            let flags = states.iter().flat_map(|state| ["--state", state]);
            let output = home.run(spelling, ["list", "--json"].into_iter().chain(flags)).assert().success();
            ids(&serde_json::from_slice(&output.get_output().stdout).unwrap())
        };
        assert_eq!(list(&["dead", "completed"]), ["good", "bad"]);
        assert_eq!(list(&["Pending"]), ["waits"]);
        assert_eq!(list(&["failed"]), [""; 0]);
    });
}

fn nothing_is_cut_without_a_limit() {
    let home = with_jobs(2500);
    assert_eq!(ids(&home.json(["list", "--json"])).len(), 2500);
    assert_eq!(home.stdout(["list"]).lines().count(), 2501);
}

fn a_pipe_is_not_padded_by_one_long_command() {
    let home = Home::quick();
    home.enqueue("long", &"x".repeat(900));
    home.enqueue_all((0..5000).map(|n| json!({"id": format!("job-{n}"), "command": "true"})));
    let listed = home.stdout(["list"]);
    assert_eq!(listed.lines().count(), 5002);
    assert!(listed.len() < 800_000, "{} bytes", listed.len());
}

fn a_limit_takes_the_newest() {
    both(|spelling| {
        let home = with_jobs(20);
        let output = home.run(spelling, ["list", "--limit", "3", "--json"]).assert().success();
        let list: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        assert_eq!(ids(&list), ["job-17", "job-18", "job-19"]);
        for state in ["pending", "dead"] {
            let arguments = ["list", "--state", state, "--limit", "1000000", "--json"];
            let output = home.run(spelling, arguments).assert().success();
            let list: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
            assert_eq!(ids(&list).len(), if state == "dead" { 0 } else { 20 });
        }
    });
}

/// The ids that `list` prints with these flags; a table has the same.
fn listed(home: &Home, flags: &[&str]) -> Vec<String> {
    let of_json = ids(&home.json(["list", "--json"].iter().chain(flags)));
    let table = home.stdout(["list"].iter().chain(flags));
    let of_table: Vec<&str> =
        table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(of_table, of_json, "{flags:?}");
    of_json
}

fn the_newest_can_come_first() {
    let home = with_jobs(2100);
    let newest: Vec<String> = (0..2100).rev().map(|n| format!("job-{n}")).collect();
    assert_eq!(listed(&home, &["--reverse"]), newest);
    assert_eq!(listed(&home, &["--reverse", "--limit", "1500"]), newest[..1500]);
    assert_eq!(listed(&home, &["--reverse", "--state", "dead"]), [""; 0]);
}

fn jobs_are_found_by_what_is_known_of_them() {
    let home = Home::quick();
    home.enqueue_all([
        json!({"id": "good", "command": "true"}),
        json!({"id": "three", "command": "exit 3", "max_retries": 0, "queue": "mail"}),
        json!({"id": "four", "command": "exit 4", "max_retries": 0, "queue": "mail-in"}),
        json!({"id": "killed", "command": "kill -KILL $$", "max_retries": 0, "queue": "video"}),
    ]);
    home.drain();
    home.enqueue("waits", "echo 100% [x]");
    for (flags, wanted) in [
        (&["--queue", "mail"][..], &["three"][..]),
        (&["--queue", "mail*", "--queue", "video"], &["three", "four", "killed"]),
        (&["--queue", "none"], &[]),
        (&["--command", "exit"], &["three", "four"]),
        (&["--command", "Exit"], &[]),
        (&["--command", "*it ?"], &["three", "four"]),
        (&["--command", "0% [x"], &["waits"]),
        (&["--exit", "0"], &["good"]),
        (&["--exit", "3", "--exit", "SIGKILL"], &["three", "killed"]),
        (&["--exit", "kill"], &["killed"]),
        (&["--exit", "3", "--exit", "4", "--queue", "mail-*"], &["four"]),
        (&["--state", "dead", "--command", "*", "--reverse"], &["killed", "four", "three"]),
        (&["--state", "dead", "--queue", "mail*", "--limit", "1"], &["four"]),
        (&["--state", "pending", "--queue", "default"], &["waits"]),
    ] {
        assert_eq!(listed(&home, flags), wanted, "{flags:?}");
    }
    home.queuectl(["list", "--queue", "none"]).assert().success().stdout("").stderr("No jobs that match\n");
    home.queuectl(["list", "--state", "dead", "--exit", "9"])
        .assert()
        .success()
        .stdout("")
        .stderr("No dead jobs that match\n");
}

fn jobs_are_found_by_when_they_were_added() {
    let home = Home::quick();
    home.enqueue("old", "true");
    let created = |id: &str| home.json(["show", id, "--json"])["created_at"].as_str().unwrap().to_owned();
    let old = created("old");
    wait_until(DEADLINE, "the clock goes on", || {
        home.enqueue("new", "true");
        let is_later = created("new") > old;
        if !is_later {
            home.queuectl(["cancel", "new"]).assert().success();
            home.queuectl(["prune", "new"]).assert().success();
        }
        is_later
    });
    let new = created("new");
    for (flags, wanted) in [
        (&["--since", &new][..], &["new"][..]),
        (&["--until", &new], &["old"]),
        (&["--since", &old, "--until", &new], &["old"]),
        (&["--since", &old], &["old", "new"]),
        (&["--since", "1h"], &["old", "new"]),
        (&["--until", "1h"], &[]),
        (&["--since", "2020-01-01", "--until", "2020-01-01 10:00"], &[]),
        (&["--since", "2020-01-01"], &["old", "new"]),
    ] {
        assert_eq!(listed(&home, flags), wanted, "{flags:?}");
    }
}

fn what_no_job_can_be_is_refused() {
    both(|spelling| {
        let home = with_jobs(1);
        for (flags, said) in [
            (&["--exit", "256"][..], "exit codes are 0 to 255"),
            (&["--exit", "-1"], "exit codes are 0 to 255"),
            (&["--exit", "TREM"], "did you mean TERM?"),
            (&["--command", ""], "the pattern is empty"),
            (&["--queue", "a*b"], "contains `*`"),
            (&["--queue", ""], "is empty"),
            (&["--since", "yesterday"], "expected a date such as"),
            (&["--since", "20261122"], "write 2026-11-22"),
            (&["--until", "5M"], "can be meant both ways"),
            (&["--since", "1h", "--until", "2h"], "`--since` is later than `--until`"),
            (&["--since", "2026-11-22", "--until", "2026-11-21"], "`--since` is later than `--until`"),
            (&["--state", "ded"], "did you mean `dead`?"),
        ] {
            for form in [&[][..], &["--json"]] {
                let arguments = ["list"].iter().chain(flags).chain(form);
                home.run(spelling, arguments).assert().code(2).stdout("").stderr(contains(said));
            }
        }
    });
}

fn a_long_id_is_shown_whole() {
    let home = Home::new();
    let id = "x".repeat(128);
    home.enqueue(&id, &"y".repeat(500));
    home.queuectl(["list"]).env("COLUMNS", "40").assert().success().stdout(contains(id));
}

fn a_pipe_gets_no_colour() {
    let home = with_jobs(1);
    for arguments in [vec!["list"], vec!["status"], vec!["list", "--json"], vec!["show", "job-0"]] {
        home.queuectl(&arguments)
            .env("CLICOLOR_FORCE", "1")
            .assert()
            .success()
            .stdout(contains("\u{1b}").not())
            .stderr(contains("\u{1b}").not());
    }
}

fn a_reader_that_leaves_ends_it_quietly() {
    let home = with_jobs(5000);
    for arguments in [vec!["list", "--json"], vec!["list"]] {
        let mut child = home
            .command(crate::support::Spelling::Dispatched, &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert!(output.status.code().is_some_and(|code| code == 0), "{:?}", output.status);
    }
    // As it is typed.
    home.typed(crate::support::Spelling::Dispatched, "queuectl list --json | head -c 1")
        .assert()
        .success()
        .stdout("[")
        .stderr("");
}

fn words_go_to_standard_error() {
    let home = Home::new();
    let none = "There is no queue at ";
    home.queuectl(["list"]).assert().success().stdout("").stderr(contains(none).and(contains("queue.db")));
    home.enqueue("a", "true");
    home.queuectl(["list", "--state", "dead"]).assert().success().stdout("").stderr("No dead jobs\n");
    home.queuectl(["-q", "list", "--state", "dead"]).assert().success().stdout("").stderr("");
}

fn absurd_limits_are_refused() {
    both(|spelling| {
        let home = with_jobs(1);
        for limit in ["0", "-1", "many", "1.5", "99999999999999999999999"] {
            home.run(spelling, ["list", "--limit", limit]).assert().code(2);
        }
        home.run(spelling, ["list", "--limit", &u64::MAX.to_string()]).assert().success();
    });
}
