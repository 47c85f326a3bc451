//! From rows to what they mean.

use super::Trouble;
use crate::lease::LeaseTimes;
use crate::output::OutputPart;
use crate::raw::{self, Raw, Whole};
use crate::stored;
use crate::transfer::{self, Stage};
use crate::worker::{Life, Worker};
use queuectl_core::{
    Attempt, Environment, IllegalTransition, Job, JobId, Lease, Seq, State, Timestamp, WorkerId,
};
use std::error::Error;
use std::str::Utf8Error;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type, WasNull, WrongType};

/// A value of a row that cannot be what it should be.
#[derive(Debug, thiserror::Error)]
#[error("column {column} {problem}")]
pub(crate) struct Unreadable {
    column: String,
    problem: String,
}

/// Reads one column.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Trouble> {
    row.try_get(column).map_err(|error| misread(row, column, &error))
}

/// A value that is not what was asked for; a column that is not even of its type was not
/// made by queuectl, and there is no sense in trying the next row.
fn misread(row: &Row, column: usize, error: &tokio_postgres::Error) -> Trouble {
    let Some(found) = row.columns().get(column) else {
        return Trouble::Foreign(format!("{} columns instead of more", row.columns().len()));
    };
    let reason = error.source();
    if reason.is_some_and(<dyn Error>::is::<WrongType>) {
        return Trouble::Foreign(format!("column {} of the type {}", found.name(), found.type_()));
    }
    let problem = match reason {
        Some(reason) if reason.is::<WasNull>() => "is NULL".to_owned(),
        Some(reason) if reason.is::<Utf8Error>() => "is not UTF-8".to_owned(),
        Some(reason) => format!("cannot be read: {reason}"),
        None => "cannot be read".to_owned(),
    };
    Trouble::Row(Unreadable { column: found.name().to_owned(), problem })
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

/// A text of any bytes, to be copied.
pub(crate) fn text(row: &Row, column: usize) -> transfer::Value {
    match value(row, column) {
        Raw::Null | Raw::Other => transfer::Value::Null,
        Raw::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => transfer::Value::Text(text.to_owned()),
            Err(_) => transfer::Value::Spoilt(bytes.to_owned()),
        },
        Raw::Integer(number) => transfer::Value::Integer(number),
        Raw::Bytes(bytes) => transfer::Value::Bytes(bytes.to_owned()),
    }
}

/// Gives what was read, or what is there of a row that cannot be read.
fn as_far_as_possible<T>(read: Result<T, Trouble>, rest: impl FnOnce() -> T) -> Result<T, Trouble> {
    match read {
        Err(Trouble::Row(_)) => Ok(rest()),
        read => read,
    }
}

/// Reads a number; one that does not fit is the nearest that does.
pub(super) fn nearest<T: Whole>(row: &Row, column: usize) -> Result<T, Trouble> {
    get(row, column).map(raw::nearest)
}

/// Reads a number that is stored wider than it is.
pub(crate) fn number<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, Trouble> {
    let stored: i64 = get(row, column)?;
    T::try_from(stored).map_err(|_| unreadable(column, format!("has the number {stored}")))
}

/// The first column after those that make a job which was claimed.
pub(super) const AFTER_CLAIMED: usize = 17;

/// Reads a job that a worker has claimed at this time, from the columns that
/// `claimed_columns!` names: each that can be told without is one less to be sent.
/// The state is the one it was claimed from.
pub(super) fn claimed(row: &Row, worker: WorkerId, now: Timestamp) -> Result<Job, Trouble> {
    let env: Option<String> = get(row, 14)?;
    Ok(Job {
        seq: Seq(get(row, 0)?),
        id: JobId::trusted(get(row, 1)?),
        state: state(row, 2)?,
        queue: get(row, 3)?,
        priority: number(row, 4)?,
        attempts: number(row, 5)?,
        max_retries: number(row, 6)?,
        crashes: number(row, 7)?,
        lease: get(row, 8)?,
        worker: Some(worker),
        cancel_requested: false,
        timeout: timeout(row, 9)?,
        created_at: time(row, 10)?,
        updated_at: now,
        run_at: None,
        started_at: Some(now),
        finished_at: None,
        exit_code: get(row, 11)?,
        signal: get(row, 12)?,
        last_error: get(row, 13)?,
        env: environment(14, env.as_deref())?,
        cwd: raw::folder(get(row, 15)?).map_err(|problem| unreadable(15, problem))?,
        command: raw::command(get(row, 16)?).map_err(|problem| unreadable(16, problem))?,
        unreadable: None,
    })
}

/// Reads the columns that `job_columns!` names, as far as they can be read.
pub(crate) fn job(row: &Row) -> Result<Job, Trouble> {
    as_far_as_possible(sound_job(row), || raw::job(|column| value(row, column)))
}

