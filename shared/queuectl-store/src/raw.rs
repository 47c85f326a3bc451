//! Rows that do not say what they should: what can be read of them is read.
//!
//! A program that looks at the queue is shown a row as far as it can be read, and told what
//! is wrong with it; only who would run the job needs all of it. The columns are those of
//! [`columns`](crate::columns).

use crate::columns::{self, Cell, Column, Has, attempt, job, output, worker};
use crate::output::OutputPart;
use crate::stored;
use crate::worker::NewWorker;
use crate::worker_record::{Life, WorkerRecord};
use queuectl_core::{
    Attempt, CommandLine, Environment, Job, JobId, Lease, NewJob, Outcome, QueueSet, Seq, Stage, State,
    Stream, Timestamp, WorkerId,
};
use std::str::FromStr;
use std::time::Duration;

/// A value as it lies in a row, whatever it should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Raw<'a> {
    Null,
    Integer(i64),
    /// Not always UTF-8.
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    /// Of a type that no column has.
    Other,
}

/// What begins the last error of a job that was set aside.
pub(crate) const CANNOT_BE_READ: &str = "its row cannot be read";

/// Reads a job as far as it can be read, and says what cannot.
pub(crate) fn job<'a>(read: impl Fn(usize) -> Raw<'a>) -> Job {
    let mut row = Columns::new(job::COLUMNS, read);
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
        stage: row.stage(state),
        queue: row.text(job::queue),
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
        env: row.environment(job::env),
        cwd: row.folder(job::cwd),
        command: row.command(job::command),
        unreadable: row.problem,
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
        stored::environment_text(&job.env).into(),
        job.cwd.as_str().into(),
        job.command.as_str().into(),
    ]
}

/// What a new worker's row is given, in the order of `worker::GIVEN`.
pub(crate) fn given_worker<'a>(
    worker: &'a NewWorker,
    run: &'a str,
    note_region: u32,
    now: Timestamp,
) -> [Cell<'a>; worker::GIVEN.len()] {
    [
        worker.host.as_str().into(),
        i64::from(worker.pid).into(),
        i64::from(worker.manager_pid).into(),
        worker.boot_id.as_str().into(),
        worker.pid_namespace.cast_signed().into(),
        run.into(),
        i64::from(note_region).into(),
        i64::from(worker.concurrency).into(),
        worker.path.as_str().into(),
        stored::queues_text(&worker.queues).into(),
        now.as_millis().into(),
    ]
}

/// The columns of a worker, and how many jobs it holds, which a statement counts.
pub(crate) const WORKER_AND_JOBS: [Column; worker::COLUMNS.len() + 1] =
    columns::and(worker::COLUMNS, Column { name: "jobs_now", has: Has::Number });
const JOBS_NOW: usize = worker::COLUMNS.len();

/// Reads a worker as far as it can be read; whether it lives, no row tells.
pub(crate) fn worker<'a>(read: impl Fn(usize) -> Raw<'a>) -> WorkerRecord {
    let mut row = Columns::new(&WORKER_AND_JOBS, read);
    WorkerRecord {
        id: WorkerId(row.number(worker::id)),
        host: row.text(worker::host),
        pid: row.number(worker::pid),
        manager_pid: row.number(worker::manager_pid),
        boot_id: row.text(worker::boot_id),
        pid_namespace: row.number::<i64>(worker::pid_namespace).cast_unsigned(),
        run: row.text(worker::run),
        note_region: row.number(worker::note_region),
        concurrency: row.number(worker::concurrency),
        path: row.text(worker::path),
        queues: row.queues(worker::queues),
        started_at: row.time(worker::started_at_ms).unwrap_or_default(),
        ended_at: row.time(worker::ended_at_ms),
        is_here: true,
        heartbeat_at: None,
        lease: None,
        life: Life::Unknown,
        is_stalled: false,
        stop: stored::stop_from_number(row.number(worker::stop)),
        jobs_done: row.number(worker::jobs_done),
        jobs_now: row.number(JOBS_NOW),
        unreadable: row.problem,
    }
}

/// The columns of an attempt, and the machine it ran on, which a statement looks up.
pub(crate) const ATTEMPT_AND_HOST: [Column; attempt::COLUMNS.len() + 1] =
    columns::and(attempt::COLUMNS, Column { name: "host", has: Has::Text });
const HOST: usize = attempt::COLUMNS.len();

