//! What a worker is told by its manager.

use crate::path_as_json;
use queuectl_core::{QueueSet, RetryPolicy};
use queuectl_files::Owners;
use queuectl_store::{Access, LeaseTimes, Location, OpenOptions};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// When a worker ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Drain {
    /// When nothing is pending, processing or failed; jobs of other workers are waited for.
    Everything,
    /// When nothing can be claimed now and nothing runs, whatever falls due later.
    Ready,
}

/// What a worker is told by its manager; the first line of its standard input.
///
/// One line of JSON. It may hold the password of a server, so it cannot be printed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerOptions {
    /// The file of the queue, absolute; none if it is on a server.
    #[serde(with = "path_as_json")]
    pub database: Option<PathBuf>,
    /// The server of the queue, as a `postgres://` URL; none if it is in a file.
    pub server: Option<String>,
    /// How long to wait for a busy database, in milliseconds.
    pub busy_timeout_ms: u64,
    /// How long to wait for a server to answer at all, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Where what belongs to the queue on this machine lies, if it is on a server.
    #[serde(with = "path_as_json")]
    pub state_folder: Option<PathBuf>,
    /// Root was told to use what belongs to other users.
    #[serde(default)]
    pub as_root: bool,
    /// The process that replaces this one when it dies.
    pub manager_pid: u32,
    /// Jobs run at a time.
    pub concurrency: u32,
    /// The queues it serves, as [`QueueSet::of`] takes them; none named means all.
    #[serde(default)]
    pub queues: Vec<String>,
    /// Ends after so many jobs; none means without a limit.
    pub max_jobs: Option<u64>,
    /// Ends when there is nothing left; none means that it waits for more.
    pub drain: Option<Drain>,
    /// How often to look for jobs when no process rings, in milliseconds.
    pub poll_interval_ms: u64,
    /// From SIGTERM to SIGKILL, in milliseconds.
    pub kill_grace_ms: u64,
    /// How long a worker lives after its last word to a server, in milliseconds; means
    /// nothing where the queue is in a file.
    pub lease_ms: u64,
    /// Bytes kept of an attempt's output: a quarter from its beginning, the rest from its end.
    pub output_limit: u64,
    /// See [`RetryPolicy::base`].
    pub backoff_base: f64,
    /// See [`RetryPolicy::max`]; in milliseconds.
    pub backoff_max_ms: u64,
    /// See [`RetryPolicy::crash_limit`].
    pub crash_limit: u32,
}

impl WorkerOptions {
    /// Where the queue is.
    pub fn location(&self) -> Location {
        match (&self.database, &self.server) {
            (Some(path), _) => Location::File(path.clone()),
            (None, server) => Location::Url(server.clone().unwrap_or_default()),
        }
    }

    /// How to open it.
    pub fn open_options(&self) -> OpenOptions {
        OpenOptions {
            connect_timeout: Duration::from_millis(self.connect_timeout_ms),
            state_folder: self.state_folder.clone(),
            owners: if self.as_root { Owners::AnyForRoot } else { Owners::Own },
            ..OpenOptions::new(Access::Write, self.busy_timeout())
        }
    }

    /// How long a worker lives after its last word, if the queue is on a server.
    pub fn lease(&self) -> LeaseTimes {
        LeaseTimes::of(Duration::from_millis(self.lease_ms))
    }

    /// The queues it serves.
    pub fn serves(&self) -> QueueSet {
        // The manager has checked them; what cannot be a name can be the queue of no job.
        QueueSet::of(&self.queues).unwrap_or_default()
    }

    pub(crate) fn busy_timeout(&self) -> Duration {
        Duration::from_millis(self.busy_timeout_ms)
    }

    /// When failed jobs run again.
    pub fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            base: self.backoff_base,
            max: Duration::from_millis(self.backoff_max_ms),
            crash_limit: self.crash_limit,
        }
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }

    pub(crate) fn kill_grace(&self) -> Duration {
        Duration::from_millis(self.kill_grace_ms)
    }
}
