//! From rows to what they mean, and from values to rows.

use crate::columns::Cell;
use crate::output::OutputPart;
use crate::raw::{self, Raw, Whole};
use crate::transfer::Stage;
use crate::worker_record::WorkerRecord;
use crate::{job_row, rows};
use queuectl_core::{Attempt, Job, Lease, QueueRules, QueueSet, Seq, State, Timestamp, Wait};
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Result, Row, ToSql};
use std::fmt;

/// Reads the columns of `job::LIST`, as far as they can be read.
pub(crate) fn job(row: &Row<'_>) -> Job {
    job_row::read(|index| value(row, index))
}

/// Reads the columns of `rules::LIST`, as far as they can be read.
pub(crate) fn queue_rules(row: &Row<'_>) -> QueueRules {
    rows::queue_rules(|index| value(row, index))
}

/// Reads the columns of `worker::LIST` and the number of its jobs, as far as they can be read.
pub(crate) fn worker(row: &Row<'_>) -> WorkerRecord {
    rows::worker(|index| value(row, index))
}

/// Reads the columns of `sql::ATTEMPTS`, as far as they can be read.
pub(crate) fn attempt(row: &Row<'_>) -> Attempt {
    rows::attempt(|index| value(row, index))
}

/// Reads the columns of `sql::OUTPUT`, as far as they can be read; and what cannot.
pub(crate) fn output(row: &Row<'_>) -> (OutputPart, Option<String>) {
    rows::output(|index| value(row, index))
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

/// Reads two columns from this one on: when a wait is over, and when it began.
pub(super) fn wait(row: &Row<'_>, first: usize) -> Result<Option<Wait>> {
    let due_at = optional_time(row, first)?;
    let since = optional_time(row, first + 1)?;
    Ok(due_at.map(|due_at| Wait { due_at, since: since.unwrap_or(due_at) }))
}

/// Reads three columns from this one on: where the queue stands in a move.
pub(super) fn move_stage(row: &Row<'_>, first: usize) -> Result<Stage> {
    Stage::from_columns(row.get(first)?, row.get(first + 1)?, row.get(first + 2)?)
        .ok_or_else(|| unreadable(first, "an unknown stage of a move".to_owned()))
}

fn unreadable(index: usize, what: String) -> Error {
    Error::FromSqlConversionFailure(index, Type::Text, what.into())
}

/// The name of a queue as it lies in a row: a text of any bytes, or what no text is. In the
/// order of an index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    is_blob: bool,
    bytes: Vec<u8>,
}

impl Name {
    /// The text, if it is one.
    fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok().filter(|_| !self.is_blob)
    }

    /// Tells whether it is one of these queues.
    pub(super) fn is_served_by(&self, queues: &QueueSet) -> bool {
        queues.is_all() || self.text().is_some_and(|name| queues.serves(name))
    }

    /// Tells whether it begins with another.
    pub(super) fn begins_with(&self, beginning: &Self) -> bool {
        self.bytes.starts_with(&beginning.bytes)
    }

    /// The first name that comes after it.
    pub(super) fn next(mut self) -> Self {
        self.bytes.push(0);
        self
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.bytes).fmt(f)
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self { is_blob: false, bytes: name.as_bytes().to_owned() }
    }
}

impl FromSql for Name {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_owned(),
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Null => Vec::new(),
        };
        Ok(Self { is_blob: matches!(value, ValueRef::Blob(_)), bytes })
    }
}

impl ToSql for Name {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        let bytes = self.bytes.as_slice();
        Ok(ToSqlOutput::Borrowed(if self.is_blob { ValueRef::Blob(bytes) } else { ValueRef::Text(bytes) }))
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
