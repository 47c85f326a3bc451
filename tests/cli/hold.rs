//! `queuectl hold`, and `release` of what it has held.

use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::str::contains;
use queuectl_core::State;

trials![
    a_job_that_is_held_waits_until_it_is_released,
    what_runs_or_has_ended_is_refused,
    a_failed_job_is_held_and_retried_later,
    the_jobs_are_printed_as_they_are_then,
];

fn a_job_that_is_held_waits_until_it_is_released() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "true");
        home.enqueue("b", "true");
        home.run(spelling, ["hold", "a"]).assert().success().stdout("Job a held\n");
        // Again: it is so already.
        home.run(spelling, ["hold", "a"]).assert().success().stdout("Job a held\n");
        home.drain();
        assert_eq!((home.state("a"), home.state("b")), (State::Pending, State::Completed));
        assert!(home.stdout(["list"]).contains("held"));
        home.run(spelling, ["release", "a"]).assert().success();
        home.drain();
        assert_eq!(home.state("a"), State::Completed);
    });
}

fn what_runs_or_has_ended_is_refused() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "touch ready; sleep 1000");
        let _worker = home.worker_in_the_middle("ready");
        home.run(spelling, ["hold", "a"])
            .assert()
            .code(1)
            .stderr(contains("job a is processing; only pending and failed jobs can be held"));
        home.queuectl(["cancel", "a"]).assert().success();
        home.run(spelling, ["hold", "a"]).assert().code(1).stderr(contains("job a is cancelled; only"));
        home.run(spelling, ["hold", "ghost"]).assert().code(4);
    });
}

fn a_failed_job_is_held_and_retried_later() {
    let home = Home::quick().with("QUEUECTL_BACKOFF_BASE", "3600");
    home.enqueue("a", "[ -e mended ]");
    home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
    home.queuectl(["hold", "a"]).assert().success();
    assert_eq!(home.state("a"), State::Failed);
    // It waits no longer for its retry, and is held all the same.
    home.queuectl(["retry", "a"]).assert().success();
    home.make_file("mended");
    home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
    assert_eq!(home.state("a"), State::Failed);
    home.queuectl(["release", "a"]).assert().success();
    home.queuectl(["worker", "start", "--drain=ready"]).assert().success();
    assert_eq!((home.state("a"), home.job("a").attempts), (State::Completed, 2));
}

fn the_jobs_are_printed_as_they_are_then() {
    let home = Home::quick();
    home.enqueue("a", "true");
    let held = home.json(["hold", "a", "--json"]);
    assert_eq!((&held[0]["id"], &held[0]["blocked_by"]), (&"a".into(), &"hold".into()));
}
