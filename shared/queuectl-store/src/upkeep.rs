//! What people do to jobs.

use crate::counts::Counts;
use crate::{Result, StoreError};
use queuectl_core::{Job, JobId, Lease, Seq, State, Timestamp, WorkerId};
use std::path::Path;

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

/// What one step through the dead letter queue has led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// How many jobs are pending again.
    pub revived: u64,
    /// Those that stay dead, with what is wrong with their rows: no worker could run them,
    /// and they would only be set aside again.
    pub unreadable: Vec<(Seq, JobId, String)>,
    /// The last job that was looked at; none if none was left.
    pub last: Option<Seq>,
}

impl Retried {
    /// Tells dead jobs, in their order, apart; also gives those that are to be revived.
    pub(crate) fn of(dead: Vec<Job>) -> (Self, Vec<Seq>) {
        let last = dead.last().map(|job| job.seq);
        let (unreadable, sound): (Vec<Job>, Vec<Job>) =
            dead.into_iter().partition(|job| job.unreadable.is_some());
        let unreadable: Vec<(Seq, JobId, String)> =
            unreadable.into_iter().map(|job| (job.seq, job.id, job.unreadable.unwrap_or_default())).collect();
        (Self { revived: sound.len() as u64, unreadable, last }, sound.iter().map(|job| job.seq).collect())
    }
}

/// Refuses to delete jobs that the queue still works on.
pub(crate) fn insist_finished(states: &[State]) -> Result<()> {
    match states.iter().find(|state| !state.is_finished()) {
        Some(&state) => Err(StoreError::NotFinished { state }),
        None => Ok(()),
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works; a person should look at it.
    Warning,
    /// It does not work, or what was promised does not hold.
    Error,
}

impl Level {
    /// Its name, as it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing about a queue that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at; the same word each time.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do, with what can be typed; none if there is nothing to do.
    pub advice: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, found: found.into(), advice: None }
    }

    /// Something that a person should look at.
    pub fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    /// Something that is not well.
    pub fn error(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Error, found: found.into(), advice: Some(advice.into()) }
    }
}

/// A copy of a queue that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// How large it is.
    pub bytes: u64,
    /// How many jobs stand where in it.
    pub counts: Counts,
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

    /// Ends the wait of a failed job for its retry; its attempts stay charged.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchJob`](crate::StoreError::NoSuchJob), or
    /// [`StoreError::Refused`](crate::StoreError::Refused) if it has not failed.
    fn hurry(&mut self, id: &JobId, now: Timestamp) -> Result<()>;

    /// Has a job that was held wait no longer: it is ready, or waits for its time.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchJob`](crate::StoreError::NoSuchJob), or
    /// [`StoreError::NotHeld`](crate::StoreError::NotHeld) if nobody holds it.
    fn release(&mut self, id: &JobId, now: Timestamp) -> Result<()>;

    /// Takes up to `limit` jobs behind `after` out of the dead letter queue, oldest first.
    fn retry_some_dead(&mut self, after: Seq, limit: u32, now: Timestamp) -> Result<Retried>;

    /// Deletes up to `limit` jobs that are in one of these states, came to rest
    /// before `finished_before`, with all their records; says how many, 0 if there is
    /// none left.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFinished`](crate::StoreError::NotFinished) if a state is not final:
    /// such jobs are never deleted.
    fn prune(&mut self, states: &[State], finished_before: Timestamp, limit: u32) -> Result<u64>;

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

    /// Examines the whole store; an empty list means that it is sound.
    fn check(&mut self) -> Result<Vec<String>>;

    /// Says what is well with the store and its workers and what is not. Changes
    /// nothing; what cannot be found out is a finding too.
    ///
    /// [`diagnose`](crate::diagnose) does the same for a queue that cannot be opened.
    fn diagnose(&mut self) -> Vec<Finding>;

    /// Writes a consistent copy of the whole queue into a new file, while others
    /// go on working.
    ///
    /// The copy is a queue of its own: what was running is pending there. It has
    /// every change that was committed before the call, is on disk when this
    /// returns, and can be read by its owner alone. A crash leaves nothing under
    /// its name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`](crate::StoreError::Io) of the kind `AlreadyExists` if
    /// the file, or one that SQLite would take for a part of it, is there.
    fn backup(&mut self, to: &Path) -> Result<Backup>;
}
