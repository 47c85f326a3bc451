//! `queuectl config`.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, both, wait_until};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

trials![
    the_strongest_layer_wins_and_says_so,
    set_keeps_comments_and_order,
    set_writes_nothing_it_cannot_read_back,
    two_that_set_at_once_lose_nothing,
    unset_returns_to_the_default,
    the_file_is_private_and_nothing_is_left_beside_it,
    a_broken_file_names_file_and_line_everywhere,
    a_broken_file_does_not_lock_the_user_out,
    an_unknown_key_in_the_file_is_an_error_and_not_a_default,
    a_bad_value_in_the_file_names_its_line,
    a_bad_variable_is_named,
    an_unreadable_file_is_an_error,
    check_reports_every_problem,
    path_prints_the_file_even_if_it_is_not_there,
    list_json_has_origin_unit_and_description,
    another_file_can_be_named,
    a_relative_database_starts_at_the_file,
    the_queue_lives_in_a_dot_folder_if_there_is_one,
    the_queue_lives_in_the_platforms_folders_otherwise,
    zero_is_a_value,
    each_setting_has_an_effect,
    negative_values_are_refused_as_content,
];

fn the_strongest_layer_wins_and_says_so() {
    both(|spelling| {
        let home = Home::new();
        let origin = |home: &Home| {
            let output = home.run(spelling, ["config", "list", "--origin"]).assert().success();
            let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
            text.lines().find(|line| line.starts_with("  max-retries: ")).unwrap().to_owned()
        };
        assert!(origin(&home).contains("  max-retries: 3") && origin(&home).contains("default"));
        home.run(spelling, ["config", "set", "max-retries", "5"]).assert().success();
        let line = origin(&home);
        assert!(line.contains(": 5") && line.contains("config.toml"), "{line}");
        let home = home.with("QUEUECTL_MAX_RETRIES", "7");
        let line = origin(&home);
        assert!(line.contains(": 7") && line.contains("QUEUECTL_MAX_RETRIES"), "{line}");
    });
}

fn set_keeps_comments_and_order() {
    both(|spelling| {
        let home = Home::new();
        home.configure("# mine\npoll-interval = \"4s\" # slow\n\n[alias]\nls = \"list\"\n");
        home.run(spelling, ["config", "set", "max-retries", "5"]).assert().success();
        home.run(spelling, ["config", "set", "poll-interval", "1"]).assert().success();
        let text = fs::read_to_string(home.config_file()).unwrap();
        assert!(text.starts_with("# mine\npoll-interval = ") && text.contains("# slow"), "{text}");
        assert!(text.contains("[alias]\nls = \"list\"\n"), "{text}");
        home.queuectl(["config", "get", "max-retries"]).assert().stdout("5\n");
        home.queuectl(["config", "get", "poll-interval"]).assert().stdout("1\n");
    });
}

fn set_writes_nothing_it_cannot_read_back() {
    both(|spelling| {
        let home = Home::new();
        for (key, value) in [
            ("max-retries", "-1"),
            ("max-retries", "99999999999999999999"),
            ("max-retries", ""),
            ("backoff-base", "-2"),
            ("backoff-base", "NaN"),
            ("poll-interval", "0"),
            ("poll-interval", "-1s"),
            ("poll-interval", "soon"),
            ("worker-count", "0"),
            ("worker-count", "100000"),
            ("output-limit", "many"),
            ("log-level", "loud"),
        ] {
            home.run(spelling, ["config", "set", key, value])
                .assert()
                .code(1)
                .stderr(contains(format!("queuectl: error: `{value}` is not a value of {key}; expected ")));
        }
        assert!(!home.config_file().exists());
    });
}

fn two_that_set_at_once_lose_nothing() {
    let home = Home::new();
    let keys = ["max-retries", "worker-count", "crash-limit", "concurrency", "kill-grace", "busy-timeout"];
    thread::scope(|scope| {
        for key in keys {
            let home = &home;
            scope.spawn(move || {
                for value in 1..=5 {
                    home.queuectl(["config", "set", key, &value.to_string()]).assert().success();
                }
            });
        }
    });
    for key in keys {
        home.queuectl(["config", "get", key]).assert().success().stdout("5\n");
    }
}

fn unset_returns_to_the_default() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["config", "set", "max-retries", "9"]).assert().success();
        home.run(spelling, ["config", "unset", "max_retries"]).assert().success();
        home.run(spelling, ["config", "get", "max-retries"]).assert().stdout("3\n");
    });
}

