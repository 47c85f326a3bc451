//! Several machines: a cable is cut, a machine dies, and no job runs twice at once.

use super::field::{Machines, pass};
use super::load::endure;
use crate::oracle::watched;
use crate::scale::report;
use crate::support::postgres::Mode;
use crate::support::trials::trials;
use crate::support::{Home, Worker, seconds, wait_until};
use queuectl_core::{Outcome, State};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

trials![
    a_silent_machine_ends_its_jobs_before_another_starts_them if Postgres and Namespaces,
    the_workers_of_one_machine_are_not_those_of_another if Postgres and Namespaces,
    a_cut_of_a_minute_loses_and_doubles_nothing if Postgres and Namespaces and Storm,
    nobody_is_called_dead_after_an_outage_that_all_have_seen if Postgres and Namespaces and Storm,
];

/// Hangs in its first run, whoever asks it to end; ends at once in the second.
fn hangs_once(name: &str) -> String {
    let first = format!("touch hangs-{name}; trap '' TERM; while :; do sleep 0.05; done");
    watched(&format!("if [ $QUEUECTL_LEASE = 1 ]; then {first}; fi"))
}

fn outcomes(home: &Home, id: &str) -> Vec<Option<Outcome>> {
    home.attempts(id).iter().map(|attempt| attempt.outcome).collect()
}

/// On which machine each attempt ran.
fn hosts(home: &Home, id: &str) -> Vec<String> {
    let mut store = home.store();
    let attempts = home.attempts(id);
    attempts.iter().map(|attempt| store.worker(attempt.worker).unwrap().unwrap().host).collect()
}

fn start(home: &Home, concurrency: &str) -> Worker {
    let worker = home.worker(["--concurrency", concurrency]);
    worker.wait_until_it_says("Loop started");
    worker
}

fn stop(home: &Home, worker: &mut Worker) {
    home.queuectl(["worker", "stop"]).assert().success();
    worker.wait_for_success();
}

fn a_silent_machine_ends_its_jobs_before_another_starts_them() {
    let machines = Machines::new(["cut", "dead", "alive"]);
    let (oracle, home) = (&machines.oracle, machines.home());
    let (on_cut, on_dead, on_alive) = (machines.on("cut"), machines.on("dead"), machines.on("alive"));
    let once = ["--max-retries", "0"];
    let mut workers = BTreeMap::new();
    for (name, on) in [("cut", &on_cut), ("dead", &on_dead)] {
        workers.insert(name, start(on, "1"));
        assert!(oracle.enqueue(name, &hangs_once(name), &once));
        home.wait_for_file(&format!("hangs-{name}"));
    }
    workers.insert("alive", start(&on_alive, "4"));

    machines.network.cut("cut");
    machines.network.host("dead").kill_everything();
    let began = Instant::now();
    let (mut ended, mut noticed) = (None, BTreeMap::new());
    wait_until(2 * seconds(60), "both jobs are done by the third machine", || {
        let now = began.elapsed();
        if ended.is_none() && on_cut_is_idle(&machines) {
            ended = Some(now);
        }
        for name in ["cut", "dead"] {
            if home.job(name).lease > 1 {
                noticed.entry(name).or_insert(now);
            }
        }
        home.state("cut") == State::Completed && home.state("dead") == State::Completed
    });
    let ended = ended.expect("nothing of the job was left on the machine that was cut off");
    report(&format!(
        "a machine that was cut off ended its job after {ended:.1?}; it was taken over after {:.1?}; \
         that of a machine that died after {:.1?}",
        noticed["cut"], noticed["dead"],
    ));
    assert!(ended < noticed["cut"], "the old command ended before the job was given to another");
    for name in ["cut", "dead"] {
        assert_eq!(outcomes(home, name), [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))], "{name}");
        assert_eq!(hosts(home, name), [name, "alive"]);
        assert!(noticed[name] > seconds(29), "{name} was judged before its lease had run out");
        // 35 s is the promise; a machine that is busy with other tests may be late.
        assert!(noticed[name] < seconds(50), "{name} was missed after {:?}", noticed[name]);
    }

    // The one that was cut off comes back and works.
    stop(&on_alive, workers.get_mut("alive").unwrap());
    machines.network.heal("cut");
    let healed = Instant::now();
    assert!(oracle.enqueue("afterwards", &watched(""), &once));
    home.wait_for("afterwards", State::Completed);
    report(&format!("it worked again {:.1?} after the cable was healed", healed.elapsed()));
    assert_eq!(hosts(home, "afterwards"), ["cut"]);
    stop(&on_cut, workers.get_mut("cut").unwrap());
    oracle.expect_no_breach();
}

/// Tells whether no job runs on the machine that is cut off.
fn on_cut_is_idle(machines: &Machines) -> bool {
    let jobs = crate::support::marked(&["QUEUECTL_JOB_ID=cut"]);
    !machines.network.host("cut").processes().iter().any(|pid| jobs.contains(pid))
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
    pass(seconds(25));
    machines.network.cut("a");
    machines.server.resume();
    pass(Duration::from_millis(1500));
    machines.network.heal("a");
    pass(seconds(10));
    home.make_file("go");
    for name in ["one", "other"] {
        home.wait_for(name, State::Completed);
        assert_eq!(outcomes(home, name), [Some(Outcome::Exit(0))], "{name} ran once");
    }
    stop(&on_a, &mut workers[0]);
    stop(&on_b, &mut workers[1]);
    oracle.expect_no_breach();
}
