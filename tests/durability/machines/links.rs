//! Several machines: a cable is cut, a machine dies, and no job runs twice at once.

use super::field::{Machines, lease, pass};
use super::load::endure;
use crate::oracle::watched;
use crate::scale::report;
use crate::support::postgres::Mode;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Worker, seconds, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{Outcome, State};
use queuectl_store::Bug;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

trials![
    a_silent_machine_ends_its_jobs_before_another_starts_them if Postgres and Namespaces,
    workers_that_start_again_end_what_was_left_on_their_machine if Postgres and Namespaces,
    the_workers_of_one_machine_are_not_those_of_another if Postgres and Namespaces,
    a_planted_worker_that_overruns_its_lease_is_found if Postgres and Namespaces and PlantedBugs,
    a_cut_of_a_minute_loses_and_doubles_nothing if Postgres and Namespaces and Storm,
    nobody_is_called_dead_after_an_outage_that_all_have_seen if Postgres and Namespaces and Storm,
];

/// Hangs in its first run, whatever asks it to end; ends at once in the second.
pub fn hangs_once(name: &str) -> String {
    let first = format!("touch hangs-{name}; trap '' TERM; while :; do sleep 0.05; done");
    watched(&format!("if [ $QUEUECTL_JOB_LEASE = 1 ]; then {first}; fi"))
}

pub fn start(home: &Home, concurrency: &str) -> Worker {
    let worker = home.worker(["--concurrency", concurrency]);
    worker.wait_until_it_says("Loop started");
    worker
}

pub fn stop(home: &Home, worker: &mut Worker) {
    home.queuectl(["worker", "stop"]).assert().success();
    worker.wait_for_success();
}

/// How a machine falls silent.
const SILENT: [&str; 3] = ["cut", "dead", "stalled"];

fn a_silent_machine_ends_its_jobs_before_another_starts_them() {
    let machines = Machines::new(["cut", "dead", "stalled", "alive"]);
    let (oracle, home) = (&machines.oracle, machines.home());
    let once = ["--max-retries", "0"];
    let mut workers = BTreeMap::new();
    for name in SILENT {
        let on = machines.on(name);
        let worker = start(&on, "1");
        assert!(oracle.enqueue(name, &hangs_once(name), &once));
        home.wait_for_file(&format!("hangs-{name}"));
        workers.insert(name, (worker, on));
    }
    let on_alive = machines.on("alive");
    let mut alive = start(&on_alive, "4");

    machines.network.cut("cut");
    machines.network.host("dead").kill_everything();
    // Its manager is there to see it, and its job goes on.
    let stalled = machines.worker_on("stalled");
    send(stalled, Signal::SIGSTOP);
    let began = Instant::now();
    let (mut ended, mut taken) = (BTreeMap::new(), BTreeMap::new());
    let lease = lease();
    wait_until(2 * DEADLINE + lease.dead_after(), "all jobs are done in their second run", || {
        let jobs = SILENT.map(|name| (name, home.job(name)));
        for (name, job) in &jobs {
            let now = began.elapsed();
            if !machines.runs_first(name) {
                ended.entry(*name).or_insert(now);
            }
            if job.lease > 1 {
                assert!(ended.contains_key(name), "{name}: the old command runs beside the new claim");
                taken.entry(*name).or_insert(now);
            }
        }
        jobs.iter().all(|(_, job)| job.state == State::Completed)
    });
    for name in SILENT {
        report(&format!(
            "the job of a machine that is {name} ended after {:.1?} and was taken over after {:.1?}",
            ended[name], taken[name],
        ));
        assert_eq!(home.outcomes(name), [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))], "{name}");
        // The last renewal may be as old as the next one is far away. A worker that is
        // stopped is ended, and rescued, on its own machine, which can see it.
        let latest_renewal = 2 * lease.renewed_every();
        assert!(
            taken[name] + latest_renewal > lease.ends_jobs_after(),
            "{name} was judged before its lease had run out"
        );
        // A machine that is busy with other tests may be late.
        assert!(taken[name] < lease.dead_after() + seconds(17), "{name} was missed after {:?}", taken[name]);
    }

    // Those that live come back and work.
    stop(&on_alive, &mut alive);
    machines.network.heal("cut");
    let healed = Instant::now();
    for name in ["cut", "stalled"] {
        let (mut worker, on) = workers.remove(name).unwrap();
        let id = format!("{name}-again");
        assert!(oracle.enqueue(&id, &watched(""), &once));
        home.wait_for(&id, State::Completed);
        stop(&on, &mut worker);
    }
    report(&format!("all worked again {:.1?} after the cable was healed", healed.elapsed()));
    oracle.expect_no_breach();
}

