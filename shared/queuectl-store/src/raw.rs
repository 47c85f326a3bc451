//! Rows that do not say what they should: what can be read of them is read.
//!
//! A program that looks at the queue is shown a row as far as it can be read, and told what
//! is wrong with it; only who would run the job needs all of it. The columns are in
//! the order in which the `…_columns!` of every store name them.

use crate::output::OutputPart;
use crate::stored;
use crate::worker::{Life, Worker};
use queuectl_core::{
    Attempt, CommandLine, Environment, Job, JobId, Lease, Outcome, Seq, State, Stream, Timestamp, WorkerId,
};
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

const JOB: [&str; 23] = [
    "seq",
    "id",
    "state",
    "queue",
    "priority",
    "attempts",
    "max_retries",
    "crashes",
    "lease",
    "worker",
    "cancel_at_ms",
    "timeout_ms",
    "created_at_ms",
    "updated_at_ms",
    "run_at_ms",
    "started_at_ms",
    "finished_at_ms",
    "exit_code",
    "signal",
    "last_error",
    "env",
    "cwd",
    "command",
];

const WORKER: [&str; 15] = [
    "id",
    "host",
    "pid",
    "manager_pid",
    "boot_id",
    "pid_namespace",
    "run",
    "note_region",
    "concurrency",
    "path",
    "started_at_ms",
    "ended_at_ms",
    "stop",
    "jobs_done",
    "jobs_now",
];

const ATTEMPT: [&str; 10] = [
    "lease",
    "worker",
    "host",
    "started_at_ms",
    "ended_at_ms",
    "outcome",
    "code",
    "error",
    "output_bytes",
    "dropped_bytes",
];

const OUTPUT: [&str; 5] = ["n", "stream", "at_ms", "bytes", "started_at_ms"];

/// A text that may be used: not all that is stored as one can be given to a program.
pub(crate) fn command(text: String) -> Result<CommandLine, String> {
    CommandLine::new(text).map_err(|error| format!("cannot be run: {error}"))
}

/// The folder of a job.
pub(crate) fn folder(text: String) -> Result<String, String> {
    if text.contains('\0') { Err("has a NUL character".to_owned()) } else { Ok(text) }
}

/// Whether the next claim can still be counted.
pub(crate) fn can_be_counted(attempts: u32, lease: i64) -> bool {
    attempts < u32::MAX && (0..i64::MAX).contains(&lease)
}

/// Reads a job as far as it can be read, and says what cannot.
pub(crate) fn job<'a>(read: impl Fn(usize) -> Raw<'a>) -> Job {
    let mut row = Columns::new(&JOB, read);
    let (seq, id) = (Seq(row.number(0)), JobId::trusted(row.text(1)));
    let (worker, finished_at) = (row.optional::<i64>(9).map(WorkerId), row.time(16));
    let attempts = row.number(5);
    let state = row.state(2).unwrap_or(match (worker, finished_at) {
        (Some(_), _) => State::Processing,
        (_, Some(_)) => State::Dead,
        _ if attempts > 0 => State::Failed,
        _ => State::Pending,
    });
    let lease = row.number(8);
    if !can_be_counted(attempts, lease) {
        row.complain(if attempts == u32::MAX { 5 } else { 8 }, "leaves no number for the next claim");
    }
    let (text, folder_text) = (row.text(22), row.text(21));
    Job {
        seq,
        id,
        state,
        queue: row.text(3),
        priority: row.number(4),
        attempts,
        max_retries: row.number(6),
        crashes: row.number(7),
        lease,
        worker,
        cancel_requested: row.number::<i64>(10) != 0,
        timeout: row.optional::<u64>(11).map(Duration::from_millis),
        created_at: row.time(12).unwrap_or_default(),
        updated_at: row.time(13).unwrap_or_default(),
        run_at: row.time(14),
        started_at: row.time(15),
        finished_at,
        exit_code: row.optional(17),
        signal: row.optional(18),
        last_error: row.optional_text(19),
        env: row.environment(20),
        cwd: {
            if let Err(problem) = folder(folder_text.clone()) {
                row.complain(21, &problem);
            }
            folder_text
        },
        command: command(text.clone()).unwrap_or_else(|problem| {
            row.complain(22, &problem);
            CommandLine::trusted(text)
        }),
        unreadable: row.problem,
    }
}

