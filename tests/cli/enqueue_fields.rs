//! What `queuectl enqueue` takes as a time, a size and a field, and what it refuses.

use super::enqueue::is_untouched;
use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use serde_json::Value;

trials![
    a_unit_with_two_meanings_is_refused_everywhere_with_both_spellings,
    a_time_in_json_counts,
    a_printed_job_keeps_its_delay,
    what_was_meant_as_json_is_refused_at_once,
];

fn a_unit_with_two_meanings_is_refused_everywhere_with_both_spellings() {
    both(|spelling| {
        let home = Home::new();
        for (line, code) in [
            ("enqueue --delay 5M true", 2),
            ("enqueue true --timeout 5M", 2),
            (r#"enqueue '{"command":"x","delay":"5M"}'"#, 1),
            (r#"enqueue '{"command":"x","timeout":"1h 5M"}'"#, 1),
            ("prune --state completed --older-than 5M", 2),
            ("status --watch --interval 5M", 2),
            ("worker start --poll-interval 5M", 1),
            ("config set job-timeout 5M", 1),
            ("config set kill-grace '5 M'", 1),
        ] {
            home.typed(spelling, &format!("queuectl {line}"))
                .assert()
                .code(code)
                .stderr(contains("5m for minutes").and(contains("5months")));
        }
        home.typed(spelling, "queuectl config set output-limit 1M")
            .assert()
            .code(1)
            .stderr(contains("1MB").and(contains("1MiB")));
        is_untouched(&home);
        home.configure("job-timeout = \"5M\"\n");
        home.run(spelling, ["config", "check"]).assert().code(1).stderr(contains("5months"));
    });
}

/// What is printed of a job.
fn printed(home: &Home, id: &str) -> Value {
    home.json(["show", id, "--json"])
}

fn a_time_in_json_counts() {
    both(|spelling| {
        let home = Home::quick();
        for (id, time) in [("later", "2130-01-01T00:00:00Z"), ("past", "2020-01-01T00:00:00+02:00")] {
            let json = format!(r#"{{"id":"{id}","command":"true","run_at":"{time}"}}"#);
            home.run(spelling, ["enqueue", &json]).assert().success();
        }
        let json = r#"{"id":"flag","command":"true","run_at":"2130-01-01T00:00:00Z"}"#;
        home.run(spelling, ["enqueue", json, "--delay", "0"]).assert().success();
        let line = r#"{"id":"file","command":"true","run_at":"2130-01-01T00:00:00Z"}"#;
        home.run(spelling, ["enqueue", "--file", "-"]).write_stdin(line).assert().success();
        home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
        let states = ["later", "file", "past", "flag"].map(|id| home.state(id));
        assert_eq!(states, [State::Pending, State::Pending, State::Completed, State::Completed]);
        for id in ["later", "file"] {
            assert_eq!(printed(&home, id)["run_at"], "2130-01-01T00:00:00.000Z");
        }
    });
}

fn a_printed_job_keeps_its_delay() {
    let home = Home::new().with("QUEUECTL_BACKOFF_BASE", "3600");
    home.queuectl(["enqueue", "true", "--id", "delayed", "--delay", "9h"]).assert().success();
    home.enqueue("fails", "false");
    home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
    assert_eq!(home.state("fails"), State::Failed);
    for id in ["delayed", "fails"] {
        let before = printed(&home, id);
        assert!(before["run_at"].is_string());
        for json in
            [before.to_string(), home.json(["list", "--json"])[usize::from(id == "fails")].to_string()]
        {
            let other = Home::new();
            other.queuectl(["enqueue", &json]).assert().success();
            assert_eq!(printed(&other, id)["run_at"], before["run_at"]);
        }
    }
}

fn what_was_meant_as_json_is_refused_at_once() {
    both(|spelling| {
        let home = Home::new();
        for (text, said) in [
            ("{'command':'sleep 2'}", "double quotes"),
            ("{“command”:“sleep 2”}", "curly"),
            (r#"[{"command":"true"}]"#, "--file"),
            (r#"["ls","-l"]"#, "enqueue -- prog"),
            ("{command:date}", "have quotes"),
            ("“make all”", "straight quotes"),
            (r#"{"cmd":"date"}"#, "did you mean \"command\"?"),
        ] {
            home.run(spelling, ["enqueue", text])
                .assert()
                .code(1)
                .stdout("")
                .stderr(contains("hint: ").and(contains(said)));
        }
        // As a shell splits them without quotes.
        home.typed(spelling, r#"queuectl enqueue {"command":"sleep 2"}"#).assert().code(1);
        home.typed(spelling, "queuectl enqueue “make all”").assert().code(1);
        is_untouched(&home);
        home.run(spelling, ["enqueue", "--shell", "--id", "a", "{'command':'x'}"]).assert().success();
        assert_eq!(home.job("a").command.as_str(), "{'command':'x'}");
    });
}
