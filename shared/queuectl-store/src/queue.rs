//! What people and programs do to jobs.

use crate::{Result, StoreError};
use queuectl_core::{
    Filter, JobId, Lease, Limits, NewJob, OnDuplicate, Pause, Seq, State, Timestamp, Unique, UniqueKey, Wish,
    WorkerId,
};
use std::collections::HashMap;

/// What to do with a job whose id is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTaken {
    /// Accept none of the jobs.
    Refuse,
    /// Leave it out and accept the others.
    Skip,
}

impl OnTaken {
    /// Tells whether a job may be the one that has its unique key, added once more.
    pub(crate) fn may_be_itself(self, job: &NewJob, holder: &JobId) -> bool {
        self == Self::Skip && job.id == *holder
    }
}

/// What was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enqueued {
    /// Jobs that are in the queue now and were not before.
    pub added: u64,
    /// Which of the given jobs, from 0, were left out because their id was taken.
    pub skipped: Vec<usize>,
    /// Those that were left out because their unique key was taken.
    pub duplicates: Vec<DuplicateJob>,
}

/// A job that was left out, since another has its unique key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateJob {
    /// Which of the given jobs it is, from 0.
    pub index: usize,
    /// The job that has the key; it may be at rest, or gone, within its window.
    pub holder: JobId,
    /// When that window ends.
    pub until: Option<Timestamp>,
    /// What has become of the holder.
    pub holder_is: HolderIs,
}

/// What has become of a job whose key another was to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderIs {
    /// Nothing.
    Kept,
    /// It says from now on what the other says.
    Replaced,
}

/// The jobs that stand for the unique keys of a batch: the first of each key, or who had it
/// before. So the first of a batch wins, whatever its jobs say is to become of duplicates.
#[derive(Default)]
pub(crate) struct KeysOfBatch<'a>(HashMap<&'a UniqueKey, JobId>);

impl<'a> KeysOfBatch<'a> {
    /// Notes who stands for the key of a job.
    pub(crate) fn note(&mut self, unique: &'a Unique, holder: &JobId) {
        self.0.insert(&unique.key, holder.clone());
    }

    /// A job of the batch whose key an earlier one has asked for; none if it is the first.
    pub(crate) fn duplicate(&self, index: usize, unique: &Unique) -> Result<Option<DuplicateJob>> {
        let Some(holder) = self.0.get(&unique.key).cloned() else { return Ok(None) };
        if unique.on_duplicate == OnDuplicate::Fail {
            return Err(StoreError::DuplicateKey { key: unique.key.clone(), holder, index });
        }
        Ok(Some(DuplicateJob { index, holder, until: None, holder_is: HolderIs::Kept }))
    }
}

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

/// A job that a worker was asked to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// The job.
    pub id: JobId,
    /// The attempt that is to end.
    pub lease: Lease,
    /// Who runs it.
    pub worker: WorkerId,
}

/// What one step of a wish about many jobs has led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// How many of the given jobs were looked at, from the first on; the next step begins
    /// behind them.
    pub looked_at: usize,
    /// How many of these are as they are wanted now, and were not before.
    pub done: u64,
    /// Those that run.
    pub requested: Vec<Requested>,
    /// Those that no worker could run, so that they stay dead, with what is wrong with their
    /// rows: they would only be set aside again.
    pub unreadable: Vec<(Seq, JobId, String)>,
    /// How many stay dead since other jobs have their unique keys.
    pub key_taken: u64,
}

impl Granted {
    /// How many of the jobs that were looked at are not there any more, or are no longer
    /// what was meant, or are as they are wanted already.
    pub fn no_longer_fit(&self) -> u64 {
        let fitted = self.done + self.key_taken + (self.requested.len() + self.unreadable.len()) as u64;
        (self.looked_at as u64).saturating_sub(fitted)
    }
}

/// Refuses to delete jobs that the queue still works on.
pub(crate) fn insist_finished(states: &[State]) -> Result<()> {
    match states.iter().find(|state| !state.is_finished()) {
        Some(&state) => Err(StoreError::NotFinished { state }),
        None => Ok(()),
    }
}

