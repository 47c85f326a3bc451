//! `queuectl prune`.

use crate::support::trials::trials;
use crate::support::{DEADLINE, HELD, Home, both, wait_until};
use nix::sys::signal::Signal;
use predicates::str::contains;
use queuectl_core::State;
use std::fs;

trials![
    only_old_jobs_of_the_named_states_are_deleted,
    a_dry_run_deletes_nothing,
    jobs_that_have_not_come_to_rest_are_refused,
    what_to_delete_must_be_said,
    room_is_given_back_to_the_disk_while_workers_go_on,
    the_ids_of_named_jobs_are_free_again,
    named_jobs_that_have_not_come_to_rest_are_refused,
    a_job_that_is_named_twice_is_deleted_once,
];

fn only_old_jobs_of_the_named_states_are_deleted() {
    both(|spelling| {
        let home = Home::with_one_of_each();
        let prune = ["prune", "--state", "completed", "--older-than"];
        home.run(spelling, prune).arg("7d").assert().success().stdout("Deleted 0 jobs\n");
        assert_eq!(home.counts().total(), 3);
        home.run(spelling, prune).arg("0s").assert().success().stdout("Deleted 1 job\n");
        assert_eq!((home.counts().total(), home.counts()[State::Completed]), (2, 0));
        home.run(spelling, ["show", "good"]).assert().code(4);
        // Its name is free again.
        home.enqueue("good", "true");
    });
}

fn a_dry_run_deletes_nothing() {
    both(|spelling| {
        let home = Home::with_one_of_each();
        home.run(
            spelling,
            ["prune", "--state", "dead", "--state", "completed", "--older-than", "0s", "--dry-run"],
        )
        .assert()
        .success()
        .stdout("Would delete 2 jobs\n");
        assert_eq!(home.counts().total(), 3);
    });
}

fn jobs_that_have_not_come_to_rest_are_refused() {
    both(|spelling| {
        let home = Home::with_one_of_each();
        for state in ["pending", "failed", "processing"] {
            home.run(spelling, ["prune", "--state", state, "--older-than", "0s"]).assert().code(2).stderr(
                contains(format!("`{state}` is no value for `--state <STATE>`, which takes completed")),
            );
        }
        assert_eq!(home.counts().total(), 3);
    });
}

fn what_to_delete_must_be_said() {
    both(|spelling| {
        let home = Home::with_one_of_each();
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

fn room_is_given_back_to_the_disk_while_workers_go_on() {
    let home = Home::quick().with("QUEUECTL_OUTPUT_LIMIT", "64MiB");
    home.enqueue("large", "head -c 48000000 /dev/zero | tr '\\0' x");
    home.enqueue("kept", "echo words");
    let mut worker = home.worker([""; 0]);
    home.wait_for("large", State::Completed);
    home.wait_for("kept", State::Completed);
    let size = || {
        let files = ["", "-wal"].map(|ending| home.database().with_file_name(format!("queue.db{ending}")));
        files.iter().map(|file| fs::metadata(file).map_or(0, |file| file.len())).sum::<u64>()
    };
    assert!(size() > 48_000_000);
    // What it has begun goes on, and what comes meanwhile is run.
    home.enqueue("runs", HELD);
    home.wait_for_file("running");
    home.enqueue("kept-2", "echo words");
    home.queuectl(["prune", "--state", "completed", "--older-than", "0s"]).assert().success();
    // A reader may have been in the way; then the next prune does it, if it has something to do.
    wait_until(DEADLINE, "the room is given back", || {
        home.enqueue("next", "true");
        home.queuectl(["cancel", "next"]).assert().success();
        home.queuectl(["prune", "--state", "cancelled", "--older-than", "0s"]).assert().success();
        size() < 2_000_000
    });
    home.make_file("go");
    home.wait_for("kept-2", State::Completed);
    assert_eq!(home.store().check().unwrap(), [""; 0]);
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
}

fn the_ids_of_named_jobs_are_free_again() {
    both(|spelling| {
        let home = Home::with_one_of_each();
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
        let home = Home::with_one_of_each();
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
                .stderr(contains("there is no job ghost"));
        }
        home.run(spelling, ["prune", "ghost", "good"]).assert().code(4).stdout("Deleted 1 job\n");
        assert_eq!(home.counts().total(), 2);
        // Where no queue is, none is made.
        let home = Home::new();
        home.run(spelling, ["prune", "ghost"]).assert().code(4);
        home.run(spelling, ["dlq", "clear"]).assert().success();
        home.run(spelling, ["dlq", "clear", "ghost"]).assert().code(4);
        assert!(!home.queue_folder().exists());
    });
}

fn a_job_that_is_named_twice_is_deleted_once() {
    both(|spelling| {
        let home = Home::with_one_of_each();
        let words = ["prune", "good", "1", "bad", "good"];
        home.run(spelling, words).arg("--dry-run").assert().success().stdout("Would delete 2 jobs\n");
        home.run(spelling, words).assert().success().stdout("Deleted 2 jobs\n").stderr("");
        assert_eq!(home.counts().total(), 1);
    });
}
