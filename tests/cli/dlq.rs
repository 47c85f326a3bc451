//! `queuectl dlq`.

use crate::support::trials::trials;
use crate::support::{Home, Spelling, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, is_match};
use queuectl_core::State;

trials![
    list_is_empty_and_says_so_on_standard_error,
    list_prints_json_of_dead_jobs_only,
    show_tells_why_a_job_is_dead,
    retry_of_an_unknown_job_exits_4,
    retry_of_a_job_that_is_not_dead_exits_4_and_changes_nothing,
    retry_runs_the_job_again,
    retry_takes_several_ids_and_does_what_it_can,
    retry_all_takes_every_dead_job,
    retry_wakes_a_sleeping_worker,
    clear_deletes_only_the_dead,
    retry_hurries_a_failed_job,
    clear_takes_ids_and_does_what_it_can,
    clear_can_be_tried_dry,
    a_dry_clear_says_of_a_job_what_clear_says,
    a_job_that_is_named_twice_is_cleared_once,
    an_unknown_action_exits_2,
];

/// A home with dead jobs of these names.
fn with_dead(names: &[&str]) -> Home {
    let home = Home::quick();
    for name in names {
        home.enqueue_once(name, "[ -e mended ]");
    }
    home.drain();
    assert_eq!(home.counts()[State::Dead], names.len() as i64);
    home
}

fn list_is_empty_and_says_so_on_standard_error() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["dlq", "list"])
            .assert()
            .success()
            .stdout("")
            .stderr(contains("There is no queue at "));
        home.enqueue("a", "true");
        home.run(spelling, ["dlq", "list"]).assert().success().stdout("").stderr("No dead jobs\n");
        home.run(spelling, ["dlq", "list", "--json"]).assert().success().stdout("[]\n").stderr("");
    });
}

fn list_prints_json_of_dead_jobs_only() {
    both(|spelling| {
        let home = with_dead(&["a", "b"]);
        home.enqueue("c", "true");
        let output = home.run(spelling, ["dlq", "list", "--json"]).assert().success();
        let list: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        let ids: Vec<&str> = list.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(list[0]["last_error"], "exit code 1", "{list}");
    });
}

fn show_tells_why_a_job_is_dead() {
    both(|spelling| {
        let home = with_dead(&["a"]);
        home.run(spelling, ["dlq", "show", "a"])
            .assert()
            .success()
            .stdout(is_match(r"(?m)^  state +: dead$").unwrap())
            .stdout(is_match(r"(?m)^  last error +: exit code 1$").unwrap());
    });
}

fn retry_of_an_unknown_job_exits_4() {
    both(|spelling| {
        let home = with_dead(&["a"]);
        home.run(spelling, ["dlq", "retry", "ghost"])
            .assert()
            .code(4)
            .stdout("")
            .stderr(contains("queuectl: error: there is no job ghost").and(contains("hint: ")));
    });
}

fn retry_of_a_job_that_is_not_dead_exits_4_and_changes_nothing() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("7f3a", "true");
        home.drain();
        let before = home.job("7f3a");
        home.run(spelling, ["dlq", "retry", "7f3a"])
            .assert()
            .code(4)
            .stderr(contains("job 7f3a is completed; only dead and failed jobs can be retried"))
            .stderr(contains(
                "hint: run it again as a new job: `queuectl show 7f3a --json | jq -c 'del(.id)' | queuectl enqueue",
            ));
        assert_eq!(home.job("7f3a"), before);
    });
}

fn retry_runs_the_job_again() {
    let home = with_dead(&["a"]);
    home.make_file("mended");
    home.queuectl(["dlq", "retry", "a"]).assert().success();
    home.drain();
    let job = home.job("a");
    assert_eq!((job.state, job.attempts, job.max_retries), (State::Completed, 1, 0));
    assert_eq!(home.attempts("a").len(), 2, "what happened before stays on record");
}

fn retry_takes_several_ids_and_does_what_it_can() {
    both(|spelling| {
        let home = with_dead(&["a", "b"]);
        home.run(spelling, ["dlq", "retry", "a", "ghost", "b"])
            .assert()
            .code(4)
            .stdout("Job a is pending again\nJob b is pending again\n")
            .stderr(contains("there is no job ghost"));
        assert_eq!((home.state("a"), home.state("b")), (State::Pending, State::Pending));
    });
}

fn retry_all_takes_every_dead_job() {
    both(|spelling| {
        let home = with_dead(&["a", "b", "c"]);
        let all = ["dlq", "retry", "--all"];
        home.run(spelling, all).assert().success().stdout("3 jobs are pending again\n");
        assert_eq!(home.counts()[State::Pending], 3);
        home.run(spelling, all).assert().success().stdout("0 jobs are pending again\n");
        home.run(spelling, ["dlq", "retry"]).assert().code(2);
    });
}

