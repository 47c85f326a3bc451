//! What the threads of a worker share.
//!
//! The coordinator (the thread that owns the store) claims jobs ahead; slots take them,
//! run them, and put the results into the outbox. A thread that has something for the
//! coordinator wakes it.

use crate::background::Background;
use crate::lock::lock;
use crate::marker;
use crate::options::WorkerOptions;
use crate::order::Order;
use crate::outbox::{Contents, Outbox};
use crate::outside::Outside;
use crate::prefetched::Prefetched;
use crate::processes::{self, Extent, Scope, StillThere};
use crate::slot::Slot;
use crate::worker_error::WorkerError;
use queuectl_core::{Job, Lease, Timestamp, WorkerId};
use queuectl_store::{Clock, Note, Presence, Stop};
use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A worker whose lease has run out tries for so long to hand in what it has: the
/// server may come back before another worker has taken its jobs over.
const LAST_TRIES_TAKE: Duration = Duration::from_secs(30);

/// The same where it was asked to stop, and is waited for.
const LAST_TRIES_OF_ONE_THAT_STOPS: Duration = Duration::from_secs(4);

/// A lease that runs out is not used up: what does not end by itself has to be
/// killed, and to die, in what is left.
const KILLING_TAKES: Duration = Duration::from_millis(500);

/// What a worker's threads share.
pub(crate) struct Shared {
    worker: WorkerId,
    run: String,
    environment: Arc<HashMap<OsString, OsString>>,
    presence: Presence,
    clock: Clock,
    options: WorkerOptions,
    prefetched: Prefetched,
    outbox: Outbox,
    slots: Vec<Slot>,
    background: Background,
    outside: Arc<Outside>,
    roster: Mutex<Vec<WorkerId>>,
    is_broken: AtomicBool,
    looks_first: AtomicBool,
}

/// Where the work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occupancy {
    /// Slots that run nothing.
    pub(crate) idle: u32,
    /// Jobs that were claimed and not started.
    pub(crate) unstarted: u32,
    /// Since when every slot has been busy, if every slot is.
    pub(crate) all_busy_since: Option<Instant>,
}

impl Shared {
    /// What the threads of a registered worker share; `environment` is what its jobs inherit.
    pub(crate) fn new(
        worker: WorkerId,
        run: String,
        presence: Presence,
        clock: Clock,
        environment: HashMap<OsString, OsString>,
        outside: Arc<Outside>,
        options: WorkerOptions,
    ) -> std::io::Result<Self> {
        let slots = (0..options.concurrency).map(Slot::new).collect::<Result<_, _>>()?;
        Ok(Self {
            worker,
            run,
            environment: Arc::new(environment),
            presence,
            clock,
            options,
            prefetched: Prefetched::default(),
            outbox: Outbox::default(),
            slots,
            background: Background::default(),
            outside,
            roster: Mutex::default(),
            is_broken: AtomicBool::new(false),
            looks_first: AtomicBool::new(false),
        })
    }

    pub(crate) fn worker(&self) -> WorkerId {
        self.worker
    }

    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    pub(crate) fn environment(&self) -> &Arc<HashMap<OsString, OsString>> {
        &self.environment
    }

    pub(crate) fn options(&self) -> &WorkerOptions {
        &self.options
    }

