//! Attempts and what they wrote, as programs read them.

use crate::dates::{optional_rfc3339, rfc3339};
use queuectl_core::{Attempt, Outcome};
use queuectl_store::OutputPart;
use serde::Serialize;

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
            finished_at: optional_rfc3339(attempt.ended_at),
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
