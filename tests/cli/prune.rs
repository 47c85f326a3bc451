//! `queuectl prune`.

use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::str::contains;
use queuectl_core::State;

trials![
    only_old_jobs_of_the_named_states_are_deleted,
    a_dry_run_deletes_nothing,
    jobs_that_have_not_come_to_rest_are_refused,
    what_to_delete_must_be_said,
    the_ids_of_named_jobs_are_free_again,
    named_jobs_that_have_not_come_to_rest_are_refused,
];

/// A home with a completed, a dead and a pending job.
fn with_one_of_each() -> Home {
    let home = Home::quick();
    home.enqueue("good", "echo words");
    home.enqueue_once("bad", "false");
    home.drain();
    home.enqueue("waits", "true");
    home
}

fn only_old_jobs_of_the_named_states_are_deleted() {
    both(|spelling| {
        let home = with_one_of_each();
        let prune = ["prune", "--state", "completed", "--older-than"];
        home.run(spelling, prune).arg("7d").assert().success().stdout(contains("0"));
        assert_eq!(home.counts().total(), 3);
        home.run(spelling, prune).arg("0s").assert().success().stdout(contains("1"));
        assert_eq!((home.counts().total(), home.counts()[State::Completed]), (2, 0));
        home.run(spelling, ["show", "good"]).assert().code(4);
        // Its name is free again.
        home.enqueue("good", "true");
    });
}

fn a_dry_run_deletes_nothing() {
    both(|spelling| {
        let home = with_one_of_each();
        home.run(
            spelling,
            ["prune", "--state", "dead", "--state", "completed", "--older-than", "0s", "--dry-run"],
        )
        .assert()
        .success()
        .stdout(contains("2"));
        assert_eq!(home.counts().total(), 3);
    });
}

fn jobs_that_have_not_come_to_rest_are_refused() {
    both(|spelling| {
        let home = with_one_of_each();
        for state in ["pending", "failed", "processing"] {
            home.run(spelling, ["prune", "--state", state, "--older-than", "0s"])
                .assert()
                .code(1)
                .stderr(contains(state));
        }
        assert_eq!(home.counts().total(), 3);
    });
}

fn what_to_delete_must_be_said() {
    both(|spelling| {
        let home = with_one_of_each();
        for arguments in [
            vec!["prune"],
            vec!["prune", "--state", "completed"],
            vec!["prune", "--older-than", "7d"],
            vec!["prune", "--state", "lost", "--older-than", "7d"],
            vec!["prune", "--state", "completed", "--older-than", "soon"],
            vec!["prune", "good", "--state", "completed"],
            vec!["prune", "good", "--older-than", "0"],
        ] {
            home.run(spelling, &arguments).assert().code(2);
        }
        assert_eq!(home.counts().total(), 3);
    });
}

fn the_ids_of_named_jobs_are_free_again() {
    both(|spelling| {
        let home = with_one_of_each();
        home.queuectl(["cancel", "waits"]).assert().success();
        let ids = ["good", "bad", "waits"];
        home.run(spelling, ["prune", "--dry-run", "good", "bad"])
            .assert()
            .success()
            .stdout("Would delete 2 jobs\n");
        home.run(spelling, [&["prune"], &ids[..]].concat()).assert().success().stdout("Deleted 3 jobs\n");
        assert_eq!(home.counts().total(), 0);
        for id in ids {
            home.enqueue(id, "true");
        }
        home.drain();
        let pruned = home.json(["prune", "good", "--json"]);
        assert_eq!((&pruned["deleted"], &pruned["dry_run"]), (&1.into(), &false.into()));
        assert_eq!(home.store().check().unwrap(), [""; 0]);
    });
}

fn named_jobs_that_have_not_come_to_rest_are_refused() {
    both(|spelling| {
        let home = with_one_of_each();
        for dry in [&[][..], &["--dry-run"]] {
            home.run(spelling, [&["prune", "waits"], dry].concat())
                .assert()
                .code(1)
                .stderr(contains(
                    "job waits is pending; only completed, dead and cancelled jobs can be deleted",
                ))
                .stderr(contains("`queuectl cancel waits`"));
            home.run(spelling, [&["prune", "ghost"], dry].concat())
                .assert()
                .code(4)
                .stderr(contains("ghost"));
        }
        home.run(spelling, ["prune", "ghost", "good"]).assert().code(4).stdout("Deleted 1 job\n");
        assert_eq!(home.counts().total(), 2);
        // Where no queue is, none is made.
        let home = Home::new();
        for call in [["prune", "ghost"], ["dlq", "clear"]] {
            home.run(spelling, call).assert();
        }
        home.run(spelling, ["dlq", "clear", "ghost"]).assert().code(4);
        assert!(!home.queue_folder().exists());
    });
}
