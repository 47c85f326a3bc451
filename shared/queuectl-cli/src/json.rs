//! What programs read: the JSON documents.
//!
//! Keys are `snake_case`; fields are added, never renamed; what is not set is
//! null. Times are RFC 3339 in UTC with milliseconds.

use crate::failure::Failure;
use crate::text::rfc3339;
use queuectl_core::{Attempt, Job, Outcome, State, Timestamp, is_hidden};
use queuectl_store::{Counts, Life, OutputPart, Stop, Worker};
use serde::Serialize;
use serde::ser::SerializeMap as _;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// Every key of a printed job, so that what is printed can be enqueued again.
pub const JOB_KEYS: [&str; 30] = [
    "seq",
    "id",
    "command",
    "cwd",
    "env",
    "queue",
    "priority",
    "state",
    "attempts",
    "max_retries",
    "crashes",
    "lease",
    "worker",
    "timeout_ms",
    "created_at",
    "updated_at",
    "run_at",
    "next_retry_at",
    "started_at",
    "finished_at",
    "exit_code",
    "signal",
    "last_error",
    "cancel_requested",
    "unreadable",
    "output",
    "output_bytes",
    "output_is_cut",
    "attempt_history",
    // Of `enqueue`.
    "skipped",
];

/// A job.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `Job`")]
pub struct JobDocument<'a> {
    pub seq: i64,
    pub id: &'a str,
    pub command: &'a str,
    pub cwd: &'a str,
    pub env: &'a BTreeMap<String, String>,
    pub queue: &'a str,
    pub priority: i32,
    pub state: &'static str,
    pub attempts: u32,
    pub max_retries: u32,
    pub crashes: u32,
    pub lease: i64,
    pub worker: Option<i64>,
    pub timeout_ms: Option<u64>,
    pub created_at: String,
    pub updated_at: String,
    pub run_at: Option<String>,
    pub next_retry_at: Option<String>,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub last_error: Option<&'a str>,
    pub cancel_requested: bool,
    pub unreadable: Option<&'a str>,
}

impl<'a> From<&'a Job> for JobDocument<'a> {
    fn from(job: &'a Job) -> Self {
        let next_retry_at = job.run_at.filter(|_| job.state == State::Failed);
        Self {
            seq: job.seq.0,
            id: job.id.as_str(),
            command: job.command.as_str(),
            cwd: &job.cwd,
            env: job.env.variables(),
            queue: &job.queue,
            priority: job.priority,
            state: job.state.as_str(),
            attempts: job.attempts,
            max_retries: job.max_retries,
            crashes: job.crashes,
            lease: job.lease,
            worker: job.worker.map(|worker| worker.0),
            timeout_ms: job.timeout.map(millis),
            created_at: rfc3339(job.created_at),
            updated_at: rfc3339(job.updated_at),
            run_at: optional(job.run_at),
            next_retry_at: optional(next_retry_at),
            started_at: optional(job.started_at),
            finished_at: optional(job.finished_at),
            exit_code: job.exit_code,
            signal: job.signal,
            last_error: job.last_error.as_deref(),
            cancel_requested: job.cancel_requested,
            unreadable: job.unreadable.as_deref(),
        }
    }
}

/// A job with what its attempts left behind.
#[derive(Debug, Serialize)]
pub struct ShownJob<'a> {
    /// The job.
    #[serde(flatten)]
    pub job: JobDocument<'a>,
    /// The end of what its last attempt wrote, 64 KiB at most, as text; what is not UTF-8
    /// is replaced.
    pub output: Option<String>,
    /// How much it wrote in all; null while it runs.
    pub output_bytes: Option<u64>,
    /// Whether `output` is less than that.
    pub output_is_cut: bool,
    /// Its attempts, oldest first.
    pub attempt_history: Vec<AttemptDocument<'a>>,
}

/// One attempt, in the words of a job.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the other fields are those of `Attempt`")]
pub struct AttemptDocument<'a> {
    /// Its number among the attempts of its job, from 1; the same everywhere.
    pub attempt: usize,
    pub lease: i64,
    pub worker: i64,
    pub host: &'a str,
    pub started_at: String,
    pub finished_at: Option<String>,
    pub outcome: Option<&'static str>,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub last_error: Option<&'a str>,
    /// Null while it runs; so are the bytes that were dropped.
    pub output_bytes: Option<u64>,
    pub dropped_bytes: Option<u64>,
}

impl<'a> AttemptDocument<'a> {
    /// All attempts of a job, oldest first.
    pub fn history(attempts: &'a [Attempt]) -> Vec<Self> {
        (1..).zip(attempts).map(|(number, attempt)| Self::new(number, attempt)).collect()
    }