    /// What time it is for the queue.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn kill_grace(&self) -> Duration {
        self.options.kill_grace()
    }

    /// When patience ends for what is to end at this time at the latest: no later
    /// than the worker's lease. Ask again: a lease is renewed, or lost, meanwhile.
    pub(crate) fn deadline(&self, at: Instant) -> Instant {
        no_later_than_the_lease(at, Instant::now(), self.presence.time_left())
    }

    pub(crate) fn output_limit(&self) -> u64 {
        self.options.output_limit
    }

    pub(crate) fn presence(&self) -> &Presence {
        &self.presence
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Jobs that were claimed and not started.
    pub(crate) fn prefetched(&self) -> &Prefetched {
        &self.prefetched
    }

    /// What waits for the coordinator.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    // What slots need.

    /// Notes what a slot is about to start, for a rescue.
    pub(crate) fn note(&self, slot: &Slot, note: Note) {
        if let Err(error) = self.presence.note(slot.number(), note) {
            // Without the note a crash is not counted, and the job runs again all the same.
            tracing::warn!("{error}");
        }
    }

    pub(crate) fn output_is_due(&self) {
        self.outbox.put(|contents| contents.output_due = true);
    }

    /// What completed jobs have left in the background.
    pub(crate) fn background(&self) -> &Background {
        &self.background
    }

    /// What was heard of a stop from outside.
    pub(crate) fn outside(&self) -> &Outside {
        &self.outside
    }

    /// A stop signal has reached this process itself: notes which running attempts
    /// catch it.
    pub(crate) fn is_signalled(&self) {
        self.outside.is_signalled(|_| {
            let running: Vec<_> = self.slots.iter().filter_map(|slot| Some((slot, slot.lease()?))).collect();
            let of_attempt = |lease| marker::of_attempt(&self.run, self.worker, lease);
            let markers: Vec<String> = running.iter().map(|&(_, lease)| of_attempt(lease)).collect();
            let markers: Vec<&str> = markers.iter().map(String::as_str).collect();
            for (index, process) in processes::carriers(&markers) {
                let (slot, lease) = running[index];
                slot.sees_caught(lease, process.catches());
            }
        });
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.prefetched.is_closed()
    }

    // What the coordinator needs.

    /// Has claimed jobs started, or handed back once nothing more is to be started.
    pub(crate) fn prefetch(&self, jobs: Vec<Job>) {
        self.hand_back(self.prefetched.add(jobs));
    }

    fn hand_back(&self, unstarted: Vec<Lease>) {
        if !unstarted.is_empty() {
            self.outbox.contents().unstarted.extend(unstarted);
            // It must not wait for the next look.
            self.outbox.ring();
        }
    }

    /// Where the work stands now.
    pub(crate) fn occupancy(&self) -> Occupancy {
        self.prefetched.with_count(|unstarted| {
            let (mut idle, mut latest) = (0, None);
            for slot in &self.slots {
                match slot.busy_since() {
                    Some(since) => latest = latest.max(Some(since)),
                    None => idle += 1,
                }
            }
            Occupancy { idle, unstarted, all_busy_since: latest.filter(|_| idle == 0) }
        })
    }

    /// Tells whether no slot runs anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| slot.busy_since().is_none())
    }

    /// Takes new output of all slots of which it is due.
    pub(crate) fn collect_output(&self, taken: &mut Contents) {
        for slot in &self.slots {
            slot.flush_due_output(&mut taken.output, &mut taken.trims);
        }
    }

    /// When some slot's output will be due.
    pub(crate) fn output_due_at(&self) -> Option<Instant> {
        self.slots.iter().filter_map(Slot::output_due_at).min()
    }

    /// Has a running attempt ended.
    pub(crate) fn order(&self, lease: Lease, order: Order) -> bool {
        self.slots.iter().any(|slot| slot.give_order(Some(lease), order))
    }

    pub(crate) fn set_roster(&self, workers: Vec<WorkerId>) {
        *lock(&self.roster) = workers;
    }

    // What the monitor and the listener need.

    /// Workers that had not ended when the coordinator last asked, and newcomers that were
    /// seen since, without this one.
    pub(crate) fn neighbours(&self) -> Vec<WorkerId> {
        let mut neighbours = self.presence.neighbours();
        neighbours.extend(lock(&self.roster).iter().filter(|&&worker| worker != self.worker));
        neighbours.sort_unstable();
        neighbours.dedup();
        neighbours
    }

    /// Tells whether there are no neighbours to look after, and nothing to drain.
    pub(crate) fn is_alone(&self) -> bool {
        self.background.is_empty() && self.neighbours().is_empty()
    }

    /// A neighbour has ended and was looked after.
    pub(crate) fn forget_neighbour(&self, worker: WorkerId) {
        lock(&self.roster).retain(|&other| other != worker);
    }

    /// The first look at neighbours begins: what died while no worker was here is taken
    /// back by it.
    pub(crate) fn begins_first_look(&self) {
        self.looks_first.store(true, Ordering::SeqCst);
    }

    /// The first look has ended, whatever came of it.
    pub(crate) fn ends_first_look(&self) {
        if self.looks_first.swap(false, Ordering::SeqCst) {
            self.outbox.ring();
        }
    }

    /// Tells whether the first look is under way.
    pub(crate) fn looks_first(&self) -> bool {
        self.looks_first.load(Ordering::SeqCst)
    }

    /// Has the worker stop; a request is only ever made stronger.
    ///
    /// What it means for jobs happens here and now: the coordinator may be waiting for
    /// the store.
    pub(crate) fn stop(&self, stop: Stop) {
        match stop {
            Stop::Graceful => self.start_nothing_more(),
            Stop::Forced => self.halt(),
        }
        self.outbox.put(|contents| contents.stop = contents.stop.max(Some(stop)));
    }

    /// Ends what runs, here and now, and tells the coordinator that the worker cannot go on.
    pub(crate) fn cannot_go_on(&self, error: WorkerError) {
        if let Some(why) = self.break_off(error) {
            tracing::error!("{why}; running jobs are ended");
        }
    }

    /// The same without a word, for one that must not wait for a log; what is to be said
    /// is given back, once.
    pub(crate) fn break_off(&self, error: WorkerError) -> Option<String> {
        let is_first = !self.is_broken.swap(true, Ordering::SeqCst);
        let why = is_first.then(|| error.to_string());
        if is_first {
            self.outbox.contents().broken = Some(error);
        }
        self.halt();
        self.outbox.wake();
        why
    }

    /// For how long a worker whose lease has run out tries to hand in what it has.
    pub(crate) fn last_tries_take(&self) -> Duration {
        let is_to_stop = self.outbox.contents().stop.is_some();
        if is_to_stop { LAST_TRIES_OF_ONE_THAT_STOPS } else { LAST_TRIES_TAKE }
    }

    /// Tells whether any thread has found that the worker cannot go on.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::SeqCst)
    }

    /// Has nothing more started: what was not is handed back.
    pub(crate) fn start_nothing_more(&self) {
        self.outside.stops();
        self.prefetched.close();
        self.hand_back(self.prefetched.clear());
    }

    /// Has nothing more started and all running attempts ended.
    pub(crate) fn halt(&self) {
        // First, so that no slot takes a job that would get no order.
        self.start_nothing_more();
        for slot in &self.slots {
            slot.give_order(None, Order::Interrupt);
        }
    }

    /// Ends everything that carries this worker's marker, also what completed jobs
    /// have left: their results may not be recorded, and others run them again.
    ///
    /// What the slots end is given time until the lease has run out.
    pub(crate) fn end_everything(&self) -> Result<(), StillThere> {
        let marker = marker::of_worker(&self.run, self.worker);
        let scope = Scope { marker, extent: Extent::Beginning, groups: Vec::new() };
        let patience_ends = Instant::now() + self.kill_grace();
        processes::outlast(&scope, || self.deadline(patience_ends))
    }
}

/// When patience ends for what is to end `at` the latest, with so much of the lease left.
fn no_later_than_the_lease(at: Instant, now: Instant, left: Option<Duration>) -> Instant {
    left.map_or(at, |left| at.min(now + left.saturating_sub(KILLING_TAKES)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_runs_out_shortens_patience_and_nothing_lengthens_it() {
        let now = Instant::now();
        let after = |millis| now + Duration::from_millis(millis);
        let left = |millis| Some(Duration::from_millis(millis));
        assert_eq!(no_later_than_the_lease(after(9000), now, None), after(9000));
        assert_eq!(no_later_than_the_lease(after(9000), now, left(31_000)), after(9000));
        assert_eq!(no_later_than_the_lease(after(9000), now, left(2000)), after(1500));
        assert_eq!(no_later_than_the_lease(after(9000), now, left(100)), now);
    }
}
