//! From rows to what they mean. Columns are read by their names.

use super::trouble::{Trouble, Unreadable, missing};
use crate::columns::{Column, Has, rules};
use crate::lease::LeaseTimes;
use crate::output::OutputPart;
use crate::raw::{self, Raw, Whole};
use crate::transfer::{Stage, Value};
use crate::worker_record::{Life, WorkerRecord};
use crate::{job_row, rows};
use queuectl_core::{Attempt, Job, Lease, QueueRules, Seq, State, Timestamp};
use std::error::Error;
use std::str::Utf8Error;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::row::RowIndex;
use tokio_postgres::types::{FromSql, Type, WasNull, WrongType};

/// Reads one column, by its name or its number.
pub(crate) fn get<'a, T: FromSql<'a>>(
    row: &'a Row,
    column: impl RowIndex + std::fmt::Display + Copy,
) -> Result<T, Trouble> {
    row.try_get(column).map_err(|error| misread(row, &column.to_string(), &error))
}

/// A value that is not what was asked for; a column that is not even of its type was not
/// made by queuectl, and there is no sense in trying the next row.
fn misread(row: &Row, column: &str, error: &tokio_postgres::Error) -> Trouble {
    let by_number = || row.columns().get(column.parse::<usize>().ok()?);
    let Some(found) = row.columns().iter().find(|known| known.name() == column).or_else(by_number) else {
        return Trouble::Foreign(format!("{} columns and none that is {column}", row.columns().len()));
    };
    let reason = error.source();
    if reason.is_some_and(<dyn Error>::is::<WrongType>) {
        return of_another_type(found);
    }
    let problem = match reason {
        Some(reason) if reason.is::<WasNull>() => "is NULL".to_owned(),
        Some(reason) if reason.is::<Utf8Error>() => "is not UTF-8".to_owned(),
        Some(reason) => format!("cannot be read: {reason}"),
        None => "cannot be read".to_owned(),
    };
    Trouble::Row(Unreadable { column: found.name().to_owned(), problem })
}

fn of_another_type(column: &tokio_postgres::Column) -> Trouble {
    Trouble::Foreign(format!("column {} of the type {}", column.name(), column.type_()))
}

/// The row of a statement that always gives one.
pub(crate) fn one(rows: Vec<Row>) -> Result<Row, Trouble> {
    rows.into_iter().next().ok_or_else(missing)
}

/// Reads every row.
pub(crate) fn all<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, Trouble>) -> Result<Vec<T>, Trouble> {
    rows.iter().map(read).collect()
}

/// A value as it lies in a row, of whatever type.
struct Anything<'a>(Raw<'a>);

impl<'a> FromSql<'a> for Anything<'a> {
    fn from_sql(of_type: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match *of_type {
            Type::INT8 => Raw::Integer(i64::from_sql(of_type, bytes)?),
            Type::INT4 => Raw::Integer(i32::from_sql(of_type, bytes)?.into()),
            Type::BOOL => Raw::Integer(bool::from_sql(of_type, bytes)?.into()),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => Raw::Text(bytes),
            Type::BYTEA => Raw::Bytes(bytes),
            _ => Raw::Other,
        }))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn value(row: &Row, column: usize) -> Raw<'_> {
    match row.try_get::<_, Option<Anything<'_>>>(column) {
        Ok(Some(Anything(value))) => value,
        Ok(None) => Raw::Null,
        Err(_) => Raw::Other,
    }
}

/// Where the columns of a table are in the rows of one answer; those that it does not have
/// read as NULL.
pub(super) struct Found(Vec<Option<usize>>);

impl Found {
    /// # Errors
    ///
    /// If a column has values of another type: no job is to blame for that.
    pub(super) fn of(columns: &[Column], row: &Row) -> Result<Self, Trouble> {
        let find = |column: &Column| {
            let Some(index) = row.columns().iter().position(|found| found.name() == column.name) else {
                return Ok(None);
            };
            let found = &row.columns()[index];
            if is_of_type(column.has, found.type_()) { Ok(Some(index)) } else { Err(of_another_type(found)) }
        };
        columns.iter().map(find).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn in_row<'a>(&'a self, row: &'a Row) -> impl Fn(usize) -> Raw<'a> {
        |column| self.0[column].map_or(Raw::Null, |index| value(row, index))
    }
}

/// Tells whether this is the type of a column that has such values.
fn is_of_type(has: Has, of_type: &Type) -> bool {
    match has {
        Has::Number => [Type::INT8, Type::INT4, Type::BOOL].contains(of_type),
        Has::Text => [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN].contains(of_type),
        Has::Bytes => *of_type == Type::BYTEA,
    }
}

fn read_all<T>(
    columns: &[Column],
    rows: &[Row],
    read: impl Fn(&Row, &Found) -> T,
) -> Result<Vec<T>, Trouble> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let found = Found::of(columns, first)?;
    Ok(rows.iter().map(|row| read(row, &found)).collect())
}

/// Reads jobs, as far as they can be read.
pub(crate) fn jobs(rows: &[Row]) -> Result<Vec<Job>, Trouble> {
    read_all(job_row::job::COLUMNS, rows, |row, found| job_row::read(found.in_row(row)))
}

/// Reads a job, as far as it can be read.
pub(crate) fn job(row: &Row) -> Result<Job, Trouble> {
    Ok(job_row::read(Found::of(job_row::job::COLUMNS, row)?.in_row(row)))
}

/// Reads what people have said of queues, as far as it can be read.
pub(super) fn queue_rules(rows: &[Row]) -> Result<Vec<QueueRules>, Trouble> {
    read_all(rules::COLUMNS, rows, |row, found| rows::queue_rules(found.in_row(row)))
}

