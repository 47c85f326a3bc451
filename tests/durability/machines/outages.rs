//! The server is away: jobs go on as long as nobody else may start them.

use super::field::{Field, lease, pass};
use crate::oracle::watched;
use crate::scale::{report, rounds};
use crate::support::postgres::Mode;
use crate::support::trials::trials;
use crate::support::{DEADLINE, seconds, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{Outcome, State};
use std::time::{Duration, Instant};

trials![
    jobs_go_on_through_an_outage_shorter_than_the_lease_and_their_results_are_recorded if Postgres,
    jobs_are_interrupted_in_an_outage_longer_than_the_lease_and_run_again if Postgres and Storm,
    a_worker_that_was_killed_is_missed_at_once_on_its_own_machine if Postgres,
    a_clock_of_the_server_that_is_set_forward_kills_nobody if Postgres and Faketime,
];

/// Runs until it is told to go on.
fn held(name: &str) -> String {
    watched(&format!("touch running-{name}; until [ -e go-{name} ]; do sleep 0.02; done"))
}

fn jobs_go_on_through_an_outage_shorter_than_the_lease_and_their_results_are_recorded() {
    for mode in [Mode::Fast, Mode::Immediate].into_iter().cycle().take(rounds(1, 4) as usize) {
        let field = Field::new(&[]);
        let (oracle, home) = (&field.oracle, field.home());
        let once = ["--max-retries", "0"];
        for name in ["ends-meanwhile", "fails-meanwhile", "goes-on"] {
            let command = held(name) + if name == "fails-meanwhile" { "; exit 3" } else { "" };
            assert!(oracle.enqueue(name, &command, &once));
        }
        let mut worker = home.worker(["--count", "2", "--concurrency", "2"]);
        for name in ["ends-meanwhile", "fails-meanwhile", "goes-on"] {
            home.wait_for_file(&format!("running-{name}"));
        }
        field.server.stop(mode);
        let began = Instant::now();
        home.make_file("go-ends-meanwhile");
        home.make_file("go-fails-meanwhile");
        for name in ["ends-meanwhile", "fails-meanwhile"] {
            home.wait_until_nothing_is_left_of(name);
        }
        // No longer than a lease lasts on the side of the worker.
        pass(seconds(rounds(6, 20)).min(lease().ends_jobs_after().saturating_sub(seconds(3))));
        assert!(!home.processes_of("goes-on").is_empty(), "nobody else may start it yet");
        field.server.resume();
        let (away, resumed) = (began.elapsed(), Instant::now());
        home.wait_for("ends-meanwhile", State::Completed);
        home.wait_for("fails-meanwhile", State::Dead);
        let recorded = resumed.elapsed();
        home.make_file("go-goes-on");
        home.wait_for("goes-on", State::Completed);
        for (name, code) in [("ends-meanwhile", 0), ("fails-meanwhile", 3), ("goes-on", 0)] {
            assert_eq!(home.outcomes(name), [Some(Outcome::Exit(code))], "{name} ran once");
            assert_eq!((home.job(name).attempts, home.job(name).crashes), (1, 0), "{name}");
        }
        report(&format!("an outage of {away:.1?}: results recorded {recorded:.1?} after its end"));
        home.queuectl(["worker", "stop"]).assert().success();
        worker.wait_for_success();
        oracle.expect_no_breach();
    }
}

fn jobs_are_interrupted_in_an_outage_longer_than_the_lease_and_run_again() {
    let field = Field::new(&[]);
    let (oracle, home) = (&field.oracle, field.home());
    let first = "touch hangs; trap '' TERM; while :; do sleep 0.05; done";
    let command = watched(&format!("if [ $QUEUECTL_JOB_LEASE = 1 ]; then {first}; fi"));
    assert!(oracle.enqueue("held", &command, &["--max-retries", "0"]));
    let _worker = home.worker([""; 0]);
    home.wait_for_file("hangs");
    field.server.stop(Mode::Fast);
    let began = Instant::now();
    home.wait_until_nothing_is_left_of("held");
    let ended = began.elapsed();
    pass(seconds(10));
    field.server.resume();
    home.wait_for("held", State::Completed);
    report(&format!("jobs are ended {ended:.1?} after the server went away"));
    let (least, most) = (lease().ends_jobs_after(), lease().dead_after());
    assert!(ended + 2 * lease().renewed_every() > least && ended < most, "it was ended after {ended:?}");
    assert_eq!((home.job("held").attempts, home.job("held").crashes), (1, 0), "nobody is to blame");
    assert_eq!(home.outcomes("held"), [Some(Outcome::Interrupted), Some(Outcome::Exit(0))]);
    home.queuectl(["worker", "stop"]).assert().success();
    oracle.expect_no_breach();
}

fn a_worker_that_was_killed_is_missed_at_once_on_its_own_machine() {
    let field = Field::new(&[]);
    let (oracle, home) = (&field.oracle, field.home());
    let _worker = home.worker(["--count", "2"]);
    let mut times: Vec<Duration> = Vec::new();
    for round in 0..rounds(3, 50) {
        let id = format!("victim-{round}");
        let first = format!("touch hangs-{round}; while :; do sleep 0.05; done");
        let command = watched(&format!("if [ $QUEUECTL_JOB_LEASE = 1 ]; then {first}; fi"));
        assert!(oracle.enqueue(&id, &command, &["--max-retries", "0"]));
        home.wait_for_file(&format!("hangs-{round}"));
        let holder = home.job(&id).worker.expect("a worker holds it");
        let holder = home.store().worker(holder).unwrap().unwrap().pid;
        send(holder.cast_signed(), Signal::SIGKILL);
        let killed = Instant::now();
        // Who takes it may have to be started first; a manager whose workers die all
        // the time is in no hurry.
        wait_until(DEADLINE, "its job was taken back", || {
            let job = home.job(&id);
            job.state != State::Processing || job.lease > 1
        });
        times.push(killed.elapsed());
        home.wait_for(&id, State::Completed);
        assert_eq!(home.outcomes(&id), [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))]);
    }
    times.sort();
    report(&format!(
        "{} killed workers: their jobs were taken back after {:.2?} in the middle, {:.2?} at most",
        times.len(),
        times[times.len() / 2],
        times[times.len() - 1],
    ));
    assert!(times[times.len() - 1] < seconds(10), "{times:?}");
    home.queuectl(["worker", "stop"]).assert().success();
    oracle.expect_no_breach();
}

