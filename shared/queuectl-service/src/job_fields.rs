//! The fields of a job that people and programs can name: what may be said of a job before
//! it is accepted, by whom it wins, what counts if it is not said, and what is printed of it
//! afterwards.
//!
//! A new field is a member of [`Draft`], a line in [`Draft::over`] and in
//! [`Draft::complete`], an entry in [`FIELDS`], a key in [`JOB_KEYS`] and in
//! [`JobDocument`]: all of them here.

use crate::amounts::whole_millis;
use crate::dates::{optional_rfc3339, rfc3339};
use crate::draft::error::{DraftError, FieldProblem};
use crate::draft::value::{expected, flag, milliseconds, number, retries, span, text, time, variables};
use queuectl_core::{
    Blocker, CommandLine, DEFAULT_QUEUE, Environment, Job, JobId, NewJob, OnDuplicate, State, Timestamp,
    Unique, UniqueKey, check_queue_name,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// What is said about a job, checked; what is not said is none.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Its name; a random one if none is given.
    pub id: Option<JobId>,
    /// What is run.
    pub command: Option<CommandLine>,
    /// The folder it runs in.
    pub cwd: Option<PathBuf>,
    /// Variables it gets.
    pub env: BTreeMap<String, String>,
    /// The queue it belongs to.
    pub queue: Option<String>,
    /// Larger numbers go first.
    pub priority: Option<i32>,
    /// How many runs may follow a failed first one.
    pub max_retries: Option<u32>,
    /// How long a run may take; zero means for ever.
    pub timeout: Option<Duration>,
    /// How long its first run waits.
    pub delay: Option<Duration>,
    /// When its first run may start, instead of a delay.
    pub run_at: Option<Timestamp>,
    /// Whether it waits until it is released.
    pub hold: Option<bool>,
    /// The key that no other job may have meanwhile.
    pub unique: Option<UniqueKey>,
    /// For how long after acceptance that stays taken at least.
    pub unique_for: Option<Duration>,
    /// What becomes of it if the key is taken.
    pub on_duplicate: Option<OnDuplicate>,
}

impl Draft {
    /// Puts this over what is weaker.
    #[must_use]
    pub fn over(self, weaker: Self) -> Self {
        let mut env = weaker.env;
        env.extend(self.env);
        Self {
            id: self.id.or(weaker.id),
            command: self.command.or(weaker.command),
            cwd: self.cwd.or(weaker.cwd),
            env,
            queue: self.queue.or(weaker.queue),
            priority: self.priority.or(weaker.priority),
            max_retries: self.max_retries.or(weaker.max_retries),
            timeout: self.timeout.or(weaker.timeout),
            // A delay that is said is stronger than a time that was.
            run_at: self.run_at.or(weaker.run_at.filter(|_| self.delay.is_none())),
            delay: self.delay.or(weaker.delay),
            hold: self.hold.or(weaker.hold),
            unique: self.unique.or(weaker.unique),
            unique_for: self.unique_for.or(weaker.unique_for),
            on_duplicate: self.on_duplicate.or(weaker.on_duplicate),
        }
    }

    /// What it says of its unique key.
    fn unique(&self) -> Result<Option<Unique>, DraftError> {
        let Some(key) = self.unique.clone() else {
            let about_none = match (self.unique_for, self.on_duplicate) {
                (Some(_), _) => "unique_for",
                (None, Some(_)) => "on_duplicate",
                (None, None) => return Ok(None),
            };
            return Err(DraftError::NoKey { name: about_none });
        };
        let window = self.unique_for.filter(|window| !window.is_zero());
        Ok(Some(Unique { key, window, on_duplicate: self.on_duplicate.unwrap_or_default() }))
    }

    /// Makes it the job it stands for, which runs in the folder that is found for the one
    /// it names.
    ///
    /// # Errors
    ///
    /// If it has no command, or its folder, its variables or what it says of its key cannot
    /// be.
    pub(crate) fn complete(
        self,
        defaults: &Defaults,
        folder: impl FnOnce(Option<PathBuf>) -> Result<String, DraftError>,
    ) -> Result<NewJob, DraftError> {
        let unique = self.unique()?;
        let command = self.command.ok_or(DraftError::NoCommand)?;
        let timeout = match self.timeout {
            Some(timeout) => (!timeout.is_zero()).then_some(timeout),
            None => defaults.timeout,
        };
        Ok(NewJob {
            id: self.id.unwrap_or_else(|| JobId::trusted(Uuid::now_v7().to_string())),
            command,
            cwd: folder(self.cwd)?,
            env: Environment::new(self.env)?,
            queue: self.queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned()),
            priority: self.priority.unwrap_or(0),
            max_retries: self.max_retries.unwrap_or(defaults.max_retries),
            timeout,
            delay: self.delay.unwrap_or_default(),
            run_at: self.run_at,
            hold: self.hold.unwrap_or(false),
            unique,
        })
    }
}

/// What counts for every job that does not say otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    pub(crate) max_retries: u32,
    pub(crate) timeout: Option<Duration>,
}

/// A field of a job as JSON that says something.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What others call it.
    pub others: &'static [&'static str],
    /// Puts its value into a draft.
    take: fn(&mut Draft, &Value) -> Result<(), FieldProblem>,
}

