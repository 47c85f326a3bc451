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
                .code(2)
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
        ] {
            home.run(spelling, &arguments).assert().code(2);
        }
        assert_eq!(home.counts().total(), 3);
    });
}
