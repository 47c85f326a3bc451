//! `queuectl demo`.

use crate::support::trials::trials;
use crate::support::{Home, both};
use predicates::prelude::{Predicate as _, PredicateBooleanExt as _};
use predicates::str::{contains, is_match};

trials![it_shows_the_dead_letter_queue_and_succeeds, it_never_touches_the_users_queue,];

fn it_shows_the_dead_letter_queue_and_succeeds() {
    both(|spelling| {
        let home = Home::new();
        let assert = home.run(spelling, ["demo"]).assert().success();
        let shown = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        // In this order, and each printed by the programs that are shown.
        let mut rest = shown.as_str();
        for line in [
            r"(?m)^ +\d+\.\d s  good +completed$",
            r"(?m)^ +\d+\.\d s  hopeless dead  \(exit code 1: ",
            r"(?m)^\$ queuectl dlq list$",
            r"(?m)^hopeless  cat report.txt  2 +exit code 1: ",
            r"(?m)^\$ queuectl dlq retry hopeless$",
            r"(?m)^ +\d+\.\d s  hopeless completed$",
            r"(?m)^  completed : 3$",
        ] {
            let found = is_match(line).unwrap();
            let lines: Vec<&str> = rest.split_inclusive('\n').collect();
            let at = lines.iter().position(|text| found.eval(text.trim_end()));
            let at = at.unwrap_or_else(|| panic!("no {line} in\n{rest}"));
            rest = &rest[lines[..=at].iter().map(|line| line.len()).sum()..];
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