/// Fields that mean something; the others of a printed job are what became of
/// it, and are ignored.
pub const FIELDS: [Field; 15] = [
    Field {
        name: "id",
        others: &["job_id", "name", "key", "uuid"],
        take: |draft, value| {
            draft.id = Some(JobId::new(text(value)?)?);
            Ok(())
        },
    },
    Field {
        name: "command",
        others: &["cmd", "cmdline", "command_line", "exec", "run", "script", "shell"],
        take: |draft, value| {
            draft.command = Some(CommandLine::new(text(value)?)?);
            Ok(())
        },
    },
    Field {
        name: "cwd",
        others: &["dir", "folder", "workdir", "working_dir", "working_directory", "path"],
        take: |draft, value| {
            draft.cwd = Some(PathBuf::from(text(value)?));
            Ok(())
        },
    },
    Field {
        name: "env",
        others: &["environment", "envs", "variables"],
        take: |draft, value| {
            draft.env = variables(value)?;
            Ok(())
        },
    },
    Field {
        name: "queue",
        others: &[],
        take: |draft, value| {
            draft.queue = Some(queue(value)?);
            Ok(())
        },
    },
    Field {
        name: "priority",
        others: &["prio", "nice", "weight"],
        take: |draft, value| {
            draft.priority = Some(number(value)?);
            Ok(())
        },
    },
    Field {
        name: "max_retries",
        others: &["retries", "retry", "max_retry", "max_attempts"],
        take: |draft, value| {
            draft.max_retries = Some(retries(value)?);
            Ok(())
        },
    },
    Field {
        name: "timeout",
        others: &["timeout_s", "timeout_seconds", "time_limit", "ttl"],
        take: |draft, value| {
            draft.timeout = Some(span(value)?);
            Ok(())
        },
    },
    Field {
        name: "timeout_ms",
        others: &[],
        take: |draft, value| {
            draft.timeout = Some(milliseconds(value)?);
            Ok(())
        },
    },
    Field {
        name: "delay",
        others: &["after", "delay_seconds", "delay_s", "wait"],
        take: |draft, value| {
            draft.delay = Some(span(value)?);
            Ok(())
        },
    },
    Field {
        name: "run_at",
        others: &["at", "when", "scheduled_at", "scheduled_for", "start_at", "eta"],
        take: |draft, value| {
            draft.run_at = Some(time(value)?);
            Ok(())
        },
    },
    Field {
        name: "hold",
        others: &["held", "on_hold", "paused", "blocked"],
        take: |draft, value| {
            draft.hold = Some(flag(value)?);
            Ok(())
        },
    },
    Field {
        name: "unique",
        others: &["unique_key", "job_key", "dedup_key", "dedupe_key", "idempotency_key"],
        take: |draft, value| {
            draft.unique = Some(UniqueKey::new(text(value)?)?);
            Ok(())
        },
    },
    Field {
        name: "unique_for",
        others: &["unique_period", "unique_ttl", "unique_seconds"],
        take: |draft, value| {
            draft.unique_for = Some(span(value)?);
            Ok(())
        },
    },
    Field {
        name: "on_duplicate",
        others: &["on_conflict", "if_duplicate", "replace"],
        take: |draft, value| {
            let word = text(value)?;
            draft.on_duplicate = Some(word.parse().map_err(|_| expected("keep, replace or fail", value))?);
            Ok(())
        },
    },
];

/// Fields that say the same thing: a job has one of the two.
pub(crate) const ALTERNATIVES: [(&str, &str); 2] = [("timeout", "timeout_ms"), ("delay", "run_at")];

impl Field {
    /// The field of this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        FIELDS.into_iter().find(|field| field.name == name)
    }

    /// The names of all fields.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        FIELDS.into_iter().map(|field| field.name)
    }
}

impl Draft {
    /// Takes the value of a field in JSON; what says nothing is passed over.
    pub(crate) fn take(&mut self, name: &str, value: &Value) -> Result<(), FieldProblem> {
        match Field::find(name) {
            Some(field) => (field.take)(self, value),
            // Of a printed job that waits for its retry it is the same as `run_at`.
            None if name == "next_retry_at" => {
                self.run_at = self.run_at.or(Some(time(value)?));
                Ok(())
            }
            // Of a printed job that is held it is the same as `hold`.
            None if name == "blocked_by" => {
                if value.as_str() == Some(Blocker::Hold.as_str()) {
                    self.hold = self.hold.or(Some(true));
                }
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn queue(value: &Value) -> Result<String, FieldProblem> {
    let name = text(value)?;
    check_queue_name(name)
        .map_err(|_| expected("1 to 128 visible characters without white space, `,` and `*`", value))?;
    Ok(name.to_owned())
}

/// Every key of a printed job, so that what is printed can be enqueued again.
pub const JOB_KEYS: [&str; 33] = [
    "seq",
    "id",
    "command",
    "cwd",
    "env",
    "queue",
    "unique",
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
    "existing",
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
    pub unique: Option<&'a str>,
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
            unique: job.unique_key.as_ref().map(UniqueKey::as_str),
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
