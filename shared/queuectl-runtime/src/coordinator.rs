//! The coordinator: the one thread of a worker that owns the store.
//!
//! Its whole life is one transaction, again and again, the exchange: record what ended,
//! hand back what will not start, append output, claim what is free to start. Many
//! results share a commit when there are many; a lone job never waits for company.

mod failures;
mod held;
mod outgoing;
mod serve;
#[cfg(test)]
mod tests;

use crate::ahead::{Ahead, PATIENCE};
use crate::options::{Drain, WorkerOptions};
use crate::order::Order;
use crate::outbox::Contents;
use crate::shared::{Occupancy, Shared};
use crate::worker_error::WorkerError;
use failures::Failures;
use held::HeldJobs;
use outgoing::Outgoing;
use queuectl_core::{Job, Lease, PausedQueues, QueueSet, State, Timestamp, two_units};
use queuectl_store::{Counts, Ended, Exchange, Exchanged, SetAside, Stop, StoreError, Suspects, Worker};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Results gather for so long while jobs are left to start. (5 ms were as
/// good for one worker process and worse for two.)
const GATHER: Duration = Duration::from_millis(10);

/// While jobs of others are all that is left of a queue that is drained, it is looked
/// at so often.
const LAST_ONES_END_WITHIN: Duration = Duration::from_millis(100);

/// The thread that owns the store.
pub(crate) struct Coordinator<'a> {
    store: Box<dyn Worker + Send>,
    shared: &'a Shared,
    options: &'a WorkerOptions,
    /// The queues that jobs are claimed from.
    serves: QueueSet,
    ahead: Ahead,
    outgoing: Outgoing,
    held: HeldJobs,
    stop: Option<Stop>,
    /// It stops for a reason that the store does not know of.
    stop_to_note: Option<Stop>,
    budget: Option<u64>,
    counts: Counts,
    /// The last exchange found less than it asked for.
    nothing_is_ready: bool,
    next_look: Instant,
    failures: Failures,
    announced_due: Option<Timestamp>,
    /// A queue with a limit has a ready job and room for it.
    limited_waits: bool,
}

impl<'a> Coordinator<'a> {
    pub(crate) fn new(store: Box<dyn Worker + Send>, shared: &'a Shared) -> Self {
        let options = shared.options();
        Self {
            store,
            shared,
            options,
            serves: options.serves(),
            ahead: Ahead::new(options.concurrency),
            outgoing: Outgoing::default(),
            held: HeldJobs::default(),
            stop: None,
            stop_to_note: None,
            budget: options.max_jobs,
            counts: Counts::default(),
            nothing_is_ready: false,
            next_look: Instant::now(),
            failures: Failures::default(),
            announced_due: None,
            limited_waits: false,
        }
    }

    /// Waits for something to do and takes what has gathered.
    fn take_outbox(&mut self) -> Result<(), WorkerError> {
        let mut outbox = self.shared.outbox().wait(|outbox| self.next_exchange(outbox));
        if let Some(error) = outbox.broken.take() {
            return Err(error);
        }
        let stop = outbox.stop;
        drop(outbox);
        self.take_results();
        if stop > self.stop {
            self.stop_to_note = stop;
        }
        self.stop_if_asked(stop);
        Ok(())
    }

    fn take_results(&mut self) {
        let mut taken = self.shared.outbox().take();
        if !self.failures.any() {
            // A slot's own buffer is bounded; what waits here is not.
            self.shared.collect_output(&mut taken);
        }
        for (ended, duration) in taken.ended {
            self.ahead.note(duration);
            self.outgoing.ended.push(ended);
        }
        self.give_back(taken.unstarted);
        self.outgoing.output.append(&mut taken.output);
        self.outgoing.trims.append(&mut taken.trims);
    }

    /// When to exchange; none means now.
    fn next_exchange(&self, outbox: &Contents) -> Option<Instant> {
        if outbox.broken.is_some() || outbox.stop > self.stop {
            return None;
        }
        if self.failures.any() {
            return Some(self.next_look);
        }
        if outbox.output_due {
            return None;
        }
        let occupancy = self.shared.occupancy();
        // A ring is heard at once where a slot is idle; else it can wait for company.
        if outbox.rang.is_some() && occupancy.idle > occupancy.unstarted {
            return None;
        }
        let gathers_since = [outbox.since, outbox.rang].into_iter().flatten().min();
        let company = gathers_since.map(|since| since + GATHER);
        if outbox.since.is_some() && occupancy.unstarted < self.ahead.low_water() {
            return None;
        }
        // A slot that is about to take a job tells no other thread: patience begins now
        // at the latest.
        let impatient = (occupancy.unstarted > 0)
            .then(|| occupancy.all_busy_since.unwrap_or_else(Instant::now) + PATIENCE);
        let due = [Some(self.next_look), company, impatient, self.shared.output_due_at()];
        due.into_iter().flatten().min()
    }

