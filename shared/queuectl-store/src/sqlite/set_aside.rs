//! Jobs that no worker can run, since their rows cannot be read.

use super::counters::Counters;
use super::trouble::Trouble;
use super::{row, sql, stages};
use crate::raw::CANNOT_BE_READ;
use crate::worker::SetAside;
use queuectl_core::{Job, Timestamp, effect};
use rusqlite::Connection;

/// Has a job whose row cannot be read be dead, with that as its last error.
pub(super) fn set_aside(
    connection: &Connection,
    counters: &mut Counters,
    job: &Job,
    now: Timestamp,
) -> Result<SetAside, Trouble> {
    let reason = job.unreadable.clone().unwrap_or_default();
    let counted_as = connection.query_row(sql::STATE_AND_QUEUE, [job.seq.0], |found| {
        Ok(row::state(found, 0).ok().zip(found.get::<_, String>(1).ok()))
    })?;
    let effect = effect::set_aside(job.attempts, job.crashes, now);
    stages::set_aside(connection, job, &effect, &format!("{CANNOT_BE_READ}: {reason}"), now)?;
    match counted_as {
        Some((state, queue)) => counters.moved(Some(&queue), state, effect.state),
        None => counters.are_unknown(),
    }
    Ok(SetAside { id: job.id.clone(), reason })
}
