//! Workers on several machines that share a queue on a server.
//!
//! A machine is known by the file in which its workers hold their locks, so users
//! with different state folders are as good as different machines.

use crate::support::postgres::{Mode, Server};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Worker, alive, seconds, send, wait_until};
use nix::sys::signal::Signal;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::{Outcome, State};
use serde_json::json;
use std::fs;
use std::time::Instant;

trials![
    workers_of_all_machines_are_listed_and_it_is_said_which_are_here if Postgres,
    worker_stop_stops_those_of_this_machine_and_says_how_many_are_elsewhere if Postgres,
    worker_stop_everywhere_stops_those_of_all_machines if Postgres,
    a_stop_on_another_machine_keeps_nobody_from_being_replaced if Postgres,
    no_job_inherits_the_password_of_the_server if Postgres,
    a_password_stands_in_no_argument_and_in_no_log if Postgres,
    a_worker_that_dies_while_the_server_is_away_is_replaced_when_it_is_back if Postgres,
    two_signals_end_everything_while_the_server_is_away if Postgres,
    a_worker_that_stands_still_is_ended_before_others_may_run_its_job if Postgres and Storm,
];

/// Two machines that share a queue.
fn two_machines() -> (Home, Home) {
    let here = Home::quick().on_server(Server::shared());
    let there = Home::quick().in_schema(here.schema(), &Server::shared().url(here.schema().name()));
    (here, there)
}

/// A worker that has begun.
fn worker(home: &Home) -> Worker {
    let worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    worker
}

fn workers_of_all_machines_are_listed_and_it_is_said_which_are_here() {
    let (here, there) = two_machines();
    let (mine, theirs) = (worker(&here), worker(&there));
    for (home, own) in [(&here, &mine), (&there, &theirs)] {
        let mut document = json!(null);
        // A heartbeat may come between the two looks.
        wait_until(DEADLINE, "both say the same", || {
            document = home.json(["status", "--json"]);
            document["workers"] == home.json(["worker", "list", "--json"])
        });
        let workers = document["workers"].as_array().unwrap();
        assert_eq!(workers.len(), 2, "{document}");
        for worker in workers {
            assert_eq!(worker["here"], worker["manager_pid"] == own.pid(), "{worker}");
            assert_eq!(worker["alive"], true, "{worker}");
        }
        let table = home.stdout(["worker", "list"]);
        assert!(table.lines().next().unwrap().contains("Heartbeat"), "{table}");
        assert_eq!(table.matches(" s ago").count(), 2, "{table}");
        home.queuectl(["status"]).assert().success().stdout(contains("Active workers: 2"));
    }
}

fn worker_stop_stops_those_of_this_machine_and_says_how_many_are_elsewhere() {
    let (here, there) = two_machines();
    let (mut mine, mut theirs) = (worker(&here), worker(&there));
    let stop = here.queuectl(["worker", "stop"]).assert().success();
    stop.stdout("Stopped 1 worker\n")
        .stderr(contains("1 more on other machines").and(contains("--everywhere")));
    mine.wait_for_success();
    assert!(!theirs.has_ended());
    let stop = here.queuectl(["worker", "stop"]).assert().success();
    stop.stdout("No workers are running on this machine\n").stderr(contains("1 more"));
    let document = here.json(["worker", "stop", "--json"]);
    assert_eq!(document, json!({"workers": 0, "stopped": true, "elsewhere": 1}));
    there.enqueue("a", "true");
    there.wait_for("a", State::Completed);
    assert!(!theirs.has_ended());
}

fn worker_stop_everywhere_stops_those_of_all_machines() {
    let (here, there) = two_machines();
    let (mut mine, mut theirs) = (worker(&here), worker(&there));
    let stop = here.queuectl(["worker", "stop", "--everywhere"]).assert().success();
    stop.stdout("Stopped 2 workers\n").stderr("");
    assert_eq!(here.worker_pids(), [0; 0], "stop returns when all are gone");
    mine.wait_for_success();
    theirs.wait_for_success();
    here.queuectl(["worker", "stop", "--everywhere"]).assert().success().stdout("No workers are running\n");
}

fn a_stop_on_another_machine_keeps_nobody_from_being_replaced() {
    let (here, there) = two_machines();
    let (mut mine, _theirs) = (worker(&here), worker(&there));
    there.queuectl(["worker", "stop"]).assert().success();
    let before = here.worker_pids();
    assert_eq!(before.len(), 1);
    send(before[0], Signal::SIGKILL);
    wait_until(DEADLINE, "another worker has taken its place", || {
        let now = here.worker_pids();
        now.len() == 1 && now != before
    });
    assert!(!mine.has_ended());
}

