//! The location of a queue: what looks like an address and is none makes no file.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use predicates::str::contains;
use std::fs;

trials![
    an_address_that_is_not_quite_a_url_makes_no_file_wherever_it_is_given,
    the_password_of_such_an_address_is_shown_by_nobody,
    a_new_queue_is_made_by_a_path_and_not_by_a_bare_word,
    a_file_of_any_name_that_is_there_is_a_queue,
    the_hint_names_the_form_that_works,
    a_folder_or_configuration_that_no_shell_has_finished_is_not_made,
    a_name_for_the_configuration_is_looked_for_beside_it,
];

/// Addresses with a password, each with something that keeps it from being a URL of ours.
const NOT_QUITE: [&str; 18] = [
    "\"postgres://queue:s3cret@db/q\"",
    "'postgres://queue:s3cret@db/q'",
    "\u{201c}postgres://queue:s3cret@db/q\u{201d}",
    " postgres://queue:s3cret@db/q",
    "postgres://queue:s3cret@db/q\r",
    "postgres://queue:s3cret@db/q\n",
    "postgres:/queue:s3cret@h/d",
    "POSTGRES://queue:s3cret@h/d",
    "postgresql+psycopg2://queue:s3cret@h/d",
    "jdbc:postgresql://h/d?user=queue&password=s3cret",
    "DATABASE_URL=postgres://queue:s3cret@h/d",
    "mysql://queue:s3cret@h/d",
    "redis://:s3cret@h/0",
    "http://queue:s3cret@h/d",
    "host=h dbname=d password=s3cret",
    "host=/run/postgresql dbname=d password='s3 cret'",
    "queue:s3cret@db:5432/q",
    "//queue:s3cret@db/q",
];

/// Texts that are neither a path nor a URL, without a password.
const NEITHER: [&str; 11] = [
    "sqlite:x.db",
    "sqlite:///tmp/x.db",
    "file:x.db?mode=ro",
    ":memory:",
    "~nobody/q.db",
    "$HOME/q.db",
    "${HOME}/q.db",
    "C:\\queue\\q.db",
    "/tmp/queuectl-not-made.db\r",
    "db.example:5432/q",
    "shop",
];

/// What stands in the folder in which the user types, and beside the configuration.
fn files(home: &Home) -> Vec<String> {
    let names = |folder: std::path::PathBuf| {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
    };
    let mut files: Vec<String> =
        names(home.path("")).chain(names(home.queue_folder())).chain(names(home.user_home())).collect();
    files.retain(|name| !name.contains("config.toml"));
    files
}

/// Gives a text in every way in which a location can be given, and looks at what was said.
fn everywhere(text: &str, look: impl Fn(&str)) {
    both(|spelling| {
        let home = Home::new();
        home.configure("");
        let flag =
            |words: &[&str]| home.run(spelling, [&words[..1], &["--database", text], &words[1..]].concat());
        let variable = |words: &[&str]| home.run(spelling, words).env("QUEUECTL_DATABASE", text);
        let mut programs = Vec::new();
        for words in [&["enqueue", "true"][..], &["list"], &["worker", "start", "--drain"], &["doctor"]] {
            programs.push(flag(words));
            programs.push(variable(words));
        }
        programs.push(home.run(spelling, ["move", "--to", text]));
        programs.push(home.run(spelling, ["backup", "--", text]));
        programs.push(home.queuectl(["--database", text, "status"]));
        programs.push(home.run(spelling, ["config", "set", "database", text]));
        for program in programs {
            let assert = program.assert().code(1);
            let output = assert.get_output();
            let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
            look(&said);
            assert_eq!(files(&home), [""; 0], "{text:?} made a file");
        }
        home.configure(&format!("database = {}\n", serde_json::to_string(text).unwrap()));
        for words in [&["enqueue", "true"][..], &["list"], &["config", "check"], &["doctor"]] {
            let assert = home.run(spelling, words).assert().code(1);
            let output = assert.get_output();
            look(&(String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout)));
        }
        assert_eq!(files(&home), [""; 0], "{text:?} made a file");
    });
}

fn an_address_that_is_not_quite_a_url_makes_no_file_wherever_it_is_given() {
    for text in NOT_QUITE.into_iter().step_by(4).chain(NEITHER.into_iter().step_by(3)) {
        everywhere(text, |said| assert!(said.contains("hint: "), "{text:?}: {said}"));
    }
}