/// Reads an attempt as far as it can be read; what cannot is told as its error.
pub(crate) fn attempt<'a>(read: impl Fn(usize) -> Raw<'a>) -> Attempt {
    let mut row = Columns::new(&ATTEMPT_AND_HOST, read);
    let (kind, code) = (row.optional_text(attempt::outcome), row.optional(attempt::code));
    let outcome = kind.and_then(|kind| {
        let outcome = Outcome::from_parts(&kind, code);
        if outcome.is_none() {
            row.complain(attempt::outcome, &format!("has {kind:?}, which with this code is no outcome"));
        }
        outcome
    });
    let read = Attempt {
        lease: Lease { seq: Seq(row.number(attempt::seq)), number: row.number(attempt::lease) },
        worker: WorkerId(row.number(attempt::worker)),
        host: row.text(HOST),
        started_at: row.time(attempt::started_at_ms).unwrap_or_default(),
        ended_at: row.time(attempt::ended_at_ms),
        outcome,
        error: row.optional_text(attempt::error),
        output_bytes: row.number(attempt::output_bytes),
        dropped_bytes: row.number(attempt::dropped_bytes),
    };
    match row.problem {
        Some(problem) => Attempt { error: Some(format!("{CANNOT_BE_READ}: {problem}")), ..read },
        None => read,
    }
}

/// The columns of a piece of output, and when its attempt was started, which a statement
/// looks up.
pub(crate) const OUTPUT_AND_START: [Column; output::COLUMNS.len() + 1] =
    columns::and(output::COLUMNS, Column { name: "started_at_ms", has: Has::Number });
const ATTEMPT_STARTED_AT: usize = output::COLUMNS.len();

/// Reads a piece of output as far as it can be read; and what cannot.
pub(crate) fn output<'a>(read: impl Fn(usize) -> Raw<'a>) -> (OutputPart, Option<String>) {
    let mut row = Columns::new(&OUTPUT_AND_START, read);
    let stream: i64 = row.number(output::stream);
    if !(1..=2).contains(&stream) {
        row.complain(output::stream, &format!("has {stream}, which is no stream"));
    }
    let part = OutputPart {
        lease: Lease { seq: Seq(row.number(output::seq)), number: row.number(output::lease) },
        n: row.number(output::n),
        stream: if stream == 1 { Stream::Stdout } else { Stream::Stderr },
        at: row.time(output::at_ms).unwrap_or_default(),
        bytes: row.bytes(output::bytes),
        started_at: row.time(ATTEMPT_STARTED_AT).unwrap_or_default(),
    };
    (part, row.problem)
}

/// A row, and the first thing that is wrong with it.
struct Columns<R> {
    columns: &'static [Column],
    read: R,
    problem: Option<String>,
}

impl<'a, R: Fn(usize) -> Raw<'a>> Columns<R> {
    fn new(columns: &'static [Column], read: R) -> Self {
        Self { columns, read, problem: None }
    }

    fn complain(&mut self, column: usize, problem: &str) {
        let name = self.columns[column].name;
        self.problem.get_or_insert_with(|| format!("column {name} {problem}"));
    }

    fn number<T: Whole>(&mut self, column: usize) -> T {
        self.optional(column).unwrap_or_else(|| {
            self.complain(column, "is NULL");
            T::default()
        })
    }

    /// The number that is there, or the nearest that can be.
    fn optional<T: Whole>(&mut self, column: usize) -> Option<T> {
        match (self.read)(column) {
            Raw::Null => None,
            Raw::Integer(number) => {
                if !(T::LEAST..=T::MOST).contains(&number) {
                    self.complain(column, &format!("has the number {number}, which is out of range"));
                }
                Some(nearest(number))
            }
            Raw::Text(_) | Raw::Bytes(_) | Raw::Other => {
                self.complain(column, "has no whole number");
                Some(T::default())
            }
        }
    }

    fn time(&mut self, column: usize) -> Option<Timestamp> {
        let is_optional = !matches!(self.columns[column].name, "created_at_ms" | "updated_at_ms" | "at_ms");
        let found = self.optional(column).map(Timestamp::from_millis);
        if found.is_none() && !is_optional {
            self.complain(column, "is NULL");
        }
        found
    }

    fn text(&mut self, column: usize) -> String {
        self.optional_text(column).unwrap_or_else(|| {
            self.complain(column, "is NULL");
            String::new()
        })
    }