    fn new(number: usize, attempt: &'a Attempt) -> Self {
        let (exit_code, signal) = match attempt.outcome {
            Some(Outcome::Exit(code)) => (Some(code), None),
            Some(Outcome::Signal(signal)) => (None, Some(signal)),
            _ => (None, None),
        };
        Self {
            attempt: number,
            lease: attempt.lease.number,
            worker: attempt.worker.0,
            host: &attempt.host,
            started_at: rfc3339(attempt.started_at),
            finished_at: optional(attempt.ended_at),
            outcome: attempt.outcome.map(Outcome::as_str),
            exit_code,
            signal,
            last_error: attempt.error.as_deref(),
            output_bytes: attempt.ended_at.map(|_| attempt.output_bytes),
            dropped_bytes: attempt.ended_at.map(|_| attempt.dropped_bytes),
        }
    }
}

/// One piece of output.
#[derive(Debug, Serialize)]
pub struct OutputDocument {
    /// The attempt's number among those of its job, from 1.
    pub attempt: usize,
    /// Its lease.
    pub lease: i64,
    /// Its place in the attempt's output; a gap means that parts were dropped.
    pub n: i64,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// When its first byte was read.
    pub at: String,
    /// What was written, as text; what is not UTF-8 is replaced.
    pub text: String,
    /// What was written, in base64, if `text` could not keep it.
    pub base64: Option<String>,
}

impl OutputDocument {
    /// A piece of the output of the attempt of this number.
    pub fn new(attempt: usize, part: &OutputPart) -> Self {
        use base64::Engine as _;
        let text = String::from_utf8_lossy(&part.bytes);
        let lost = text.as_bytes() != part.bytes;
        Self {
            attempt,
            lease: part.lease.number,
            n: part.n,
            stream: part.stream.as_str(),
            at: rfc3339(part.at),
            base64: lost.then(|| base64::engine::general_purpose::STANDARD.encode(&part.bytes)),
            text: text.into_owned(),
        }
    }
}

/// A worker.
#[derive(Debug, Serialize)]
pub struct WorkerDocument<'a> {
    /// Its number.
    pub id: i64,
    /// The machine's name.
    pub host: &'a str,
    /// Its process.
    pub pid: u32,
    /// The process that started it.
    pub manager_pid: u32,
    /// When it began.
    pub started_at: String,
    /// Jobs it runs at a time.
    pub concurrency: u32,
    /// Jobs it runs now.
    pub jobs_now: u64,
    /// Jobs it has claimed in advance and not started.
    pub jobs_claimed: u64,
    /// Attempts it has ended.
    pub jobs_done: u64,
    /// How it was asked to stop, if it was: `graceful` or `forced`.
    pub stop: Option<&'static str>,
    /// Whether it lives; null if nobody can tell.
    pub alive: Option<bool>,
    /// Whether it lives and stands still: its process was stopped.
    pub stalled: bool,
    /// Whether it is on this machine.
    pub here: bool,
    /// When it last told the server that it lives; null where no server is told.
    pub heartbeat_at: Option<String>,
    /// How long its lease lasts; null where no server is told.
    pub lease_ms: Option<u64>,
    /// When others take its jobs over, if nothing more is heard of it; null likewise.
    pub given_up_at: Option<String>,
}

impl<'a> From<&'a Worker> for WorkerDocument<'a> {
    fn from(worker: &'a Worker) -> Self {
        Self {
            id: worker.id.0,
            host: &worker.host,
            pid: worker.pid,
            manager_pid: worker.manager_pid,
            started_at: rfc3339(worker.started_at),
            concurrency: worker.concurrency,
            jobs_now: worker.jobs_running(),
            jobs_claimed: worker.jobs_claimed(),
            jobs_done: worker.jobs_done,
            stop: worker.stop.map(|stop| match stop {
                Stop::Graceful => "graceful",
                Stop::Forced => "forced",
            }),
            alive: match worker.life {
                Life::Alive => Some(true),
                Life::Dead => Some(false),
                Life::Unknown => None,
            },
            stalled: worker.is_stalled,
            here: worker.is_here,
            heartbeat_at: optional(worker.heartbeat_at),
            lease_ms: worker.lease.map(|lease| millis(lease.length())),
            given_up_at: optional(worker.given_up_at()),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Jobs by state, zeros included, and all of them: `total`.
#[derive(Debug)]
pub struct CountsDocument(pub Counts);

impl Serialize for CountsDocument {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(State::ALL.len() + 1))?;
        for state in State::ALL {
            map.serialize_entry(state.as_str(), &self.0[state])?;
        }
        map.serialize_entry("total", &self.0.total())?;
        map.end()
    }
}

