//! How jobs come in.

use crate::Result;
use queuectl_core::{JobId, NewJob, Timestamp};

/// What to do with a job whose id is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTaken {
    /// Accept none of the jobs.
    Refuse,
    /// Leave it out and accept the others.
    Skip,
}

/// What was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enqueued {
    /// Jobs that are in the queue now and were not before.
    pub added: u64,
    /// Which of the given jobs, from 0, were left out because their id was taken.
    pub skipped: Vec<usize>,
}

/// Accepting jobs.
pub trait Intake {
    /// Accepts jobs, all or none, and rings the workers' doorbells.
    ///
    /// When it returns the jobs are on disk and survive a power cut.
    ///
    /// # Errors
    ///
    /// [`StoreError::DuplicateId`](crate::StoreError::DuplicateId) with the index
    /// of the first job whose id is taken, unless `on_taken` says to skip it.
    fn enqueue(&mut self, jobs: &[NewJob], on_taken: OnTaken, now: Timestamp) -> Result<Enqueued>;

    /// Tells which of these ids are taken, in the given order.
    fn taken_ids(&mut self, ids: &[&JobId]) -> Result<Vec<JobId>>;
}