    fn stop_if_asked(&mut self, stop: Option<Stop>) {
        if stop < self.stop || stop.is_none() || (stop == self.stop && stop != Some(Stop::Forced)) {
            return;
        }
        if self.stop.is_none() {
            let running = if self.held.is_empty() { "." } else { ", finishing current job..." };
            tracing::info!("Received shutdown signal{running}");
        }
        self.stop = stop;
        if stop == Some(Stop::Forced) {
            self.shared.halt();
        } else {
            self.shared.start_nothing_more();
        }
    }

    /// Has people see that this worker stops, if that takes a while. Only after the
    /// store has just answered, and never twice: it is not worth waiting for.
    fn note_stop(&mut self) {
        let Some(stop) = self.stop_to_note.take().filter(|_| !self.held.is_empty()) else { return };
        if let Err(error) = self.store.note_stop(self.shared.worker(), stop) {
            tracing::debug!("{error}");
        }
    }

    fn give_back(&mut self, unstarted: Vec<Lease>) {
        if let Some(budget) = &mut self.budget {
            *budget += unstarted.len() as u64;
        }
        self.outgoing.unstarted.extend(unstarted);
    }

    /// Tells whether anything was written.
    fn exchange(&mut self) -> Result<bool, StoreError> {
        if self.failures.only_writes_fail() {
            self.listen_while_failing();
        }
        let occupancy = self.shared.occupancy();
        let impatient = occupancy.all_busy_since.is_some_and(|since| since.elapsed() >= PATIENCE);
        if impatient && occupancy.unstarted > 0 {
            let unstarted = self.shared.prefetched().clear();
            self.give_back(unstarted);
        }
        let want = self.want(occupancy, impatient);
        // A suspect that is here may take others along; one at a time.
        let has_suspect = self.held.any_suspect(|lease| self.outgoing.gives_up(lease));
        let suspects = if has_suspect { Suspects::No } else { Suspects::One };
        let policy = self.options.policy();
        let exchange = Exchange {
            ended: &self.outgoing.ended,
            unstarted: &self.outgoing.unstarted,
            output: &self.outgoing.output,
            trims: &self.outgoing.trims,
            want,
            ahead: want.saturating_sub(occupancy.idle.saturating_sub(occupancy.unstarted)),
            queues: &self.serves,
            suspects,
            policy: &policy,
        };
        let now = self.shared.now();
        let began = Instant::now();
        let exchanged = self.store.exchange(self.shared.worker(), &exchange, now)?;
        self.ahead.note_exchange(began.elapsed());
        self.shared.prefetched().set_low_water(self.ahead.low_water());
        let was_called_dead = exchanged.was_called_dead;
        let wrote = !(self.outgoing.is_empty() && exchanged.claimed.is_empty());
        self.apply(exchanged, want, suspects, now);
        if was_called_dead {
            return Err(StoreError::CalledDead { worker: self.shared.worker() });
        }
        Ok(wrote)
    }

    /// Reads what people want, while nothing can be written.
    fn listen_while_failing(&mut self) {
        let policy = self.options.policy();
        let nothing = Exchange { queues: &self.serves, ..Exchange::nothing(&policy) };
        if let Ok(exchanged) = self.store.exchange(self.shared.worker(), &nothing, self.shared.now()) {
            self.cancel(exchanged.cancel);
            self.stop_if_asked(exchanged.stop);
        }
    }

    /// How many jobs to claim.
    fn want(&self, occupancy: Occupancy, impatient: bool) -> u32 {
        let at_most = self.failures.most_claims();
        if self.stop.is_some() || at_most == 0 {
            return 0;
        }
        let ahead = if impatient || self.limited_waits { 0 } else { self.ahead.limit() };
        let want = (occupancy.idle + ahead).saturating_sub(occupancy.unstarted).min(at_most);
        self.budget.map_or(want, |budget| want.min(u32::try_from(budget).unwrap_or(u32::MAX)))
    }

