//! A server that falls silent or cannot be reached: who waits, and for how long.

use super::postgres_faults::{Field, home_worker_pid};
use crate::support::postgres::Server;
use crate::support::proxy::{Does, Proxy};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, send, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use predicates::str::contains;
use queuectl_core::State;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

trials![
    connections_that_fall_silent_are_made_anew if Postgres,
    a_forced_stop_ends_jobs_at_once_though_the_server_hangs if Postgres,
    a_manager_hears_signals_while_no_server_answers if Postgres,
    a_command_does_not_wait_for_ever_for_a_silent_server if Postgres,
    a_worker_that_waits_for_a_connection_stops_at_once if Postgres,
    workers_are_stopped_though_the_server_cannot_be_reached if Postgres,
    a_manager_whose_worker_died_is_stopped_though_the_server_cannot_be_reached if Postgres,
];

/// With a lease so long it is the stop that ends them.
fn a_forced_stop_ends_jobs_at_once_though_the_server_hangs() {
    let mut field = Field::begin_in(Home::quick().with("QUEUECTL_LEASE", "5min"), &["--concurrency", "2"]);
    field.proxy.door(Does::Hang);
    field.proxy.asked(Does::Hang);
    let began = Instant::now();
    let mut stop = field.home.background(Spelling::Direct, ["worker", "stop", "--force"]);
    wait_until(DEADLINE, "its processes are ended", || field.home.processes_of("long").is_empty());
    let ended = began.elapsed();
    stop.wait();
    assert_eq!(field.worker.wait().code(), Some(1), "what became of the job could not be recorded");
    // No answer is waited for first; what is between is for slow machines.
    assert!(ended < Duration::from_secs(10), "{ended:?}");
    field.proxy.heal();
    fs::write(field.home.path("go"), "").unwrap();
    field.home.drain();
    assert_eq!(field.home.state("long"), State::Completed);
}

fn connections_that_fall_silent_are_made_anew() {
    let field = Field::begin(&["--concurrency", "2"]);
    field.proxy.fall_silent();
    // By connections that are made now.
    field.home.enqueue_once("next", "true");
    field.home.wait_for("next", State::Completed);
    field.ends_well();
}

fn a_manager_hears_signals_while_no_server_answers() {
    let mut field = Field::begin(&["--concurrency", "2"]);
    field.proxy.door(Does::Hang);
    field.proxy.fall_silent();
    let manager = Pid::from_raw(field.worker.pid());
    let began = Instant::now();
    kill(manager, Signal::SIGTERM).unwrap();
    field.worker.wait_until_it_says("Received shutdown signal");
    kill(manager, Signal::SIGTERM).unwrap();
    field.worker.wait();
    // Far less than the lease, and far more than a slow machine needs.
    assert!(began.elapsed() < Duration::from_secs(29), "{:?}", began.elapsed());
}

fn a_command_does_not_wait_for_ever_for_a_silent_server() {
    let proxy = Proxy::before(Server::shared());
    let schema = Arc::new(Server::shared().schema());
    let home = Home::quick()
        .with("QUEUECTL_BUSY_TIMEOUT", "1s")
        .with("QUEUECTL_CONNECT_TIMEOUT", "1s")
        .in_schema(&schema, &proxy.url(schema.name()));
    home.enqueue("a", "true");
    proxy.asked(Does::Hang);
    for command in
        [&["list"][..], &["status"], &["show", "a"], &["logs", "a"], &["worker", "list"], &["doctor"]]
    {
        let began = Instant::now();
        let output = home.queuectl(command).assert().get_output().clone();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("no answer within"), "{command:?}: {said}");
        assert!(began.elapsed() < DEADLINE / 2, "{command:?}: {:?}", began.elapsed());
    }
}

fn a_worker_that_waits_for_a_connection_stops_at_once() {
    let proxy = Proxy::before(Server::shared());
    let schema = Arc::new(Server::shared().schema());
    let home = Home::quick()
        .with("QUEUECTL_BUSY_TIMEOUT", "1h")
        .with("QUEUECTL_CONNECT_TIMEOUT", "1h")
        .in_schema(&schema, &proxy.url(schema.name()));
    home.enqueue("a", "true");
    let mut worker = home.worker(["--count", "1"]);
    home.wait_for("a", State::Completed);
    // Its successor finds nobody who answers.
    let came = proxy.came();
    proxy.door(Does::Hang);
    let pid = home_worker_pid(&schema);
    send(pid, Signal::SIGKILL);
    wait_until(DEADLINE, "its successor waits for an answer", || proxy.came() > came);
    let began = Instant::now();
    send(worker.pid(), Signal::SIGTERM);
    worker.wait();
    // It takes no time; what is between here and the hour is for slow machines.
    assert!(began.elapsed() < DEADLINE / 2, "{:?}", began.elapsed());
}

/// It would start another worker when the server is back.
fn a_manager_whose_worker_died_is_stopped_though_the_server_cannot_be_reached() {
    for arguments in [&["worker", "stop"][..], &["worker", "stop", "--force"]] {
        let mut field = Field::begin(&["--concurrency", "2"]);
        let workers = field.home.worker_pids();
        field.proxy.door(Does::Refuse);
        field.proxy.cut();
        for worker in workers {
            send(worker, Signal::SIGKILL);
        }
        field.worker.wait_until_it_says("A worker died");
        field.home.queuectl(arguments).assert().success().stdout(contains("Stopped 1 worker"));
        // Its jobs may not have been given back, and it says so.
        assert_eq!(field.worker.wait().code(), Some(1));
        field.proxy.heal();
        let mut later = field.home.worker(["--drain"]);
        fs::write(field.home.path("go"), "").unwrap();
        later.wait_for_success();
        assert_eq!(field.home.state("long"), State::Completed);
    }
}

fn workers_are_stopped_though_the_server_cannot_be_reached() {
    for door in [Does::Refuse, Does::Hang, Does::Answer("28P01")] {
        let mut field = Field::begin(&["--concurrency", "2"]);
        field.proxy.door(door);
        field.proxy.cut();
        let mut stop = field.home.background(Spelling::Direct, ["worker", "stop"]);
        // What runs is finished first.
        field.worker.wait_until_it_says("finishing current job...");
        fs::write(field.home.path("go"), "").unwrap();
        field.proxy.heal();
        stop.wait_for_success();
        assert!(stop.printed().contains("Stopped 1 worker"), "{}", stop.said());
        field.worker.wait_for_success();
        field.home.wait_for("long", State::Completed);
        assert_eq!(field.home.attempts("long").len(), 1);
    }
    // Also by force, and where nobody lives the obstacle is said.
    let mut field = Field::begin(&["--concurrency", "2"]);
    field.proxy.door(Does::Refuse);
    field.proxy.cut();
    field.home.queuectl(["worker", "stop", "--force"]).assert().success();
    field.worker.wait();
    field.home.queuectl(["worker", "stop"]).assert().code(1).stderr(contains("cannot be reached"));
}