fn retry_wakes_a_sleeping_worker() {
    let home = with_dead(&["a"]).with("QUEUECTL_POLL_INTERVAL", "1h");
    home.make_file("mended");
    let worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    home.queuectl(["dlq", "retry", "a"]).assert().success();
    home.wait_for("a", State::Completed);
}

fn clear_deletes_only_the_dead() {
    both(|spelling| {
        let home = with_dead(&["a", "b"]);
        home.enqueue("waits", "true");
        home.run(spelling, ["dlq", "clear", "--json"]).assert().success().stdout("{\"cleared\":2}\n");
        assert_eq!((home.counts()[State::Dead], home.state("waits")), (0, State::Pending));
        home.run(spelling, ["show", "a"]).assert().code(4);
    });
}

fn retry_hurries_a_failed_job() {
    for (spelling, line) in [
        (Spelling::Dispatched, "queuectl retry a"),
        (Spelling::Dispatched, "queuectl dlq retry a"),
        (Spelling::Direct, "queuectl dlq retry a"),
    ] {
        let home = Home::quick().with("QUEUECTL_BACKOFF_BASE", "3600").with("QUEUECTL_POLL_INTERVAL", "1h");
        home.enqueue("a", "[ -e mended ]");
        home.enqueue("b", "false");
        let _worker = home.worker([""; 0]);
        home.wait_for("a", State::Failed);
        home.wait_for("b", State::Failed);
        home.make_file("mended");
        home.typed(spelling, line).assert().success().stdout("Job a waits no longer for its retry\n");
        home.wait_for("a", State::Completed);
        assert_eq!((home.job("a").attempts, home.state("b")), (2, State::Failed));
        // What has come to rest, or is pending, is not hurried.
        home.typed(spelling, line).assert().code(4);
    }
    let home = Home::new();
    home.queuectl(["enqueue", "true", "--id", "later", "--delay", "1h"]).assert().success();
    home.queuectl(["dlq", "retry", "later"]).assert().code(4).stderr(
        contains("job later is pending; only dead and failed jobs can be retried")
            .and(contains("`queuectl show later`")),
    );
}

fn clear_takes_ids_and_does_what_it_can() {
    both(|spelling| {
        let home = with_dead(&["a", "b", "c"]);
        home.enqueue("waits", "true");
        home.run(spelling, ["dlq", "clear", "a", "waits", "ghost", "c"])
            .assert()
            .code(4)
            .stdout("Cleared 2 dead jobs\n")
            .stderr(contains("job waits is pending, not dead").and(contains("there is no job ghost")));
        assert_eq!((home.counts()[State::Dead], home.state("b"), home.counts().total()), (1, State::Dead, 2));
    });
}

fn clear_can_be_tried_dry() {
    both(|spelling| {
        let home = with_dead(&["a", "b"]);
        home.run(spelling, ["dlq", "clear", "--dry-run"])
            .assert()
            .success()
            .stdout("Would clear 2 dead jobs\n");
        home.run(spelling, ["dlq", "clear", "a", "--dry-run"])
            .assert()
            .success()
            .stdout("Would clear 1 dead job\n");
        let json = home.json(["dlq", "clear", "--dry-run", "--json"]);
        assert_eq!((&json["cleared"], &json["dry_run"]), (&2.into(), &true.into()));
        assert_eq!(home.counts()[State::Dead], 2);
    });
}

fn a_dry_clear_says_of_a_job_what_clear_says() {
    both(|spelling| {
        let home = with_dead(&["a"]);
        home.enqueue("waits", "true");
        for dry in [&[][..], &["--dry-run"]] {
            home.run(spelling, [&["dlq", "clear", "waits"], dry].concat())
                .assert()
                .code(4)
                .stderr(contains("job waits is pending, not dead").and(contains("`queuectl dlq list`")));
            home.run(spelling, [&["dlq", "clear", "ghost"], dry].concat()).assert().code(4);
        }
    });
}

fn a_job_that_is_named_twice_is_cleared_once() {
    both(|spelling| {
        let home = with_dead(&["a", "b"]);
        // By its id, its number and as the last.
        let words = ["dlq", "clear", "a", "1", "a", "@last", "b"];
        home.run(spelling, words)
            .arg("--dry-run")
            .assert()
            .success()
            .stdout("Would clear 2 dead jobs\n")
            .stderr("");
        home.run(spelling, words).assert().success().stdout("Cleared 2 dead jobs\n").stderr("");
        assert_eq!(home.counts().total(), 0);
    });
}

fn an_unknown_action_exits_2() {
    both(|spelling| {
        let home = Home::new();
        home.run(spelling, ["dlq", "burn"])
            .assert()
            .code(2)
            .stderr(contains("`queuectl dlq` knows no `burn`"));
        home.run(spelling, ["dlq"]).assert().code(2);
    });
}