    fn apply(&mut self, exchanged: Exchanged, want: u32, suspects: Suspects, now: Timestamp) {
        let Exchanged {
            claimed,
            set_aside,
            finished,
            superseded,
            cancel,
            stop,
            counts,
            next_due,
            paused,
            limited,
            limited_waits,
            roster,
            ..
        } = exchanged;
        let outgoing = std::mem::take(&mut self.outgoing);
        self.counts = counts;
        self.limited_waits = limited_waits;
        let any_set_aside = !set_aside.is_empty();
        // With a suspect here, another may have been passed over.
        self.nothing_is_ready = suspects == Suspects::One && claimed.len() < want as usize && !any_set_aside;
        for SetAside { id, reason } in set_aside {
            tracing::error!("Job {id} cannot be run and is dead: its row cannot be read: {reason}.");
        }

        let ended: HashMap<Lease, Ended> =
            outgoing.ended.into_iter().map(|ended| (ended.lease, ended)).collect();
        let mut gave_back = !outgoing.unstarted.is_empty();
        for (lease, effect) in finished {
            gave_back |= effect.state == State::Pending;
            // Others may have waited for what it leaves room for.
            gave_back |= self.held.queue(lease).is_some_and(|queue| limited.iter().any(|name| name == queue));
            self.held.finish(lease, &effect, ended.get(&lease));
        }
        for lease in outgoing.unstarted {
            self.held.remove(lease);
        }
        for lease in superseded {
            self.discard(lease);
        }
        self.take_in(claimed);
        self.hand_back_paused(&paused);
        self.cancel(cancel);
        let is_alone = roster.len() <= 1;
        self.shared.set_roster(roster);
        self.stop_if_asked(stop);

        let due_in = next_due.filter(|_| want > 0).map(|due| due.since(now));
        let mut wait =
            due_in.map_or(self.options.poll_interval(), |due| due.min(self.options.poll_interval()));
        if any_set_aside {
            // Those behind them have waited long enough.
            wait = Duration::ZERO;
        }
        if self.waits_for_the_last() {
            wait = wait.min(LAST_ONES_END_WITHIN);
        }
        self.next_look = Instant::now() + wait;
        self.tell_what_is_waited_for(next_due, now);
        if is_alone {
            return;
        }
        if gave_back {
            self.ring();
        } else if !ended.is_empty() {
            self.ring_if_last();
        }
    }

    fn take_in(&mut self, claimed: Vec<Job>) {
        if let Some(budget) = &mut self.budget {
            *budget = budget.saturating_sub(claimed.len() as u64);
        }
        for job in &claimed {
            self.held.add(job);
        }
        self.shared.prefetch(claimed);
    }

    /// What was claimed in advance and not started is given back if its queue was paused
    /// meanwhile.
    fn hand_back_paused(&mut self, paused: &PausedQueues) {
        if paused.is_empty() {
            return;
        }
        let unstarted = self.shared.prefetched().remove_those(|job| paused.stops(&job.queue));
        if !unstarted.is_empty() {
            self.give_back(unstarted);
            self.shared.outbox().ring();
        }
    }

    /// The late result of a job that another worker holds now.
    fn discard(&mut self, lease: Lease) {
        if let Some(held) = self.held.remove(lease) {
            tracing::warn!("Job {} was taken over; what this worker did with it is discarded.", held.id);
        }
        self.shared.order(lease, Order::Interrupt);
    }

    fn cancel(&mut self, leases: Vec<Lease>) {
        for lease in leases {
            if !self.held.cancel(lease) {
                continue;
            }
            if self.shared.prefetched().remove(lease) {
                self.give_back(vec![lease]);
                self.shared.outbox().ring();
            } else {
                self.shared.order(lease, Order::Cancel);
            }
        }
    }

    /// A person who drains a queue wants to know why nothing happens.
    fn tell_what_is_waited_for(&mut self, next_due: Option<Timestamp>, now: Timestamp) {
        let waits =
            self.options.drain == Some(Drain::Everything) && self.nothing_is_ready && self.held.is_empty();
        if !waits || self.stop.is_some() || next_due == self.announced_due {
            return;
        }
        if let Some(due) = next_due {
            let (jobs, span) = (self.counts.unfinished(), due.since(now));
            let span = match span.as_secs() {
                0..60 => format!("{:.1} s", span.as_secs_f64()),
                _ => two_units(span),
            };
            tracing::info!("Waiting for jobs that are not due; {jobs} left, the next in {span}.");
        }
        self.announced_due = next_due;
    }

    /// A worker that drains and has nothing left waits for jobs of others. Of two that end
    /// at the same moment each may see the other's still running, and then neither rings.
    fn waits_for_the_last(&self) -> bool {
        self.options.drain.is_some() && self.held.is_empty() && self.counts[State::Processing] > 0
    }

    /// Neighbours that drain wait for the last job to end.
    fn ring_if_last(&mut self) {
        if self.counts[State::Processing] == 0 {
            self.ring();
        }
    }

    /// Tells the neighbours that there may be something to do.
    fn ring(&mut self) {
        if let Err(error) = self.store.ring() {
            tracing::debug!("{error}");
        }
    }
}
