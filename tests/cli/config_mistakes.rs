//! Mistakes in a configuration that would otherwise do nothing in silence.

use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, is_match};
use std::fs;

trials![
    a_setting_below_the_aliases_is_an_error_of_check_and_of_use,
    an_alias_cannot_have_the_name_of_a_setting,
    an_unknown_variable_is_warned_of,
    a_known_variable_is_not_warned_of,
    an_alias_that_can_never_be_reached_is_refused,
    a_byte_order_mark_in_the_file_does_no_harm,
];

fn a_setting_below_the_aliases_is_an_error_of_check_and_of_use() {
    both(|spelling| {
        for line in
            ["max-retries = 5", "max_retries = \"5\"", "database = \"/srv/queue.db\"", "log-level = 'DEBUG'"]
        {
            let home = Home::new();
            home.configure(&format!("[alias]\nmine = \"list\"\n{line}\n"));
            let key = line.split(' ').next().unwrap().replace('_', "-");
            for call in [vec!["config", "check"], vec!["enqueue", "true"], vec!["list"]] {
                home.run(spelling, &call).assert().code(1).stdout("").stderr(
                    contains(":3:1:").and(contains(format!("the setting {key} stands below [alias]"))),
                );
            }
            assert!(!home.database().exists());
            // What the hint says can be typed, and mends it.
            home.run(spelling, ["config", "unset", &format!("alias.{key}")]).assert().success();
            home.run(spelling, ["config", "check"]).assert().success();
        }
    });
}

fn an_alias_cannot_have_the_name_of_a_setting() {
    both(|spelling| {
        let home = Home::new();
        for name in ["max-retries", "max_retries", "db-path"] {
            home.run(spelling, ["config", "set", &format!("alias.{name}"), "list"])
                .assert()
                .code(1)
                .stderr(contains("that of a setting"));
        }
        assert!(!home.config_file().exists());
    });
}

fn an_unknown_variable_is_warned_of() {
    both(|spelling| {
        let home = Home::new().with("QUEUECTL_MAX_RETRYS", "9").with("QUEUECTL_COLOUR", "blue");
        for call in [vec!["enqueue", "true"], vec!["list"], vec!["config", "list"], vec!["config", "check"]] {
            let assert = home.run(spelling, &call).assert().success();
            let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
            for name in ["QUEUECTL_MAX_RETRYS", "QUEUECTL_COLOUR"] {
                let warning = format!("queuectl: warning: the variable {name} means nothing");
                assert_eq!(said.matches(&warning).count(), 1, "{call:?}: {said}");
            }
            assert!(said.contains("did you mean QUEUECTL_MAX_RETRIES?"), "{said}");
        }
        home.run(spelling, ["list", "-q"]).assert().success().stderr("");
        let checked = home.json(["config", "check", "--json"]);
        assert_eq!(checked["unknown_variables"].as_array().unwrap().len(), 2, "{checked}");
    });
    // Once, and not once more for each worker.
    let home = Home::quick().with("QUEUECTL_COLOUR", "blue");
    home.enqueue("a", "true");
    let assert = home.queuectl(["worker", "start", "--drain", "--count", "2"]).assert().success();
    let said = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert_eq!(said.matches("QUEUECTL_COLOUR means").count(), 1, "{said}");
    let once = is_match(r"(?s)\A[^\n]*QUEUECTL_COLOUR means[^\n]*\n[^\n]*\n[^\n]*\n\z").unwrap();
    home.queuectl(["config", "set", "alias.mine", "list --state dead"]).assert().success();
    home.queuectl(["mine"]).assert().success().stderr(once);
}

fn a_known_variable_is_not_warned_of() {
    let home = Home::quick();
    home.enqueue_once("a", &format!("{} list -v", env!("CARGO_BIN_EXE_queuectl")));
    home.drain();
    assert!(!home.stdout(["logs", "a"]).contains("means nothing"), "no fact about a job is unknown");
}

fn an_alias_that_can_never_be_reached_is_refused() {
    both(|spelling| {
        let home = Home::new();
        for name in ["list", "enqueue", "help"] {
            home.run(spelling, ["config", "set", &format!("alias.{name}"), "status"])
                .assert()
                .code(1)
                .stderr(contains(format!("the alias {name} could never be reached")));
        }
        assert!(!home.config_file().exists());
        home.configure("[alias]\nlist = \"status\"\nmine = \"status\"\n");
        home.run(spelling, ["config", "check"])
            .assert()
            .code(1)
            .stderr(contains("the alias list can never be reached").and(contains("mine").not()));
        home.run(spelling, ["config", "unset", "alias.list"]).assert().success();
        home.run(spelling, ["config", "check"]).assert().success();
    });
}

fn a_byte_order_mark_in_the_file_does_no_harm() {
    let home = Home::new();
    home.configure("\u{feff}max-retries = 7\r\n");
    home.queuectl(["config", "get", "max-retries"]).assert().success().stdout("7\n");
    home.queuectl(["config", "set", "max-retries", "8"]).assert().success();
    home.queuectl(["config", "get", "max-retries"]).assert().success().stdout("8\n");
    assert!(fs::read_to_string(home.config_file()).unwrap().ends_with("max-retries = 8\r\n"));
}