/// Reads the records of attempts, as far as they can be read.
pub(crate) fn attempts(rows: &[Row]) -> Result<Vec<Attempt>, Trouble> {
    read_all(&rows::ATTEMPT_AND_HOST, rows, |row, found| rows::attempt(found.in_row(row)))
}

/// Reads pieces of output, as far as they can be read.
pub(super) fn output(rows: &[Row]) -> Result<Vec<OutputPart>, Trouble> {
    read_all(&rows::OUTPUT_AND_START, rows, |row, found| rows::output(found.in_row(row)).0)
}

/// Reads a worker; `here` is the lock file of this machine, if there is one. Of those who
/// lock it, the lock tells whether they live.
pub(crate) fn worker(row: &Row, here: Option<&str>) -> Result<WorkerRecord, Trouble> {
    let read = rows::worker(Found::of(&rows::WORKER_AND_JOBS, row)?.in_row(row));
    let lock_file: String = get(row, "lock_file")?;
    let is_here = here == Some(lock_file.as_str());
    let silence = Silence::read(row)?;
    let life = match (is_here, silence.is_long(), silence.means_something()) {
        (true, ..) | (_, true, false) => Life::Unknown,
        (_, true, true) => Life::Dead,
        (_, false, _) => Life::Alive,
    };
    let heartbeat_at = optional_time(row, "beat_at_ms")?;
    let lease = heartbeat_at.map(|_| silence.lease);
    let jobs_done = read.jobs_done.saturating_add(nearest(row, "done_since")?);
    Ok(WorkerRecord { is_here, heartbeat_at, lease, life, jobs_done, ..read })
}

/// Reads a number; one that does not fit is the nearest that does.
pub(super) fn nearest<T: Whole>(row: &Row, column: &str) -> Result<T, Trouble> {
    get(row, column).map(raw::nearest)
}

/// Reads a number that is stored wider than it is.
pub(crate) fn number<T: TryFrom<i64>>(
    row: &Row,
    column: impl RowIndex + std::fmt::Display + Copy,
) -> Result<T, Trouble> {
    let stored: i64 = get(row, column)?;
    T::try_from(stored).map_err(|_| unreadable(&column.to_string(), format!("has the number {stored}")))
}

/// How long nothing was heard of a worker, as the server knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// The worker's own.
    pub(super) lease: LeaseTimes,
    /// Since its last renewal; nothing if it never had a lease.
    lasts: Duration,
    server_runs_for: Duration,
}

impl Silence {
    /// Reads the columns that `sql::SILENCE` names.
    pub(super) fn read(row: &Row) -> Result<Self, Trouble> {
        // A clock that was set back shows less than nothing.
        let millis = |column| {
            let read: i64 = get(row, column)?;
            Ok::<_, Trouble>(Duration::from_millis(read.max(0).cast_unsigned()))
        };
        Ok(Self {
            lease: LeaseTimes::of(millis("lease_ms")?),
            lasts: millis("silent_ms")?,
            server_runs_for: millis("server_runs_ms")?,
        })
    }

    fn is_long(self) -> bool {
        self.lasts > self.lease.dead_after()
    }

    /// For as long as a lease, nobody could renew one before the server had started.
    fn means_something(self) -> bool {
        self.server_runs_for > self.lease.dead_after()
    }

    /// Tells whether the worker is to be taken for dead.
    pub(super) fn is_death(self) -> bool {
        self.is_long() && self.means_something()
    }
}

/// Reads the column `state`.
pub(crate) fn state(row: &Row) -> Result<State, Trouble> {
    let text: &str = get(row, "state")?;
    text.parse().map_err(|_| unreadable("state", format!("has the state {text}")))
}

/// Reads the columns `seq` and `lease`.
pub(super) fn lease(row: &Row) -> Result<Lease, Trouble> {
    Ok(Lease { seq: Seq(get(row, "seq")?), number: get(row, "lease")? })
}

/// Reads a time, if there is one.
pub(super) fn optional_time(row: &Row, column: &str) -> Result<Option<Timestamp>, Trouble> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// A text that PostgreSQL can store: it knows no NUL.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Reads a value to be copied, of whatever type.
pub(crate) fn copied(row: &Row, column: usize) -> Value {
    match value(row, column) {
        Raw::Null | Raw::Other => Value::Null,
        Raw::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Spoilt(bytes.to_owned()),
        },
        Raw::Integer(number) => Value::Integer(number),
        Raw::Bytes(bytes) => Value::Bytes(bytes.to_owned()),
    }
}

/// Reads three columns: where the queue stands in a move.
pub(crate) fn stage_of_move(row: &Row) -> Result<Stage, Trouble> {
    Stage::from_columns(get(row, "move_stage")?, get(row, "move_id")?, get(row, "move_place")?)
        .ok_or_else(|| unreadable("move_stage", "has an unknown stage of a move".to_owned()))
}

/// Reads the same three as one text; none if the queue is in no move.
pub(crate) fn stage_of_json(text: Option<&str>) -> Result<Stage, Trouble> {
    let columns = text.map(serde_json::from_str::<[Option<String>; 3]>).transpose();
    let columns = columns.map_err(|error| unreadable("move_stage", error.to_string()))?;
    let [name, id, place] = columns.unwrap_or_default();
    Stage::from_columns(name, id, place)
        .ok_or_else(|| unreadable("move_stage", "has an unknown stage of a move".to_owned()))
}

pub(super) fn unreadable(column: &str, problem: String) -> Trouble {
    Trouble::Row(Unreadable { column: column.to_owned(), problem })
}
