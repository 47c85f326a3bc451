//! Who works on a queue in a file, and whether its lock file is theirs.

use super::advice::report_it;
use crate::doctor::workers::{self, CHECK, Held};
use crate::finding::Finding;
use crate::liveness::{LockFile, lock_file_path};
use crate::reader::Reader;
use crate::sqlite::connection::SqliteStore;
use crate::sqlite::sql;
use crate::sqlite::trouble::Trouble;
use crate::worker_record::{Life, WorkerRecord};
use crate::{Result, StoreError, machine};
use queuectl_core::WorkerId;
use rusqlite::Connection;
use std::fs;
use std::path::Path;

impl SqliteStore {
    /// What can be said of all workers of the queue.
    pub(super) fn work(&mut self) -> Vec<Finding> {
        match self.is_a_copy() {
            Ok(true) => {
                return vec![Finding::ok(
                    CHECK,
                    "it is a copy, or was moved: what is running in it is handed back \
                     by the first program that writes to it",
                )];
            }
            Ok(false) => {}
            Err(error) => return vec![self.refused(CHECK, &error)],
        }
        let mut workers = match self.workers() {
            Ok(workers) => workers,
            Err(error) => return vec![self.refused(CHECK, &error)],
        };
        for worker in &mut workers {
            if worker.life == Life::Unknown && machine::is_surely_gone(worker) {
                worker.life = Life::Dead;
            }
        }
        let mut findings = vec![self.finding("lock-file", |store| store.locks(&workers))];
        let queues = self.counts_by_queue().unwrap_or_default();
        findings.extend(workers::roster(&workers, &queues, self.clock().now()));
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
    fn locks(&mut self, workers: &[WorkerRecord]) -> Result<Finding> {
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

    /// Jobs whose worker is no more.
    fn leases(&mut self, workers: &[WorkerRecord]) -> Result<Finding> {
        Ok(workers::leases(&self.read(held)?, workers, report_it()))
    }
}

/// Which workers hold how many jobs, and whether they have ended.
fn held(connection: &Connection) -> Result<Vec<Held>, Trouble> {
    let mut held = connection.prepare(sql::HELD)?;
    let rows = held.query_map([], |found| {
        let worker = WorkerId(found.get(0)?);
        Ok(Held { worker, has_ended: found.get(1)?, jobs: found.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Tells whether a worker's process number means anything here and now.
fn is_here(worker: &WorkerRecord) -> bool {
    worker.boot_id == machine::boot_id() && worker.pid_namespace == machine::pid_namespace()
}

/// Tells whether a process holds a lock file of this name that is not the one
/// that is there.
fn holds_another(worker: &WorkerRecord, lock_file: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{}/fd", worker.pid)) else { return false };
    let mut removed = lock_file.as_os_str().to_owned();
    removed.push(" (deleted)");
    open.flatten().any(|open| fs::read_link(open.path()).is_ok_and(|file| file.as_os_str() == removed))
}
