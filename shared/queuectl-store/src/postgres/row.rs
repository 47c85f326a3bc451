//! From rows to what they mean.

use super::Trouble;
use crate::inspect::{Life, OutputPart, Worker};
use crate::lease::LeaseTimes;
use crate::stored;
use crate::transfer::Stage;
use postgres::Row;
use postgres::types::FromSql;
use queuectl_core::{
    Attempt, CommandLine, Environment, IllegalTransition, Job, JobId, Lease, Outcome, Seq, State, Stream,
    Timestamp, WorkerId,
};
use std::time::Duration;

/// A value of a row that cannot be what it should be.
#[derive(Debug, thiserror::Error)]
#[error("column {column} has {what}")]
pub(super) struct Unreadable {
    column: usize,
    what: String,
}

/// Reads one column.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Trouble> {
    Ok(row.try_get(column)?)
}

/// Reads a number that is stored wider than it is.
pub(super) fn number<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, Trouble> {
    let stored: i64 = get(row, column)?;
    T::try_from(stored).map_err(|_| unreadable(column, format!("the number {stored}")))
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
        cwd: get(row, 15)?,
        command: CommandLine::trusted(get(row, 16)?),
    })
}

/// Reads the columns that `job_columns!` names.
pub(super) fn job(row: &Row) -> Result<Job, Trouble> {
    let env: Option<String> = get(row, 20)?;
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
        cwd: get(row, 21)?,
        command: CommandLine::trusted(get(row, 22)?),
    })
}

/// Reads the columns that `worker_columns!` names; `here` is the lock file of this
/// machine, if there is one. Of those who lock it, the lock tells whether they live.
pub(super) fn worker(row: &Row, here: Option<&str>) -> Result<Worker, Trouble> {
    let lock_file: String = get(row, 15)?;
    let is_here = here == Some(lock_file.as_str());
    let silence = Silence::read(row, 16)?;
    let life = match (is_here, silence.is_long(), silence.means_something()) {
        (true, ..) | (_, true, false) => Life::Unknown,
        (_, true, true) => Life::Dead,
        (_, false, _) => Life::Alive,
    };
    let heartbeat_at = optional_time(row, 19)?;
    Ok(Worker {
        id: WorkerId(get(row, 0)?),
        host: get(row, 1)?,
        pid: number(row, 2)?,
        manager_pid: number(row, 3)?,
        boot_id: get(row, 4)?,
        pid_namespace: get::<i64>(row, 5)?.cast_unsigned(),
        run: get(row, 6)?,
        note_region: number(row, 7)?,
        concurrency: number(row, 8)?,
        path: get(row, 9)?,
        started_at: time(row, 10)?,
        ended_at: optional_time(row, 11)?,
        is_here,
        heartbeat_at,
        lease: heartbeat_at.map(|_| silence.lease),
        life,
        is_stalled: false,
        stop: stored::stop_from_number(get(row, 12)?),
        jobs_done: number(row, 13)?,
        jobs_now: number(row, 14)?,
    })
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

/// Reads the columns of `sql::ATTEMPTS`.
pub(super) fn attempt(seq: Seq, row: &Row) -> Result<Attempt, Trouble> {
    let kind: Option<String> = get(row, 5)?;
    let code: Option<i32> = get(row, 6)?;
    let outcome = kind
        .map(|kind| Outcome::from_parts(&kind, code).ok_or_else(|| unreadable(5, format!("outcome {kind}"))))
        .transpose()?;
    Ok(Attempt {
        lease: Lease { seq, number: get(row, 0)? },
        worker: WorkerId(get(row, 1)?),
        host: get(row, 2)?,
        started_at: time(row, 3)?,
        ended_at: optional_time(row, 4)?,
        outcome,
        error: get(row, 7)?,
        output_bytes: number(row, 8)?,
        dropped_bytes: number(row, 9)?,
    })
}

/// Reads the columns of `sql::OUTPUT`.
pub(super) fn output(lease: Lease, row: &Row) -> Result<OutputPart, Trouble> {
    Ok(OutputPart {
        lease,
        n: get(row, 0)?,
        stream: if get::<i64>(row, 1)? == 1 { Stream::Stdout } else { Stream::Stderr },
        at: time(row, 2)?,
        bytes: get(row, 3)?,
        started_at: time(row, 4)?,
    })
}

fn timeout(row: &Row, column: usize) -> Result<Option<Duration>, Trouble> {
    let millis: Option<i64> = get(row, column)?;
    Ok(millis.map(|millis| Duration::from_millis(millis.unsigned_abs())))
}

pub(super) fn state(row: &Row, column: usize) -> Result<State, Trouble> {
    let text: &str = get(row, column)?;
    text.parse().map_err(|_| unreadable(column, format!("state {text}")))
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
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Reads three columns from this one on: where the queue stands in a move.
pub(super) fn stage(row: &Row, first: usize) -> Result<Stage, Trouble> {
    Stage::from_columns(get(row, first)?, get(row, first + 1)?, get(row, first + 2)?)
        .ok_or_else(|| unreadable(first, "an unknown stage of a move".to_owned()))
}

/// Reads the same three as one text; none if the queue is in no move.
pub(super) fn stage_of_json(text: Option<&str>) -> Result<Stage, Trouble> {
    let columns = text.map(serde_json::from_str::<[Option<String>; 3]>).transpose();
    let [name, id, place] = columns.map_err(|error| unreadable(0, error.to_string()))?.unwrap_or_default();
    Stage::from_columns(name, id, place).ok_or_else(|| unreadable(0, "an unknown stage of a move".to_owned()))
}

fn environment(column: usize, text: Option<&str>) -> Result<Environment, Trouble> {
    stored::environment(text).map_err(|error| unreadable(column, error.to_string()))
}

/// A statement that always gives a row gave none.
pub(super) fn missing() -> Trouble {
    unreadable(0, "no row".to_owned())
}

/// A row says something that the rules of a job do not allow.
pub(super) fn contradiction(error: IllegalTransition) -> Unreadable {
    Unreadable { column: 2, what: error.to_string() }
}

pub(super) fn unreadable(column: usize, what: String) -> Trouble {
    Trouble::Row(Unreadable { column, what })
}
