//! `queuectl status`.

use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, both, wait_until};
use queuectl_core::State;
use serde_json::json;

trials![
    json_has_counts_and_workers,
    a_living_worker_is_shown_and_a_dead_one_is_not_called_alive,
    watch_goes_on_until_it_is_told_to_stop,
    watch_ends_when_its_reader_leaves,
    counts_follow_what_happens,
];

fn json_has_counts_and_workers() {
    both(|spelling| {
        let home = Home::new();
        let output = home.run(spelling, ["status", "--json"]).assert().success();
        let document: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        let zeros = json!({"pending":0,"processing":0,"claimed":0,"completed":0,"failed":0,"dead":0,"cancelled":0,"blocked":0,"total":0});
        assert_eq!(document, json!({"jobs": zeros, "queues": {}, "workers": []}));
    });
}

fn a_living_worker_is_shown_and_a_dead_one_is_not_called_alive() {
    let home = Home::quick();
    let worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    let document = home.json(["status", "--json"]);
    assert_eq!(document["workers"][0]["alive"], true, "{document}");
    assert_eq!(document["workers"][0]["manager_pid"], worker.pid());
    assert!(home.stdout(["status"]).to_lowercase().contains("active workers: 1"));
    drop(worker);
    let document = home.json(["status", "--json"]);
    let workers = document["workers"].as_array().unwrap();
    assert!(workers.iter().all(|worker| worker["alive"] == false), "{document}");
    assert!(home.stdout(["status"]).to_lowercase().contains("active workers: 0"));
}

fn watch_goes_on_until_it_is_told_to_stop() {
    let home = Home::new();
    home.enqueue("a", "true");
    let mut watch = home.background(Spelling::Dispatched, ["status", "--watch", "--interval", "50ms"]);
    let seen = |text: &str| watch.printed().lines().any(|line| line.split_whitespace().eq(text.split(' ')));
    wait_until(DEADLINE, "it shows one job", || seen("pending : 1"));
    home.enqueue("b", "true");
    wait_until(DEADLINE, "it shows two jobs", || seen("pending : 2"));
    assert!(!watch.printed().contains('\u{1b}'), "no control sequences in a pipe");
    watch.press_control_c();
    watch.wait();
}

fn watch_ends_when_its_reader_leaves() {
    let home = Home::new();
    home.typed(Spelling::Dispatched, "queuectl status --watch --interval 50ms | head -n 1")
        .assert()
        .success()
        .stderr("");
}

fn counts_follow_what_happens() {
    let home = Home::with_one_of_each();
    home.enqueue("gone", "true");
    home.queuectl(["cancel", "gone"]).assert().success();
    let jobs = home.json(["status", "--json"])["jobs"].clone();
    for (state, count) in [
        (State::Completed, 1),
        (State::Dead, 1),
        (State::Pending, 1),
        (State::Cancelled, 1),
        (State::Failed, 0),
    ] {
        assert_eq!(jobs[state.as_str()], count, "{state} in {jobs}");
    }
    assert_eq!(jobs["total"], 4);
}
