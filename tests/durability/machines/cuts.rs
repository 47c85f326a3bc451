//! A machine is cut off, and then its worker dies or hangs: what of ours is left there
//! ends what it had started before another machine starts it again.

use super::field::{Machines, pass};
use super::hangs::Hang;
use super::links::{hangs_once, start, stop};
use crate::scale::{is_long, report, rounds};
use crate::support::trials::{Means, trials};
use crate::support::{DEADLINE, Role, Worker, alive, role, seconds, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{Outcome, State};
use queuectl_store::{Bug, LeaseTimes};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

trials![
    what_a_cut_off_worker_had_started_is_ended_whoever_is_left if Postgres and Namespaces,
    a_planted_guard_that_does_nothing_is_found if Postgres and Namespaces and PlantedBugs,
];

/// What happens on a machine three seconds after its cable was cut.
const CASES: [&str; 5] = ["killed", "all-killed", "frozen", "traced", "guardian"];

fn is_possible(case: &str) -> bool {
    match case {
        "frozen" => Means::Freezer.is_here(),
        "traced" => Means::Strace.is_here(),
        _ => true,
    }
}

fn what_a_cut_off_worker_had_started_is_ended_whoever_is_left() {
    let leases: &[u64] = if is_long() { &[10, 30] } else { &[10] };
    for &length in leases {
        let lease = LeaseTimes::of(seconds(length));
        let mut taken_over: Vec<Duration> = Vec::new();
        for _ in 0..rounds(1, 20) {
            taken_over.extend(cut_and_strike(lease));
        }
        taken_over.sort();
        report(&format!(
            "lease {length} s, {} machines cut off and struck: their jobs ran elsewhere after {:.1?} to {:.1?}",
            taken_over.len(),
            taken_over[0],
            taken_over[taken_over.len() - 1],
        ));
    }
}

/// Each case on a machine of its own, all at the same time; tells how long after the cut
/// each job was another worker's.
fn cut_and_strike(lease: LeaseTimes) -> Vec<Duration> {
    let machines = Machines::new(["killed", "all-killed", "frozen", "traced", "guardian", "alive"]);
    let (oracle, home) = (&machines.oracle, machines.home());
    let cases: Vec<&str> = CASES.into_iter().filter(|case| is_possible(case)).collect();
    let mut workers: Vec<Worker> = Vec::new();
    let homes: BTreeMap<&str, _> = cases.iter().map(|&case| (case, machines.on_with(case, lease))).collect();
    for (case, on) in &homes {
        workers.push(start(on, "1"));
        assert!(oracle.enqueue(case, &hangs_once(case), &["--max-retries", "0"]));
        home.wait_for_file(&format!("hangs-{case}"));
    }
    // Of one manager nothing is left but its job; another of the same user is there.
    let first: Vec<i32> = ours_on(&machines, "all-killed");
    workers.push(start(&homes["all-killed"], "1"));
    let on_alive = machines.on_with("alive", lease);
    workers.push(start(&on_alive, "8"));

    for case in &cases {
        machines.network.cut(case);
    }
    let cut = Instant::now();
    pass(seconds(3));
    strike(&machines.network.host("killed").those(Role::Worker));
    strike(&first);
    let left = machines.network.host("guardian");
    strike(&[left.those(Role::Manager), left.those(Role::Worker)].concat());
    let _hangs: Vec<Hang> = cases
        .iter()
        .filter_map(|&case| match case {
            "frozen" => Some(Hang::freeze(machines.worker_on(case))),
            "traced" => Some(Hang::trace(machines.worker_on(case))),
            _ => None,
        })
        .collect();

    let (mut ended, mut taken) = (BTreeMap::new(), BTreeMap::new());
    wait_until(2 * DEADLINE + lease.dead_after(), "all jobs are done in their second run", || {
        let jobs = cases.iter().map(|&case| (case, home.job(case))).collect::<Vec<_>>();
        for (case, job) in &jobs {
            let now = cut.elapsed();
            if !machines.runs_first(case) {
                ended.entry(*case).or_insert(now);
            }
            if job.lease > 1 {
                assert!(ended.contains_key(case), "{case}: the old command runs beside the new claim");
                taken.entry(*case).or_insert(now);
            }
        }
        jobs.iter().all(|(_, job)| job.state == State::Completed)
    });
    for case in &cases {
        report(&format!(
            "{case}: its job ended {:.1?} after the cut and was another worker's after {:.1?}",
            ended[case], taken[case]
        ));
        assert_eq!(home.outcomes(case), [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))], "{case}");
        assert!(taken[case] + 2 * lease.renewed_every() > lease.dead_after(), "{case} was judged too early");
        // A machine that is busy with other tests may be late.
        assert!(taken[case] < lease.dead_after() + seconds(17), "{case} was missed after {:?}", taken[case]);
    }
    let found = oracle.look();
    assert_eq!(found, [""; 0], "with a lease of {:?}", lease.length());
    taken.into_values().collect()
}

/// Managers, workers and guardians on a machine.
fn ours_on(machines: &Machines, name: &str) -> Vec<i32> {
    machines.network.host(name).processes().into_iter().filter(|&pid| role(pid).is_some()).collect()
}

/// Kills all of them, as nearly at once as can be.
fn strike(pids: &[i32]) {
    assert!(!pids.is_empty());
    for &pid in pids {
        send(pid, Signal::SIGKILL);
    }
    wait_until(DEADLINE, "they are dead", || !pids.iter().any(|&pid| alive(pid)));
}

fn a_planted_guard_that_does_nothing_is_found() {
    let machines = Machines::new(["killed", "alive"]);
    let (oracle, home) = (&machines.oracle, machines.home());
    let lease = LeaseTimes::of(LeaseTimes::SHORTEST);
    let on_killed = machines.on_with("killed", lease).with("QUEUECTL_PLANTED_BUG", Bug::NoGuard.name());
    let _manager = start(&on_killed, "1");
    assert!(oracle.enqueue("killed", &hangs_once("killed"), &["--max-retries", "0"]));
    home.wait_for_file("hangs-killed");
    let on_alive = machines.on_with("alive", lease);
    let mut alive = start(&on_alive, "1");
    machines.network.cut("killed");
    strike(&machines.network.host("killed").those(Role::Worker));
    home.wait_for("killed", State::Completed);
    stop(&on_alive, &mut alive);
    let found = oracle.look();
    assert!(found.contains(&"job killed ran twice at once (lease 2)".into()), "{found:?}");
    report(&format!("planted: {} is found: {}", Bug::NoGuard.name(), found.join("; ")));
}
