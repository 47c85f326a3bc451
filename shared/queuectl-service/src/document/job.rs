//! A job, as programs read it.
//!
//! A new field of a job is a key here, in [`JOB_KEYS`] and in [`JobDocument`].

use crate::amounts::whole_millis;
use crate::dates::{optional_rfc3339, rfc3339};
use crate::document::attempt::AttemptDocument;
use queuectl_core::{Blocker, Job, State};
use serde::Serialize;
use std::collections::BTreeMap;

/// Every key of a printed job, so that what is printed can be enqueued again.
pub const JOB_KEYS: [&str; 31] = [
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
    "blocked_by",
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
    pub blocked_by: Option<&'static str>,
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
            timeout_ms: job.timeout.map(whole_millis),
            created_at: rfc3339(job.created_at),
            updated_at: rfc3339(job.updated_at),
            run_at: optional_rfc3339(job.run_at),
            next_retry_at: optional_rfc3339(next_retry_at),
            blocked_by: job.blocked_by.map(Blocker::as_str),
            started_at: optional_rfc3339(job.started_at),
            finished_at: optional_rfc3339(job.finished_at),
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
    pub output: Option<&'a str>,
    /// How much it wrote in all; null while it runs.
    pub output_bytes: Option<u64>,
    /// Whether `output` is less than that.
    pub output_is_cut: bool,
    /// Its attempts, oldest first.
    pub attempt_history: Vec<AttemptDocument<'a>>,
}

/// The job that is in the queue after it was to be added.
#[derive(Debug, Serialize)]
pub struct AddedJob<'a> {
    /// The job.
    #[serde(flatten)]
    pub job: JobDocument<'a>,
    /// It was there already, and what was given was left out.
    pub skipped: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::write::to_string;
    use queuectl_core::{CommandLine, Environment, JobId, Seq, Stage, Timestamp};

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
            stage: Stage::Ready,
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
}
