//! Who is on the list of those at work.

use super::{row, sql};
use crate::note_region::free_region;
use crate::stored;
use crate::worker_record::Stop;
use queuectl_core::{QueueSet, WorkerId};
use rusqlite::{Connection, OptionalExtension as _, Result};
use std::convert::Infallible;

/// Every worker that has not ended, as far as any other has noticed.
pub(crate) fn roster(connection: &Connection) -> Result<Vec<WorkerId>> {
    connection.prepare_cached(sql::ROSTER)?.query_map([], |row| row.get(0).map(WorkerId))?.collect()
}

/// Those of them that were not asked to stop, with the queues they serve.
pub(super) fn takers(connection: &Connection) -> Result<Vec<(WorkerId, QueueSet)>> {
    let mut takers = connection.prepare_cached(sql::WHO_TAKES_JOBS)?;
    let found = takers.query_map([], |row| {
        let queues: Option<String> = row.get(1).unwrap_or_default();
        Ok((WorkerId(row.get(0)?), stored::queues(queues.as_deref()).unwrap_or_default()))
    })?;
    found.collect()
}

/// Whether a worker is on the list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// It is, and this is how it was asked to stop.
    At(Option<Stop>),
    /// It has ended, as far as any other has noticed.
    No,
}

/// How a worker was asked to stop.
pub(super) fn stop_of(connection: &Connection, worker: WorkerId) -> Result<Listed> {
    let stop = connection
        .prepare_cached(sql::STOP_OF)?
        .query_row([worker.0], |found| Ok(row::nearest(found, 0)))
        .optional()?;
    Ok(stop.map_or(Listed::No, |number| Listed::At(stored::stop_from_number(number))))
}

/// The lowest region of notes that no worker at work uses.
pub(super) fn free_note_region(connection: &Connection) -> Result<u32> {
    let in_use: Vec<i64> = connection
        .prepare_cached(sql::REGIONS_IN_USE)?
        .query_map([], |row| Ok(row.get(0).unwrap_or(-1)))?
        .collect::<Result<_>>()?;
    let free: std::result::Result<_, Infallible> = free_region(&in_use, |_| Ok(true));
    Ok(free.unwrap_or_else(|never| match never {}))
}
