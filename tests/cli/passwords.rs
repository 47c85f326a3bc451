//! Passwords: who may say them where, and that nobody repeats them.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both, seconds};
use assert_cmd::assert::Assert;
use predicates::str::contains;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

trials![
    a_password_in_a_flag_is_refused_by_every_program,
    a_password_before_the_name_of_a_command_is_refused,
    a_password_is_not_typed_into_the_configuration,
    a_file_with_a_password_is_its_owners_alone,
    check_names_the_line_of_a_password_that_others_can_read,
    a_change_leaves_a_file_with_a_password_private,
    a_password_is_shown_by_nobody,
    a_password_in_a_variable_is_taken,
    a_server_that_cannot_be_reached_is_named_without_a_password,
    a_server_that_never_answers_is_given_up_in_time,
    how_long_to_wait_for_a_server_has_bounds,
];

const WITH_PASSWORD: [&str; 3] = [
    "postgres://me:topsecret@db.invalid:5433/q",
    "postgres://me@db.invalid:5433/q?password=topsecret",
    "postgres://me@db.invalid:5433/q?p%61ssword=topsecret",
];
const WITHOUT: &str = "postgres://me@db.invalid:5433/q";

/// What was said on both streams, in which no password may be.
fn said(assert: &Assert) -> String {
    let output = assert.get_output();
    let said =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    assert!(!said.contains("topsecret"), "{said}");
    said
}

fn refused(assert: Assert) {
    let assert = assert.code(1).stdout("");
    let said = said(&assert);
    for word in [WITHOUT, "hint", "~/.pgpass", "PGPASSWORD", "QUEUECTL_DATABASE", "`queuectl config path`"] {
        assert!(said.contains(word), "{word} in {said}");
    }
}

/// Writes a configuration file with these permissions.
fn configure(home: &Home, text: &str, mode: u32) {
    home.configure(text);
    fs::set_permissions(home.config_file(), Permissions::from_mode(mode)).unwrap();
}

fn mode(home: &Home) -> u32 {
    fs::metadata(home.config_file()).unwrap().permissions().mode() & 0o777
}

fn a_password_in_a_flag_is_refused_by_every_program() {
    both(|spelling| {
        let home = Home::new();
        for arguments in [
            vec!["enqueue", "true"],
            vec!["list"],
            vec!["status", "--json"],
            vec!["show", "a"],
            vec!["logs", "a"],
            vec!["cancel", "a"],
            vec!["worker", "start"],
            vec!["worker", "stop"],
            vec!["dlq", "list"],
            vec!["prune", "--state", "completed", "--older-than", "7d"],
            vec!["backup", "copy.db"],
            vec!["doctor"],
            vec!["config", "get", "max-retries"],
            vec!["config", "path"],
        ] {
            let (name, rest) = arguments.split_at(1);
            let flag = &["--database", WITH_PASSWORD[0]];
            refused(home.run(spelling, [name, flag, rest].concat()).assert());
        }
        for url in WITH_PASSWORD {
            refused(home.run(spelling, ["list", &format!("--database={url}")]).assert());
        }
        assert!(!home.queue_folder().exists());
    });
}

fn a_password_before_the_name_of_a_command_is_refused() {
    let home = Home::new();
    for url in WITH_PASSWORD {
        for words in [vec!["list"], vec!["start"], vec!["no-such-command"], vec!["config", "check"]] {
            refused(home.queuectl(["--database", url]).args(words).assert());
        }
    }
    // An extension of the user's gets it no more than ours do.
    home.queuectl(["--database", WITHOUT, "config", "get", "database"])
        .assert()
        .stdout(format!("{WITHOUT}\n"));
}

fn a_password_is_not_typed_into_the_configuration() {
    both(|spelling| {
        let home = Home::new();
        for url in WITH_PASSWORD {
            refused(home.run(spelling, ["config", "set", "database", url]).assert());
            refused(home.run(spelling, ["config", "set", "db_path", url, "--json"]).assert());
            refused(home.run(spelling, ["config", "set", "--key", "database", "--value", url]).assert());
        }
        refused(home.queuectl(["config-set", "--key", "db-path", "--value", WITH_PASSWORD[0]]).assert());
        assert!(!home.config_file().exists());
        home.run(spelling, ["config", "set", "database", WITHOUT]).assert().success();
        home.run(spelling, ["config", "get", "database"]).assert().success().stdout(format!("{WITHOUT}\n"));
    });
}

fn a_file_with_a_password_is_its_owners_alone() {
    both(|spelling| {
        for url in WITH_PASSWORD {
            let home = Home::new();
            let file = home.config_file().display().to_string();
            configure(&home, &format!("max-retries = 4\ndatabase = \"{url}\"\n"), 0o644);
            for arguments in [vec!["list"], vec!["enqueue", "true"], vec!["config", "get", "max-retries"]] {
                let assert = home.run(spelling, &arguments).assert().code(1).stdout("");
                let said = said(&assert);
                assert!(said.contains(&format!("{file}:2:12: ")), "{said}");
                assert!(said.contains(&format!("`chmod 600 {file}`")), "{said}");
            }
            for open in [0o640, 0o604, 0o620, 0o602, 0o610] {
                configure(&home, &format!("database = \"{url}\"\n"), open);
                home.run(spelling, ["config", "get", "database"]).assert().code(1);
            }
            // The hint can be typed.
            home.typed(Spelling::Dispatched, &format!("chmod 600 {file}")).assert().success();
            let assert = home.run(spelling, ["config", "get", "database"]).assert().success();
            assert_eq!(said(&assert), format!("{WITHOUT}\n"));
        }
    });
    let home = Home::new();
    configure(&home, &format!("database = \"{WITHOUT}\"\n"), 0o644);
    home.queuectl(["config", "get", "database"]).assert().success();
}

