//! What a person sees in a terminal of 80 and of 60 columns.

use crate::support::terminal::{Shown, Terminal};
use crate::support::trials::trials;
use crate::support::{Home, Spelling};
use queuectl_core::State;
use serde_json::json;

trials![
    a_list_fits_whatever_is_in_it,
    a_list_says_when_what_waits_is_due,
    a_list_says_how_long_what_runs_has_been_running,
    the_dead_are_listed_with_a_reason_that_can_be_read,
    a_status_says_how_to_see_what_runs,
    a_list_shows_numbers_and_ends_of_ids_that_can_be_typed,
    times_are_local_and_short,
    every_table_fits,
];

const WIDTHS: [u16; 2] = [80, 60];

fn show(home: &Home, arguments: &[&str], columns: u16) -> Shown {
    Terminal::run(home.command(Spelling::Dispatched, arguments), columns).wait()
}

/// A queue with everything that makes a list wide.
fn with_wide_jobs() -> Home {
    let home = Home::quick();
    home.enqueue_all([
        json!({"command": format!("echo {}", "long ".repeat(100))}),
        json!({"command": "echo 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字"}),
        json!({"id": "x".repeat(128), "command": "true"}),
        json!({"id": "dies", "command": "echo 'a reason that is long '$(seq 30) >&2; exit 3", "max_retries": 0}),
        json!({"id": "short", "command": "true"}),
    ]);
    home.drain();
    home.enqueue_all([
        json!({"id": "later", "command": "true", "delay": "3h", "max_retries": 1_000_000}),
        json!({"id": "now", "command": "true"}),
    ]);
    home
}

fn a_list_fits_whatever_is_in_it() {
    let home = with_wide_jobs();
    for columns in WIDTHS.into_iter().chain([40, 20, 200]) {
        let shown = show(&home, &["list"], columns).assert_success();
        shown.assert_nothing_wraps();
        assert_eq!(shown.lines().len(), 8, "{}", shown.written);
        if columns >= 60 {
            for (line, state) in shown.lines()[1..].iter().zip(["completed"; 3]) {
                assert!(line.contains(state), "{line}");
            }
        }
    }
    // What is short leaves its room to the command.
    let narrow = Home::quick();
    narrow.enqueue("a", &"word ".repeat(40));
    let command = |columns| {
        let lines = show(&narrow, &["list"], columns).lines();
        lines[1].matches("word").count()
    };
    assert!(command(80) > command(60) && command(60) >= 4, "{} and {}", command(80), command(60));
}

fn a_list_says_when_what_waits_is_due() {
    let home = with_wide_jobs();
    for columns in WIDTHS {
        let shown = show(&home, &["list", "--state", "pending"], columns).assert_success();
        let lines = shown.lines();
        assert!(lines[0].ends_with("When"), "{}", lines[0]);
        assert!(lines[1].ends_with("in 2 h 59 m") || lines[1].ends_with("in 3 h"), "{}", lines[1]);
        assert!(lines[2].contains("pending") && !lines[2].contains("in "), "{}", lines[2]);
    }
    let piped = home.stdout(["list", "--state", "pending"]);
    let [header, later, now] = piped.lines().collect::<Vec<_>>()[..] else { panic!("{piped}") };
    assert!(header.ends_with("Due At"), "{header}");
    let due = home.json(["show", "later", "--json"])["run_at"].as_str().unwrap().to_owned();
    assert!(later.ends_with(&format!("{}Z", due[..19].replace('T', " "))), "{later} {due}");
    assert!(now.len() < later.len(), "{now}");
}

fn a_list_says_how_long_what_runs_has_been_running() {
    let home = Home::quick();
    home.enqueue("runs", "until [ -e go ]; do sleep 0.05; done");
    home.enqueue("waits", "true");
    let _worker = home.worker([""; 0]);
    home.wait_for("runs", State::Processing);
    for columns in WIDTHS {
        for verb in ["list", "ps"] {
            let shown = show(&home, &[verb], columns).assert_success();
            let lines = shown.lines();
            assert!(lines[0].ends_with("When"), "{}", lines[0]);
            let (_, time) = lines[1].split_once("for ").unwrap_or_else(|| panic!("{}", lines[1]));
            assert!(time.ends_with(" s"), "{}", lines[1]);
            assert_eq!(lines.len(), if verb == "ps" { 2 } else { 3 });
        }
        let shown = show(&home, &["list", "--state", "pending"], columns).assert_success();
        assert!(!shown.written.contains("When"), "{}", shown.written);
    }
    // In a pipe the column has due times only.
    assert!(!home.stdout(["ps"]).contains("for "), "{}", home.stdout(["ps"]));
    home.make_file("go");
}

