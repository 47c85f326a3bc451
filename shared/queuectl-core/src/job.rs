//! A job, as it is accepted and as it is kept.

use crate::command::{CommandLine, Environment};
use crate::id::JobId;
use crate::lease::{Lease, Seq, WorkerId};
use crate::stage::{Blocker, Stage};
use crate::state::State;
use crate::time::Timestamp;
use crate::unique::{Unique, UniqueKey};
use std::time::Duration;

/// The queue of a job that names none.
pub const DEFAULT_QUEUE: &str = "default";

/// The variables by which a job is told about itself, in this order: the mark of
/// its processes, its id, the attempt, its retries, the claim, its queue.
///
/// None has the name of a setting, so that none is read back as one by what a job
/// starts; a test of the settings compares the two lists.
pub const JOB_VARIABLES: [&str; 6] = [
    "QUEUECTL_RUN",
    "QUEUECTL_JOB_ID",
    "QUEUECTL_ATTEMPT",
    "QUEUECTL_JOB_MAX_RETRIES",
    "QUEUECTL_JOB_LEASE",
    "QUEUECTL_QUEUE",
];

/// A job with this many crashes may be what kills its workers.
///
/// A worker runs at most one such job at a time, so that a poison job does not
/// take its neighbours along.
pub const SUSPECT_AFTER_CRASHES: u32 = 2;

/// A job to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Its name; must not be taken.
    pub id: JobId,
    /// What `/bin/sh -c` runs.
    pub command: CommandLine,
    /// The absolute path of the folder it runs in.
    pub cwd: String,
    /// Variables it gets beside its worker's own.
    pub env: Environment,
    /// The queue it belongs to.
    pub queue: String,
    /// Larger numbers go first.
    pub priority: i32,
    /// How many runs may follow a failed first one.
    pub max_retries: u32,
    /// How long a run may take; none means for ever.
    pub timeout: Option<Duration>,
    /// How long the first run must wait; zero means that it is ready at once.
    pub delay: Duration,
    /// When the first run may start, instead of a delay; a time that has passed means
    /// at once.
    pub run_at: Option<Timestamp>,
    /// Whether it waits until a person releases it.
    pub hold: bool,
    /// The key that no other job may have meanwhile.
    pub unique: Option<Unique>,
}

impl NewJob {
    /// The most retries a job may be given; more are a slip of the hand.
    pub const MOST_RETRIES: u32 = 1_000_000;

    /// When it falls due if it is accepted now; none if it need not wait for a time.
    pub fn due_at(&self, now: Timestamp) -> Option<Timestamp> {
        let due_at = self.run_at.unwrap_or_else(|| now.after(self.delay));
        (due_at > now).then_some(due_at)
    }
}

/// A job as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number in the order of acceptance.
    pub seq: Seq,
    /// Its name.
    pub id: JobId,
    /// What `/bin/sh -c` runs.
    pub command: CommandLine,
    /// The absolute path of the folder it runs in.
    pub cwd: String,
    /// Variables it gets beside its worker's own.
    pub env: Environment,
    /// The queue it belongs to.
    pub queue: String,
    /// The key that no other job has until it has come to rest.
    pub unique_key: Option<UniqueKey>,
    /// Larger numbers go first.
    pub priority: i32,
    /// Where it stands.
    pub state: State,
    /// Where it is kept.
    pub stage: Stage,
    /// Starts charged to the budget, the running one included.
    pub attempts: u32,
    /// How many runs may follow a failed first one.
    pub max_retries: u32,
    /// Attempts that were lost with their worker.
    pub crashes: u32,
    /// The number of its last claim; 0 if it never was.
    pub lease: i64,
    /// Who holds it; only while it is processing.
    pub worker: Option<WorkerId>,
    /// A person asked for its end while it was processing.
    pub cancel_requested: bool,
    /// How long a run may take; none means for ever.
    pub timeout: Option<Duration>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
    /// When it may next be claimed, if it waits for a time.
    pub run_at: Option<Timestamp>,
    /// What it waits for that is no time, if it does.
    pub blocked_by: Option<Blocker>,
    /// When its last attempt started.
    pub started_at: Option<Timestamp>,
    /// When it came to rest: completed, dead or cancelled.
    pub finished_at: Option<Timestamp>,
    /// Exit code of the last attempt.
    pub exit_code: Option<i32>,
    /// Signal that ended the last attempt.
    pub signal: Option<i32>,
    /// What went wrong with the last attempt, in a sentence.
    pub last_error: Option<String>,
    /// Why it cannot be run, if what is kept of it cannot all be read; the other fields
    /// then show it as far as it can.
    pub unreadable: Option<String>,
}

impl Job {
    /// Its last claim.
    pub fn last_lease(&self) -> Lease {
        Lease { seq: self.seq, number: self.lease }
    }

    /// Tells whether it may be what kills its workers.
    pub const fn is_suspect(&self) -> bool {
        self.crashes >= SUSPECT_AFTER_CRASHES
    }

    /// Retries used: `max(attempts − 1, 0)`.
    pub fn retries(&self) -> u32 {
        self.attempts.saturating_sub(1)
    }
}
