//! `queuectl wait`: when it ends, what it says, and with which exit code.

use crate::support::postgres::Server;
use crate::support::terminal::Terminal;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, NO_WORKER, Spelling, both, wait_until};
use nix::sys::signal::Signal;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::{contains, is_match};
use queuectl_core::State;
use std::os::unix::process::ExitStatusExt as _;

trials![
    a_wait_ends_when_all_have_come_to_rest,
    a_wait_for_any_ends_when_one_has,
    all_that_match_are_waited_for_and_none_that_comes_later if Postgres,
    a_wait_on_a_server_ends_as_on_a_file if Postgres,
    what_is_dead_or_cancelled_is_named_and_the_wait_fails,
    only_some_of_many_that_died_are_named,
    a_wait_ends_when_its_time_has_passed,
    where_one_job_is_not_there_none_is_waited_for,
    a_job_that_is_deleted_meanwhile_is_not_known_any_more,
    a_job_that_is_retried_meanwhile_is_waited_for_again,
    what_nothing_can_run_is_told_once,
    a_wait_can_be_broken_off,
    a_wait_where_the_queue_moves_away_ends,
    the_bar_of_a_wait_fits_and_tells_failures,
];

/// A job that runs until the file `go` is there.
const UNTIL_GO: &str = "until [ -e go ]; do sleep 0.02; done";

fn ends_when_all_have(home: &Home, spelling: Spelling) {
    home.enqueue("quick", "true");
    home.enqueue("slow", UNTIL_GO);
    let _workers = home.worker(["--concurrency", "2"]);
    home.wait_for("quick", State::Completed);
    let mut wait = home.background(spelling, ["wait", "quick", "slow", "@last"]);
    home.wait_for("slow", State::Processing);
    assert!(!wait.has_ended());
    home.make_file("go");
    wait.wait_for_success();
    assert_eq!(home.state("slow"), State::Completed);
    assert_eq!((wait.printed(), wait.said()), (String::new(), "At rest: 2 completed, 0 died\n".to_owned()));
    home.run(spelling, ["wait", "-q", "slow"]).assert().success().stdout("").stderr("");
}

fn a_wait_ends_when_all_have_come_to_rest() {
    both(|spelling| ends_when_all_have(&Home::quick(), spelling));
}

fn a_wait_on_a_server_ends_as_on_a_file() {
    let home = Home::quick().on_server(Server::shared());
    ends_when_all_have(&home, Spelling::Dispatched);
    home.enqueue_once("bad", "echo why >&2; exit 3");
    home.queuectl(["wait", "bad", "--any", "slow"]).assert().success();
    home.drain();
    home.queuectl(["wait", "bad", "slow"]).assert().code(1).stderr(contains("job bad is dead"));
    home.queuectl(["wait", "none"]).assert().code(4);
}

fn all_that_match_are_waited_for_and_none_that_comes_later() {
    for home in [Home::quick(), Home::quick().on_server(Server::shared())] {
        for (id, queue) in [("m1", "mail"), ("m2", "mail"), ("v1", "video")] {
            home.queuectl(["enqueue", "--queue", queue, "--id", id, "--shell", UNTIL_GO]).assert().success();
        }
        let mut wait = home.background(Spelling::Direct, ["wait", "--queue", "mail", "--json"]);
        let _worker = home.worker(["--queue", "mail", "--concurrency", "2"]);
        home.wait_for("m2", State::Processing);
        assert!(!wait.has_ended());
        home.queuectl(["enqueue", "--queue", "mail", "--id", "later", "--hold", "true"]).assert().success();
        home.make_file("go");
        wait.wait_for_success();
        let jobs: serde_json::Value = serde_json::from_str(&wait.printed()).unwrap();
        let ids: Vec<_> = jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["m1", "m2"]);
        // What has come to rest before is not meant: a job that died long ago fails no wait.
        home.queuectl(["wait", "--queue", "mail", "--command", "nothing"])
            .assert()
            .code(4)
            .stderr(contains("no jobs match"));
        home.queuectl(["wait", "m1", "--queue", "mail"]).assert().code(2);
        home.queuectl(["wait"]).assert().code(2);
    }
}

