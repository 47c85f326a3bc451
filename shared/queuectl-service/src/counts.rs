//! How many jobs stand where, as people count them.

use queuectl_core::State;
use queuectl_store::{Counts, WorkerRecord};

/// Jobs by state: what a worker has claimed in advance does not run yet, and counts
/// as `claimed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobCounts {
    /// What is kept of the states.
    kept: Counts,
    /// How many of the jobs that are processing were claimed in advance.
    pub claimed: i64,
}

impl JobCounts {
    /// Tells them apart by what the workers hold.
    pub fn new(kept: Counts, workers: &[WorkerRecord]) -> Self {
        let running: u64 = workers.iter().map(WorkerRecord::jobs_running).sum();
        Self { kept, claimed: (kept[State::Processing] - running.cast_signed()).max(0) }
    }

    /// How many jobs are shown in a state.
    pub fn shown(&self, state: State) -> i64 {
        let claimed = if state == State::Processing { self.claimed } else { 0 };
        self.kept[state] - claimed
    }

    /// How many of those that wait are blocked.
    pub fn blocked(&self) -> i64 {
        self.kept.blocked
    }

    /// All jobs.
    pub fn total(&self) -> i64 {
        self.kept.total()
    }
}
