//! Who works on a queue, on which machine, and what they hold.

use super::advice::{START_A_WORKER, report_it};
use crate::doctor::{jobs, jobs_are};
use crate::inspect::{Inspect, Life, Worker};
use crate::lease::LeaseTimes;
use crate::liveness::lock_file_path;
use crate::postgres::{PostgresStore, row, sql};
use crate::upkeep::Finding;
use crate::{Result, machine};
use queuectl_core::{Timestamp, WorkerId};
use std::collections::HashSet;

impl PostgresStore {
    /// What can be said of everybody who works on the queue.
    pub(super) fn work(&mut self) -> Vec<Finding> {
        let workers = match self.workers() {
            Ok(workers) => workers,
            Err(error) => return vec![self.no_answer("workers", &error)],
        };
        let mut findings = vec![self.finding("lock-file", Self::lock_file_of_this_machine)];
        findings.extend(self.roster(&workers));
        findings.push(self.finding("leases", |store| store.leases(&workers)));
        findings
    }

    /// The file by which workers of this machine show that they live.
    fn lock_file_of_this_machine(&mut self) -> Result<Finding> {
        const CHECK: &str = "lock-file";
        let path = lock_file_path(&self.stand_in);
        Ok(match self.lock_file_here()? {
            Some(_) => Finding::ok(CHECK, path.display().to_string()),
            None => Finding::ok(CHECK, "not there; the first worker of this machine makes it"),
        })
    }

    /// Who works, who has died, who stands still, who is not heard of.
    fn roster(&mut self, workers: &[Worker]) -> Vec<Finding> {
        const CHECK: &str = "workers";
        let now = self.clock().now();
        let mut findings: Vec<Finding> =
            workers.iter().filter_map(|worker| trouble_with(worker, now)).collect();
        let alive: Vec<&Worker> = workers.iter().filter(|worker| worker.life == Life::Alive).collect();
        let waiting = self.counts().map_or(0, |counts| counts.unsettled());
        if !alive.is_empty() || waiting <= 0 {
            findings.push(Finding::ok(CHECK, on_machines(&alive) + &given_up_after(&alive)));
        } else if workers.iter().all(|worker| worker.life == Life::Dead) {
            let found = format!("none is there for {}", jobs(waiting.unsigned_abs()));
            findings.push(Finding::warning(CHECK, found, format!("start one: `{START_A_WORKER}`")));
        }
        findings
    }

    /// Jobs whose worker is no more.
    fn leases(&mut self, workers: &[Worker]) -> Result<Finding> {
        const CHECK: &str = "leases";
        let held: Vec<(WorkerId, bool, u64)> = self.look(sql::HELD, &[], |found| {
            Ok((WorkerId(row::get(found, 0)?), row::get(found, 1)?, row::number(found, 2)?))
        })?;
        let (mut orphans, mut lost, mut total) = (0, 0, 0);
        for (holder, has_ended, jobs) in held {
            total += jobs;
            if has_ended {
                lost += jobs;
            } else if workers.iter().any(|worker| worker.id == holder && worker.life == Life::Dead) {
                orphans += jobs;
            }
        }
        Ok(if lost > 0 {
            let found = format!("{} processing and held by workers that have ended", jobs_are(lost));
            Finding::error(CHECK, found, report_it(&self.address))
        } else if orphans > 0 {
            Finding::warning(
                CHECK,
                format!("{} processing and held by workers that have died", jobs_are(orphans)),
                format!("the next worker takes them back: `{START_A_WORKER}`"),
            )
        } else {
            Finding::ok(CHECK, format!("{} held by workers", jobs_are(total)))
        })
    }
}

/// Says what is wrong with a worker, if anything is.
fn trouble_with(worker: &Worker, now: Timestamp) -> Option<Finding> {
    const CHECK: &str = "workers";
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

/// After how much silence they are given up.
fn given_up_after(alive: &[&Worker]) -> String {
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
fn on_machines(alive: &[&Worker]) -> String {
    let here = alive.iter().filter(|worker| worker.is_here).count();
    // Machines may have the same name.
    let machines: HashSet<_> = alive.iter().map(|worker| (&worker.host, &worker.boot_id)).collect();
    match (alive.len(), machines.len()) {
        (all, 0 | 1) if all == here => format!("{all} alive"),
        (all, 1) if here == 0 => match alive.first() {
            Some(worker) if worker.boot_id != machine::boot_id() => format!("{all} alive on {}", worker.host),
            _ => format!("{all} alive, of another user or in another container"),
        },
        (all, machines) => {
            format!("{all} alive on {machines} machines, {here} of them are yours on this one")
        }
    }
}
