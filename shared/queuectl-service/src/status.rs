//! How the queue is at one moment.

use crate::counts::JobCounts;
use crate::document::counts::{CountsDocument, JobCountsDocument, StatusDocument};
use crate::document::worker::WorkerDocument;
use queuectl_core::{PausedQueues, State, Timestamp};
use queuectl_store::{Counts, Life, Store, StoreError, WorkerRecord};
use std::collections::HashSet;
use std::fmt;

/// Jobs and workers at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether there is a queue; one that is not there is an empty one.
    pub is_there: bool,
    /// How many jobs stand where.
    pub counts: JobCounts,
    /// The same of each queue that has jobs, by name; what was claimed in advance counts
    /// as processing.
    pub queues: Vec<(String, Counts)>,
    /// Workers that have not ended.
    pub workers: Vec<WorkerRecord>,
    /// The queues of which no job is started.
    pub paused: PausedQueues,
    /// When it was looked at, by the clock of the queue.
    pub at: Timestamp,
}

/// Workers that live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveWorkers {
    /// How many.
    pub workers: usize,
    /// On how many machines.
    pub machines: usize,
}

/// Why it cannot be told of some workers whether they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// What shows on this machine who lives is gone.
    LockFileMissing,
    /// Those on other machines have not been listened to for long enough.
    TooEarly,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LockFileMissing => {
                "the lock file of the workers is missing, so nobody can tell which of them live"
            }
            Self::TooEarly => "it is too early to tell which of the workers on other machines live",
        })
    }
}

/// How often the queue is looked at for two things that belong together.
const MOST_LOOKS: u32 = 3;

impl Status {
    /// Looks at the queue.
    ///
    /// Jobs and workers belong together: what is processing, the workers hold. In a queue
    /// that never holds still, nearly so.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn take(store: &mut dyn Store) -> Result<Self, StoreError> {
        let (mut queues, workers) = at_one_moment(store)?;
        queues.retain(|(_, counts)| !counts.is_zero());
        let kept = sum(&queues);
        let counts = JobCounts::new(kept, &workers);
        let is_there = counts.total() > 0 || !workers.is_empty() || store.whereabouts()?.is_some();
        let at = store.clock().now();
        let paused = if is_there { PausedQueues::of(&store.rules()?, at) } else { PausedQueues::default() };
        Ok(Self { is_there, counts, queues, workers, paused, at })
    }

    /// The same for programs.
    pub fn document(&self) -> StatusDocument<'_> {
        let workers = self.workers.iter().map(WorkerDocument::from);
        let queues = self.queues.iter().map(|(queue, counts)| (queue.as_str(), CountsDocument(*counts)));
        StatusDocument {
            jobs: JobCountsDocument(self.counts),
            queues: queues.collect(),
            workers: workers.collect(),
        }
    }

    /// Whether a job is being run.
    pub fn runs_jobs(&self) -> bool {
        self.counts.shown(State::Processing) > 0
    }

    /// How many workers live, and on how many machines.
    pub fn active(&self) -> ActiveWorkers {
        let active: Vec<_> = self.workers.iter().filter(|worker| worker.life == Life::Alive).collect();
        // Machines may have the same name, and one machine may have many.
        let machines: HashSet<_> = active.iter().map(|worker| (&worker.host, &worker.boot_id)).collect();
        ActiveWorkers { workers: active.len(), machines: machines.len() }
    }

    /// What makes the picture less than certain.
    pub fn doubts(&self) -> impl Iterator<Item = Doubt> {
        let is_unknown =
            |is_here| self.workers.iter().any(|w| w.life == Life::Unknown && w.is_here == is_here);
        let missing = is_unknown(true).then_some(Doubt::LockFileMissing);
        missing.into_iter().chain(is_unknown(false).then_some(Doubt::TooEarly))
    }
}

type Looked = (Vec<(String, Counts)>, Vec<WorkerRecord>);

fn at_one_moment(store: &mut dyn Store) -> Result<Looked, StoreError> {
    let mut look = || Ok::<_, StoreError>((store.counts_by_queue()?, store.workers()?));
    let belong_together = |(queues, workers): &Looked| {
        let held: u64 = workers.iter().map(|worker| worker.jobs_now).sum();
        held.cast_signed() == sum(queues)[State::Processing]
    };
    let mut seen = look()?;
    for _ in 1..MOST_LOOKS {
        if belong_together(&seen) {
            break;
        }
        seen = look()?;
    }
    Ok(seen)
}

fn sum(queues: &[(String, Counts)]) -> Counts {
    queues.iter().map(|(_, counts)| counts).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Queue, worker};

    fn active(workers: &[(&str, &str, Life)]) -> (usize, usize) {
        let workers: Vec<_> =
            workers.iter().map(|&(host, boot_id, life)| worker(host, boot_id, life)).collect();
        let counts = JobCounts::new(Counts::default(), &workers);
        let queues = Vec::new();
        let (paused, at) = (PausedQueues::default(), Timestamp::default());
        let status = Status { is_there: true, counts, queues, workers, paused, at };
        let ActiveWorkers { workers, machines } = status.active();
        (workers, machines)
    }

    #[test]
    fn machines_are_counted_where_there_are_several() {
        let (alive, dead) = (Life::Alive, Life::Dead);
        assert_eq!(active(&[]), (0, 0));
        assert_eq!(active(&[("a", "1", alive), ("a", "1", alive)]), (2, 1));
        assert_eq!(active(&[("a", "1", alive), ("b", "2", dead)]), (1, 1));
        assert_eq!(active(&[("a", "1", alive), ("b", "2", alive), ("b", "2", alive)]), (3, 2));
        assert_eq!(active(&[("same", "1", alive), ("same", "2", alive)]), (2, 2));
    }

    #[test]
    fn a_job_that_was_claimed_in_advance_does_not_run() {
        let mut queue = Queue::new();
        queue.add(&["a", "b", "c"]);
        let _worker = queue.claim(2);
        let status = Status::take(queue.store()).unwrap();
        let shown = |state| status.counts.shown(state);
        assert_eq!((shown(State::Pending), shown(State::Processing), status.counts.claimed), (1, 1, 1));
        assert_eq!(status.counts.total(), 3);
        assert!(status.is_there && status.runs_jobs());
        assert_eq!(status.active(), ActiveWorkers { workers: 1, machines: 1 });
    }

    #[test]
    fn an_empty_queue_is_there_and_runs_nothing() {
        let mut queue = Queue::new();
        let status = Status::take(queue.store()).unwrap();
        assert!(status.is_there && !status.runs_jobs());
        assert_eq!(status.doubts().count(), 0);
    }
}
