//! What is known of a job when something happens to it.

use super::stages::Before;
use super::trouble::Trouble;
use super::{row, sql};
use crate::StoreError;
use crate::columns::Cell;
use crate::planted::Bug;
use queuectl_core::{Blocker, Job, JobId, Lease, Seq, Stage, Standing, State, Wait, Waiting, WorkerId};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, Statement, params_from_iter};
use std::str::FromStr;

/// Where a job stands.
pub(super) struct Known {
    pub(super) seq: Seq,
    /// None if its name cannot be read.
    pub(super) queue: Option<String>,
    pub(super) state: State,
    lease: i64,
    pub(super) worker: Option<WorkerId>,
    attempts: u32,
    crashes: u32,
    max_retries: u32,
    position: Option<i64>,
    cancel_requested: bool,
    is_blocked: bool,
    has_key: bool,
    wait: Option<Wait>,
    stage: Option<Stage>,
    blocked_by: Option<Blocker>,
}

impl Known {
    /// Reads the columns of `sql::STANDING`. What has become of its row since it was
    /// accepted keeps nothing from happening to it, as long as its state is known.
    fn of(found: &Row<'_>, state: State) -> Result<Self> {
        Ok(Self {
            seq: Seq(found.get(0)?),
            queue: found.get(1).ok(),
            state,
            position: found.get(3).unwrap_or_default(),
            is_blocked: found.get(4)?,
            attempts: row::nearest(found, 5),
            crashes: row::nearest(found, 6),
            lease: row::nearest(found, 7),
            worker: found.get::<_, Option<i64>>(8).unwrap_or_default().map(WorkerId),
            max_retries: row::nearest(found, 9),
            cancel_requested: found.get(10)?,
            wait: row::wait(found, 11).unwrap_or_default(),
            stage: word(found, 13),
            blocked_by: word(found, 14),
            has_key: found.get(15)?,
        })
    }

    /// It, as the door into the next stage wants to know it.
    pub(super) fn before(&self) -> Before<'_> {
        let Self { seq, position, is_blocked, has_key, .. } = *self;
        Before { seq, queue: self.queue.as_deref(), position, is_blocked, has_key }
    }

    /// The attempt that runs, or the last one.
    pub(super) fn last_lease(&self) -> Lease {
        Lease { seq: self.seq, number: self.lease }
    }

    /// It, as the core wants to know it when a claim has ended.
    pub(super) fn standing(&self) -> Standing {
        let Self { state, attempts, max_retries, crashes, cancel_requested, .. } = *self;
        Standing { state, attempts, max_retries, crashes, cancel_requested }
    }

    /// It, as the core wants to know it when no worker holds it.
    pub(super) fn waiting(&self) -> Waiting {
        let Self { state, stage, blocked_by, attempts, crashes, wait, .. } = *self;
        Waiting { state, stage, blocked_by, attempts, crashes, wait }
    }
}

/// A word of ours; none if it is another, or there is none.
fn word<T: FromStr>(found: &Row<'_>, index: usize) -> Option<T> {
    found.get_ref(index).ok()?.as_str().ok()?.parse().ok()
}

/// What is known of a job that a worker holds; none if the lease is no longer its own.
pub(super) fn of_lease(connection: &Connection, worker: WorkerId, lease: Lease) -> Result<Option<Known>> {
    let statement =
        if Bug::NoLeaseCheck.is_planted() { sql::STANDING_OF_ANY_LEASE } else { sql::STANDING_OF_LEASE };
    connection
        .prepare_cached(statement)?
        .query_row((lease.seq.0, lease.number, worker.0), |found| {
            // Who holds a job has it processing.
            Known::of(found, row::state(found, 2).unwrap_or(State::Processing))
        })
        .optional()
}

/// What is known of a job, by a statement that finds it, or not.
pub(super) fn found_by(statement: &mut Statement<'_>, values: &[Cell<'_>]) -> Result<Option<Known>> {
    let mut rows = statement.query(params_from_iter(values))?;
    let Some(found) = rows.next()? else { return Ok(None) };
    // What is in no state that is known is in none in which anything can be wanted of it.
    row::state(found, 2).map_or(Ok(None), |state| Known::of(found, state).map(Some))
}

/// What is known of the job of this id.
pub(super) fn of_id(connection: &Connection, id: &JobId) -> Result<Known, Trouble> {
    let mut statement = connection.prepare_cached(sql::STANDING)?;
    let mut rows = statement.query([id.as_str()])?;
    let found = rows.next()?.ok_or_else(|| StoreError::NoSuchJob { id: id.clone() })?;
    let known = row::state(found, 2).and_then(|state| Known::of(found, state));
    known.or_else(|error| {
        readable(connection, id)?;
        Err(error.into())
    })
}

/// Refuses a job whose row cannot be read: it would only be set aside again.
pub(super) fn readable(connection: &Connection, id: &JobId) -> Result<Job, Trouble> {
    let job: Job =
        connection.prepare_cached(sql::JOB)?.query_row([id.as_str()], |found| Ok(row::job(found)))?;
    match job.unreadable {
        Some(reason) => Err(StoreError::UnreadableJob { id: id.clone(), reason }.into()),
        None => Ok(job),
    }
}
