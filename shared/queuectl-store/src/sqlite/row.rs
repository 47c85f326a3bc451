//! From rows to what they mean.

use crate::output::OutputPart;
use crate::raw::{self, Raw, Whole};
use crate::stored;
use crate::transfer::Stage;
use crate::worker::Worker;
use queuectl_core::{Attempt, Environment, Job, JobId, Lease, Seq, State, Timestamp, WorkerId};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Error, Result, Row};
use std::time::Duration;

/// Reads the columns that `job_columns!` names, as far as they can be read.
pub(crate) fn job(row: &Row<'_>) -> Job {
    sound_job(row).unwrap_or_else(|_| raw::job(|index| value(row, index)))
}

/// Reads them all, or says that one cannot be read; [`job`] says which.
pub(super) fn sound_job(row: &Row<'_>) -> Result<Job> {
    let (attempts, lease) = (row.get(5)?, row.get(8)?);
    if !raw::can_be_counted(attempts, lease) {
        return Err(unreadable(5, "no number for the next claim".to_owned()));
    }
    let env: Option<String> = row.get(20)?;
    Ok(Job {
        seq: Seq(row.get(0)?),
        id: JobId::trusted(row.get(1)?),
        state: state(row, 2)?,
        queue: row.get(3)?,
        priority: row.get(4)?,
        attempts,
        max_retries: row.get(6)?,
        crashes: row.get(7)?,
        lease,
        worker: row.get::<_, Option<i64>>(9)?.map(WorkerId),
        cancel_requested: row.get(10)?,
        timeout: row.get::<_, Option<u64>>(11)?.map(Duration::from_millis),
        created_at: time(row, 12)?,
        updated_at: time(row, 13)?,
        run_at: optional_time(row, 14)?,
        started_at: optional_time(row, 15)?,
        finished_at: optional_time(row, 16)?,
        exit_code: row.get(17)?,
        signal: row.get(18)?,
        last_error: row.get(19)?,
        env: environment(20, env.as_deref())?,
        cwd: raw::folder(row.get(21)?).map_err(|problem| unreadable(21, problem))?,
        command: raw::command(row.get(22)?).map_err(|problem| unreadable(22, problem))?,
        unreadable: None,
    })
}

/// Reads the columns that `worker_columns!` names, as far as they can be read.
pub(crate) fn worker(row: &Row<'_>) -> Worker {
    raw::worker(|index| value(row, index))
}

/// Reads the columns of `sql::ATTEMPTS`, as far as they can be read.
pub(crate) fn attempt(seq: Seq, row: &Row<'_>) -> Attempt {
    raw::attempt(seq, |index| value(row, index))
}

/// Reads the columns of `sql::OUTPUT`, as far as they can be read.
pub(super) fn output(lease: Lease, row: &Row<'_>) -> OutputPart {
    raw::output(lease, |index| value(row, index)).0
}

/// What lies in a column.
pub(crate) fn value<'a>(row: &'a Row<'_>, index: usize) -> Raw<'a> {
    match row.get_ref(index) {
        Ok(ValueRef::Null) => Raw::Null,
        Ok(ValueRef::Integer(number)) => Raw::Integer(number),
        Ok(ValueRef::Text(bytes)) => Raw::Text(bytes),
        Ok(ValueRef::Blob(bytes)) => Raw::Bytes(bytes),
        Ok(ValueRef::Real(_)) | Err(_) => Raw::Other,
    }
}

/// Reads a number; what is none, or does not fit, is the nearest that does.
pub(super) fn nearest<T: Whole>(row: &Row<'_>, index: usize) -> T {
    match value(row, index) {
        Raw::Integer(number) => raw::nearest(number),
        _ => T::default(),
    }
}

pub(super) fn state(row: &Row<'_>, index: usize) -> Result<State> {
    let text: String = row.get(index)?;
    text.parse().map_err(|_| unreadable(index, format!("state {text}")))
}

pub(super) fn lease(row: &Row<'_>) -> Result<Lease> {
    Ok(Lease { seq: Seq(row.get(0)?), number: row.get(1)? })
}

pub(super) fn time(row: &Row<'_>, index: usize) -> Result<Timestamp> {
    row.get(index).map(Timestamp::from_millis)
}

pub(super) fn optional_time(row: &Row<'_>, index: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis))
}

/// Reads three columns from this one on: where the queue stands in a move.
pub(super) fn stage(row: &Row<'_>, first: usize) -> Result<Stage> {
    Stage::from_columns(row.get(first)?, row.get(first + 1)?, row.get(first + 2)?)
        .ok_or_else(|| unreadable(first, "an unknown stage of a move".to_owned()))
}

fn environment(index: usize, text: Option<&str>) -> Result<Environment> {
    stored::environment(text).map_err(|problem| unreadable(index, problem))
}

pub(super) fn unreadable(index: usize, what: String) -> Error {
    Error::FromSqlConversionFailure(index, Type::Text, what.into())
}
