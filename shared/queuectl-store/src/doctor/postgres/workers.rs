//! Who works on a queue on a server, and the lock file of this machine.

use super::advice::report_it;
use crate::Result;
use crate::doctor::workers::{self, CHECK, Held};
use crate::finding::Finding;
use crate::liveness::lock_file_path;
use crate::postgres::sql::HELD;
use crate::postgres::{PostgresStore, row};
use crate::reader::Reader;
use crate::worker_record::WorkerRecord;
use queuectl_core::WorkerId;

impl PostgresStore {
    /// What can be said of all workers of the queue.
    pub(super) fn work(&mut self) -> Vec<Finding> {
        let workers = match self.workers() {
            Ok(workers) => workers,
            Err(error) => return vec![self.no_answer(CHECK, &error)],
        };
        let mut findings = vec![self.finding("lock-file", Self::lock_file_of_this_machine)];
        let queues = self.counts_by_queue().unwrap_or_default();
        findings.extend(workers::roster(&workers, &queues, self.clock().now()));
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

    /// Jobs whose worker is no more.
    fn leases(&mut self, workers: &[WorkerRecord]) -> Result<Finding> {
        let held = self.look(HELD, &[], |found| {
            let worker = WorkerId(row::get(found, 0)?);
            Ok(Held { worker, has_ended: row::get(found, 1)?, jobs: row::number(found, 2)? })
        })?;
        Ok(workers::leases(&held, workers, report_it(&self.address)))
    }
}
