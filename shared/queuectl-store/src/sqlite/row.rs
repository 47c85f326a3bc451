//! From rows to what they mean.

use crate::inspect::{Life, OutputPart, Worker};
use crate::stored;
use crate::transfer::Stage;
use queuectl_core::{
    Attempt, CommandLine, Environment, Job, JobId, Lease, Outcome, Seq, State, Stream, Timestamp, WorkerId,
};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use std::time::Duration;

/// Reads the columns that `job_columns!` names.
pub(super) fn job(row: &Row<'_>) -> Result<Job> {
    let env: Option<String> = row.get(20)?;
    Ok(Job {
        seq: Seq(row.get(0)?),
        id: JobId::trusted(row.get(1)?),
        state: state(row, 2)?,
        queue: row.get(3)?,
        priority: row.get(4)?,
        attempts: row.get(5)?,
        max_retries: row.get(6)?,
        crashes: row.get(7)?,
        lease: row.get(8)?,
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
        cwd: row.get(21)?,
        command: CommandLine::trusted(row.get(22)?),
    })
}

/// Reads the columns that `worker_columns!` names.
pub(super) fn worker(row: &Row<'_>) -> Result<Worker> {
    Ok(Worker {
        id: WorkerId(row.get(0)?),
        host: row.get(1)?,
        pid: row.get(2)?,
        manager_pid: row.get(3)?,
        boot_id: row.get(4)?,
        pid_namespace: row.get::<_, i64>(5)?.cast_unsigned(),
        run: row.get(6)?,
        note_region: row.get(7)?,
        concurrency: row.get(8)?,
        path: row.get(9)?,
        started_at: time(row, 10)?,
        ended_at: optional_time(row, 11)?,
        is_here: true,
        heartbeat_at: None,
        lease: None,
        // The lock tells; rows do not.
        life: Life::Unknown,
        is_stalled: false,
        stop: stored::stop_from_number(row.get(12)?),
        jobs_done: row.get(13)?,
        jobs_now: row.get(14)?,
    })
}

/// Reads the columns of `sql::ATTEMPTS`.
pub(super) fn attempt(seq: Seq, row: &Row<'_>) -> Result<Attempt> {
    let kind: Option<String> = row.get(5)?;
    let code: Option<i32> = row.get(6)?;
    let outcome = kind
        .map(|kind| Outcome::from_parts(&kind, code).ok_or_else(|| unreadable(5, format!("outcome {kind}"))))
        .transpose()?;
    Ok(Attempt {
        lease: Lease { seq, number: row.get(0)? },
        worker: WorkerId(row.get(1)?),
        host: row.get(2)?,
        started_at: time(row, 3)?,
        ended_at: optional_time(row, 4)?,
        outcome,
        error: row.get(7)?,
        output_bytes: row.get(8)?,
        dropped_bytes: row.get(9)?,
    })
}

/// Reads the columns of `sql::OUTPUT`.
pub(super) fn output(lease: Lease, row: &Row<'_>) -> Result<OutputPart> {
    Ok(OutputPart {
        lease,
        n: row.get(0)?,
        stream: if row.get::<_, i64>(1)? == 1 { Stream::Stdout } else { Stream::Stderr },
        at: time(row, 2)?,
        bytes: row.get(3)?,
        started_at: time(row, 4)?,
    })
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
    stored::environment(text).map_err(|error| unreadable(index, error.to_string()))
}

pub(super) fn unreadable(index: usize, what: String) -> Error {
    Error::FromSqlConversionFailure(index, Type::Text, what.into())
}