fn the_file_is_private_and_nothing_is_left_beside_it() {
    let home = Home::new();
    for value in ["1", "2"] {
        home.queuectl(["config", "set", "max-retries", value]).assert().success();
    }
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(home.queue_folder()), mode(home.config_file())), (0o700, 0o600));
    let strange: Vec<String> = fs::read_dir(home.queue_folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "config.toml" && !name.contains("lock"))
        .collect();
    assert_eq!(strange, [""; 0]);
}

const BROKEN: &str = "max-retries = 5\npoll-interval = = 2\n";

fn a_broken_file_names_file_and_line_everywhere() {
    both(|spelling| {
        for arguments in [
            vec!["list"],
            vec!["status"],
            vec!["enqueue", "true"],
            vec!["worker", "start"],
            vec!["config", "get", "max-retries"],
            vec!["config", "list"],
            vec!["config", "set", "max-retries", "1"],
        ] {
            let home = Home::new();
            home.configure(BROKEN);
            home.run(spelling, &arguments)
                .assert()
                .code(1)
                .stdout("")
                .stderr(contains(home.config_file().to_str().unwrap()))
                .stderr(predicates::str::is_match(r"(?i)(line |:)2\b").unwrap());
            assert_eq!(fs::read_to_string(home.config_file()).unwrap(), BROKEN);
            assert!(!home.database().exists(), "{arguments:?} made a queue");
        }
    });
}

fn a_broken_file_does_not_lock_the_user_out() {
    let home = Home::new();
    home.configure(BROKEN);
    home.queuectl(["config", "path"]).assert().success();
    home.queuectl(["config", "check"]).assert().code(1).stderr(contains("config.toml:2:"));
    home.queuectl(["--version"]).assert().success();
    home.queuectl(["help"]).assert().success();
    home.queuectl(["help", "enqueue"]).assert().success();
    home.queuectl(["--list"]).assert().success().stdout(contains("enqueue"));
    // An alias may be what was typed, so here the file is needed.
    home.queuectl(["start"]).assert().code(1).stderr(contains("config.toml:2:"));
}

fn an_unknown_key_in_the_file_is_an_error_and_not_a_default() {
    both(|spelling| {
        let home = Home::new();
        home.configure("\nmax-retires = 5\n");
        home.run(spelling, ["list"])
            .assert()
            .code(1)
            .stderr(contains("config.toml:2:1: there is no setting `max-retires`"));
    });
}

fn a_bad_value_in_the_file_names_its_line() {
    both(|spelling| {
        for value in
            ["max-retries = -1", "max-retries = \"many\"", "poll-interval = \"soon\"", "max-retries = 1.5"]
        {
            let home = Home::new();
            home.configure(&format!("# one\n# two\n{value}\n"));
            home.run(spelling, ["status"])
                .assert()
                .code(1)
                .stderr(contains("config.toml"))
                .stderr(predicates::str::is_match(r"(?i)(line |:)3\b").unwrap());
        }
    });
}

fn a_bad_variable_is_named() {
    both(|spelling| {
        let home = Home::new().with("QUEUECTL_MAX_RETRIES", "many");
        home.run(spelling, ["enqueue", "true"]).assert().code(1).stderr(contains("QUEUECTL_MAX_RETRIES"));
        assert!(!home.queue_folder().exists());
    });
}

fn an_unreadable_file_is_an_error() {
    let home = Home::new();
    fs::create_dir_all(home.config_file()).unwrap();
    home.queuectl(["list"]).assert().code(1).stderr(contains("config.toml"));
    let missing = home.path("missing.toml");
    home.queuectl(["--config", missing.to_str().unwrap(), "list"])
        .assert()
        .code(1)
        .stderr(contains("missing.toml"));
}

fn check_reports_every_problem() {
    let home = Home::new();
    home.queuectl(["config", "check"]).assert().success();
    home.configure("max-retires = 5\nworker-count = 0\nlog-level = \"loud\"\n");
    home.queuectl(["config", "check"])
        .assert()
        .code(1)
        .stderr(contains("max-retires").and(contains("worker-count")).and(contains("log-level")));
    let output = home.direct(["config", "check", "--json"]).assert().code(1);
    let document: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!(document["problems"].as_array().unwrap().len(), 3, "{document}");
}

fn path_prints_the_file_even_if_it_is_not_there() {
    both(|spelling| {
        let home = Home::new();
        let path = format!("{}\n", home.config_file().display());
        home.run(spelling, ["config", "path"]).assert().success().stdout(path);
        assert!(!home.queue_folder().exists());
    });
}

fn list_json_has_origin_unit_and_description() {
    let home = Home::new();
    let list = home.json(["config", "list", "--json"]);
    let entry = list.as_array().unwrap().iter().find(|entry| entry["key"] == "max-retries").unwrap();
    assert_eq!((&entry["value"], &entry["origin"]), (&3.into(), &"default".into()));
    assert!(entry["description"].as_str().is_some_and(|text| text.len() > 20));
}