/// Jobs by state, as people count them: what a worker has claimed in advance does not
/// run yet, and counts as `claimed`.
#[derive(Clone, Copy, Debug)]
pub struct StatusCounts {
    /// What is kept of the states.
    pub counts: Counts,
    /// How many of the jobs that are processing were claimed in advance.
    pub claimed: i64,
}

impl StatusCounts {
    /// Tells them apart by what the workers hold.
    pub fn new(counts: Counts, workers: &[Worker]) -> Self {
        let running: u64 = workers.iter().map(Worker::jobs_running).sum();
        Self { counts, claimed: (counts[State::Processing] - running.cast_signed()).max(0) }
    }

    /// How many jobs are shown in a state.
    pub fn shown(&self, state: State) -> i64 {
        let claimed = if state == State::Processing { self.claimed } else { 0 };
        self.counts[state] - claimed
    }
}

impl Serialize for StatusCounts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(State::ALL.len() + 2))?;
        for state in State::ALL {
            map.serialize_entry(state.as_str(), &self.shown(state))?;
            if state == State::Processing {
                map.serialize_entry("claimed", &self.claimed)?;
            }
        }
        map.serialize_entry("total", &self.counts.total())?;
        map.end()
    }
}

/// How the queue is.
#[derive(Debug, Serialize)]
pub struct StatusDocument<'a> {
    /// Jobs by state; of those that are processing, what was claimed in advance is
    /// told apart.
    pub jobs: StatusCounts,
    /// Workers that have not ended.
    pub workers: Vec<WorkerDocument<'a>>,
}

fn optional(time: Option<Timestamp>) -> Option<String> {
    time.map(rfc3339)
}

/// Writes a document on one line; characters that show nothing are escaped, so
/// that a terminal is safe from them here too.
pub(crate) fn to_string<T: Serialize>(document: &T) -> Result<String, Failure> {
    let mut bytes = Vec::with_capacity(512);
    let mut serializer = Serializer::with_formatter(&mut bytes, Visible);
    document
        .serialize(&mut serializer)
        .map_err(|error| Failure::error(format!("cannot be written as JSON: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// JSON of which nothing is hidden.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(is_hidden) {
            let (visible, hidden) = rest.split_at(at);
            writer.write_all(visible.as_bytes())?;
            let mut characters = hidden.chars();
            let mut units = [0; 2];
            for unit in characters.next().unwrap_or_default().encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::{CommandLine, Environment, JobId, Seq};

    fn job(state: State) -> Job {
        let at = Timestamp::from_millis(1_795_339_812_007);
        Job {
            seq: Seq(1),
            id: JobId::trusted("job-1".into()),
            command: CommandLine::trusted("echo 'a\n\u{202e}'".into()),
            cwd: "/".into(),
            env: Environment::default(),
            queue: "default".into(),
            priority: 0,
            state,
            attempts: 1,
            max_retries: 3,
            crashes: 0,
            lease: 1,
            worker: None,
            cancel_requested: false,
            timeout: None,
            created_at: at,
            updated_at: at,
            run_at: Some(at),
            blocked_by: None,
            started_at: None,
            finished_at: None,
            exit_code: None,
            signal: None,
            last_error: None,
            unreadable: None,
        }
    }

    #[test]
    fn a_job_has_every_key_and_null_for_what_is_not_set() {
        let shown = |state| {
            let job = job(state);
            let shown = ShownJob {
                job: (&job).into(),
                output: None,
                output_bytes: None,
                output_is_cut: false,
                attempt_history: Vec::new(),
            };
            serde_json::from_str::<serde_json::Value>(&to_string(&shown).unwrap()).unwrap()
        };
        let failed = shown(State::Failed);
        let mut keys: std::collections::BTreeSet<_> =
            failed.as_object().unwrap().keys().map(String::as_str).collect();
        keys.insert("skipped");
        assert_eq!(keys, JOB_KEYS.into());
        assert_eq!(failed["next_retry_at"], "2026-11-22T09:30:12.007Z");
        assert_eq!(failed["command"], "echo 'a\n\u{202e}'");
        assert!(failed["exit_code"].is_null());
        assert!(shown(State::Pending)["next_retry_at"].is_null());
    }

    #[test]
    fn what_is_hidden_is_escaped_and_survives() {
        let text = "\u{1b}[31m\u{202e}\u{9b}\u{7f}\u{e0001}\"\\é🙂";
        let written = to_string(&text).unwrap();
        assert!(!written.contains(is_hidden), "{written}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }

    #[test]
    fn counts_name_every_state_and_the_total() {
        let mut counts = Counts::default();
        counts[State::Dead] = 2;
        let written = to_string(&CountsDocument(counts)).unwrap();
        let wanted =
            r#"{"pending":0,"processing":0,"completed":0,"failed":0,"dead":2,"cancelled":0,"total":2}"#;
        assert_eq!(written, wanted);
    }
}
