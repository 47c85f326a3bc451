//! Queues by name, as programs read them.

use crate::dates::{optional_rfc3339, rfc3339};
use crate::document::counts::CountsDocument;
use crate::wait::drain::DrainEnd;
use queuectl_core::{EVERY_QUEUE, Pause};
use serde::Serialize;

/// A queue.
#[derive(Debug, Serialize)]
pub struct QueueDocument<'a> {
    /// Its name.
    pub queue: &'a str,
    /// Its jobs by state.
    pub jobs: CountsDocument,
    /// When the job was accepted that has waited longest; null if none waits.
    pub oldest_waiting_at: Option<String>,
    /// How many workers take its jobs.
    pub workers: usize,
    /// How many of its jobs may run at a time; null if that is not bounded.
    pub limit: Option<u32>,
    /// Why none of its jobs is started; null if it is not paused.
    pub paused: Option<PauseDocument<'a>>,
}

/// What has become of the jobs of a queue while it was drained.
#[derive(Debug, Serialize)]
pub struct DrainedDocument {
    /// How many completed.
    pub completed: u64,
    /// How many died.
    pub died: u64,
    /// How many were cancelled.
    pub cancelled: u64,
    /// How many wait for a time.
    pub left: u64,
    /// How many are held.
    pub held: u64,
}

impl From<&DrainEnd> for DrainedDocument {
    fn from(end: &DrainEnd) -> Self {
        let &DrainEnd { completed, died, cancelled, left, held, .. } = end;
        Self { completed, died, cancelled, left, held }
    }
}

/// That no job of a queue is started.
#[derive(Debug, Serialize)]
pub struct PauseDocument<'a> {
    /// Whether all queues are paused.
    pub all: bool,
    /// Since when.
    pub since: String,
    /// When it ends by itself; null if a person has to end it.
    pub until: Option<String>,
    /// Who has paused it.
    pub by: &'a str,
    /// Why; null if nothing was said.
    pub reason: Option<&'a str>,
}

impl<'a> PauseDocument<'a> {
    /// What is told of a pause of this queue.
    pub fn of(pause: &'a Pause, name: &str) -> Self {
        Self {
            all: name == EVERY_QUEUE,
            since: rfc3339(pause.since),
            until: optional_rfc3339(pause.until),
            by: &pause.by,
            reason: pause.reason.as_deref(),
        }
    }
}
