//! A job while it is put together: what flags say, then JSON, then the configuration.

use crate::Given;
use crate::folder::Folders;
use queuectl_cli::{Context, Failure, Output};
use queuectl_core::{CommandLine, Environment, JobId, NewJob, Timestamp};
use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

/// What is said about a job, checked; what is not said is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) id: Option<JobId>,
    pub(crate) command: Option<CommandLine>,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) queue: Option<String>,
    pub(crate) priority: Option<i32>,
    pub(crate) max_retries: Option<u32>,
    /// Zero means for ever.
    pub(crate) timeout: Option<Duration>,
    pub(crate) delay: Option<Duration>,
    /// Instead of a delay.
    pub(crate) run_at: Option<Timestamp>,
}

impl Draft {
    /// Takes what flags say.
    pub(crate) fn of_flags(given: &Given) -> Result<Self, Failure> {
        let env = given.env.iter().map(|text| variable(text)).collect::<Result<_, _>>()?;
        Ok(Self {
            cwd: given.cwd.clone(),
            env,
            priority: given.priority,
            max_retries: given.max_retries,
            timeout: given.timeout,
            delay: given.delay,
            ..Self::default()
        })
    }

    /// Puts this over what is weaker.
    pub(crate) fn over(self, weaker: Self) -> Self {
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
        }
    }
}

/// Completes drafts; looks the rest up once.
pub(crate) struct Completion {
    output: Output,
    max_retries: u32,
    timeout: Option<Duration>,
    folders: Folders,
}

impl Completion {
    pub(crate) fn new(cx: &Context) -> Result<Self, Failure> {
        let settings = cx.settings()?;
        Ok(Self {
            output: cx.output(),
            max_retries: settings.max_retries(),
            timeout: settings.job_timeout(),
            folders: Folders::default(),
        })
    }

    /// Says what may be a slip of the hand, when the jobs are there.
    pub(crate) fn note_slips(&self) {
        self.folders.note_missing(self.output);
    }

    /// Makes a draft the job it stands for.
    pub(crate) fn complete(&mut self, draft: Draft) -> Result<NewJob, Failure> {
        let command = draft.command.ok_or_else(|| {
            Failure::error("the job has no command").hint(r#"give it one: {"command":"sleep 2"}"#)
        })?;
        let timeout = match draft.timeout {
            Some(timeout) => (!timeout.is_zero()).then_some(timeout),
            None => self.timeout,
        };
        Ok(NewJob {
            id: draft.id.unwrap_or_else(|| JobId::trusted(Uuid::now_v7().to_string())),
            command,
            cwd: self.folders.of(draft.cwd)?,
            env: Environment::new(draft.env)?,
            queue: draft.queue.unwrap_or_else(|| "default".to_owned()),
            priority: draft.priority.unwrap_or(0),
            max_retries: draft.max_retries.unwrap_or(self.max_retries),
            timeout,
            delay: draft.delay.unwrap_or_default(),
            run_at: draft.run_at,
            hold: false,
        })
    }
}

/// Understands `NAME=VALUE`, and `NAME` as what it is here.
fn variable(text: &str) -> Result<(String, String), Failure> {
    if let Some((name, value)) = text.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    let unset = || {
        Failure::error(format!("the variable {text} is not set, so it cannot be copied"))
            .hint(format!("give it a value: `--env {text}=VALUE`"))
    };
    if text.is_empty() || text.contains('\0') {
        return Err(unset());
    }
    match env::var(text) {
        Ok(value) => Ok((text.to_owned(), value)),
        Err(env::VarError::NotPresent) => Err(unset()),
        Err(env::VarError::NotUnicode(_)) => {
            Err(Failure::error(format!("the value of the variable {text} is not valid UTF-8")))
        }
    }
}