/// A user whose password stands wherever it may.
fn home_with_a_password() -> Home {
    let home = Home::quick().on_server(Server::shared());
    let url = format!("{}&password=topsecret", Server::shared().url(home.schema().name()));
    home.with("QUEUECTL_DATABASE", &url).with("PGPASSWORD", "topsecret")
}

fn no_job_inherits_the_password_of_the_server() {
    let home = home_with_a_password();
    home.enqueue("inherits", "env");
    home.queuectl(["enqueue", "--id", "asks", "--env", "PGPASSWORD=topsecret", "--shell", "env"])
        .assert()
        .success();
    home.drain();
    let inherited = home.stdout(["logs", "inherits"]);
    assert!(!inherited.contains("topsecret") && !inherited.contains("PGPASSWORD"), "{inherited}");
    // What is left leads to the queue all the same.
    let url = Server::shared().url(home.schema().name());
    assert!(inherited.lines().any(|line| line == format!("QUEUECTL_DATABASE={url}")), "{inherited}");
    assert!(home.stdout(["logs", "asks"]).lines().any(|line| line == "PGPASSWORD=topsecret"));
}

fn a_password_stands_in_no_argument_and_in_no_log() {
    let home = home_with_a_password();
    let mut worker = home.worker(["-v", "--count", "2"]);
    wait_until(DEADLINE, "two workers", || home.worker_pids().len() == 2);
    home.enqueue("a", "true");
    home.wait_for("a", State::Completed);
    let programs = home.managers_and_workers();
    assert_eq!(programs.len(), 3, "a manager and its workers");
    for pid in programs {
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(!arguments.contains("topsecret"), "{arguments}");
    }
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
    let said = worker.said();
    assert!(said.contains("Shutdown complete.") && !said.contains("topsecret"), "{said}");
}

/// A manager whose worker runs the job `held`, the worker's process, and their server,
/// which has just gone.
fn at_work_without_a_server() -> (Server, Home, Worker, i32) {
    let server = Server::start(&[("fsync", "off")]);
    let home = Home::quick().on_server(&server);
    home.enqueue("held", "if [ $QUEUECTL_JOB_LEASE = 1 ]; then touch running; sleep 1000; fi");
    let worker = home.worker_in_the_middle("running");
    let pid = home.worker_pids()[0];
    server.stop(Mode::Immediate);
    (server, home, worker, pid)
}

fn a_worker_that_dies_while_the_server_is_away_is_replaced_when_it_is_back() {
    let (server, home, mut worker, pid) = at_work_without_a_server();
    send(pid, Signal::SIGKILL);
    worker.wait_until_it_says("A worker died");
    assert!(!worker.has_ended(), "nobody gives up");
    server.resume();
    home.wait_for("held", State::Completed);
    assert_eq!((home.job("held").lease, home.job("held").crashes), (2, 1));
    worker.signal(Signal::SIGTERM);
    worker.wait_for_success();
}

fn two_signals_end_everything_while_the_server_is_away() {
    let (server, home, mut worker, pid) = at_work_without_a_server();
    worker.wait_until_it_says("results are kept");
    worker.signal(Signal::SIGTERM);
    worker.wait_until_it_says("Received shutdown signal");
    worker.signal(Signal::SIGTERM);
    let asked = Instant::now();
    assert_eq!(worker.wait().code(), Some(1), "what has ended could not be recorded");
    assert!(asked.elapsed() < seconds(20), "{:?}", asked.elapsed());
    assert!(!alive(pid));
    assert_eq!(home.processes_of("held"), [0; 0]);
    server.resume();
    home.drain();
    let job = home.job("held");
    assert_eq!((job.state, job.crashes), (State::Completed, 0), "it was ended, and no worker has crashed");
}

fn a_worker_that_stands_still_is_ended_before_others_may_run_its_job() {
    let (here, there) = two_machines();
    let command =
        "if [ $QUEUECTL_JOB_LEASE = 1 ]; then touch running; trap '' TERM; while :; do sleep 0.05; done; fi";
    here.enqueue("held", command);
    let mut mine = worker(&here);
    here.wait_for_file("running");
    let _theirs = worker(&there);
    let sleeper = here.job("held").worker.unwrap();
    let sleeper = i32::try_from(here.store().worker(sleeper).unwrap().unwrap().pid).unwrap();
    send(sleeper, Signal::SIGSTOP);
    let stopped = Instant::now();
    wait_until(seconds(60), "the job is another worker's", || here.job("held").lease == 2);
    assert!(stopped.elapsed() < seconds(33), "{:?}", stopped.elapsed());
    mine.wait_until_it_says("stands still");
    assert!(!alive(sleeper), "and it was ended before");
    here.wait_for("held", State::Completed);
    let outcomes = here.outcomes("held");
    assert_eq!(outcomes, [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))]);
    mine.signal(Signal::SIGTERM);
    mine.wait_for_success();
}
