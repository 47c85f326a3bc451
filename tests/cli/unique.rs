//! `queuectl enqueue --unique`: of each key one job at a time.

use super::unreadable::{in_file, on_server};
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, is_match};
use queuectl_core::State;
use serde_json::{Value, json};

trials![
    a_duplicate_is_left_out_and_the_first_job_is_printed,
    a_duplicate_that_is_to_fail_names_the_job_that_has_the_key,
    a_duplicate_replaces_what_waits_and_not_what_runs,
    a_window_outlives_the_job_and_also_its_deletion,
    the_same_is_said_in_json,
    a_file_counts_what_was_kept_and_adds_nothing_if_one_is_to_fail,
    a_key_that_cannot_be_one_is_refused,
    a_dead_job_whose_key_is_taken_stays_dead,
    a_job_that_is_set_aside_gives_its_key_back,
    the_same_is_said_on_a_server if Postgres,
    keys_survive_a_move_and_a_backup,
];

fn kept(home: &Home, arguments: &[&str]) -> Value {
    let arguments = ["enqueue", "--json"].iter().chain(arguments);
    home.json(arguments)
}

fn a_duplicate_is_left_out_and_the_first_job_is_printed() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["enqueue", "true", "--id", "first", "--unique", "site"])
            .assert()
            .success()
            .stdout("Job added with ID: first\n");
        home.run(spelling, ["enqueue", "--unique", "site", "false"])
            .assert()
            .success()
            .stdout("Job kept with ID: first\n")
            .stderr(
                is_match("^already queued: job first has had the key site since 2.*; it is pending\n$")
                    .unwrap(),
            );
        home.run(spelling, ["enqueue", "-q", "--unique", "site", "false"])
            .assert()
            .success()
            .stdout("first\n")
            .stderr("");
        assert_eq!(home.counts().total(), 1);
        home.run(spelling, ["enqueue", "true", "--unique", "other"]).assert().success();
        home.run(spelling, ["show", "first"]).assert().stdout(is_match("unique key +: site").unwrap());
        home.drain();
        home.run(spelling, ["enqueue", "true", "--id", "second", "--unique", "site"])
            .assert()
            .success()
            .stdout("Job added with ID: second\n");
    });
}

fn a_duplicate_that_is_to_fail_names_the_job_that_has_the_key() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["enqueue", "true", "--id", "first", "--unique", "site"]).assert().success();
        home.run(spelling, ["enqueue", "true", "--unique", "site", "--on-duplicate", "fail"])
            .assert()
            .code(1)
            .stdout("")
            .stderr(
                contains("job first has the unique key site already")
                    .and(contains("hint: see it with `queuectl show first`")),
            );
        assert_eq!(home.counts().total(), 1);
    });
}

fn a_duplicate_replaces_what_waits_and_not_what_runs() {
    let home = Home::quick();
    let replace = |command: &str| {
        home.queuectl(["enqueue", command, "--unique", "site", "--on-duplicate", "replace"])
            .assert()
            .success()
    };
    home.queuectl(["enqueue", "false", "--id", "a", "--unique", "site", "--delay", "1h"]).assert().success();
    replace("touch begun; until [ -e go ]; do sleep 0.05; done").stdout("Job replaced with ID: a\n").stderr(
        contains("already queued: job a has had the key site since ").and(contains(", and is changed")),
    );
    let _worker = home.worker(["--poll-interval", "1h"]);
    home.wait_for_file("begun");
    replace("false").stdout("Job kept with ID: a\n").stderr(contains("it is processing, and is not changed"));
    home.make_file("go");
    home.wait_for("a", State::Completed);
    assert_eq!(home.counts().total(), 1);
}

fn a_window_outlives_the_job_and_also_its_deletion() {
    let home = Home::quick();
    home.queuectl(["enqueue", "true", "--id", "a", "--unique", "k", "--unique-for", "1h"]).assert().success();
    home.drain();
    home.queuectl(["enqueue", "--unique", "k", "true"])
        .assert()
        .success()
        .stdout("Job kept with ID: a\n")
        .stderr(
            is_match("^already queued: job a is completed, and has the key k from 2.* until 2.*\n$").unwrap(),
        );
    home.queuectl(["prune", "a"]).assert().success();
    home.queuectl(["enqueue", "true", "--unique", "k"])
        .assert()
        .success()
        .stdout("Job kept with ID: a\n")
        .stderr(contains("already queued: job a, which is deleted, keeps the key k until 2"));
    let gone = kept(&home, &["true", "--unique", "k"]);
    assert_eq!(gone, json!({"id": "a", "unique": "k", "skipped": false, "existing": true}));
    home.queuectl(["doctor"]).assert().stdout(contains("keys: the unique keys are those of the jobs"));
}