fn a_clock_of_the_server_that_is_set_forward_kills_nobody() {
    let field = Field::new(&[]);
    let home = field.home();
    field.server.set_clock_ahead(Duration::ZERO);
    field.server.restart(Mode::Fast);
    assert!(field.oracle.enqueue("held", &held("held"), &[]));
    let mut holder = home.worker([""; 0]);
    home.wait_for_file("running-held");
    let elsewhere = field.elsewhere();
    let mut neighbour = elsewhere.worker([""; 0]);
    neighbour.wait_until_it_says("Loop started");
    let mut client = home.schema().client();
    let jumps = rounds(5, 50);
    for minute in 1..=jumps {
        field.server.set_clock_ahead(seconds(60 * minute));
        // Each lease is renewed at the latest two seconds later, and was looked at before.
        wait_until(DEADLINE, "both live by the new time", || {
            let sql = "SELECT count(*) FROM heartbeat WHERE clock_timestamp() - beat_at < '10 s'";
            let live: i64 = client.query_one(sql, &[]).unwrap().get(0);
            live == 2
        });
    }
    assert_eq!(home.json(["worker", "list", "--json"]).as_array().unwrap().len(), 2);
    home.make_file("go-held");
    home.wait_for("held", State::Completed);
    assert_eq!((home.job("held").lease, home.outcomes("held")), (1, vec![Some(Outcome::Exit(0))]));
    home.queuectl(["worker", "stop", "--everywhere"]).assert().success();
    holder.wait_for_success();
    neighbour.wait_for_success();
    report(&format!("the server's clock was set forward {jumps} times by a minute: nobody was called dead"));
    field.oracle.expect_no_breach();
}