fn workers_that_start_again_end_what_was_left_on_their_machine() {
    let machines = Machines::new(["a", "b"]);
    let (oracle, home) = (&machines.oracle, machines.home());
    let (on_a, on_b) = (machines.on("a"), machines.on("b"));
    let _killed = start(&on_a, "1");
    assert!(oracle.enqueue("left", &hangs_once("left"), &["--max-retries", "0"]));
    home.wait_for_file("hangs-left");
    let mut there = start(&on_b, "1");
    machines.network.host("a").kill_workers();
    assert!(machines.runs_first("left"), "nobody is there to end it");
    let began = Instant::now();
    let mut again = start(&on_a, "1");
    home.wait_for("left", State::Completed);
    report(&format!("what was left on a machine was ended {:.1?} after a new start there", began.elapsed()));
    assert_eq!(home.outcomes("left"), [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))]);
    assert!(!machines.runs_first("left"));
    stop(&on_a, &mut again);
    stop(&on_b, &mut there);
    oracle.expect_no_breach();
}

fn the_workers_of_one_machine_are_not_those_of_another() {
    let machines = Machines::new(["a", "b"]);
    let home = machines.home();
    let (on_a, on_b) = (machines.on("a"), machines.on("b"));
    let mut on_both = [start(&on_a, "1"), start(&on_b, "1")];
    let listed = |home: &Home| -> Vec<(String, bool)> {
        let workers = home.json(["worker", "list", "--json"]);
        let one = |worker: &serde_json::Value| {
            (worker["host"].as_str().unwrap().to_owned(), worker["alive"].as_bool().unwrap())
        };
        workers.as_array().unwrap().iter().map(one).collect()
    };
    let both_live = [("a".to_owned(), true), ("b".to_owned(), true)];
    for home in [home, &on_a, &on_b] {
        assert_eq!(listed(home), both_live);
        home.queuectl(["status"]).assert().success().stdout(predicates::str::contains("Active workers: 2"));
    }
    // From outside, where no worker is, nobody is stopped.
    home.queuectl(["worker", "stop"]).assert().success();
    assert_eq!(listed(home), both_live);
    on_a.queuectl(["worker", "stop"]).assert().success();
    on_both[0].wait_for_success();
    assert_eq!(listed(home), both_live[1..]);
    home.queuectl(["worker", "stop", "--everywhere"]).assert().success();
    on_both[1].wait_for_success();
    assert_eq!(listed(home), []);
}

fn a_planted_worker_that_overruns_its_lease_is_found() {
    let machines = Machines::new(["cut", "alive"]);
    let (oracle, home) = (&machines.oracle, machines.home());
    let on_cut = machines.on("cut").with("QUEUECTL_PLANTED_BUG", Bug::LeaseOverrun.name());
    let _overruns = start(&on_cut, "1");
    assert!(oracle.enqueue("cut", &hangs_once("cut"), &["--max-retries", "0"]));
    home.wait_for_file("hangs-cut");
    let on_alive = machines.on("alive");
    let mut alive = start(&on_alive, "1");
    machines.network.cut("cut");
    home.wait_for("cut", State::Completed);
    stop(&on_alive, &mut alive);
    let found = oracle.look();
    assert!(found.contains(&"job cut ran twice at once (lease 2)".into()), "{found:?}");
    report(&format!("planted: {} is found: {}", Bug::LeaseOverrun.name(), found.join("; ")));
}

fn a_cut_of_a_minute_loses_and_doubles_nothing() {
    let machines = Machines::new(["a", "b"]);
    let (on_a, on_b) = (machines.on("a"), machines.on("b"));
    let mut workers = [start(&on_a, "4"), start(&on_b, "4")];
    endure(&machines.oracle, "one of two machines cut off for 60 s", || {
        machines.network.cut("a");
        pass(seconds(60));
        machines.network.heal("a");
    });
    stop(&on_a, &mut workers[0]);
    stop(&on_b, &mut workers[1]);
    machines.oracle.expect_no_breach();
}

fn nobody_is_called_dead_after_an_outage_that_all_have_seen() {
    let machines = Machines::new(["a", "b"]);
    let (oracle, home) = (&machines.oracle, machines.home());
    let (on_a, on_b) = (machines.on("a"), machines.on("b"));
    let mut workers = [start(&on_a, "1"), start(&on_b, "1")];
    for name in ["one", "other"] {
        let body = format!("touch hangs-{name}; until [ -e go ]; do sleep 0.05; done");
        assert!(oracle.enqueue(name, &watched(&body), &["--max-retries", "0"]));
        home.wait_for_file(&format!("hangs-{name}"));
    }
    // One of them hears of the server's return a little later than the other.
    machines.server.stop(Mode::Immediate);
    pass(lease().ends_jobs_after().saturating_sub(seconds(4)));
    machines.network.cut("a");
    machines.server.resume();
    pass(Duration::from_millis(1500));
    machines.network.heal("a");
    pass(seconds(10));
    home.make_file("go");
    for name in ["one", "other"] {
        home.wait_for(name, State::Completed);
        assert_eq!(home.outcomes(name), [Some(Outcome::Exit(0))], "{name} ran once");
    }
    stop(&on_a, &mut workers[0]);
    stop(&on_b, &mut workers[1]);
    oracle.expect_no_breach();
}