fn the_dead_are_listed_with_a_reason_that_can_be_read() {
    let home = Home::quick();
    let command = "echo begins to do what it has to do; no-such-program-here --with several --flags";
    home.enqueue_all([json!({"command": command, "max_retries": 0})]);
    home.drain();
    for columns in WIDTHS {
        let shown = show(&home, &["dlq", "list"], columns).assert_success();
        shown.assert_nothing_wraps();
        let line = &shown.lines()[1];
        assert!(line.contains("no-such-program-here: ") && line.contains("not "), "{line}");
        assert!(!line.contains("/bin/sh") && line.contains("echo "), "{line}");
    }
    let wide = show(&home, &["dlq", "list"], 200).assert_success();
    assert!(wide.lines()[1].ends_with("not found (exit code 127)"), "{}", wide.written);
    let piped = home.stdout(["dlq", "list"]);
    assert!(piped.contains("exit code 127: ") && piped.contains(command), "{piped}");
}

fn a_status_says_how_to_see_what_runs() {
    let home = Home::quick();
    home.enqueue("runs", "until [ -e go ]; do sleep 0.05; done");
    let mut worker = home.worker(["--drain"]);
    home.wait_for("runs", State::Processing);
    let hint = "hint: see what runs with `queuectl list --state processing`\n";
    home.queuectl(["status"]).assert().success().stderr(hint);
    home.queuectl(["status", "-q"]).assert().success().stderr("");
    home.queuectl(["status", "--json"]).assert().success().stderr("");
    home.make_file("go");
    worker.wait_for_success();
    home.queuectl(["status"]).assert().success().stderr("");
}

fn a_list_shows_numbers_and_ends_of_ids_that_can_be_typed() {
    let home = with_wide_jobs();
    for columns in WIDTHS {
        let shown = show(&home, &["list"], columns);
        let lines = shown.lines();
        assert!(lines[0].starts_with("No  ID"), "{}", lines[0]);
        for line in &lines[1..] {
            let [number, id] = line.split_whitespace().take(2).collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let by_number = home.json(["show", number, "--json"]);
            assert_eq!(home.json(["show", id, "--json"])["id"], by_number["id"], "{line}");
        }
    }
    let piped = home.stdout(["list"]);
    assert!(piped.starts_with("ID "), "{piped}");
    assert!(piped.contains(&"x".repeat(128)), "{piped}");
}

fn times_are_local_and_short() {
    let home = Home::quick();
    home.enqueue("a", "true");
    let created = home.json(["show", "a", "--json"])["created_at"].as_str().unwrap().to_owned();
    let created: jiff::Timestamp = created.parse().unwrap();
    // Where it is today in one of them, it may be yesterday in another.
    for (zone, hours) in [("<+07>-7", 7), ("<-05>5", -5)] {
        let local = created.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(hours)));
        let mut command = home.command(Spelling::Dispatched, ["list"]);
        command.env("TZ", zone);
        let shown = Terminal::run(command, 80).wait().assert_success();
        let time = local.strftime("%H:%M:%S").to_string();
        let line = &shown.lines()[1];
        assert!(line.ends_with(&time), "{time} in {line}");
        let mut command = home.command(Spelling::Dispatched, ["show", "a"]);
        command.env("TZ", zone);
        let shown = Terminal::run(command, 80).wait().assert_success();
        let time = local.strftime("%Y-%m-%d %H:%M:%S (").to_string();
        assert!(shown.written.contains(&time), "{time} in {}", shown.written);
    }
}

fn every_table_fits() {
    let home = with_wide_jobs();
    home.queuectl([
        "config",
        "set",
        "alias.today",
        "list --state completed --limit 1000000 --database elsewhere",
    ])
    .assert()
    .success();
    let worker = home.worker(["--count", "2"]);
    home.wait_for("now", State::Completed);
    for columns in WIDTHS {
        for arguments in [
            vec!["dlq", "list"],
            vec!["worker", "list"],
            vec!["status"],
            vec!["--list"],
            vec!["list", "--limit", "2"],
        ] {
            let shown = show(&home, &arguments, columns).assert_success();
            shown.assert_nothing_wraps();
            assert!(shown.lines().len() >= 2, "{arguments:?}: {}", shown.written);
        }
        let shown = show(&home, &["show", "dies"], columns).assert_success();
        let lines = shown.lines();
        let attempts = lines.iter().skip_while(|line| !line.starts_with("Attempts"));
        for line in attempts {
            assert!(line.len() <= usize::from(columns) + 8, "{line}");
        }
    }
    drop(worker);
    let far = format!("{}/queue.db", "a-folder-with-a-long-name/".repeat(4).trim_end_matches('/'));
    for columns in WIDTHS {
        for verb in ["status", "list"] {
            let shown = show(&home, &["--database", &far, verb], columns).assert_success();
            let first = &shown.lines()[usize::from(verb == "status")];
            assert!(first.starts_with("Queue ") && first.ends_with("long-name/queue.db"), "{first}");
            assert!(first.chars().count() <= usize::from(columns), "{first}");
        }
    }
}