/// Reads a worker as far as it can be read; whether it lives, no row tells.
pub(crate) fn worker<'a>(read: impl Fn(usize) -> Raw<'a>) -> Worker {
    let mut row = Columns::new(&WORKER, read);
    Worker {
        id: WorkerId(row.number(0)),
        host: row.text(1),
        pid: row.number(2),
        manager_pid: row.number(3),
        boot_id: row.text(4),
        pid_namespace: row.number::<i64>(5).cast_unsigned(),
        run: row.text(6),
        note_region: row.number(7),
        concurrency: row.number(8),
        path: row.text(9),
        started_at: row.time(10).unwrap_or_default(),
        ended_at: row.time(11),
        is_here: true,
        heartbeat_at: None,
        lease: None,
        life: Life::Unknown,
        is_stalled: false,
        stop: stored::stop_from_number(row.number(12)),
        jobs_done: row.number(13),
        jobs_now: row.number(14),
        unreadable: row.problem,
    }
}

/// Reads an attempt as far as it can be read; what cannot is told as its error.
pub(crate) fn attempt<'a>(seq: Seq, read: impl Fn(usize) -> Raw<'a>) -> Attempt {
    let mut row = Columns::new(&ATTEMPT, read);
    let (kind, code) = (row.optional_text(5), row.optional(6));
    let outcome = kind.and_then(|kind| {
        let outcome = Outcome::from_parts(&kind, code);
        if outcome.is_none() {
            row.complain(5, &format!("has {kind:?}, which with this code is no outcome"));
        }
        outcome
    });
    let attempt = Attempt {
        lease: Lease { seq, number: row.number(0) },
        worker: WorkerId(row.number(1)),
        host: row.text(2),
        started_at: row.time(3).unwrap_or_default(),
        ended_at: row.time(4),
        outcome,
        error: row.optional_text(7),
        output_bytes: row.number(8),
        dropped_bytes: row.number(9),
    };
    match row.problem {
        Some(problem) => Attempt { error: Some(format!("{CANNOT_BE_READ}: {problem}")), ..attempt },
        None => attempt,
    }
}

/// Reads a piece of output as far as it can be read; and what cannot.
pub(crate) fn output<'a>(lease: Lease, read: impl Fn(usize) -> Raw<'a>) -> (OutputPart, Option<String>) {
    let mut row = Columns::new(&OUTPUT, read);
    let stream: i64 = row.number(1);
    if !(1..=2).contains(&stream) {
        row.complain(1, &format!("has {stream}, which is no stream"));
    }
    let part = OutputPart {
        lease,
        n: row.number(0),
        stream: if stream == 1 { Stream::Stdout } else { Stream::Stderr },
        at: row.time(2).unwrap_or_default(),
        bytes: row.bytes(3),
        started_at: row.time(4).unwrap_or_default(),
    };
    (part, row.problem)
}

/// A row, and the first thing that is wrong with it.
struct Columns<R> {
    names: &'static [&'static str],
    read: R,
    problem: Option<String>,
}

impl<'a, R: Fn(usize) -> Raw<'a>> Columns<R> {
    fn new(names: &'static [&'static str], read: R) -> Self {
        Self { names, read, problem: None }
    }

    fn complain(&mut self, column: usize, problem: &str) {
        let name = self.names[column];
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
        let is_optional = !matches!(self.names[column], "created_at_ms" | "updated_at_ms" | "at_ms");
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

    const SOUND: [Raw<'static>; 23] = [
        Raw::Integer(7),
        Raw::Text(b"a"),
        Raw::Text(b"pending"),
        Raw::Text(b"default"),
        Raw::Integer(0),
        Raw::Integer(0),
        Raw::Integer(3),
        Raw::Integer(0),
        Raw::Integer(0),
        Raw::Null,
        Raw::Integer(0),
        Raw::Null,
        Raw::Integer(1),
        Raw::Integer(1),
        Raw::Null,
        Raw::Null,
        Raw::Null,
        Raw::Null,
        Raw::Null,
        Raw::Null,
        Raw::Text(b"{}"),
        Raw::Text(b"/"),
        Raw::Text(b"true"),
    ];

    fn with(column: &str, value: Raw<'static>) -> Job {
        let mut row = SOUND;
        row[JOB.iter().position(|name| *name == column).unwrap()] = value;
        job(|index| row[index])
    }

    #[test]
    fn a_sound_row_has_no_problem() {
        assert_eq!(job(|index| SOUND[index]).unreadable, None);
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
