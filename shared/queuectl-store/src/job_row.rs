//! The row of a job: its columns, what they mean, and what a new one is given.
//!
//! A new field of a job is a line in each of the three here, and in the migrations.

use crate::columns::{Cell, Column, table};
use crate::raw::{Raw, RowReader};
use crate::stored;
use queuectl_core::{Job, JobId, NewJob, Seq, Stage, State, Timestamp, UniqueKey, WorkerId};
use std::time::Duration;

table! {
    /// A job: what was accepted, and where it stands.
    job {
        key { seq: Number }
        given {
            id: Text,
            queue: Text,
            priority: Number,
            max_retries: Number,
            timeout_ms: Number,
            created_at_ms: Number,
            unique_key: Text,
            env: Text,
            cwd: Text,
            command: Text,
        }
        rest {
            stage: Text,
            state: Text,
            position: Number,
            attempts: Number,
            crashes: Number,
            lease: Number,
            worker: Number,
            cancel_at_ms: Number,
            updated_at_ms: Number,
            run_at_ms: Number,
            waits_since_ms: Number,
            blocked_by: Text,
            started_at_ms: Number,
            finished_at_ms: Number,
            exit_code: Number,
            signal: Number,
            last_error: Text,
        }
    }
}

/// Reads a job as far as it can be read, and says what cannot.
pub(crate) fn read<'a>(read: impl Fn(usize) -> Raw<'a>) -> Job {
    let mut row = RowReader::new(job::COLUMNS, read);
    let (worker, finished_at) =
        (row.optional::<i64>(job::worker).map(WorkerId), row.time(job::finished_at_ms));
    let attempts = row.number(job::attempts);
    let state = row.state(job::state).unwrap_or(match (worker, finished_at) {
        (Some(_), _) => State::Processing,
        (_, Some(_)) => State::Dead,
        _ if attempts > 0 => State::Failed,
        _ => State::Pending,
    });
    let lease = row.number(job::lease);
    if attempts == u32::MAX || !(0..i64::MAX).contains(&lease) {
        let which = if attempts == u32::MAX { job::attempts } else { job::lease };
        row.complain(which, "leaves no number for the next claim");
    }
    Job {
        seq: Seq(row.number(job::seq)),
        id: JobId::trusted(row.text(job::id)),
        state,
        stage: stage(&mut row, state),
        queue: row.text(job::queue),
        unique_key: row.optional_text(job::unique_key).map(UniqueKey::trusted),
        priority: row.number(job::priority),
        attempts,
        max_retries: row.number(job::max_retries),
        crashes: row.number(job::crashes),
        lease,
        worker,
        cancel_requested: row.optional::<i64>(job::cancel_at_ms).is_some(),
        timeout: row.optional::<u64>(job::timeout_ms).map(Duration::from_millis),
        created_at: row.time(job::created_at_ms).unwrap_or_default(),
        updated_at: row.time(job::updated_at_ms).unwrap_or_default(),
        run_at: row.time(job::run_at_ms),
        blocked_by: row.optional_parsed(job::blocked_by),
        started_at: row.time(job::started_at_ms),
        finished_at,
        exit_code: row.optional(job::exit_code),
        signal: row.optional(job::signal),
        last_error: row.optional_text(job::last_error),
        command: row.command(job::command),
        env: row.environment(job::env),
        cwd: row.folder(job::cwd),
        unreadable: row.problem,
    }
}

/// Where a job stands: its state says it, but of one that waits.
fn stage<'a, R: Fn(usize) -> Raw<'a>>(row: &mut RowReader<R>, state: State) -> Stage {
    match state {
        State::Processing => Stage::Claimed,
        State::Completed | State::Dead | State::Cancelled => Stage::Finished,
        State::Pending | State::Failed => row.optional_parsed(job::stage).unwrap_or(Stage::Ready),
    }
}

/// What a new job's row is given, in the order of `job::GIVEN`.
pub(crate) fn given(job: &NewJob, now: Timestamp) -> [Cell<'_>; job::GIVEN.len()] {
    let millis = |timeout: Duration| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
    [
        job.id.as_str().into(),
        job.queue.as_str().into(),
        i64::from(job.priority).into(),
        i64::from(job.max_retries).into(),
        job.timeout.map(millis).into(),
        now.as_millis().into(),
        job.unique.as_ref().map(|unique| unique.key.as_str()).into(),
        stored::environment_text(&job.env).into(),
        job.cwd.as_str().into(),
        job.command.as_str().into(),
    ]
}

