//! The jobs that a worker holds, and what the log is told of their ends.

use queuectl_core::{Effect, Job, JobId, Lease, State};
use queuectl_store::Ended;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// So much of a command is logged at the end of its job.
const LOGGED_CHARACTERS: usize = 80;

/// The jobs that a worker holds, by its claims of them.
#[derive(Default)]
pub(super) struct HeldJobs {
    jobs: HashMap<Lease, Held>,
    /// Claims that were told to end because a person cancelled the job.
    cancelled: HashSet<Lease>,
}

/// What is remembered of a job that is held.
pub(super) struct Held {
    pub(super) id: JobId,
    queue: String,
    /// The beginning of its command, for the log.
    command: String,
    max_retries: u32,
    is_suspect: bool,
}

impl HeldJobs {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Remembers a job that was just claimed.
    pub(super) fn add(&mut self, job: &Job) {
        let held = Held {
            id: job.id.clone(),
            queue: job.queue.clone(),
            command: beginning(job.command.as_str()),
            max_retries: job.max_retries,
            is_suspect: job.is_suspect(),
        };
        self.jobs.insert(job.last_lease(), held);
    }

    /// The queue of a job that is held.
    pub(super) fn queue(&self, lease: Lease) -> Option<&str> {
        Some(&self.jobs.get(&lease)?.queue)
    }

    /// Forgets a claim that is over.
    pub(super) fn remove(&mut self, lease: Lease) -> Option<Held> {
        self.cancelled.remove(&lease);
        self.jobs.remove(&lease)
    }

    /// Notes that a job was cancelled; tells whether that is new.
    pub(super) fn cancel(&mut self, lease: Lease) -> bool {
        self.cancelled.insert(lease)
    }

    /// Tells whether one of them is a suspect, but for those that are given up.
    pub(super) fn any_suspect(&self, is_given_up: impl Fn(Lease) -> bool) -> bool {
        self.jobs.iter().any(|(&lease, held)| held.is_suspect && !is_given_up(lease))
    }

    /// Forgets a claim whose end was recorded, and tells the log what came of it.
    pub(super) fn finish(&mut self, lease: Lease, effect: &Effect, ended: Option<&Ended>) {
        let Some(Held { id, command, max_retries, .. }) = self.remove(lease) else { return };
        let error = ended.and_then(|ended| ended.error.as_deref()).unwrap_or("no reason known");
        let took = ended.map_or(Duration::ZERO, |ended| ended.ended_at.since(ended.started_at));
        let took = format!("Took {:.3} s: {command}", took.as_secs_f64());
        match (effect.state, effect.delay()) {
            (State::Completed, _) => tracing::info!(detail = took, "Job {id} completed successfully."),
            (State::Failed, delay) => tracing::info!(
                detail = took,
                "Job {id} failed ({error}); retry {}/{max_retries} in {} s.",
                effect.attempts,
                delay.unwrap_or_default().as_secs_f64()
            ),
            (State::Dead, _) => {
                tracing::info!(
                    detail = took,
                    "Job {id} failed ({error}) and has no retries left; it is in the dead letter queue."
                );
            }
            (State::Cancelled, _) => tracing::info!(detail = took, "Job {id} cancelled."),
            _ => tracing::info!(detail = took, "Job {id} was {error} and is pending again."),
        }
    }
}

/// As much of a command as a line of the log has room for.
fn beginning(command: &str) -> String {
    match command.char_indices().nth(LOGGED_CHARACTERS) {
        None => command.to_owned(),
        Some((end, _)) => format!("{}…", &command[..end]),
    }
}