fn sound_job(row: &Row) -> Result<Job, Trouble> {
    let (attempts, lease) = (number(row, 5)?, get(row, 8)?);
    if !raw::can_be_counted(attempts, lease) {
        return Err(unreadable(5, "leaves no number for the next claim".to_owned()));
    }
    let env: Option<String> = get(row, 20)?;
    Ok(Job {
        seq: Seq(get(row, 0)?),
        id: JobId::trusted(get(row, 1)?),
        state: state(row, 2)?,
        queue: get(row, 3)?,
        priority: number(row, 4)?,
        attempts,
        max_retries: number(row, 6)?,
        crashes: number(row, 7)?,
        lease,
        worker: get::<Option<i64>>(row, 9)?.map(WorkerId),
        cancel_requested: get(row, 10)?,
        timeout: timeout(row, 11)?,
        created_at: time(row, 12)?,
        updated_at: time(row, 13)?,
        run_at: optional_time(row, 14)?,
        started_at: optional_time(row, 15)?,
        finished_at: optional_time(row, 16)?,
        exit_code: get(row, 17)?,
        signal: get(row, 18)?,
        last_error: get(row, 19)?,
        env: environment(20, env.as_deref())?,
        cwd: raw::folder(get(row, 21)?).map_err(|problem| unreadable(21, problem))?,
        command: raw::command(get(row, 22)?).map_err(|problem| unreadable(22, problem))?,
        unreadable: None,
    })
}

/// Reads the columns that `worker_columns!` names; `here` is the lock file of this
/// machine, if there is one. Of those who lock it, the lock tells whether they live.
pub(crate) fn worker(row: &Row, here: Option<&str>) -> Result<Worker, Trouble> {
    let lock_file: String = get(row, 15)?;
    let is_here = here == Some(lock_file.as_str());
    let silence = Silence::read(row, 16)?;
    let life = match (is_here, silence.is_long(), silence.means_something()) {
        (true, ..) | (_, true, false) => Life::Unknown,
        (_, true, true) => Life::Dead,
        (_, false, _) => Life::Alive,
    };
    let heartbeat_at = optional_time(row, 19)?;
    let lease = heartbeat_at.map(|_| silence.lease);
    Ok(Worker { is_here, heartbeat_at, lease, life, ..raw::worker(|column| value(row, column)) })
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
    /// Reads the columns that `silence!` names, from this one on.
    pub(super) fn read(row: &Row, first: usize) -> Result<Self, Trouble> {
        // A clock that was set back shows less than nothing.
        let millis = |index| {
            let read: i64 = get(row, index)?;
            Ok::<_, Trouble>(Duration::from_millis(read.max(0).cast_unsigned()))
        };
        Ok(Self {
            lease: LeaseTimes::of(millis(first)?),
            lasts: millis(first + 1)?,
            server_runs_for: millis(first + 2)?,
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

/// Reads the columns of `sql::ATTEMPTS`, as far as they can be read.
pub(crate) fn attempt(seq: Seq, row: &Row) -> Attempt {
    raw::attempt(seq, |column| value(row, column))
}

/// Reads the columns of `sql::OUTPUT`, as far as they can be read.
pub(super) fn output(lease: Lease, row: &Row) -> OutputPart {
    raw::output(lease, |column| value(row, column)).0
}

fn timeout(row: &Row, column: usize) -> Result<Option<Duration>, Trouble> {
    let Some(millis) = get::<Option<i64>>(row, column)? else { return Ok(None) };
    let problem = |_| unreadable(column, format!("has the number {millis}"));
    u64::try_from(millis).map(|millis| Some(Duration::from_millis(millis))).map_err(problem)
}

pub(crate) fn state(row: &Row, column: usize) -> Result<State, Trouble> {
    let text: &str = get(row, column)?;
    text.parse().map_err(|_| unreadable(column, format!("has the state {text}")))
}

pub(super) fn lease(row: &Row) -> Result<Lease, Trouble> {
    Ok(Lease { seq: Seq(get(row, 0)?), number: get(row, 1)? })
}

pub(super) fn time(row: &Row, column: usize) -> Result<Timestamp, Trouble> {
    get(row, column).map(Timestamp::from_millis)
}

pub(super) fn optional_time(row: &Row, column: usize) -> Result<Option<Timestamp>, Trouble> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

/// A text that PostgreSQL can store: it knows no NUL.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Reads three columns from this one on: where the queue stands in a move.
pub(crate) fn stage(row: &Row, first: usize) -> Result<Stage, Trouble> {
    Stage::from_columns(get(row, first)?, get(row, first + 1)?, get(row, first + 2)?)
        .ok_or_else(|| unreadable(first, "has an unknown stage of a move".to_owned()))
}

/// Reads the same three as one text; none if the queue is in no move.
pub(crate) fn stage_of_json(text: Option<&str>) -> Result<Stage, Trouble> {
    let columns = text.map(serde_json::from_str::<[Option<String>; 3]>).transpose();
    let [name, id, place] = columns.map_err(|error| unreadable(0, error.to_string()))?.unwrap_or_default();
    Stage::from_columns(name, id, place)
        .ok_or_else(|| unreadable(0, "has an unknown stage of a move".to_owned()))
}

fn environment(column: usize, text: Option<&str>) -> Result<Environment, Trouble> {
    stored::environment(text).map_err(|problem| unreadable(column, problem))
}

/// A statement that always gives a row gave none.
pub(super) fn missing() -> Trouble {
    Trouble::Foreign("no row where there always is one".to_owned())
}

/// A row says something that the rules of a job do not allow.
pub(super) fn contradiction(error: IllegalTransition) -> Unreadable {
    Unreadable { column: "state".to_owned(), problem: error.to_string() }
}

pub(super) fn unreadable(column: usize, problem: String) -> Trouble {
    Trouble::Row(Unreadable { column: column.to_string(), problem })
}
