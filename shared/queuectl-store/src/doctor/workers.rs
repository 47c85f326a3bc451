//! Who works on a queue, on which machine, and what they hold.

use super::words::{START_A_WORKER, jobs, jobs_are};
use crate::counts::Counts;
use crate::finding::Finding;
use crate::lease::LeaseTimes;
use crate::machine;
use crate::worker_record::{Life, WorkerRecord};
use queuectl_core::{Timestamp, WorkerId};
use std::collections::HashSet;

/// The name of the check of who works.
pub(super) const CHECK: &str = "workers";

/// Jobs that a worker holds.
pub(super) struct Held {
    /// The worker.
    pub(super) worker: WorkerId,
    /// It has ended, so it should hold none.
    pub(super) has_ended: bool,
    /// How many.
    pub(super) jobs: u64,
}

/// Workers that live, have died, stand still, or are not heard of; and queues with jobs that
/// none of them serves.
pub(super) fn roster(workers: &[WorkerRecord], queues: &[(String, Counts)], now: Timestamp) -> Vec<Finding> {
    let unfinished: i64 = queues.iter().map(|(_, counts)| counts.unfinished()).sum();
    let mut findings: Vec<Finding> = workers.iter().filter_map(|worker| trouble_with(worker, now)).collect();
    let alive: Vec<&WorkerRecord> = workers.iter().filter(|worker| worker.life == Life::Alive).collect();
    if !alive.is_empty() || unfinished <= 0 {
        findings.push(Finding::ok(CHECK, on_machines(&alive) + &given_up_after(&alive)));
    } else if workers.iter().all(|worker| worker.life == Life::Dead) {
        let found = format!("none is there for {}", jobs(unfinished.unsigned_abs()));
        findings.push(Finding::warning(CHECK, found, format!("start one: `{START_A_WORKER}`")));
    }
    if workers.iter().any(WorkerRecord::takes_jobs) {
        findings.extend(unserved(workers, queues));
    }
    findings
}

/// Queues with jobs that wait for ever, since no worker serves them.
fn unserved(workers: &[WorkerRecord], queues: &[(String, Counts)]) -> Option<Finding> {
    let is_served = |queue: &str| workers.iter().any(|w| w.takes_jobs() && w.queues.serves(queue));
    let unserved: Vec<_> =
        queues.iter().filter(|(queue, counts)| counts.unfinished() > 0 && !is_served(queue)).collect();
    let (first, counts) = unserved.first()?;
    let more = match unserved.len() - 1 {
        0 => String::new(),
        more => format!(", nor {more} more queues with jobs"),
    };
    let found =
        format!("none serves the queue {first} with its {}{more}", jobs(counts.unfinished().unsigned_abs()));
    Some(Finding::warning(CHECK, found, format!("start one that serves all: `{START_A_WORKER}`")))
}

/// Jobs whose worker is no more; `report_it` is what to do about what must never be.
pub(super) fn leases(held: &[Held], workers: &[WorkerRecord], report_it: impl Into<String>) -> Finding {
    const CHECK: &str = "leases";
    let is_dead = |id| workers.iter().any(|worker| worker.id == id && worker.life == Life::Dead);
    let (mut orphans, mut lost, mut total) = (0, 0, 0);
    for Held { worker, has_ended, jobs } in held {
        total += jobs;
        if *has_ended {
            lost += jobs;
        } else if is_dead(*worker) {
            orphans += jobs;
        }
    }
    if lost > 0 {
        let found = format!("{} processing and held by workers that have ended", jobs_are(lost));
        Finding::error(CHECK, found, report_it)
    } else if orphans > 0 {
        Finding::warning(
            CHECK,
            format!("{} processing and held by workers that have died", jobs_are(orphans)),
            format!("the next worker takes them back: `{START_A_WORKER}`"),
        )
    } else {
        Finding::ok(CHECK, format!("{} held by workers", jobs_are(total)))
    }
}

/// Says what is wrong with a worker, if anything is.
fn trouble_with(worker: &WorkerRecord, now: Timestamp) -> Option<Finding> {
    let (pid, host) = (worker.pid, &worker.host);
    let named = format!("worker {} (PID {pid} on {host})", worker.id);
    let holds = jobs(worker.jobs_now);
    let silent = worker.heartbeat_at.map(|at| now.since(at)).unwrap_or_default();
    let lease = worker.lease.unwrap_or(LeaseTimes::USUAL);
    let (found, advice) = match worker.life {
        Life::Dead if worker.is_here => (
            format!("{named} has died, and holds {holds}"),
            format!("the next worker takes over what it held: `{START_A_WORKER}`"),
        ),
        Life::Dead => (
            format!("nothing was heard of {named} for {} s, and it holds {holds}", silent.as_secs()),
            format!(
                "any worker takes over what it held: `{START_A_WORKER}`; see whether the machine runs and reaches \
                 the server"
            ),
        ),
        // Where no server is told who lives, waiting shows nothing more.
        Life::Unknown if worker.is_here && worker.lease.is_none() => {
            (format!("nobody can tell whether {named} lives"), format!("see for yourself with `ps {pid}`"))
        }
        Life::Unknown => (
            format!("nobody can tell whether {named} lives"),
            format!(
                "look again in {} s, or see for yourself on {host} with `ps {pid}`",
                lease.dead_after().as_secs()
            ),
        ),
        Life::Alive if worker.is_stalled => (
            format!("{named} was stopped and stands still, and holds {holds}"),
            format!("let it go on with `kill -CONT {pid}`, or end it with `kill -KILL {pid}`"),
        ),
        Life::Alive if silent > lease.is_overdue_after() => (
            format!("nothing was heard of {named} for {} s, and it holds {holds}", silent.as_secs()),
            format!(
                "see whether the machine runs and reaches the server; after {} s of silence it ends its jobs, and \
                 after {} s others run them: in {} s",
                lease.ends_jobs_after().as_secs(),
                lease.dead_after().as_secs(),
                worker.given_up_at().map_or(0, |at| at.since(now).as_secs())
            ),
        ),
        Life::Alive => return None,
    };
    Some(Finding::warning(CHECK, found, advice))
}

/// After how much silence they are given up; nothing where no server is told who lives.
fn given_up_after(alive: &[&WorkerRecord]) -> String {
    let leases = || alive.iter().filter_map(|worker| Some(worker.lease?.dead_after().as_secs()));
    match (leases().min(), leases().max()) {
        (Some(least), Some(most)) if least == most => {
            format!("; one that is silent for {least} s is given up")
        }
        (Some(least), Some(most)) => {
            format!("; one that is silent for {least} to {most} s, by its own lease, is given up")
        }
        _ => String::new(),
    }
}

/// How many live, and where.
fn on_machines(alive: &[&WorkerRecord]) -> String {
    let (all, here) = (alive.len(), alive.iter().filter(|worker| worker.is_here).count());
    // Machines may have the same name.
    let machines: HashSet<_> = alive.iter().map(|worker| (&worker.host, &worker.boot_id)).collect();
    match (machines.len(), alive.first()) {
        _ if all == here => format!("{all} alive"),
        (1, Some(worker)) if here == 0 && worker.boot_id != machine::boot_id() => {
            format!("{all} alive on {}", worker.host)
        }
        (1, _) if here == 0 => format!("{all} alive, of another user or in another container"),
        (machines, _) => {
            format!("{all} alive on {machines} machines, {here} of them are yours on this one")
        }
    }
}