fn the_password_of_such_an_address_is_shown_by_nobody() {
    for text in NOT_QUITE {
        let home = Home::new();
        for program in [
            home.queuectl(["enqueue", "--database", text, "true"]),
            home.queuectl(["enqueue", "true"]).env("QUEUECTL_DATABASE", text),
            home.queuectl(["move", "--to", text]),
            home.queuectl(["doctor"]).env("QUEUECTL_DATABASE", text),
            home.queuectl(["config", "set", "database", text]),
        ] {
            let assert = program.assert().code(1);
            let output = assert.get_output();
            let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
            assert!(!said.contains("s3") && !said.contains("cret"), "{text:?}: {said}");
        }
        assert_eq!(files(&home), [""; 0], "{text:?} made a file");
    }
    for text in NEITHER {
        let home = Home::new();
        home.queuectl(["enqueue", "--database", text, "true"]).assert().code(1).stderr(contains("hint: "));
        home.queuectl(["list"]).env("QUEUECTL_DATABASE", text).assert().code(1).stdout("");
        assert_eq!(files(&home), [""; 0], "{text:?} made a file");
    }
}

fn a_new_queue_is_made_by_a_path_and_not_by_a_bare_word() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["enqueue", "--database", "shop", "true"])
            .assert()
            .code(1)
            .stderr(contains("hint: for a new file type `./shop` or `shop.db`"));
        assert_eq!(files(&home), [""; 0]);
        for path in ["./shop", "mail.db", "sub/jobs", "./a:b", "~/mine"] {
            home.run(spelling, ["enqueue", "--database", path, "true"]).assert().success();
        }
        for path in ["shop", "mail.db", "sub/jobs", "a:b", "../home/mine"] {
            assert!(home.path(path).is_file(), "{path}");
        }
    });
}

fn a_file_of_any_name_that_is_there_is_a_queue() {
    let home = Home::new();
    for name in ["shop", "a:b", "'quoted'"] {
        home.queuectl(["enqueue", "--database", &format!("./{name}"), "true"]).assert().success();
        home.queuectl(["--database", name, "enqueue", "true"]).assert().success();
        let listed = home.json(["list", "--json", "--database", name]);
        assert_eq!(listed.as_array().unwrap().len(), 2, "{name}");
        home.queuectl(["status"]).env("QUEUECTL_DATABASE", name).assert().success();
    }
}

fn a_folder_or_configuration_that_no_shell_has_finished_is_not_made() {
    for text in
        ["\"/tmp/q\"", "$HOME/q", "~nobody/q", "/tmp/queuectl-not-made\r", "postgres://me:s3cret@db/q"]
    {
        let home = Home::new();
        for (program, name) in [
            (home.queuectl(["enqueue", "true"]).env("QUEUECTL_HOME", text), "QUEUECTL_HOME: "),
            (home.queuectl(["config", "set", "max-retries", "5", "--config", text]), "--config: "),
            (home.queuectl(["--config", text, "config", "set", "max-retries", "5"]), "--config: "),
            (
                home.queuectl(["config", "set", "max-retries", "5"]).env("QUEUECTL_CONFIG", text),
                "QUEUECTL_CONFIG: ",
            ),
        ] {
            let assert = program.assert().code(1).stderr(contains(name)).stderr(contains("\nhint: "));
            assert!(!String::from_utf8_lossy(&assert.get_output().stderr).contains("s3cret"));
        }
        assert_eq!(files(&home), [""; 0], "{text:?} made a file");
        assert!(!home.queue_folder().exists());
    }
    let home = Home::new();
    home.queuectl(["enqueue", "true"]).env("QUEUECTL_HOME", "~/mine").assert().success();
    assert!(home.user_home().join("mine/queue.db").exists());
    home.queuectl(["--config", "~/my.toml", "config", "set", "max-retries", "5"]).assert().success();
    assert!(home.user_home().join("my.toml").exists());
}

fn a_name_for_the_configuration_is_looked_for_beside_it() {
    let home = Home::new();
    fs::write(home.path("shop"), "").unwrap();
    home.queuectl(["config", "set", "database", "shop"]).assert().code(1).stderr(contains("./shop"));
    home.queuectl(["config", "set", "database", "./shop"]).assert().success();
    home.queuectl(["enqueue", "true"]).assert().success();
    assert!(home.queue_folder().join("shop").exists());
    home.queuectl(["config", "set", "database", "shop"]).assert().success();
    home.queuectl(["list"]).assert().success();
}

fn the_hint_names_the_form_that_works() {
    let home = Home::new();
    for (text, hint) in [
        ("POSTGRES://me@h/d", "`postgres://me@h/d`"),
        ("jdbc:postgresql://h:5432/d", "`postgres://h:5432/d`"),
        ("\"postgres://me@h/d\"", "`postgres://me@h/d`"),
        ("sqlite:///var/x.db", "`/var/x.db`"),
        ("postgres:/h/d", "`postgres://USER@HOST/DATABASE`"),
        ("mysql://h/d", "`postgres://USER@HOST/DATABASE`"),
    ] {
        for spelling in [Spelling::Dispatched, Spelling::Direct] {
            home.run(spelling, ["list", "--database", text]).assert().code(1).stderr(contains(hint));
            home.run(spelling, ["list"])
                .env("QUEUECTL_DATABASE", text)
                .assert()
                .code(1)
                .stderr(contains(hint));
        }
    }
}