fn the_same_is_said_in_json() {
    let home = Home::new();
    let job =
        json!({"id": "a", "command": "true", "unique": "k", "unique_for": "1h", "on_duplicate": "keep"});
    let added = kept(&home, &[&job.to_string()]);
    assert_eq!(
        (&added["unique"], &added["existing"], &added["skipped"]),
        (&"k".into(), &false.into(), &false.into())
    );
    let again = kept(&home, &[&job.to_string()]);
    assert_eq!((&again["id"], &again["existing"]), (&"a".into(), &true.into()));
    let plain = kept(&home, &["true"]);
    assert_eq!((&plain["unique"], &plain["existing"]), (&Value::Null, &false.into()));
    assert_eq!(home.json(["show", "a", "--json"])["unique"], "k");
    assert_eq!(home.json(["list", "--json"])[0]["unique"], "k");
    // A printed job can be enqueued again elsewhere, with its key.
    let other = Home::new();
    other.queuectl(["enqueue", &added.to_string()]).assert().success();
    assert_eq!(other.job("a").unique_key.unwrap().as_str(), "k");
}

fn a_file_counts_what_was_kept_and_adds_nothing_if_one_is_to_fail() {
    both(|spelling| {
        let home = Home::new();
        let line = |id: &str, key: &str, what: &str| {
            json!({"id": id, "command": "true", "unique": key, "on_duplicate": what}).to_string()
        };
        let file = |lines: &[String]| {
            let program = home.run(spelling, ["enqueue", "--file", "-"]);
            program.write_stdin(lines.join("\n")).assert()
        };
        file(&[line("a", "x", "keep"), line("b", "y", "keep"), line("c", "x", "keep")])
            .success()
            .stdout("Jobs added: 2, kept: 1\n");
        file(&[line("d", "x", "replace"), line("e", "z", "keep"), line("f", "y", "keep")])
            .success()
            .stdout("Jobs added: 1, kept: 1, replaced: 1\n");
        file(&[line("g", "new", "keep"), line("h", "x", "fail")])
            .code(1)
            .stdout("")
            .stderr(contains("standard input, line 2: job a has the unique key x already"));
        file(&[line("g", "new", "keep"), line("h", "new", "fail")])
            .code(1)
            .stderr(contains("line 2: the unique key new is on line 1 already"));
        assert_eq!(home.counts().total(), 3);
        let printed = home
            .run(spelling, ["enqueue", "--json", "--file", "-"])
            .write_stdin([line("i", "x", "keep"), line("j", "j", "keep")].join("\n"))
            .assert()
            .success();
        let printed: Value = serde_json::from_slice(&printed.get_output().stdout).unwrap();
        let expected = json!({"added": 1, "skipped": 0, "skipped_ids": [], "kept": 1, "replaced": 0});
        assert_eq!(printed, expected);
    });
}