fn check_names_the_line_of_a_password_that_others_can_read() {
    let home = Home::new();
    configure(
        &home,
        &format!("max-retries = 4\ndatabase = '{}'\nworker-count = 0\n", WITH_PASSWORD[0]),
        0o644,
    );
    let assert = home.queuectl(["config", "check"]).assert().code(1).stderr(contains("worker-count"));
    let hint = format!("hint: take the file from them with `chmod 600 {}`", home.config_file().display());
    assert!(said(&assert).contains(&hint));
    let assert = home.queuectl(["config", "check", "--json"]).assert().code(1);
    said(&assert);
    let document: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!((&document["problems"][0]["line"], &document["problems"][1]["line"]), (&2.into(), &3.into()));
}

fn a_change_leaves_a_file_with_a_password_private() {
    both(|spelling| {
        let home = Home::new();
        let text = format!("database = '{}' # ours\n", WITH_PASSWORD[0]);
        configure(&home, &text, 0o600);
        said(&home.run(spelling, ["config", "set", "max-retries", "5"]).assert().success());
        assert_eq!(fs::read_to_string(home.config_file()).unwrap(), format!("{text}max-retries = 5\n"));
        assert_eq!(mode(&home), 0o600);
        said(&home.run(spelling, ["config", "unset", "database"]).assert().success());
        assert_eq!(fs::read_to_string(home.config_file()).unwrap(), "max-retries = 5\n");
    });
}

fn a_password_is_shown_by_nobody() {
    both(|spelling| {
        for url in WITH_PASSWORD {
            let home = Home::new();
            configure(&home, &format!("database = \"{url}\"\n"), 0o600);
            for (arguments, shows) in [
                (vec!["config", "get", "database"], true),
                (vec!["config", "get", "db-path", "--json"], true),
                (vec!["config", "list"], true),
                (vec!["config", "list", "--origin"], true),
                (vec!["config", "list", "--json"], true),
                (vec!["config", "check"], false),
                (vec!["config", "path", "--json"], false),
            ] {
                let assert = home.run(spelling, &arguments).args(["-v"]).assert().success();
                assert_eq!(said(&assert).contains(WITHOUT), shows, "{arguments:?}");
            }
        }
    });
}

fn a_password_in_a_variable_is_taken() {
    both(|spelling| {
        for url in WITH_PASSWORD {
            let home = Home::new().with("QUEUECTL_DATABASE", url);
            let assert = home.run(spelling, ["config", "get", "database"]).assert().success();
            assert_eq!(said(&assert), format!("{WITHOUT}\n"));
            // A weaker place keeps its rules all the same.
            configure(&home, &format!("database = \"{url}\"\n"), 0o644);
            said(&home.run(spelling, ["config", "get", "database"]).assert().code(1));
        }
    });
}

fn a_server_that_cannot_be_reached_is_named_without_a_password() {
    both(|spelling| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        drop(listener);
        let home = Home::new();
        configure(&home, &format!("database = \"postgres://me:topsecret@{host}/q?schema=s\"\n"), 0o600);
        for arguments in
            [vec!["list"], vec!["enqueue", "true"], vec!["worker", "start", "--drain"], vec!["doctor", "-v"]]
        {
            let assert = home.run(spelling, &arguments).env("PGPASSWORD", "topsecret").assert().code(1);
            let said = said(&assert);
            assert!(said.contains(&host) && said.contains("Connection refused"), "{arguments:?}: {said}");
        }
    });
}

fn a_server_that_never_answers_is_given_up_in_time() {
    // Accepted by the system, and by nobody else.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let home = Home::new().with("QUEUECTL_CONNECT_TIMEOUT", "1s");
    let wait_for = |url: &str, at_most_s| {
        let began = Instant::now();
        let assert = home.queuectl(["list", "--database", url]).assert().code(1).stderr(contains(&host));
        let said = said(&assert);
        assert!(said.contains("no answer within"), "{said}");
        assert!(began.elapsed() < seconds(at_most_s), "{:?}", began.elapsed());
    };
    wait_for(&format!("postgres://{host}/q"), 9);
    // Stronger than the setting.
    let home = Home::new();
    let assert = home
        .queuectl(["list", "--database", &format!("postgres://{host}/q?connect_timeout=2")])
        .assert()
        .code(1);
    assert!(said(&assert).contains("no answer within 2 s"));
}

fn how_long_to_wait_for_a_server_has_bounds() {
    let home = Home::new();
    home.queuectl(["config", "get", "connect-timeout"]).assert().stdout("10\n");
    for value in ["0", "999ms", "61m", "-1", "soon"] {
        let assert = home.queuectl(["config", "set", "connect-timeout", value]).assert().code(1);
        assert!(said(&assert).contains("a duration from 1s to 1h"));
    }
    for value in ["1s", "1h", "2.5"] {
        home.queuectl(["config", "set", "connect_timeout", value]).assert().success();
    }
}
