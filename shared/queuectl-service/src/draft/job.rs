//! What is said about a job.

use queuectl_core::{CommandLine, JobId, Timestamp};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

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
        }
    }
}