fn a_wait_for_any_ends_when_one_has() {
    let home = Home::quick();
    home.queuectl(["enqueue", "--hold", "--id", "held", "true"]).assert().success();
    home.enqueue("slow", UNTIL_GO);
    let _worker = home.worker([""; 0]);
    let mut wait = home.background(Spelling::Direct, ["wait", "--any", "--json", "held", "slow"]);
    home.wait_for("slow", State::Processing);
    assert!(!wait.has_ended());
    home.make_file("go");
    wait.wait_for_success();
    let jobs: serde_json::Value = serde_json::from_str(&wait.printed()).unwrap();
    let states: Vec<_> = jobs.as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap()).collect();
    assert_eq!((states, wait.said()), (vec!["pending", "completed"], String::new()));
}

fn what_is_dead_or_cancelled_is_named_and_the_wait_fails() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("good", "true");
        home.enqueue_once("bad", "echo first >&2; echo why >&2; exit 3");
        home.drain();
        home.enqueue("unwanted", "true");
        home.queuectl(["cancel", "unwanted"]).assert().success();
        let named = home.run(spelling, ["wait", "good", "bad", "unwanted"]).assert().code(1).stdout("");
        named
            .stderr(contains("At rest: 1 completed, 1 died, 1 cancelled\n"))
            .stderr(contains(
                "job bad is dead: exit code 3: why\nhint: give it another life with `queuectl dlq retry bad`",
            ))
            .stderr(contains("job unwanted was cancelled").and(contains("good").not()));
        home.run(spelling, ["wait", "--any", "good", "unwanted"]).assert().code(1);
        home.run(spelling, ["wait", "-q", "bad"]).assert().code(1).stderr(contains("job bad is dead"));
        let json = home.run(spelling, ["wait", "--json", "good", "bad"]).assert().code(1);
        let printed: serde_json::Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
        assert_eq!((&printed[0]["id"], &printed[1]["state"]), (&"good".into(), &"dead".into()));
        json.stderr(
            is_match("^\\{\"error\":\"job bad is dead: exit code 3: why\",[^\n]*,\"exit\":1\\}\n$").unwrap(),
        );
    });
}

fn only_some_of_many_that_died_are_named() {
    let home = Home::quick();
    let ids: Vec<String> = (0..13).map(|number| format!("bad-{number}")).collect();
    for id in &ids {
        home.enqueue_once(id, "exit 3");
    }
    home.drain();
    let said = home.queuectl(["wait"].into_iter().chain(ids.iter().map(String::as_str))).assert().code(1);
    let said = String::from_utf8(said.get_output().stderr.clone()).unwrap();
    assert_eq!(said.matches("is dead: exit code 3\n").count(), 10, "{said}");
    assert!(said.contains("… and 3 more jobs: see each with `queuectl show ID`"), "{said}");
}

fn a_wait_ends_when_its_time_has_passed() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("good", "true");
        home.drain();
        home.enqueue("waits", "true");
        home.run(spelling, ["wait", "good", "--timeout", "0"]).assert().success();
        for time in ["0", "300ms"] {
            home.run(spelling, ["wait", "good", "waits", "--timeout", time])
                .assert()
                .code(124)
                .stdout("")
                .stderr(contains("At rest: 1 completed, 0 died, 1 left\n"))
                .stderr(contains("error: 1 of 2 jobs did not come to rest within "))
                .stderr(contains("hint: see what keeps it with `queuectl show waits`"));
        }
        let json = home.run(spelling, ["wait", "waits", "--timeout", "1ms", "--json"]).assert().code(124);
        json.stdout(contains("\"state\":\"pending\"")).stderr(contains("\"exit\":124}\n"));
        assert_eq!(home.state("waits"), State::Pending);
        home.run(spelling, ["wait", "waits", "--timeout", "soon"]).assert().code(2);
    });
}

fn where_one_job_is_not_there_none_is_waited_for() {
    both(|spelling| {
        let home = Home::quick();
        home.run(spelling, ["wait", "a"]).assert().code(4).stderr(contains("There is no queue at "));
        home.enqueue("waits", "true");
        home.run(spelling, ["wait", "waits", "none", "neither"])
            .assert()
            .code(4)
            .stdout("")
            .stderr(contains("there is no job none").and(contains("there is no job neither")));
        home.run(spelling, ["wait"]).assert().code(2);
        assert!(!home.path("queue/queue.db-bell-1").exists(), "a wait makes nothing");
    });
}

