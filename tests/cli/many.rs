//! Jobs that are meant by what they have in common: `cancel`, `hold`, `release`, `dlq retry`,
//! `dlq clear`, `prune`, and `dlq list`.

use crate::support::terminal::Terminal;
use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use serde_json::{Value, json};

trials![
    those_that_match_are_cancelled_and_no_others,
    a_cancel_of_many_needs_an_agreement_where_nobody_can_be_asked,
    a_person_is_asked_before_what_cannot_be_undone,
    those_that_run_are_ended_and_waited_for,
    those_that_match_are_held_and_released,
    dead_ones_that_match_are_retried,
    dead_ones_that_match_are_listed_and_deleted,
    old_ones_that_match_are_deleted,
    a_dry_run_says_what_would_be_and_changes_nothing,
    where_none_matches_exits_4,
    ids_and_conditions_exclude_each_other,
    many_jobs_are_done_in_steps,
];

/// Three jobs of one queue and two of another.
fn with_two_queues() -> Home {
    let home = Home::quick();
    let job = |id, queue, command| json!({"id": id, "queue": queue, "command": command, "max_retries": 0});
    home.enqueue_all([
        job("a", "mail", "make all"),
        job("b", "mail", "exit 3"),
        job("c", "mail", "exit 4"),
        job("d", "video", "make all"),
        job("e", "video", "exit 3"),
    ]);
    home
}

fn with_dead() -> Home {
    let home = with_two_queues();
    home.queuectl(["cancel", "a", "d"]).assert().success();
    home.drain();
    assert_eq!(home.counts()[State::Dead], 3);
    home
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect()
}

fn those_that_match_are_cancelled_and_no_others() {
    both(|spelling| {
        let home = with_two_queues();
        let command = ["cancel", "--queue", "mail", "--command", "exit*", "--yes"];
        home.run(spelling, command).assert().success().stdout("2 jobs are cancelled\n").stderr("");
        let cancelled = home.json(["list", "--state", "cancelled", "--json"]);
        assert_eq!(ids(&cancelled), ["b", "c"]);
        let done = home.json(["cancel", "--state", "pending", "-y", "--json"]);
        assert_eq!(done, json!({"cancelled": 3, "requested": 0, "no_longer_fit": 0, "dry_run": false}));
        assert_eq!(home.store().check().unwrap(), [""; 0]);
    });
}

fn a_cancel_of_many_needs_an_agreement_where_nobody_can_be_asked() {
    both(|spelling| {
        let home = with_two_queues();
        home.run(spelling, ["cancel", "--queue", "mail"])
            .assert()
            .code(2)
            .stdout("")
            .stderr(contains("nobody is there to answer: Cancel 3 jobs?"))
            .stderr(contains("hint: agree with `--yes`, or see how many they are with `--dry-run`"));
        assert_eq!(home.counts()[State::Pending], 5);
        // Of one that is named nobody is asked.
        home.run(spelling, ["cancel", "a"]).assert().success();
    });
}

fn a_person_is_asked_before_what_cannot_be_undone() {
    let home = with_dead();
    home.enqueue("f", "true");
    let clear = &["dlq", "clear", "--queue", "mail"][..];
    let prune = &["prune", "--state", "cancelled", "--older-than", "0"][..];
    for (command, question, answer, done) in [
        (&["cancel", "--queue", "default"][..], "Cancel 1 job? [y/N] ", "\n", false),
        (clear, "Delete 2 dead jobs? [y/N] ", "no\n", false),
        (clear, "Delete 2 dead jobs? [y/N] ", "Y\n", true),
        (prune, "Delete 2 jobs? [y/N] ", "n\n", false),
        (prune, "Delete 2 jobs? [y/N] ", "yes\n", true),
        (&["cancel", "--queue", "default"], "Cancel 1 job? [y/N] ", "y\n", true),
    ] {
        let before = home.counts();
        let mut terminal = Terminal::run(home.command(Spelling::Dispatched, command), 80);
        terminal.answer(question, answer);
        let shown = terminal.wait();
        assert_eq!(shown.status.success(), done, "{command:?} {answer:?}: {}", shown.written);
        assert_eq!(home.counts() != before, done, "{command:?} {answer:?}");
        assert_eq!(shown.written.contains("nothing was changed"), !done, "{}", shown.written);
    }
    // Who has agreed already, or means none, is not asked.
    for command in [
        &["dlq", "clear", "--yes"][..],
        &["dlq", "clear"],
        &["prune", "--state", "completed", "--older-than", "9d"],
    ] {
        Terminal::run(home.command(Spelling::Dispatched, command), 80).wait().assert_success();
    }
    assert_eq!(home.counts()[State::Dead], 0);
}

