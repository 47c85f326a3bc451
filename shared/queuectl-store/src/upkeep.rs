//! What people do to jobs.

use crate::Result;
use queuectl_core::{JobId, Lease, State, Timestamp, WorkerId};

/// What a wish to cancel has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The job is cancelled.
    Done,
    /// It runs; its worker was asked to end it.
    Requested {
        /// The attempt that is to end.
        lease: Lease,
        /// Who runs it.
        worker: WorkerId,
    },
}

/// Looking after jobs.
pub trait Upkeep {
    /// Cancels a job, or asks its worker to end it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchJob`](crate::StoreError::NoSuchJob), or
    /// [`StoreError::Refused`](crate::StoreError::Refused) if it has come to rest.
    fn cancel(&mut self, id: &JobId, now: Timestamp) -> Result<Cancelled>;

    /// Takes a job out of the dead letter queue: pending, with no attempt charged.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchJob`](crate::StoreError::NoSuchJob), or
    /// [`StoreError::Refused`](crate::StoreError::Refused) if it is not dead.
    fn retry_dead(&mut self, id: &JobId, now: Timestamp) -> Result<()>;

    /// Takes up to `limit` jobs out of the dead letter queue, oldest first; says how many.
    fn retry_some_dead(&mut self, limit: u32, now: Timestamp) -> Result<u64>;

    /// Deletes up to `limit` jobs that are in one of these states, came to rest
    /// before `finished_before`, with all their records; says how many.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotSettled`](crate::StoreError::NotSettled) if a state is not final:
    /// such jobs are never deleted.
    fn prune(&mut self, states: &[State], finished_before: Timestamp, limit: u32) -> Result<u64>;

    /// Examines the whole store; an empty list means that it is sound.
    fn check(&mut self) -> Result<Vec<String>>;
}
