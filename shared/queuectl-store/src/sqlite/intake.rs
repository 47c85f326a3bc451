//! How jobs come in.

use super::connection::SqliteStore;
use super::roster::roster;
use super::trouble::Trouble;
use super::{sql, stages};
use crate::intake::{Enqueued, Intake, OnTaken};
use crate::{Result, StoreError};
use queuectl_core::{JobId, NewJob, Timestamp, effect};
use rusqlite::OptionalExtension;

impl Intake for SqliteStore {
    fn enqueue(&mut self, jobs: &[NewJob], on_taken: OnTaken, now: Timestamp) -> Result<Enqueued> {
        let (enqueued, workers) = self.change(|connection, counters| {
            let mut enqueued = Enqueued::default();
            for (index, job) in jobs.iter().enumerate() {
                let is_new = stages::accept(connection, counters, job, &effect::accept(job, now), now)?;
                match (is_new, on_taken) {
                    (false, OnTaken::Refuse) => {
                        return Err(Trouble::Store(StoreError::DuplicateId { id: job.id.clone(), index }));
                    }
                    (false, OnTaken::Skip) => enqueued.skipped.push(index),
                    (true, _) => enqueued.added += 1,
                }
            }
            Ok((enqueued, roster(connection)?))
        })?;
        self.nobody_works = workers.is_empty();
        self.ring_all(&workers);
        Ok(enqueued)
    }

    fn taken_ids(&mut self, ids: &[&JobId]) -> Result<Vec<JobId>> {
        self.read(|connection| {
            let mut is_taken = connection.prepare_cached(sql::ID_IS_TAKEN)?;
            let mut taken = Vec::new();
            for id in ids {
                if is_taken.query_row([id.as_str()], |_| Ok(())).optional()?.is_some() {
                    taken.push((*id).clone());
                }
            }
            Ok(taken)
        })
    }
}