fn those_that_run_are_ended_and_waited_for() {
    let home = Home::quick();
    home.enqueue("a", "touch ready; sleep 1000");
    home.enqueue("b", "sleep 1000");
    let _worker = home.worker_in_the_middle("ready");
    home.queuectl(["cancel", "--command", "sleep", "--yes"])
        .assert()
        .success()
        .stdout("2 jobs are cancelled\n");
    assert_eq!(home.counts()[State::Cancelled], 2);
    assert_eq!(home.processes_of("a"), [0; 0]);
    let home = Home::quick();
    home.enqueue("a", "trap '' TERM; touch ready; until [ -e go ]; do sleep 0.05; done");
    home.enqueue("b", "true");
    let _worker = home.worker_in_the_middle("ready");
    home.queuectl(["cancel", "--queue", "*", "--yes", "--no-wait"])
        .assert()
        .success()
        .stdout("1 job is cancelled\n1 job is being cancelled\n");
    assert!(home.job("a").cancel_requested || home.state("a") == State::Cancelled);
}

fn those_that_match_are_held_and_released() {
    both(|spelling| {
        let home = with_two_queues();
        let hold = ["hold", "--queue", "mail"];
        home.run(spelling, hold).assert().success().stdout("3 jobs are held\n");
        home.run(spelling, hold).assert().code(4).stderr(contains("no jobs match"));
        assert_eq!(ids(&home.json(["list", "--held", "--json"])), ["a", "b", "c"]);
        home.drain();
        assert_eq!((home.state("a"), home.state("e")), (State::Pending, State::Dead));
        let released = home.json(["release", "--command", "exit", "--json"]);
        assert_eq!(released, json!({"released": 2, "no_longer_fit": 0, "dry_run": false}));
        home.run(spelling, ["release", "--held"]).assert().success().stdout("1 job is released\n");
        home.run(spelling, ["list", "--held"]).assert().success().stdout("").stderr("No held jobs\n");
        assert_eq!(home.counts().blocked, 0);
    });
}

fn dead_ones_that_match_are_retried() {
    both(|spelling| {
        let home = with_dead();
        let retry = ["dlq", "retry", "--exit", "3"];
        home.run(spelling, retry).assert().success().stdout("2 jobs are pending again\n");
        assert_eq!(
            (home.state("b"), home.state("c"), home.state("e")),
            (State::Pending, State::Dead, State::Pending)
        );
        home.run(spelling, retry).assert().code(4).stderr(contains("no jobs match"));
        home.run(spelling, ["dlq", "retry", "--all", "--queue", "mail"])
            .assert()
            .success()
            .stdout("1 job is pending again\n");
    });
}

fn dead_ones_that_match_are_listed_and_deleted() {
    both(|spelling| {
        let home = with_dead();
        assert_eq!(ids(&home.json(["dlq", "list", "--queue", "mail", "--json"])), ["b", "c"]);
        assert_eq!(ids(&home.json(["dlq", "list", "--exit", "3", "--since", "1h", "--json"])), ["b", "e"]);
        home.run(spelling, ["dlq", "list", "--queue", "none"])
            .assert()
            .success()
            .stderr("No dead jobs that match\n");
        let clear = ["dlq", "clear", "--exit", "3"];
        home.run(spelling, clear).assert().success().stdout("Cleared 2 dead jobs\n");
        home.run(spelling, clear).assert().success().stdout("Cleared 0 dead jobs\n");
        assert_eq!(home.counts()[State::Dead], 1);
    });
}

fn old_ones_that_match_are_deleted() {
    both(|spelling| {
        let home = with_dead();
        let prune = ["prune", "--state", "dead", "--older-than", "0", "--queue", "mail"];
        home.run(spelling, prune).arg("--dry-run").assert().success().stdout("Would delete 2 jobs\n");
        home.run(spelling, prune).assert().success().stdout("Deleted 2 jobs\n");
        assert_eq!(home.counts()[State::Dead], 1);
        assert_eq!(home.store().check().unwrap(), [""; 0]);
    });
}