fn a_job_that_is_deleted_meanwhile_is_not_known_any_more() {
    let home = Home::quick();
    home.queuectl(["enqueue", "--hold", "--id", "a", "true"]).assert().success();
    let mut wait = home.background(Spelling::Direct, ["wait", "a"]);
    wait.wait_until_it_says("Job a is held");
    // It sees nothing of what comes in between.
    wait.signal(Signal::SIGSTOP);
    home.queuectl(["cancel", "a"]).assert().success();
    home.queuectl(["prune", "a"]).assert().success();
    home.queuectl(["enqueue", "--hold", "--id", "a", "true"]).assert().success();
    wait.signal(Signal::SIGCONT);
    assert_eq!(wait.wait().code(), Some(4));
    let said = wait.said();
    assert!(said.contains("At rest: 0 completed, 0 died, 1 not known any more\n"), "{said}");
    assert!(said.contains("error: job a is not known any more: it was deleted"), "{said}");
}

fn a_job_that_is_retried_meanwhile_is_waited_for_again() {
    let home = Home::quick();
    home.enqueue_once("bad", "[ -e mended ]");
    home.drain();
    home.enqueue("slow", "touch running; until [ -e go ]; do sleep 0.02; done; queuectl -q dlq retry bad");
    let mut wait = home.background(Spelling::Direct, ["wait", "bad", "slow"]);
    let _worker = home.typed_in_background("queuectl worker start");
    home.wait_for_file("running");
    home.make_file("mended");
    home.make_file("go");
    wait.wait_for_success();
    assert_eq!(home.state("bad"), State::Completed);
    assert!(wait.said().contains("At rest: 2 completed, 0 died\n"), "{}", wait.said());
}

fn what_nothing_can_run_is_told_once() {
    let home = Home::quick();
    home.queuectl(["enqueue", "--hold", "--id", "held job", "true"]).assert().code(1);
    home.queuectl(["enqueue", "--hold", "--id", "held", "true"]).assert().success();
    home.enqueue("a", "true");
    home.enqueue("b", "true");
    home.queuectl(["enqueue", "--queue", "mail", "--id", "letter", "true"]).assert().success();
    let mut wait = home.background(Spelling::Dispatched, ["wait", "held", "a", "b", "letter"]);
    wait.wait_until_it_says(
        "No worker serves the queue mail; start one with `queuectl worker start --queue mail`",
    );
    home.queuectl(["release", "held"]).assert().success();
    home.drain();
    wait.wait_for_success();
    let said = wait.said();
    assert_eq!(said.matches("Job held is held until `queuectl release held`\n").count(), 1, "{said}");
    assert_eq!(said.matches(NO_WORKER).count(), 1, "{said}");
    assert_eq!(said.lines().count(), 4, "{said}");
}

fn a_wait_can_be_broken_off() {
    let home = Home::quick();
    home.enqueue("a", "true");
    let mut wait = home.background(Spelling::Dispatched, ["wait", "a"]);
    wait.wait_until_it_says(NO_WORKER);
    wait.press_control_c();
    // To a shell that is the exit code 130.
    assert_eq!(wait.wait().signal(), Some(Signal::SIGINT as i32));
    assert_eq!(home.state("a"), State::Pending);
}

fn a_wait_where_the_queue_moves_away_ends() {
    let home = Home::quick();
    home.enqueue("a", "true");
    let mut wait = home.background(Spelling::Direct, ["wait", "a"]);
    wait.wait_until_it_says(NO_WORKER);
    home.queuectl(["move", "--to", "./there.db"]).assert().success();
    assert!(!wait.wait().success());
    assert!(wait.said().contains("there.db"), "{}", wait.said());
}

fn the_bar_of_a_wait_fits_and_tells_failures() {
    for columns in [80, 60] {
        let home = Home::quick();
        home.enqueue_once("bad", "exit 3");
        home.enqueue("slow", UNTIL_GO);
        let _worker = home.worker([""; 0]);
        let words = ["wait", "bad", "slow"];
        let terminal = Terminal::run(home.command(Spelling::Dispatched, words), columns);
        wait_until(DEADLINE, "the bar tells of the failure", || {
            terminal.written().contains("1/2") && terminal.written().contains("1 died, 1 running")
        });
        home.make_file("go");
        let shown = terminal.wait();
        assert_eq!(shown.status.code(), Some(1));
        shown.assert_nothing_wraps();
        let lines = shown.lines();
        assert!(lines.iter().any(|line| line == "At rest: 1 completed, 1 died"), "{lines:?}");
    }
}
