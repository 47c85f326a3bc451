//! How jobs come in.

use super::{SqliteStore, Trouble, roster, sql};
use crate::intake::{Enqueued, Intake, OnTaken};
use crate::{Result, StoreError, stored};
use queuectl_core::{JobId, NewJob, State, Timestamp};
use rusqlite::OptionalExtension;

impl Intake for SqliteStore {
    fn enqueue(&mut self, jobs: &[NewJob], on_taken: OnTaken, now: Timestamp) -> Result<Enqueued> {
        let (enqueued, workers) = self.change(|connection, ledger| {
            let mut enqueued = Enqueued::default();
            let mut insert = connection.prepare_cached(sql::ENQUEUE)?;
            for (index, job) in jobs.iter().enumerate() {
                let due_at = job.due_at(now);
                let place = due_at.is_none().then(|| ledger.next_place());
                let inserted = insert.execute((
                    job.id.as_str(),
                    &job.queue,
                    job.priority,
                    place,
                    job.max_retries,
                    job.timeout.map(|timeout| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)),
                    now.as_millis(),
                    due_at.map(Timestamp::as_millis),
                    due_at.map(|_| now.as_millis()),
                    stored::environment_text(&job.env),
                    &job.cwd,
                    job.command.as_str(),
                ))?;
                match (inserted, on_taken) {
                    (0, OnTaken::Refuse) => {
                        return Err(Trouble::Store(StoreError::DuplicateId { id: job.id.clone(), index }));
                    }
                    (0, OnTaken::Skip) => enqueued.skipped.push(index),
                    _ => enqueued.added += 1,
                }
            }
            ledger.counts[State::Pending] += i64::try_from(enqueued.added).unwrap_or(i64::MAX);
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
