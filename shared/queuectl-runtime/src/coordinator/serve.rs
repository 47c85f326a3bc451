//! The life of a coordinator: it exchanges until the worker is done, and leaves.

use super::failures::{Circumstances, Step, a_moment, is_borne};
use super::{Coordinator, GATHER};
use crate::options::Drain;
use crate::outbox::Contents;
use crate::worker_error::WorkerError;
use queuectl_core::State;
use queuectl_store::{Stop, StoreError};
use std::time::Instant;

impl Coordinator<'_> {
    /// Serves until the worker has nothing left to do.
    pub(crate) fn serve(mut self) -> Result<(), WorkerError> {
        let served = self.exchange_until_done();
        if let Err(error) = &served {
            // It was said already if another thread has found it.
            if !self.shared.is_broken() {
                let then = if self.shared.is_idle() { "" } else { "; running jobs are ended" };
                tracing::error!("{error}{then}");
            }
            self.leave_in_order(matches!(
                error,
                WorkerError::Store(StoreError::LeaseLapsed { .. } | StoreError::CalledDead { .. })
            ));
        }
        served
    }

    /// Ends what runs and hands in what can be handed in, after an error that
    /// ends the worker; if its lease is lost, also what completed jobs have left.
    fn leave_in_order(&mut self, has_lost_its_lease: bool) {
        self.shared.halt();
        while !self.shared.is_idle() {
            let until = |outbox: &Contents| outbox.since.is_none().then(|| Instant::now() + GATHER);
            drop(self.shared.outbox().wait(until));
            self.take_results();
        }
        let mut is_stuck = false;
        if has_lost_its_lease && let Err(error) = self.shared.end_everything() {
            is_stuck = true;
            tracing::error!("Jobs are stuck, and others may run them: {error}");
        }
        self.take_results();
        self.stop = self.stop.max(Some(Stop::Graceful));
        let handed_in = self.hand_in_at_last(has_lost_its_lease).and_then(|()| {
            // Of one that leaves something, that is still to be ended by others.
            if is_stuck { self.retire_from_the_list() } else { self.retire() }
        });
        if handed_in.is_err()
            && let Err(error) = self.shared.presence().clear_notes()
        {
            // A rescue of the jobs must not count a crash: they were ended here.
            tracing::warn!("{error}");
        }
    }

    /// What ended before the lease ran out may still count, if no other worker has taken
    /// the jobs over; the store discards the rest.
    fn hand_in_at_last(&mut self, has_lost_its_lease: bool) -> Result<(), StoreError> {
        let began = Instant::now();
        loop {
            match self.exchange() {
                Err(error)
                    if has_lost_its_lease
                        && error.is_passing_at_work()
                        && began.elapsed() < self.shared.last_tries_take() =>
                {
                    let at = Instant::now() + a_moment();
                    drop(self.shared.outbox().wait(|_| Some(at)));
                }
                handed_in => return handed_in.map(drop),
            }
        }
    }

    fn retire(&mut self) -> Result<(), StoreError> {
        // Before the others are told: what is on their list and not here has died.
        if let Err(error) = self.shared.presence().retire() {
            tracing::warn!("{error}");
        }
        let retired = self.retire_from_the_list();
        if retired.is_err()
            && let Err(error) = self.shared.presence().stay()
        {
            tracing::warn!("{error}");
        }
        retired
    }

    fn retire_from_the_list(&mut self) -> Result<(), StoreError> {
        self.store.retire(self.shared.worker(), &self.options.policy(), self.shared.now())
    }

    fn exchange_until_done(&mut self) -> Result<(), WorkerError> {
        loop {
            self.take_outbox()?;
            match self.exchange() {
                Ok(wrote) => {
                    self.note_success(wrote);
                    self.note_stop();
                }
                Err(error) if is_borne(&error) => self.failed_for_now(error, Step::Exchange)?,
                Err(error) => return Err(error.into()),
            }
            if self.is_done() {
                match self.retire() {
                    Ok(()) => {
                        self.ring_if_last();
                        return Ok(());
                    }
                    // All results are recorded; its row says nothing that others do not see.
                    Err(error @ StoreError::Full { .. }) => {
                        tracing::warn!("{error}; this worker stays on the list until there is room");
                        self.ring_if_last();
                        return Ok(());
                    }
                    Err(error) if is_borne(&error) => self.failed_for_now(error, Step::Retire)?,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    /// Tells whether this worker ends now: the one place that says so.
    fn is_done(&self) -> bool {
        self.failures.let_it_end() && self.has_nothing_left()
    }

    fn has_nothing_left(&self) -> bool {
        let occupancy = self.shared.occupancy();
        if occupancy.idle < self.options.concurrency || occupancy.unstarted > 0 || !self.held.is_empty() {
            return false;
        }
        let drained = match self.options.drain {
            None => false,
            Some(Drain::Everything) => self.counts.unfinished() == 0,
            Some(Drain::Ready) => self.nothing_is_ready && self.counts[State::Processing] == 0,
        };
        // A worker that drains an empty queue would be gone before it has looked after the dead.
        let drained = drained && !self.shared.looks_first();
        self.stop.is_some() || self.budget == Some(0) || drained
    }

    /// Keeps everything for a later try, or gives up what would be tried for ever.
    fn failed_for_now(&mut self, error: StoreError, step: Step) -> Result<(), WorkerError> {
        let doing = Circumstances {
            stop: self.stop,
            runs_jobs: !self.shared.is_idle(),
            holds_jobs: !self.held.is_empty(),
            hands_in: !self.outgoing.is_empty(),
        };
        self.next_look = self.failures.note(error, step, &doing, self.options)?;
        Ok(())
    }

    fn note_success(&mut self, wrote: bool) {
        let mut failures = std::mem::take(&mut self.failures);
        if let Some(at) = failures.note_success(wrote, || self.has_nothing_left()) {
            self.next_look = at;
        }
        self.failures = failures;
    }
}
