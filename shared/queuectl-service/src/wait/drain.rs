//! A queue is to drain: how far it is, and what has become of its jobs.

use queuectl_core::{Filter, Job, Order, PausedQueues, QueueSet, Stage, State, TimeRange, Timestamp};
use queuectl_store::{Counts, Store, StoreError};

/// So many of the jobs that died are named.
pub const MOST_NAMED: usize = 10;

/// More jobs that are not due are not counted: that reads a row for each.
pub const MOST_WAITING: u32 = 10_000;

/// Which jobs are to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainedJobs {
    /// All.
    All,
    /// Those that are due; what waits for a time stays.
    Due,
}

/// The queue as it was when a drain began.
#[derive(Clone, Debug)]
pub struct DrainBegin {
    jobs: DrainedJobs,
    queues: QueueSet,
    at: Timestamp,
    counts: Counts,
}

/// How far a drain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainProgress {
    /// Jobs that have come to rest since the beginning.
    pub done: u64,
    /// These, and those that are to be run.
    pub all: u64,
    /// Jobs that died since the beginning.
    pub died: u64,
    /// Jobs that wait for their retry.
    pub to_retry: u64,
    /// First runs that wait for a time.
    pub not_due: NotDue,
    /// Whether something is waited for: then it cannot be told how long it takes.
    pub is_waited_for: bool,
}

/// How many first runs wait for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDue {
    /// So many.
    Some(u64),
    /// More than are counted.
    VeryMany,
}

/// What a drain has done, also by other workers.
#[derive(Debug)]
pub struct DrainEnd {
    /// How many jobs completed.
    pub completed: u64,
    /// How many died.
    pub died: u64,
    /// How many were cancelled.
    pub cancelled: u64,
    /// How many are not at rest, without those that are held.
    pub left: u64,
    /// How many are held, or wait in a paused queue.
    pub held: u64,
    /// Jobs are left that were to be run: it was stopped.
    pub was_stopped: bool,
    /// The first of those that died, in the order in which they did.
    pub dead_jobs: Vec<Job>,
}

impl DrainEnd {
    /// How many jobs died that are not among the first.
    pub fn more_dead(&self) -> u64 {
        self.died.saturating_sub(self.dead_jobs.len() as u64)
    }
}

impl DrainBegin {
    /// Looks at the queue before anything is run: at the jobs that workers of these queues
    /// are to run.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn look(store: &mut dyn Store, jobs: DrainedJobs, queues: QueueSet) -> Result<Self, StoreError> {
        let (at, counts) = (store.clock().now(), counts_of(store, &queues, jobs)?);
        Ok(Self { jobs, queues, at, counts })
    }

    /// Looks how far it is.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn progress(&self, store: &mut dyn Store) -> Result<DrainProgress, StoreError> {
        let now = counts_of(store, &self.queues, self.jobs)?;
        let waiting = store.count(&self.scheduled(), MOST_WAITING)?;
        let done = (now.finished() - self.counts.finished()).max(0).unsigned_abs();
        let very_many = waiting >= MOST_WAITING.into();
        let (left_out, is_waited_for) = match self.jobs {
            DrainedJobs::All => (0, waiting > 0),
            DrainedJobs::Due => (waiting, very_many),
        };
        let to_retry = now[State::Failed].max(0).unsigned_abs();
        Ok(DrainProgress {
            done,
            all: done + now.unfinished().max(0).unsigned_abs().saturating_sub(left_out),
            died: self.more(State::Dead, &now),
            to_retry,
            not_due: if very_many {
                NotDue::VeryMany
            } else {
                NotDue::Some(waiting.saturating_sub(to_retry))
            },
            is_waited_for,
        })
    }

    /// Tells whether none of the jobs is held by a worker, or ready in a queue that is not
    /// paused until a person says otherwise.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn has_nothing_ready(&self, store: &mut dyn Store) -> Result<bool, StoreError> {
        // In this order: a job that is claimed in between is processing by then, and one that
        // is given back is ready again.
        Ok(self.none_is_ready(store)?
            && counts_of(store, &self.queues, self.jobs)?[State::Processing] == 0
            && self.none_is_ready(store)?)
    }

    fn none_is_ready(&self, store: &mut dyn Store) -> Result<bool, StoreError> {
        let paused = PausedQueues::of(&store.rules()?, store.clock().now());
        let names = self.queues.names();
        let are_left = !names.is_empty() && names.iter().all(|queue| paused.stops_for_good(queue));
        let ready = Filter { stages: vec![Stage::Ready], queues: self.queues.clone(), ..Filter::default() };
        Ok(are_left || store.count(&ready, 1)? == 0)
    }

    /// Looks what has become of the jobs.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn end(&self, store: &mut dyn Store) -> Result<DrainEnd, StoreError> {
        let now = counts_of(store, &self.queues, self.jobs)?;
        let left = now.unfinished().max(0).unsigned_abs();
        // What is left though it was to be run was left by a stop, or by a bound.
        let may_be_left = match self.jobs {
            DrainedJobs::All => 0,
            DrainedJobs::Due => store.count(&self.scheduled(), u32::MAX)?,
        };
        let dead_jobs = store.jobs(&self.died_since())?;
        // One that was dead at the beginning, was retried and died again is no more in the counts.
        let died = self.more(State::Dead, &now).max(dead_jobs.len() as u64);
        Ok(DrainEnd {
            completed: self.more(State::Completed, &now),
            died,
            cancelled: self.more(State::Cancelled, &now),
            left,
            held: now.blocked.max(0).unsigned_abs(),
            was_stopped: left > may_be_left,
            dead_jobs,
        })
    }

    /// What waits for a time, first runs and retries; what has fallen due too until a
    /// worker looks.
    fn scheduled(&self) -> Filter {
        Filter { stages: vec![Stage::Scheduled], queues: self.queues.clone(), ..Filter::default() }
    }

    /// The first that died since the beginning.
    fn died_since(&self) -> Filter {
        Filter {
            queues: self.queues.clone(),
            finished: TimeRange { from: Some(self.at), until: None },
            order: Order::ByEnd,
            limit: MOST_NAMED as u32,
            ..Filter::of_states(&[State::Dead])
        }
    }

    /// How many more jobs are in a state.
    fn more(&self, state: State, now: &Counts) -> u64 {
        (now[state] - self.counts[state]).max(0).unsigned_abs()
    }
}

