//! The queues of one place, by name, and what people have said of them.

use crate::dates::optional_rfc3339;
use crate::document::counts::CountsDocument;
use crate::document::queue::{PauseDocument, QueueDocument};
use queuectl_core::{EVERY_QUEUE, Filter, Limits, Pause, QueueRules, QueueSet, State, Timestamp};
use queuectl_store::{Counts, Store, StoreError, WorkerRecord};
use std::collections::BTreeMap;

/// A queue at one moment.
#[derive(Clone, Debug)]
pub struct QueuePicture {
    /// Its name.
    pub name: String,
    /// How many of its jobs stand where.
    pub counts: Counts,
    /// When the job was accepted that has waited longest; none if none waits.
    pub oldest_waiting: Option<Timestamp>,
    /// How many workers take its jobs.
    pub workers: usize,
    /// Its own pause, if it holds.
    pub pause: Option<Pause>,
    /// How many of its jobs may run.
    pub limits: Limits,
}

impl QueuePicture {
    /// A queue of which nothing is known.
    pub fn empty(name: &str) -> Self {
        let (name, counts, limits) = (name.to_owned(), Counts::default(), Limits::default());
        Self { name, counts, oldest_waiting: None, workers: 0, pause: None, limits }
    }

    /// Jobs that wait for a worker or for a time.
    pub fn waiting(&self) -> i64 {
        self.counts[State::Pending] + self.counts[State::Failed] - self.counts.blocked
    }

    /// The same for programs.
    pub fn document<'a>(&'a self, pause_of_all: Option<&'a Pause>) -> QueueDocument<'a> {
        let own = self.pause.as_ref().map(|pause| PauseDocument::of(pause, &self.name));
        let paused = own.or_else(|| pause_of_all.map(|pause| PauseDocument::of(pause, EVERY_QUEUE)));
        QueueDocument {
            queue: &self.name,
            jobs: CountsDocument(self.counts),
            oldest_waiting_at: optional_rfc3339(self.oldest_waiting),
            workers: self.workers,
            limit: self.limits.running,
            paused,
        }
    }
}

/// All queues at one moment.
#[derive(Clone, Debug)]
pub struct Queues {
    /// Those that have jobs, are named by a worker, or of which something was said, by name.
    pub queues: Vec<QueuePicture>,
    /// The pause of all queues, if it holds.
    pub pause_of_all: Option<Pause>,
}

impl Queues {
    /// Looks at all of them.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn look(store: &mut dyn Store) -> Result<Self, StoreError> {
        let mut counts: BTreeMap<String, Counts> =
            store.counts_by_queue()?.into_iter().filter(|(_, counts)| !counts.is_zero()).collect();
        let (workers, rules, now) = (store.workers()?, store.rules()?, store.clock().now());
        let pauses = pauses(&rules, now);
        let served =
            workers.iter().filter(|worker| worker.takes_jobs()).flat_map(|worker| worker.queues.names());
        let limited = rules.iter().filter(|rules| !rules.limits.are_none());
        let limits: BTreeMap<&str, Limits> =
            limited.map(|rules| (rules.queue.as_str(), rules.limits)).collect();
        let said = pauses.keys().filter(|name| **name != EVERY_QUEUE).chain(limits.keys()).copied();
        for name in served.map(String::as_str).chain(said) {
            counts.entry(name.to_owned()).or_default();
        }
        let mut queues = Vec::with_capacity(counts.len());
        for (name, counts) in counts {
            let oldest_waiting = oldest_waiting(store, &name, &counts)?;
            let workers = workers.iter().filter(|worker| takes_jobs_of(worker, &name)).count();
            let pause = pauses.get(name.as_str()).map(|&pause| pause.clone());
            let limits = limits.get(name.as_str()).copied().unwrap_or_default();
            queues.push(QueuePicture { name, counts, oldest_waiting, workers, pause, limits });
        }
        let pause_of_all = pauses.get(EVERY_QUEUE).map(|&pause| pause.clone());
        Ok(Self { queues, pause_of_all })
    }
}

/// The pauses that hold, by the name of the queue.
pub fn pauses(rules: &[QueueRules], now: Timestamp) -> BTreeMap<&str, &Pause> {
    let holds = |rules: &'_ QueueRules| rules.pause.as_ref().is_some_and(|pause| pause.holds(now));
    let held = rules.iter().filter(|rules| holds(rules));
    held.filter_map(|rules| Some((rules.queue.as_str(), rules.pause.as_ref()?))).collect()
}

/// The pause that keeps the jobs of a queue from starting: its own, or that of all queues,
/// with the name that ends it.
///
/// # Errors
///
/// Those of the store.
pub fn pause_of(store: &mut dyn Store, queue: &str) -> Result<Option<(String, Pause)>, StoreError> {
    let (rules, now) = (store.rules()?, store.clock().now());
    let pauses = pauses(&rules, now);
    let found = [queue, EVERY_QUEUE].into_iter().find_map(|name| Some((name, *pauses.get(name)?)));
    Ok(found.map(|(name, pause)| (name.to_owned(), pause.clone())))
}

fn takes_jobs_of(worker: &WorkerRecord, queue: &str) -> bool {
    worker.takes_jobs() && worker.queues.serves(queue)
}

fn oldest_waiting(
    store: &mut dyn Store,
    name: &str,
    counts: &Counts,
) -> Result<Option<Timestamp>, StoreError> {
    if counts[State::Pending] + counts[State::Failed] <= 0 {
        return Ok(None);
    }
    // A name that no rule allows any more, as a damaged row may have it, is in no set.
    let Ok(queues) = QueueSet::of([name]) else { return Ok(None) };
    let filter = Filter { queues, limit: 1, ..Filter::of_states(&[State::Pending, State::Failed]) };
    Ok(store.jobs(&filter)?.first().map(|job| job.created_at))
}
