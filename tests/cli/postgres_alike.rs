//! Every command prints on PostgreSQL what it prints on SQLite.

use super::postgres::{home, without_times};
use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};

trials![
    every_command_prints_what_it_prints_on_sqlite if Postgres,
];

/// What a person types in the course of a day.
const DAY: [&str; 54] = [
    "queuectl status",
    "queuectl status --json",
    "queuectl list",
    "queuectl list --json",
    "queuectl show ghost",
    "queuectl dlq list",
    "queuectl dlq clear",
    "queuectl worker list",
    "queuectl worker stop",
    "queuectl worker start --drain",
    "queuectl enqueue 'echo out; echo err >&2' --id good --max-retries 0",
    "queuectl enqueue --id good true",
    "queuectl enqueue --id 'white space' true",
    r#"queuectl enqueue '{"id":"json","command":"echo $NAME","max_retries":2,"env":{"NAME":"value"}}'"#,
    "printf '{\"id\":\"one\",\"command\":\"true\"}\\n{\"id\":\"good\",\"command\":\"true\"}\\n' >jobs; \
     queuectl enqueue --file jobs",
    "queuectl enqueue --file jobs --skip-existing",
    "queuectl enqueue --id bad --max-retries 1 'echo oops >&2; exit 3'",
    "queuectl enqueue --id worse --max-retries 0 --priority 7 --timeout 1m -- sh -c 'kill -9 $$'",
    "queuectl enqueue --id later --delay 1h true",
    "queuectl enqueue --id ümläut --cwd / 'printf \"\\303\\274 \\000 \\377\"'",
    "queuectl list",
    "queuectl list --state pending",
    "queuectl list --state dead",
    "queuectl list --json",
    "queuectl status",
    "queuectl show later",
    "queuectl show worse --json",
    "queuectl logs good",
    "queuectl cancel later",
    "queuectl cancel later",
    "queuectl cancel ghost",
    "queuectl worker start --drain",
    "queuectl list",
    "queuectl list --json",
    "queuectl status",
    "queuectl show good --json",
    "queuectl show bad",
    "queuectl show bad --json",
    "queuectl logs good",
    "queuectl logs good --stream stderr",
    "queuectl logs ümläut",
    "queuectl logs bad --attempt 1",
    "queuectl dlq list",
    "queuectl dlq list --json",
    "queuectl dlq retry bad",
    "queuectl dlq retry good",
    "queuectl dlq retry ghost",
    "queuectl status --json",
    "queuectl worker start --drain=ready",
    "queuectl dlq clear",
    "queuectl prune --state completed --older-than 0s --dry-run",
    "queuectl prune --state completed --older-than 0s",
    "queuectl list --json",
    "queuectl status --json",
];

/// What a line prints and how it ends, without what differs from run to run.
fn told(home: &Home, spelling: Spelling, line: &str) -> String {
    // An alias belongs to the dispatcher; where another program comes first, it has to stay.
    let spelling = if line.starts_with("queuectl") { spelling } else { Spelling::Dispatched };
    let output = home.typed(spelling, line).assert().get_output().clone();
    let words = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(&home.location().to_string(), "QUEUE");
        let text = text.replace(home.root().to_str().unwrap(), "HOME");
        match serde_json::from_str(&text) {
            Ok(document) => without_times(document).to_string(),
            Err(_) => text.lines().map(|line| format!("{}\n", without_numbers(line))).collect(),
        }
    };
    format!("{line}\n{:?}\n{}{}", output.status.code(), words(&output.stdout), words(&output.stderr))
}

/// Takes times, durations and pids out of a line of words.
fn without_numbers(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let is_pid = words.last().is_some_and(|last| last == "PID");
        let is_time = word.starts_with(|c: char| c.is_ascii_digit())
            && (word.contains(':') || word.matches('-').count() == 2 || word.ends_with("ms"));
        words.push(if is_pid || is_time { "…".into() } else { word.into() });
    }
    words.join(" ")
}

fn every_command_prints_what_it_prints_on_sqlite() {
    both(|spelling| {
        let (sqlite, postgres) = (Home::quick(), home());
        // Both are named, so both are told.
        let database = sqlite.database().display().to_string();
        let sqlite = sqlite.with("QUEUECTL_DATABASE", &database);
        for line in DAY {
            let expected = told(&sqlite, spelling, line);
            assert_eq!(told(&postgres, spelling, line), expected, "{spelling:?}");
        }
    });
}