/// How many jobs of these queues stand where. What waits in a paused queue counts as blocked,
/// unless the end of the pause is waited for.
fn counts_of(store: &mut dyn Store, queues: &QueueSet, jobs: DrainedJobs) -> Result<Counts, StoreError> {
    let paused = PausedQueues::of(&store.rules()?, store.clock().now());
    if queues.is_all() && paused.is_empty() {
        return store.counts();
    }
    let mut by_queue = store.counts_by_queue()?;
    by_queue.retain(|(queue, _)| queues.serves(queue));
    for (queue, counts) in &mut by_queue {
        let is_left = match jobs {
            DrainedJobs::All => paused.stops_for_good(queue),
            DrainedJobs::Due => paused.stops(queue),
        };
        if is_left {
            counts.block_all();
        }
    }
    Ok(by_queue.iter().map(|(_, counts)| counts).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;

    #[test]
    fn a_drain_tells_what_has_become_of_the_jobs() {
        let mut queue = Queue::new();
        queue.add_dead(&["before"]);
        let begin = DrainBegin::look(queue.store(), DrainedJobs::All, QueueSet::ALL).unwrap();
        queue.add_dead(&["a"]);
        queue.add(&["b", "c"]);
        let claimed = queue.claim(1);
        queue.end(claimed, 0);
        queue.add_held("held");
        let progress = begin.progress(queue.store()).unwrap();
        let wanted = DrainProgress {
            done: 2,
            all: 3,
            died: 1,
            to_retry: 0,
            not_due: NotDue::Some(0),
            is_waited_for: false,
        };
        assert_eq!(progress, wanted);
        let end = begin.end(queue.store()).unwrap();
        assert_eq!((end.completed, end.died, end.cancelled, end.left, end.held), (1, 1, 0, 1, 1));
        assert!(end.was_stopped);
        assert_eq!(end.dead_jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(end.more_dead(), 0);
        // Nothing of that is a matter of workers of another queue.
        let mail = QueueSet::of(["mail"]).unwrap();
        let begin = DrainBegin { queues: mail, counts: Counts::default(), ..begin };
        let end = begin.end(queue.store()).unwrap();
        assert_eq!((end.completed, end.died, end.left, end.was_stopped), (0, 0, 0, false));
    }
}