fn a_dry_run_says_what_would_be_and_changes_nothing() {
    both(|spelling| {
        let home = with_dead();
        home.enqueue("f", "true");
        home.queuectl(["enqueue", "--id", "g", "--hold", "true"]).assert().success();
        let before = home.json(["list", "--json"]);
        for (command, said) in [
            ("cancel --state pending", "2 jobs would be cancelled\n"),
            ("cancel f", "Job f would be cancelled\n"),
            ("hold --queue default", "1 job would be held\n"),
            ("hold f g", "Job f would be held\nJob g would be held\n"),
            ("release --held", "1 job would be released\n"),
            ("release g", "Job g would be released\n"),
            ("dlq retry --exit 3", "2 jobs would be pending again\n"),
            ("dlq retry --all", "3 jobs would be pending again\n"),
            ("dlq retry b", "Job b would be pending again\n"),
        ] {
            let words = command.split(' ').chain(["--dry-run"]);
            home.run(spelling, words).assert().success().stdout(said).stderr("");
        }
        home.run(spelling, ["release", "f", "--dry-run"]).assert().code(1).stderr(contains("only held jobs"));
        home.run(spelling, ["cancel", "ghost", "--dry-run"]).assert().code(4);
        assert_eq!(
            home.json(["cancel", "--state", "pending", "--dry-run", "--json"]),
            json!({"cancelled": 2, "requested": 0, "no_longer_fit": 0, "dry_run": true})
        );
        assert_eq!(home.json(["list", "--json"]), before);
        // Where no queue is, none is made.
        let home = Home::new();
        home.run(spelling, ["cancel", "--queue", "a", "--dry-run"]).assert().code(4);
        assert!(!home.queue_folder().exists());
    });
}

fn where_none_matches_exits_4() {
    both(|spelling| {
        for home in [Home::new(), with_two_queues()] {
            for command in [
                "cancel --queue none --yes",
                "hold --queue none",
                "hold --held",
                "release --queue mail",
                "dlq retry --queue mail",
            ] {
                home.run(spelling, command.split(' '))
                    .assert()
                    .code(4)
                    .stdout("")
                    .stderr(contains("queuectl: error: no jobs match").and(contains("hint: ")));
            }
            home.run(spelling, ["dlq", "retry", "--all"])
                .assert()
                .success()
                .stdout("0 jobs are pending again\n");
        }
    });
}

fn ids_and_conditions_exclude_each_other() {
    both(|spelling| {
        let home = with_two_queues();
        for command in ["cancel a", "hold a", "release a", "dlq retry a", "dlq clear a", "prune a"] {
            home.run(spelling, command.split(' ').chain(["--queue", "mail"]))
                .assert()
                .code(2)
                .stderr(contains("does not go together with `--queue <NAME>`"));
        }
        home.run(spelling, ["hold", "a", "--held"]).assert().code(2).stderr(contains("with `--held`"));
        for command in ["cancel", "hold", "release", "dlq retry"] {
            home.run(spelling, command.split(' '))
                .assert()
                .code(2)
                .stderr(contains("what is missing: <ID>..., or"));
        }
        home.run(spelling, ["cancel", "--state", "dead"])
            .assert()
            .code(2)
            .stderr(contains("which takes pending, processing, failed"));
        home.run(spelling, ["hold", "--since", "1h", "--until", "2h"]).assert().code(2);
        assert_eq!(home.counts()[State::Pending], 5);
    });
}

fn many_jobs_are_done_in_steps() {
    let home = Home::quick();
    home.enqueue_all((0..2_300).map(|number| json!({"id": format!("job-{number}"), "command": "true"})));
    home.queuectl(["hold", "--state", "pending"]).assert().success().stdout("2300 jobs are held\n");
    home.queuectl(["release", "--held"]).assert().success().stdout("2300 jobs are released\n");
    home.queuectl(["cancel", "--queue", "default", "-y"])
        .assert()
        .success()
        .stdout("2300 jobs are cancelled\n");
    home.queuectl(["prune", "--state", "cancelled", "--older-than", "0"])
        .assert()
        .success()
        .stdout("Deleted 2300 jobs\n");
    assert_eq!(home.counts().total(), 0);
    assert_eq!(home.store().check().unwrap(), [""; 0]);
}
