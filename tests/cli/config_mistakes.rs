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
    what_a_variable_is_like_is_told_by_what_is_its_own,
    a_known_variable_is_not_warned_of,
    an_alias_that_can_never_be_reached_is_refused,
    an_alias_that_can_never_work_is_refused,
    an_alias_that_is_typed_otherwise_says_so,
    what_is_typed_in_the_form_of_others_leads_on,
    a_location_that_is_set_is_told_with_what_is_there,
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

fn what_a_variable_is_like_is_told_by_what_is_its_own() {
    for (name, meant) in [
        ("QUEUECTL_DB", Some("QUEUECTL_DATABASE")),
        ("QUEUECTL_WORKERS", Some("QUEUECTL_WORKER_COUNT")),
        ("QUEUECTL_HOMES", Some("QUEUECTL_HOME")),
        ("QUEUECTL_FOO", None),
        ("QUEUECTL_RUNS", None),
    ] {
        let hint = match meant {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("take it away with `unset {name}`"),
        };
        Home::new().with(name, "x").queuectl(["list"]).assert().success().stderr(contains(hint));
    }
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

fn an_alias_that_can_never_work_is_refused() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["config", "set", "alias.foo", "bar --json"]).assert().success();
        for (name, line, part) in [
            ("bar", "foo", "leads back to itself: bar → foo → bar"),
            ("self", "self", "leads back to itself: self → self"),
            ("q", "queuectl list", "`queuectl config set alias.q list`"),
            ("q", "-v list", "begins with an option"),
        ] {
            home.run(spelling, ["config", "set", &format!("alias.{name}"), line])
                .assert()
                .code(1)
                .stderr(contains(format!("the alias {name} can never work")).and(contains(part)));
            home.run(spelling, ["config", "get", &format!("alias.{name}")]).assert().code(4);
        }
        home.configure(
            "[alias]\nfoo = 'bar'\nbar = 'foo'\nq = 'queuectl list'\nv = '-v list'\nok = 'list'\n",
        );
        let told = ["bar", "foo", "q", "v"].map(|name| format!("the alias {name} can never work"));
        let [a, b, c, d] = told.map(contains);
        home.run(spelling, ["config", "check"])
            .assert()
            .code(1)
            .stderr(a.and(b).and(c).and(d).and(contains("alias ok").not()));
        // The others work all the same.
        home.queuectl(["ok"]).assert().success();
    });
}

fn an_alias_that_is_typed_otherwise_says_so() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["config", "set", "alias.a_b", "list"])
            .assert()
            .success()
            .stdout("alias.a-b = list\n")
            .stderr("It is typed `queuectl a-b`\n");
        home.run(spelling, ["config", "set", "alias.a-b", "list"]).assert().success().stderr("");
        home.queuectl(["a-b"]).assert().success();
    });
}

fn what_is_typed_in_the_form_of_others_leads_on() {
    both(|spelling| {
        let home = Home::new();
        for (words, code, lead) in [
            (&["get", "alias"][..], 4, "as `alias.NAME`; see them all with `queuectl config list`"),
            (&["set", "alias", "x"], 1, "as `alias.NAME`"),
            (&["get", "workers"], 4, "did you mean `worker-count`?"),
            (&["set", "max-retries=4"], 2, "did you mean `queuectl config set max-retries 4`?"),
            (
                &["set", "alias.old=list --state dead"],
                2,
                "did you mean `queuectl config set alias.old 'list --state dead'`?",
            ),
        ] {
            home.run(spelling, [&["config"], words].concat()).assert().code(code).stderr(contains(lead));
        }
        assert!(!home.config_file().exists());
    });
}

fn a_location_that_is_set_is_told_with_what_is_there() {
    both(|spelling| {
        let home = Home::new();
        let place = home.queue_folder().join("other.db").display().to_string();
        let set = |value: &str| home.run(spelling, ["config", "set", "database", value]).assert().success();
        set("./other.db").stderr(contains(format!("There is no queue at {place} yet")));
        home.run(spelling, ["enqueue", "true"])
            .assert()
            .success()
            .stderr(contains(format!("Made a new queue at {place}\n")));
        home.run(spelling, ["enqueue", "true"]).assert().success().stderr(contains("Made a new").not());
        set("./other.db").stderr(contains(format!("The queue is at {place}\n")));
        set(&place).stderr(contains("queue is at").not().and(contains("no queue").not()));
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