/// The columns that another job replaces which has the same unique key, in the order of
/// [`replaced`].
pub(crate) const REPLACED: [Column; 6] = [
    job::COLUMNS[job::priority],
    job::COLUMNS[job::max_retries],
    job::COLUMNS[job::timeout_ms],
    job::COLUMNS[job::env],
    job::COLUMNS[job::cwd],
    job::COLUMNS[job::command],
];

/// What they are given.
pub(crate) fn replaced(job: &NewJob, now: Timestamp) -> [Cell<'_>; REPLACED.len()] {
    let given = given(job, now);
    let of = |column: usize| given[column - job::id].clone();
    [
        of(job::priority),
        of(job::max_retries),
        of(job::timeout_ms),
        of(job::env),
        of(job::cwd),
        of(job::command),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(column: usize) -> Raw<'static> {
        match column {
            job::seq => Raw::Integer(7),
            job::id => Raw::Text(b"a"),
            job::state => Raw::Text(b"pending"),
            job::stage => Raw::Text(b"ready"),
            job::queue => Raw::Text(b"default"),
            job::priority | job::attempts | job::crashes | job::lease => Raw::Integer(0),
            job::max_retries => Raw::Integer(3),
            job::created_at_ms | job::updated_at_ms => Raw::Integer(1),
            job::env => Raw::Text(b"{}"),
            job::cwd => Raw::Text(b"/"),
            job::command => Raw::Text(b"true"),
            _ => Raw::Null,
        }
    }

    fn with(column: &str, value: Raw<'static>) -> Job {
        let spoilt = job::COLUMNS.iter().position(|known| known.name == column).unwrap();
        read(|index| if index == spoilt { value } else { sound(index) })
    }

    #[test]
    fn a_sound_row_has_no_problem() {
        assert_eq!(read(sound).unreadable, None);
    }

    #[test]
    fn what_is_wrong_is_said_and_the_rest_is_read() {
        for (column, value, problem) in [
            ("id", Raw::Text(b"x\xff"), "column id is not UTF-8"),
            ("command", Raw::Null, "column command is NULL"),
            ("command", Raw::Bytes(b"true"), "column command has no text"),
            ("command", Raw::Text(b"a\0b"), "column command cannot be run: the command contains a NUL"),
            ("cwd", Raw::Text(b"a\0b"), "column cwd has a NUL character"),
            ("env", Raw::Text(b"{x"), "column env has no variables"),
            ("env", Raw::Text(b"[1]"), "column env has no variables"),
            ("env", Raw::Text(br#"{"A=B": ""}"#), "column env has no variables"),
            ("priority", Raw::Integer(1 << 40), "column priority has the number 1099511627776"),
            ("priority", Raw::Text(b"high"), "column priority has no whole number"),
            ("max_retries", Raw::Integer(-1), "column max_retries has the number -1"),
            ("attempts", Raw::Integer(u32::MAX.into()), "column attempts leaves no number"),
            ("lease", Raw::Integer(i64::MAX), "column lease leaves no number"),
            ("timeout_ms", Raw::Integer(-5), "column timeout_ms has the number -5"),
            ("blocked_by", Raw::Text(b"fog"), "column blocked_by has \"fog\", which is not known"),
            ("created_at_ms", Raw::Null, "column created_at_ms is NULL"),
            ("state", Raw::Text(b"flying"), "column state has \"flying\", which is no state"),
        ] {
            let read = with(column, value);
            let said = read.unreadable.clone().unwrap_or_default();
            assert!(said.starts_with(problem), "{column}: {said}");
            assert_eq!((read.seq, read.queue.as_str(), read.state), (Seq(7), "default", State::Pending));
        }
    }

    #[test]
    fn a_list_names_the_columns_in_their_order() {
        let names: Vec<&str> = job::COLUMNS.iter().map(|column| column.name).collect();
        assert_eq!(job::LIST, names.join(", "));
        assert_eq!(
            (names[job::seq], names[job::command], names[job::last_error]),
            ("seq", "command", "last_error")
        );
        assert!(job::LIST.contains(job::AND_GIVEN));
    }
}
