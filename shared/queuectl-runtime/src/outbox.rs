//! What the other threads of a worker have for its coordinator.

use crate::lock::lock;
use crate::worker_error::WorkerError;
use queuectl_core::Lease;
use queuectl_store::{Ended, OutputPart, OutputTrim, Stop};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What waits for the coordinator, and how that is woken.
#[derive(Default)]
pub(crate) struct Outbox {
    contents: Mutex<Contents>,
    changed: Condvar,
}

/// What waits for the coordinator.
#[derive(Default)]
pub(crate) struct Contents {
    /// Attempts that ended, each with how long it kept its slot.
    pub(crate) ended: Vec<(Ended, Duration)>,
    /// Claims that will not be started.
    pub(crate) unstarted: Vec<Lease>,
    pub(crate) output: Vec<OutputPart>,
    pub(crate) trims: Vec<OutputTrim>,
    /// When the first of `ended` came in.
    pub(crate) since: Option<Instant>,
    /// Since when another thread has wanted attention.
    pub(crate) rang: Option<Instant>,
    /// Some slot has output that the store should have by now.
    pub(crate) output_due: bool,
    /// The worker is to stop.
    pub(crate) stop: Option<Stop>,
    /// The worker cannot go on.
    pub(crate) broken: Option<WorkerError>,
}

impl Outbox {
    /// Puts something in, and wakes the coordinator.
    pub(crate) fn put(&self, change: impl FnOnce(&mut Contents)) {
        change(&mut lock(&self.contents));
        self.changed.notify_one();
    }

    /// The contents, for a change of which the coordinator need not know at once.
    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        lock(&self.contents)
    }

    /// Wakes the coordinator.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Tells the coordinator that there may be something to do.
    pub(crate) fn ring(&self) {
        self.put(|contents| _ = contents.rang.get_or_insert_with(Instant::now));
    }

    /// Takes all but a request to stop, which stays.
    pub(crate) fn take(&self) -> Contents {
        let mut contents = lock(&self.contents);
        let (stop, broken) = (contents.stop, contents.broken.take());
        let taken = std::mem::take(&mut *contents);
        (contents.stop, contents.broken) = (stop, broken);
        taken
    }

    /// Waits until it is time; `until` looks into the contents after each change, and
    /// none means now.
    pub(crate) fn wait(
        &self,
        mut until: impl FnMut(&Contents) -> Option<Instant>,
    ) -> MutexGuard<'_, Contents> {
        let mut contents = lock(&self.contents);
        loop {
            let Some(at) = until(&contents) else { return contents };
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return contents;
            }
            contents = self.changed.wait_timeout(contents, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