    /// The text that is there, with U+FFFD for what is none.
    fn optional_text(&mut self, column: usize) -> Option<String> {
        match (self.read)(column) {
            Raw::Null => None,
            Raw::Text(bytes) => {
                if std::str::from_utf8(bytes).is_err() {
                    self.complain(column, "is not UTF-8");
                }
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
            Raw::Bytes(bytes) => {
                self.complain(column, "has no text");
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
            Raw::Integer(number) => {
                self.complain(column, "has no text");
                Some(number.to_string())
            }
            Raw::Other => {
                self.complain(column, "has no text");
                Some(String::new())
            }
        }
    }

    fn bytes(&mut self, column: usize) -> Vec<u8> {
        match (self.read)(column) {
            Raw::Bytes(bytes) => bytes.to_owned(),
            Raw::Text(bytes) => {
                self.complain(column, "has no bytes");
                bytes.to_owned()
            }
            Raw::Null | Raw::Integer(_) | Raw::Other => {
                self.complain(column, "has no bytes");
                Vec::new()
            }
        }
    }

    fn state(&mut self, column: usize) -> Option<State> {
        let text = self.text(column);
        let state = text.parse().ok();
        if state.is_none() {
            self.complain(column, &format!("has {text:?}, which is no state"));
        }
        state
    }

    /// Where a job in this state is kept, of which only that of those that wait is another
    /// thing. A statement that finds jobs in one stage need not name it.
    fn stage(&mut self, state: State) -> Stage {
        match state {
            State::Processing => Stage::Claimed,
            State::Completed | State::Dead | State::Cancelled => Stage::Finished,
            State::Pending | State::Failed => self.optional_parsed(job::stage).unwrap_or(Stage::Ready),
        }
    }

    fn optional_parsed<T: FromStr>(&mut self, column: usize) -> Option<T> {
        let text = self.optional_text(column)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.complain(column, &format!("has {text:?}, which is not known"));
        }
        parsed
    }

    fn queues(&mut self, column: usize) -> QueueSet {
        let text = self.optional_text(column);
        stored::queues(text.as_deref()).unwrap_or_else(|problem| {
            self.complain(column, &format!("has no names of queues: {problem}"));
            QueueSet::ALL
        })
    }

    /// Not all that is stored as a text can be given to a program.
    fn folder(&mut self, column: usize) -> String {
        let text = self.text(column);
        if text.contains('\0') {
            self.complain(column, "has a NUL character");
        }
        text
    }

    fn command(&mut self, column: usize) -> CommandLine {
        let text = self.text(column);
        if let Err(error) = CommandLine::check(&text) {
            self.complain(column, &format!("cannot be run: {error}"));
        }
        CommandLine::trusted(text)
    }

    fn environment(&mut self, column: usize) -> Environment {
        let text = self.optional_text(column);
        stored::environment(text.as_deref()).unwrap_or_else(|problem| {
            self.complain(column, &format!("has no variables: {problem}"));
            Environment::default()
        })
    }
}

/// A whole number that is stored as a wider one.
pub(crate) trait Whole: TryFrom<i64> + Default {
    /// The smallest that can be stored.
    const LEAST: i64;
    /// The largest.
    const MOST: i64;
}

macro_rules! whole {
    ($($kind:ty => $least:expr, $most:expr;)+) => {
        $(impl Whole for $kind {
            const LEAST: i64 = $least;
            const MOST: i64 = $most;
        })+
    };
}

whole! {
    i64 => i64::MIN, i64::MAX;
    u64 => 0, i64::MAX;
    i32 => i32::MIN as i64, i32::MAX as i64;
    u32 => 0, u32::MAX as i64;
}

/// The number of this kind that is nearest to one that was stored.
pub(crate) fn nearest<T: Whole>(stored: i64) -> T {
    T::try_from(stored.clamp(T::LEAST, T::MOST)).unwrap_or_default()
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
        super::job(|index| if index == spoilt { value } else { sound(index) })
    }

    #[test]
    fn a_sound_row_has_no_problem() {
        assert_eq!(super::job(sound).unreadable, None);
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
    fn a_number_that_does_not_fit_is_the_nearest() {
        assert_eq!((nearest::<u32>(-1), nearest::<u32>(i64::MAX)), (0, u32::MAX));
        assert_eq!((nearest::<i32>(i64::MIN), nearest::<u64>(-7)), (i32::MIN, 0));
    }
}
