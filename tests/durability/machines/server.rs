//! The server is restarted, cuts connections, has none to spare; workers are
//! killed. Nothing is lost, nothing doubled, and the work goes on as before.

use super::field::{Field, pass};
use super::load::{Ends, endure};
use crate::scale::{report, rounds};
use crate::support::postgres::{Mode, Server};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Worker, kill_all, seconds, wait_until};
use postgres::{Client, NoTls};
use std::cell::RefCell;
use std::time::{Duration, Instant};

trials![
    fast_restarts_of_the_server_lose_and_double_nothing if Postgres,
    immediate_restarts_of_the_server_lose_and_double_nothing if Postgres,
    connections_that_are_cut_again_and_again_lose_and_double_nothing if Postgres,
    a_server_without_a_connection_to_spare_loses_and_doubles_nothing if Postgres,
    workers_that_are_all_killed_and_started_again_lose_and_double_nothing if Postgres,
    workers_that_are_killed_again_and_again_lose_and_double_nothing if Postgres,
];

const ALL: [&str; 4] = ["--count", "2", "--concurrency", "4"];

/// Waits until the workers have done something again.
fn progress(field: &Field) {
    let mut ends = Ends::new(&field.oracle);
    let before = ends.count();
    wait_until(DEADLINE, "work goes on", || ends.count() > before + 2);
}

/// Runs workers through a fault that they must survive, and asks the oracle.
fn survive(label: &str, settings: &[(&str, &str)], fault: impl FnOnce(&Field)) {
    let field = Field::new(settings);
    let mut worker = field.home().worker(ALL);
    endure(&field.oracle, label, || fault(&field));
    assert!(!worker.has_ended(), "the manager survives; it said:\n{}", worker.said());
    judge(&field, &mut worker);
}

/// Stops the workers, runs what is left, and asks the oracle.
fn judge(field: &Field, worker: &mut Worker) {
    field.home().queuectl(["worker", "stop"]).assert().success();
    worker.wait_for_success();
    assert!(!worker.said().contains("panicked"), "{}", worker.said());
    let drain = ["worker", "start", "--drain", "--exit-zero", "--concurrency", "16"];
    field.home().queuectl(drain).assert().success();
    field.oracle.expect_no_breach();
}

fn restarts(label: &str, mode: Mode) {
    survive(label, &[], |field| {
        for _ in 0..rounds(2, 10) {
            field.server.stop(mode);
            pass(Duration::from_millis(500));
            field.server.resume();
            progress(field);
        }
    });
}

fn fast_restarts_of_the_server_lose_and_double_nothing() {
    restarts("fast restarts of the server", Mode::Fast);
}

fn immediate_restarts_of_the_server_lose_and_double_nothing() {
    restarts("immediate restarts of the server", Mode::Immediate);
}

fn connections_that_are_cut_again_and_again_lose_and_double_nothing() {
    survive("pg_terminate_backend in a loop", &[], |field| {
        let (began, mut cut) = (Instant::now(), 0);
        while began.elapsed() < seconds(rounds(4, 30)) {
            cut += field.server.kill_backends();
            pass(Duration::from_millis(100));
        }
        report(&format!("{cut} connections were cut"));
        assert!(cut > 0);
    });
}

/// Takes connections until there is none left to take.
fn take_all(server: &Server) -> Vec<Client> {
    let mut as_taker = server.configuration();
    as_taker.application_name("taker");
    std::iter::from_fn(|| as_taker.connect(NoTls).ok()).collect()
}

fn a_server_without_a_connection_to_spare_loses_and_doubles_nothing() {
    let settings = [("max_connections", "120"), ("superuser_reserved_connections", "0")];
    survive("100 idle connections, then none to spare", &settings, |field| {
        let mut idle: Vec<Client> = (0..100).map(|_| field.server.client()).collect();
        for client in &mut idle {
            client.batch_execute("SET application_name = 'taker'").unwrap();
        }
        pass(seconds(rounds(2, 10)));
        progress(field);
        // A worker loses its connection and gets no other.
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE backend_type = 'client backend' AND application_name <> 'taker'";
        let (began, mut cut) = (Instant::now(), 0);
        while began.elapsed() < seconds(rounds(3, 15)) {
            idle.extend(take_all(&field.server));
            cut += idle[0].query(others, &[]).unwrap().len();
            pass(Duration::from_millis(50));
        }
        assert!(cut > 0 && idle.len() > 110, "{cut} cut, {} taken", idle.len());
        drop(idle);
        progress(field);
    });
}

fn workers_that_are_all_killed_and_started_again_lose_and_double_nothing() {
    let field = Field::new(&[]);
    let worker = RefCell::new(field.home().worker(ALL));
    endure(&field.oracle, "SIGKILL of all workers, and a start", || {
        for _ in 0..rounds(2, 10) {
            kill_all(|| field.home().managers_and_workers());
            worker.replace(field.home().worker(ALL));
            progress(&field);
        }
    });
    judge(&field, &mut worker.borrow_mut());
}

fn workers_that_are_killed_again_and_again_lose_and_double_nothing() {
    let field = Field::new(&[]);
    let worker = RefCell::new(field.home().worker(ALL));
    let mut killed = 0_usize;
    endure(&field.oracle, "a manager or worker killed every 400 ms", || {
        let began = Instant::now();
        while began.elapsed() < seconds(rounds(5, 60)) {
            let victims = field.home().managers_and_workers();
            let victim = victims[(killed * 7 + 1) % victims.len()];
            kill_all(|| {
                field.home().managers_and_workers().into_iter().filter(|&pid| pid == victim).collect()
            });
            killed += 1;
            if worker.borrow_mut().has_ended() {
                worker.replace(field.home().worker(ALL));
                // It can be killed when it is under way.
                worker.borrow().wait_until_it_says("Loop started");
            }
            pass(Duration::from_millis(400));
        }
    });
    report(&format!("{killed} were killed"));
    judge(&field, &mut worker.borrow_mut());
}
