//! A commit that arrives and whose answer is lost for good: it is never told as "no".

use crate::support::postgres::Server;
use crate::support::proxy::{Does, Proxy};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, wait_until};
use queuectl_core::State;
use std::fs;
use std::process::Output;
use std::sync::Arc;

trials![
    a_job_whose_answer_is_lost_is_added_once if Postgres,
    a_cancellation_whose_answer_is_lost_is_not_denied if Postgres,
    each_job_is_named_where_the_answer_to_one_is_lost if Postgres,
    a_move_whose_answer_is_lost_says_how_to_go_on if Postgres,
    a_retry_whose_answer_is_lost_is_not_denied if Postgres,
    a_pruning_whose_answer_is_lost_is_not_denied if Postgres,
    a_clearing_whose_answer_is_lost_is_not_denied if Postgres,
    a_file_cut_at_each_commit_is_added_once if Postgres,
];

/// What becomes of those who come after the loss.
const DOORS: [Does; 3] = [Does::Refuse, Does::Hang, Does::Pass];

/// A user behind a way on which answers are lost.
fn behind(proxy: &Proxy) -> Home {
    let schema = Arc::new(Server::shared().schema());
    Home::quick()
        .with("QUEUECTL_BUSY_TIMEOUT", "2s")
        .with("QUEUECTL_CONNECT_TIMEOUT", "1s")
        .in_schema(&schema, &proxy.url(schema.name()))
}

/// Runs a command whose commit arrives, and whose answer does not.
fn lose(home: &Home, proxy: &Proxy, door: Does, command: &[&str]) -> Output {
    proxy.loses_commit(0, door);
    let output = home.queuectl(command).assert().get_output().clone();
    assert!(proxy.has_lost_it(), "{output:?}");
    proxy.heal();
    output
}

/// Asserts that an outcome is not known, or known to be good; gives the words.
fn is_not_denied(door: Does, output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    match output.status.code() {
        // A program that gets through asks what became of it.
        Some(0) => assert_eq!(door, Does::Pass, "{said}"),
        Some(75) => {
            assert_ne!(door, Does::Pass, "{said}");
            assert!(said.contains("it is not known whether") && said.contains("\nhint: "), "{said}");
        }
        code => panic!("{door:?}: {code:?}: {said}"),
    }
    said
}

/// The command in the hint, as a person would type it.
fn hinted<'a>(said: &'a str, beginning: &str) -> &'a str {
    let hint = said.split_once("\nhint: ").unwrap_or_else(|| panic!("no hint: {said}")).1;
    hint.split('`')
        .find(|part| part.starts_with(beginning))
        .unwrap_or_else(|| panic!("no {beginning}: {said}"))
}

fn a_job_whose_answer_is_lost_is_added_once() {
    for door in DOORS {
        let proxy = Proxy::before(Server::shared());
        let home = behind(&proxy);
        home.enqueue("first", "true");
        let said = is_not_denied(door, &lose(&home, &proxy, door, &["enqueue", "true"]));
        if door != Does::Pass {
            // The id that was made for it is said, and finds it.
            let show = hinted(&said, "queuectl show ");
            let id = show.rsplit(' ').next().unwrap();
            home.typed(crate::support::Spelling::Dispatched, show).assert().success();
            home.queuectl(["enqueue", "--id", id, "true"]).assert().code(1);
        }
        assert_eq!(home.counts().total(), 2);
    }
}

fn a_cancellation_whose_answer_is_lost_is_not_denied() {
    for door in DOORS {
        let proxy = Proxy::before(Server::shared());
        let home = behind(&proxy);
        home.enqueue("a", "true");
        let said = is_not_denied(door, &lose(&home, &proxy, door, &["cancel", "a"]));
        if door != Does::Pass {
            home.typed(crate::support::Spelling::Dispatched, hinted(&said, "queuectl show "))
                .assert()
                .success();
        }
        assert_eq!(home.state("a"), State::Cancelled);
    }
}

fn each_job_is_named_where_the_answer_to_one_is_lost() {
    let proxy = Proxy::before(Server::shared());
    let home = behind(&proxy);
    for id in ["m1", "m2", "m3"] {
        home.enqueue(id, "true");
    }
    let output = lose(&home, &proxy, Does::Refuse, &["cancel", "m1", "m2", "m3"]);
    let said = is_not_denied(Does::Refuse, &output);
    for id in ["m1", "m2", "m3"] {
        assert!(said.contains(&format!("error: job {id}: ")), "{said}");
    }
}