/// What people and programs do to jobs. Each verb is one transaction.
pub trait Queue {
    /// Accepts jobs, all or none, and rings the workers' doorbells.
    ///
    /// When it returns the jobs are on disk and survive a power cut.
    ///
    /// # Errors
    ///
    /// [`StoreError::DuplicateId`](crate::StoreError::DuplicateId) with the index
    /// of the first job whose id is taken, unless `on_taken` says to skip it.
    /// [`StoreError::DuplicateKey`](crate::StoreError::DuplicateKey) with that of a job whose
    /// unique key is taken, if it says that this is to fail. The key is looked at first.
    fn enqueue(&mut self, jobs: &[NewJob], on_taken: OnTaken, now: Timestamp) -> Result<Enqueued>;

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
    /// [`StoreError::Refused`](crate::StoreError::Refused) if it is not dead;
    /// [`StoreError::KeyTaken`](crate::StoreError::KeyTaken) if another job has its unique key.
    fn retry_dead(&mut self, id: &JobId, now: Timestamp) -> Result<()>;

    /// Ends the wait of a failed job for its retry; its attempts stay charged.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchJob`](crate::StoreError::NoSuchJob), or
    /// [`StoreError::Refused`](crate::StoreError::Refused) if it has not failed.
    fn hurry(&mut self, id: &JobId, now: Timestamp) -> Result<()>;

    /// Has a job that waits do so until it is released; nothing, if it is held already.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchJob`](crate::StoreError::NoSuchJob), or
    /// [`StoreError::Refused`](crate::StoreError::Refused) if it does not wait.
    fn hold(&mut self, id: &JobId, now: Timestamp) -> Result<()>;

    /// Has a job that was held wait no longer: it is ready, or waits for its time.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchJob`](crate::StoreError::NoSuchJob), or
    /// [`StoreError::NotHeld`](crate::StoreError::NotHeld) if nobody holds it.
    fn release(&mut self, id: &JobId, now: Timestamp) -> Result<()>;

    /// Has no job of a queue started any more, or of all if it is
    /// [`EVERY_QUEUE`](queuectl_core::EVERY_QUEUE), and rings the workers, who hand back what
    /// they have not started. A pause that is there already is replaced.
    fn pause(&mut self, queue: &str, pause: &Pause) -> Result<()>;

    /// Ends a pause; tells whether there was one that held.
    fn resume(&mut self, queue: &str, now: Timestamp) -> Result<bool>;

    /// Bounds the jobs of a queue, from the next claim on, and rings the workers.
    fn set_limits(&mut self, queue: &str, limits: &Limits) -> Result<()>;

    /// Does what is wanted of many jobs, in one short transaction: to as many of these, from
    /// the first on, as can be written in about 20 ms, and only to those that the filter still
    /// means. Its order and its limit count for nothing here.
    ///
    /// None of them is an error: a job for which it cannot come true is left as it is.
    fn grant_some(&mut self, wish: Wish, filter: &Filter, jobs: &[Seq], now: Timestamp) -> Result<Granted>;

    /// Deletes jobs that a filter means, with all their records, up to its limit and in no
    /// certain order; says how many, 0 if there is none left.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFinished`](crate::StoreError::NotFinished) if a state is not final,
    /// or none is named: jobs that are not at rest are never deleted.
    fn prune(&mut self, filter: &Filter) -> Result<u64>;

    /// Gives some of the room that deleted jobs had back to the disk, in one short
    /// transaction; tells whether there may be more. A server does so by itself.
    fn give_back(&mut self) -> Result<bool>;

    /// Deletes one job with all its records, so that its id is free.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchJob`](crate::StoreError::NoSuchJob);
    /// [`StoreError::OtherState`](crate::StoreError::OtherState) if it is in none of these
    /// states; [`StoreError::NotFinished`](crate::StoreError::NotFinished) if one of them is
    /// not final.
    fn delete(&mut self, id: &JobId, states: &[State]) -> Result<()>;
}
