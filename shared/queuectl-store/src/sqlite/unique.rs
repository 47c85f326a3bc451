//! Unique keys: where they are taken, and where they are given back.

use super::{row, sql};
use queuectl_core::{Job, JobId, KeyHold, Seq, Timestamp, UniqueKey};
use rusqlite::{Connection, OptionalExtension as _, Result};

/// Keys whose windows have ended, and that are forgotten with each that gets a window.
const FORGOTTEN_WITH_EACH: u64 = 4;

/// Who has a key.
pub(super) struct Holder {
    pub(super) seq: Seq,
    pub(super) job_id: JobId,
    pub(super) hold: KeyHold,
}

/// Who has a key that is not free.
pub(super) fn holder(connection: &Connection, key: &UniqueKey, now: Timestamp) -> Result<Option<Holder>> {
    Ok(row_of(connection, key)?.filter(|holder| !holder.hold.is_stale(now)))
}

fn row_of(connection: &Connection, key: &UniqueKey) -> Result<Option<Holder>> {
    let mut statement = connection.prepare_cached(sql::HOLDER)?;
    let read = |found: &rusqlite::Row<'_>| {
        let hold = KeyHold { is_held: found.get(2)?, until: row::optional_time(found, 3)? };
        Ok(Holder { seq: Seq(found.get(0)?), job_id: JobId::trusted(found.get(1)?), hold })
    };
    statement.query_row([key.as_str()], read).optional()
}

/// Takes a key for a job, until a time at least; gives who has it, if another job does. A
/// job that had it before keeps its window.
pub(super) fn take(
    connection: &Connection,
    key: &UniqueKey,
    job: (Seq, &JobId),
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Holder>> {
    let (seq, id) = job;
    let until = match row_of(connection, key)? {
        Some(own) if own.seq == seq => own.hold.until,
        Some(holder) if !holder.hold.is_stale(now) => return Ok(Some(holder)),
        _ => until,
    };
    let values = (seq.0, key.as_str(), id.as_str(), until.map(Timestamp::as_millis));
    connection.prepare_cached(sql::TAKE_KEY)?.execute(values)?;
    if until.is_some() {
        let values = (now.as_millis(), FORGOTTEN_WITH_EACH);
        connection.prepare_cached(sql::FORGET_STALE_KEYS)?.execute(values)?;
    }
    Ok(None)
}

/// Gives the key of a job back that has come to rest; within its window it stays taken.
pub(super) fn give_back(connection: &Connection, seq: Seq, now: Timestamp) -> Result<()> {
    for statement in sql::GIVE_KEY_BACK {
        connection.prepare_cached(statement)?.execute((seq.0, now.as_millis()))?;
    }
    Ok(())
}

/// Takes the key of a dead job again, if it has one; gives who has it, if another job does.
pub(super) fn take_again(connection: &Connection, job: &Job, now: Timestamp) -> Result<Option<Holder>> {
    match &job.unique_key {
        Some(key) => take(connection, key, (job.seq, &job.id), None, now),
        None => Ok(None),
    }
}
