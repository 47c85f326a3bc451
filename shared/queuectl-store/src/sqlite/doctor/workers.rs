//! Who works on a queue, and what they hold.

use super::advice::{START_A_WORKER, report_it};
use crate::doctor::{jobs, jobs_are};
use crate::inspect::{Inspect, Life, Worker};
use crate::liveness::{LockFile, lock_file_path};
use crate::sqlite::{SqliteStore, Trouble, sql};
use crate::upkeep::Finding;
use crate::{Result, StoreError, machine};
use queuectl_core::WorkerId;
use rusqlite::Connection;
use std::fs;
use std::path::Path;

impl SqliteStore {
    /// What can be said of everybody who works on the queue.
    pub(super) fn work(&mut self) -> Vec<Finding> {
        match self.is_a_copy() {
            Ok(true) => {
                return vec![Finding::ok(
                    "workers",
                    "it is a copy, or was moved: what is running in it is handed back \
                     by the first program that writes to it",
                )];
            }
            Ok(false) => {}
            Err(error) => return vec![self.refused("workers", &error)],
        }
        let mut workers = match self.workers() {
            Ok(workers) => workers,
            Err(error) => return vec![self.refused("workers", &error)],
        };
        for worker in &mut workers {
            if worker.life == Life::Unknown && machine::is_surely_gone(worker) {
                worker.life = Life::Dead;
            }
        }
        let mut findings = vec![self.finding("lock-file", |store| store.locks(&workers))];
        findings.extend(self.roster(&workers));
        findings.push(self.finding("leases", |store| store.leases(&workers)));
        findings
    }

    /// Tells whether the workers it lists, if any, work on another file.
    fn is_a_copy(&mut self) -> Result<bool> {
        let known: String =
            self.read(|connection| Ok(connection.query_row(sql::FILE, [], |row| row.get(0))?))?;
        Ok(self.identity.is_some_and(|identity| identity.to_string() != known))
    }

    /// Whether the file by which workers show that they live is theirs.
    fn locks(&mut self, workers: &[Worker]) -> Result<Finding> {
        const CHECK: &str = "lock-file";
        let path = lock_file_path(&self.path);
        if LockFile::open_existing(&self.path)?.is_none() {
            let missed =
                workers.iter().filter(|worker| worker.life == Life::Unknown && is_here(worker)).count();
            return match missed {
                0 => Ok(Finding::ok(CHECK, "not there; the next worker makes it")),
                workers => Err(StoreError::LockFileMissing { path, workers }),
            };
        }
        let mut dead = workers.iter().filter(|worker| worker.life == Life::Dead && is_here(worker));
        if dead.any(|worker| holds_another(worker, &path)) {
            return Err(StoreError::LockFileReplaced { path });
        }
        Ok(Finding::ok(CHECK, path.display().to_string()))
    }

    /// Who works, who has died, who stands still.
    fn roster(&mut self, workers: &[Worker]) -> Vec<Finding> {
        const CHECK: &str = "workers";
        let mut findings: Vec<Finding> = workers.iter().filter_map(trouble_with).collect();
        let number = |life| workers.iter().filter(|worker| worker.life == life).count();
        let waiting = self.counts().map_or(0, |counts| counts.unsettled());
        if number(Life::Alive) > 0 || waiting <= 0 {
            findings.push(Finding::ok(CHECK, format!("{} alive", number(Life::Alive))));
        } else if number(Life::Unknown) == 0 {
            let found = format!("none is there for {}", jobs(waiting.unsigned_abs()));
            findings.push(Finding::warning(CHECK, found, format!("start one: `{START_A_WORKER}`")));
        }
        findings
    }

    /// Jobs whose worker is no more.
    fn leases(&mut self, workers: &[Worker]) -> Result<Finding> {
        const CHECK: &str = "leases";
        let held = self.read(held)?;
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
            Finding::error(CHECK, found, report_it())
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
fn trouble_with(worker: &Worker) -> Option<Finding> {
    const CHECK: &str = "workers";
    let named = format!("worker {} (PID {} on {})", worker.id, worker.pid, worker.host);
    let holds = jobs(worker.jobs_now);
    let pid = worker.pid;
    match worker.life {
        Life::Dead => Some(Finding::warning(
            CHECK,
            format!("{named} has died, and holds {holds}"),
            format!("the next worker takes over what it held: `{START_A_WORKER}`"),
        )),
        Life::Unknown => Some(Finding::warning(
            CHECK,
            format!("nobody can tell whether {named} lives"),
            format!("see for yourself with `ps {pid}`"),
        )),
        Life::Alive if worker.is_stalled => Some(Finding::warning(
            CHECK,
            format!("{named} was stopped and stands still, and holds {holds}"),
            format!("let it go on with `kill -CONT {pid}`, or end it with `kill -KILL {pid}`"),
        )),
        Life::Alive => None,
    }
}

/// Which workers hold how many jobs, and whether they have ended.
fn held(connection: &Connection) -> Result<Vec<(WorkerId, bool, u64)>, Trouble> {
    let mut held = connection.prepare(sql::HELD)?;
    let rows = held.query_map([], |found| Ok((WorkerId(found.get(0)?), found.get(1)?, found.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Tells whether a worker's process number means anything here and now.
fn is_here(worker: &Worker) -> bool {
    worker.boot_id == machine::boot_id() && worker.pid_namespace == machine::pid_namespace()
}

/// Tells whether a process holds a lock file of this name that is not the one
/// that is there.
fn holds_another(worker: &Worker, lock_file: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{}/fd", worker.pid)) else { return false };
    let mut removed = lock_file.as_os_str().to_owned();
    removed.push(" (deleted)");
    open.flatten().any(|open| fs::read_link(open.path()).is_ok_and(|file| file.as_os_str() == removed))
}
