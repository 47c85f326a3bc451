//! `queuectl demo`.

use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;

trials![it_shows_the_dead_letter_queue_and_succeeds, it_never_touches_the_users_queue,];

fn it_shows_the_dead_letter_queue_and_succeeds() {
    both(|spelling| {
        let home = Home::new();
        let assert = home.run(spelling, ["demo"]).assert().success();
        let output = assert.get_output();
        let shown = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        for word in ["completed", "dead", "dlq"] {
            assert!(shown.contains(word), "{word} in\n{shown}");
        }
    });
}

fn it_never_touches_the_users_queue() {
    let home = Home::new();
    home.enqueue("mine", "touch ran");
    let before = home.job("mine");
    home.queuectl(["demo"]).assert().success();
    assert_eq!((home.job("mine"), home.counts().total()), (before, 1));
    assert!(!home.path("ran").exists());
    home.queuectl(["list"]).assert().stdout(contains("mine").and(contains("pending")));
    let left = std::fs::read_dir(home.root().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "its temporary queue is gone");
}