fn a_key_that_cannot_be_one_is_refused() {
    both(|spelling| {
        let home = Home::new();
        let long = "x".repeat(513);
        for (arguments, code, said) in [
            (&["true", "--unique", ""][..], 2, "the unique key is empty"),
            (&["true", "--unique", &long], 2, "has 513 bytes; at most 512 are allowed"),
            (&["true", "--unique", "a b"], 2, "white space and invisible characters are not allowed"),
            (&["true", "--unique", "k", "--on-duplicate", "drop"], 2, "keep, replace, fail"),
            (&["true", "--unique", "k", "--unique-for", "5M"], 2, "5m for minutes"),
            (&["true", "--unique-for", "1h"], 1, "the job says unique_for and has no unique key"),
            (&["true", "--on-duplicate", "fail"], 1, "the job says on_duplicate and has no unique key"),
            (&[r#"{"command":"x","unique":"a\nb"}"#], 1, "the field unique: "),
            (&[r#"{"command":"x","unique":7}"#], 1, "the field unique: expected a text"),
            (&[r#"{"command":"x","unique":"k","on_duplicate":"drop"}"#], 1, "expected keep, replace or fail"),
        ] {
            let arguments = ["enqueue"].iter().chain(arguments);
            home.run(spelling, arguments).assert().code(code).stdout("").stderr(contains(said));
        }
        super::enqueue::is_untouched(&home);
    });
}

fn dead_with_its_key_taken(home: &Home) {
    for id in ["a", "b"] {
        let job = ["enqueue", "false", "--id", id, "--unique", id, "--max-retries", "0"];
        home.queuectl(job).assert().success();
    }
    home.drain();
    home.queuectl(["enqueue", "true", "--id", "new", "--unique", "a"]).assert().success();
}

fn a_dead_job_whose_key_is_taken_stays_dead() {
    both(|spelling| {
        let home = Home::quick();
        dead_with_its_key_taken(&home);
        home.run(spelling, ["dlq", "retry", "a"]).assert().code(1).stdout("").stderr(
            contains("job a stays dead: job new has its unique key a")
                .and(contains("hint: see it with `queuectl show new`")),
        );
        home.run(spelling, ["dlq", "retry", "--all"])
            .assert()
            .success()
            .stdout("1 job is pending again; 1 stays dead, since another job has its unique key\n");
        assert_eq!((home.state("a"), home.state("b")), (State::Dead, State::Pending));
        home.drain();
        let all = home.json(["dlq", "retry", "--all", "--json"]);
        let expected = json!({"retried": 2, "key_taken": 0, "no_longer_fit": 0, "dry_run": false});
        assert_eq!(all, expected, "its key is free again");
    });
}

fn a_job_that_is_set_aside_gives_its_key_back() {
    is_given_back(&Home::quick(), in_file);
}

fn is_given_back(home: &Home, change: fn(&Home, &str)) {
    home.queuectl(["enqueue", "true", "--id", "bad", "--unique", "k"]).assert().success();
    change(home, "UPDATE job SET command = ' '");
    home.drain();
    assert_eq!(home.state("bad"), State::Dead);
    home.queuectl(["enqueue", "true", "--id", "good", "--unique", "k"])
        .assert()
        .success()
        .stdout("Job added with ID: good\n");
    home.queuectl(["doctor"]).assert().stdout(contains("keys: the unique keys are those of the jobs"));
}

fn the_same_is_said_on_a_server() {
    let home = Home::quick().on_server(Server::shared());
    is_given_back(&home, on_server);
    home.drain();
    dead_with_its_key_taken(&home);
    home.queuectl(["dlq", "retry", "a"]).assert().code(1).stderr(contains("job new has its unique key a"));
    home.queuectl(["enqueue", "true", "--unique", "a"])
        .assert()
        .success()
        .stdout("Job kept with ID: new\n")
        .stderr(contains("already queued: job new has had the key a since "));
    home.queuectl(["enqueue", "false", "--unique", "a", "--on-duplicate", "replace"])
        .assert()
        .success()
        .stdout("Job replaced with ID: new\n");
    assert_eq!(home.job("new").command.as_str(), "false");
    // A worker ends it with the careful plan, and the key is free.
    home.queuectl(["enqueue", "true", "--unique", "a", "--on-duplicate", "replace"]).assert().success();
    home.drain();
    assert_eq!(home.state("new"), State::Completed);
    home.queuectl(["dlq", "retry", "a"]).assert().success();
    on_server(&home, "UPDATE unique_key SET is_held = 0");
    home.queuectl(["doctor"])
        .assert()
        .code(1)
        .stdout(contains("1 jobs that are not at rest do not have their unique keys"));
}

fn keys_survive_a_move_and_a_backup() {
    let home = Home::quick();
    home.queuectl(["enqueue", "true", "--id", "a", "--unique", "k"]).assert().success();
    let (copy, new) = (home.path("copy.db"), home.path("new.db"));
    let (copy, new) = (copy.to_str().unwrap(), new.to_str().unwrap());
    home.queuectl(["backup", copy]).assert().success();
    home.queuectl(["move", "--to", new, "--verify"]).assert().success();
    for place in [copy, new] {
        home.queuectl(["--database", place, "enqueue", "true", "--unique", "k"])
            .assert()
            .success()
            .stdout("Job kept with ID: a\n");
    }
}