fn another_file_can_be_named() {
    both(|spelling| {
        let home = Home::new();
        fs::write(home.path("other.toml"), "max-retries = 8\n").unwrap();
        home.run(spelling, ["config", "get", "max-retries", "--config", "other.toml"])
            .assert()
            .success()
            .stdout("8\n");
        home.run(spelling, ["config", "get", "max-retries"])
            .env("QUEUECTL_CONFIG", home.path("other.toml"))
            .assert()
            .stdout("8\n");
    });
    let home = Home::new();
    fs::write(home.path("other.toml"), "max-retries = 8\n").unwrap();
    home.queuectl(["--config", "other.toml", "config", "get", "max-retries"]).assert().stdout("8\n");
}

fn a_relative_database_starts_at_the_file() {
    both(|spelling| {
        let home = Home::new();
        home.configure("database = \"sub/jobs.db\"\n");
        let database = home.queue_folder().join("sub/jobs.db");
        for folder in [home.path("."), home.user_home()] {
            home.run(spelling, ["config", "get", "db-path"])
                .current_dir(folder)
                .assert()
                .stdout(format!("{}\n", database.display()));
        }
        home.run(spelling, ["enqueue", "true"]).assert().success();
        assert!(database.exists());
        // A flag is typed here, so it starts here.
        home.run(spelling, ["enqueue", "--database", "here.db", "true"]).assert().success();
        assert!(home.path("here.db").exists());
    });
}

fn the_queue_lives_in_a_dot_folder_if_there_is_one() {
    let home = Home::new();
    fs::create_dir(home.user_home().join(".queuectl")).unwrap();
    home.queuectl(["enqueue", "true"]).env_remove("QUEUECTL_HOME").assert().success();
    assert!(home.user_home().join(".queuectl/queue.db").exists());
}

fn the_queue_lives_in_the_platforms_folders_otherwise() {
    let home = Home::new();
    let data = home.root().join("data");
    for id in ["a", "b"] {
        home.queuectl(["enqueue", "--id", id, "true"])
            .env_remove("QUEUECTL_HOME")
            .env("XDG_DATA_HOME", &data)
            .env("XDG_CONFIG_HOME", home.root().join("config"))
            // Never the current folder.
            .current_dir(if id == "a" { home.path(".") } else { home.user_home() })
            .assert()
            .success();
    }
    assert!(data.join("queuectl/queue.db").exists());
    assert_eq!(fs::read_dir(home.path(".")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(home.user_home()).unwrap().count(), 0);
}

fn zero_is_a_value() {
    let home = Home::new();
    for key in ["max-retries", "backoff-base", "job-timeout", "output-limit", "kill-grace"] {
        home.queuectl(["config", "set", key, "0"]).assert().success();
        home.queuectl(["config", "get", key]).assert().success().stdout("0\n");
    }
    home.enqueue("a", "true");
    assert_eq!(home.job("a").max_retries, 0);
}

fn each_setting_has_an_effect() {
    let home = Home::new();
    let settings = [
        ("max-retries", "1"),
        ("backoff-base", "0"),
        ("poll-interval", "50ms"),
        ("worker-count", "2"),
        ("concurrency", "2"),
        ("job-timeout", "1s"),
        ("kill-grace", "100ms"),
        ("output-limit", "0"),
    ];
    for (key, value) in settings {
        home.queuectl(["config", "set", key, value]).assert().success();
    }
    // Hangs: ends by job-timeout, is retried at once and once, and dies.
    home.enqueue("hangs", "echo words; trap '' TERM; sleep 1000");
    let _worker = home.worker([""; 0]);
    wait_until(DEADLINE, "two workers", || home.worker_pids().len() == 2);
    let workers = home.json(["worker", "list", "--json"]);
    assert!(workers.as_array().unwrap().iter().all(|worker| worker["concurrency"] == 2), "{workers}");
    home.wait_for("hangs", queuectl_core::State::Dead);
    let attempts = home.attempts("hangs");
    assert_eq!(attempts.len(), 2);
    assert!(attempts.iter().all(|attempt| attempt.outcome == Some(queuectl_core::Outcome::Timeout)));
    home.queuectl(["logs", "hangs"]).assert().stdout("");
}

fn negative_values_are_refused_as_content() {
    let home = Home::new();
    home.run(Spelling::Direct, ["config", "set", "--key", "max-retries", "--value", "-3"]).assert().code(1);
    home.run(Spelling::Dispatched, ["config-set", "--key", "max-retries", "--value", "-3"]).assert().code(1);
}