fn a_move_whose_answer_is_lost_says_how_to_go_on() {
    let proxy = Proxy::before(Server::shared());
    let home = behind(&proxy);
    home.enqueue("a", "true");
    let move_on = ["move", "--to", "new.db"];
    let said = is_not_denied(Does::Refuse, &lose(&home, &proxy, Does::Refuse, &move_on));
    assert!(said.contains("type the same command again, it goes on"), "{said}");
    let give_up = hinted(&said, "queuectl move ").to_owned();
    let said = is_not_denied(Does::Refuse, &lose(&home, &proxy, Does::Refuse, &["move", "--abort"]));
    assert!(said.contains("type the same command again, it goes on"), "{said}");
    home.typed(crate::support::Spelling::Dispatched, &give_up).assert().success();
    home.queuectl(move_on).assert().success();
}

/// A user with dead jobs.
fn with_dead_jobs(proxy: &Proxy) -> Home {
    let home = behind(proxy);
    for id in ["a", "b"] {
        home.enqueue_once(id, "false");
    }
    home.drain();
    home
}

fn a_retry_whose_answer_is_lost_is_not_denied() {
    for door in DOORS {
        let proxy = Proxy::before(Server::shared());
        let home = with_dead_jobs(&proxy);
        let said = is_not_denied(door, &lose(&home, &proxy, door, &["dlq", "retry", "a"]));
        if door != Does::Pass {
            home.typed(crate::support::Spelling::Dispatched, hinted(&said, "queuectl show "))
                .assert()
                .success();
        }
        assert_eq!(home.state("a"), State::Pending);
        is_not_denied(door, &lose(&home, &proxy, door, &["dlq", "retry", "--all"]));
        assert_eq!(home.state("b"), State::Pending);
    }
}

fn a_pruning_whose_answer_is_lost_is_not_denied() {
    for door in DOORS {
        let proxy = Proxy::before(Server::shared());
        let home = with_dead_jobs(&proxy);
        let prune = ["prune", "--state", "dead", "--older-than", "0s"];
        wait_until(DEADLINE, "they are older than nothing", || {
            is_not_denied(door, &lose(&home, &proxy, door, &prune));
            home.counts().total() == 0
        });
        home.queuectl(prune).assert().success();
    }
}

fn a_clearing_whose_answer_is_lost_is_not_denied() {
    for door in DOORS {
        let proxy = Proxy::before(Server::shared());
        let home = with_dead_jobs(&proxy);
        is_not_denied(door, &lose(&home, &proxy, door, &["dlq", "clear"]));
        assert_eq!(home.counts().total(), 0);
        home.queuectl(["dlq", "clear"]).assert().success();
    }
}

fn a_file_cut_at_each_commit_is_added_once() {
    for door in [Does::Refuse, Does::Hang] {
        for commits in 0..3 {
            let proxy = Proxy::before(Server::shared());
            let home = behind(&proxy);
            home.enqueue("first", "true");
            // Some lines are the same, and some have an id of their own.
            let line = |n: i32| match n % 100 {
                0 => format!("{{\"id\":\"own-{n}\",\"command\":\"true\"}}\n"),
                _ => "{\"command\":\"true\"}\n".to_owned(),
            };
            fs::write(home.path("jobs"), (0..12_000).map(line).collect::<String>()).unwrap();
            proxy.loses_commit(commits, door);
            let output = home.queuectl(["enqueue", "--file", "jobs"]).assert().get_output().clone();
            assert!(proxy.has_lost_it(), "{output:?}");
            proxy.heal();
            let said = is_not_denied(door, &output);
            let again = hinted(&said, "queuectl enqueue ");
            home.typed(crate::support::Spelling::Dispatched, again).assert().success();
            assert_eq!(home.counts().total(), 12_001, "{commits} commits got through: {said}");
            home.typed(crate::support::Spelling::Dispatched, again).assert().success();
            assert_eq!(home.counts().total(), 12_001, "and once more");
        }
    }
}
