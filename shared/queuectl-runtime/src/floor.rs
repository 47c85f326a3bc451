//! Where a worker's threads meet.
//!
//! The desk (the thread that owns the store) puts claimed jobs on a shelf; slots
//! take them, run them, and put the results in a tray. Whoever has something for
//! the desk wakes it.

use crate::background::Background;
use crate::outside::Outside;
use crate::processes::{self, Extent, Scope, StillThere};
use crate::slot::{Order, Slot, lock};
use crate::worker::{WorkerError, WorkerOptions};
use crate::{attempt, marker};
use queuectl_core::{Job, Lease, Timestamp, WorkerId};
use queuectl_store::{Clock, Ended, Note, OutputPart, OutputTrim, Presence, Stop};
use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A worker whose lease has run out tries for so long to hand in what it has: the
/// server may come back before anybody has taken its jobs over.
const LAST_TRIES_TAKE: Duration = Duration::from_secs(30);

/// It is not waited for so long by somebody who wants it to stop.
const LAST_TRIES_OF_ONE_THAT_STOPS: Duration = Duration::from_secs(4);

/// A lease that runs out is not used up: what does not end by itself has to be
/// killed, and to die, in what is left.
const KILLING_TAKES: Duration = Duration::from_millis(500);

/// What a worker's threads share.
pub(crate) struct Floor {
    worker: WorkerId,
    run: String,
    environment: Arc<HashMap<OsString, OsString>>,
    presence: Presence,
    clock: Clock,
    options: WorkerOptions,
    shelf: Mutex<Shelf>,
    shelf_filled: Condvar,
    /// With fewer on the shelf, the desk wants to know of each result.
    low_water: AtomicU32,
    tray: Mutex<Tray>,
    tray_filled: Condvar,
    slots: Vec<Slot>,
    background: Background,
    outside: Arc<Outside>,
    roster: Mutex<Vec<WorkerId>>,
    is_broken: AtomicBool,
    looks_first: AtomicBool,
}

/// Jobs that were claimed and not started.
#[derive(Default)]
struct Shelf {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// What waits for the desk.
#[derive(Default)]
pub(crate) struct Tray {
    pub(crate) ended: Vec<(Ended, Duration)>,
    pub(crate) unstarted: Vec<Lease>,
    pub(crate) output: Vec<OutputPart>,
    pub(crate) trims: Vec<OutputTrim>,
    /// When the first of `ended` came in.
    pub(crate) since: Option<Instant>,
    /// Since when somebody has wanted attention.
    pub(crate) rang: Option<Instant>,
    pub(crate) output_due: bool,
    pub(crate) stop: Option<Stop>,
    /// The worker cannot go on.
    pub(crate) broken: Option<WorkerError>,
}

/// Where the work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occupancy {
    /// Slots that run nothing.
    pub(crate) idle: u32,
    /// Jobs on the shelf.
    pub(crate) unstarted: u32,
    /// Since when every slot has been busy, if every slot is.
    pub(crate) all_busy_since: Option<Instant>,
}

impl Floor {
    /// The floor of a registered worker; `environment` is what its jobs inherit.
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
            shelf: Mutex::default(),
            shelf_filled: Condvar::new(),
            low_water: AtomicU32::new(0),
            tray: Mutex::default(),
            tray_filled: Condvar::new(),
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

    // The slots' side.

    /// What the thread of a slot does all its life.
    pub(crate) fn work(&self, slot: &Slot) {
        let mut read_buffer = attempt::read_buffer();
        while let Some(job) = self.next_job(slot) {
            let began = Instant::now();
            let run = || attempt::run(self, slot, &job, &mut read_buffer);
            let ended = std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
                let reason = format!("a slot has panicked with job {}; this is a bug", job.id);
                self.cannot_go_on(WorkerError::Broken { reason });
                None
            });
            let mut tray = lock(&self.tray);
            slot.finish(&mut tray);
            match ended {
                Some(ended) => tray.ended.push((ended, began.elapsed())),
                None => tray.unstarted.push(job.last_lease()),
            }
            let is_first = tray.since.is_none();
            tray.since.get_or_insert_with(Instant::now);
            drop(tray);
            // The desk lets results gather while there is work on the shelf;
            // waking it for each would only cost a switch of threads.
            if is_first || self.shelf_is_low() {
                self.tray_filled.notify_one();
            }
        }
    }

    /// Tells whether slots may run out of work before the desk has turned round.
    fn shelf_is_low(&self) -> bool {
        lock(&self.shelf).jobs.len() < self.low_water.load(Ordering::Relaxed) as usize
    }

    /// Waits for a job. The slot counts as busy from the moment it has one.
    fn next_job(&self, slot: &Slot) -> Option<Job> {
        let mut shelf = lock(&self.shelf);
        loop {
            if let Some(job) = shelf.jobs.pop_front() {
                slot.occupy(&job, self.output_limit());
                return Some(job);
            }
            if shelf.closed {
                return None;
            }
            shelf = self.shelf_filled.wait(shelf).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes what a slot is about to start, for whoever must rescue it.
    pub(crate) fn note(&self, slot: &Slot, note: Note) {
        if let Err(error) = self.presence.note(slot.number(), note) {
            // Without the note a crash is not counted, and the job runs again all the same.
            tracing::warn!("{error}");
        }
    }

    pub(crate) fn output_is_due(&self) {
        lock(&self.tray).output_due = true;
        self.tray_filled.notify_one();
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
        lock(&self.shelf).closed
    }

    // The desk's side.

    /// Puts claimed jobs on the shelf; once that is closed, they are handed back.
    pub(crate) fn fill_shelf(&self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let mut shelf = lock(&self.shelf);
        if shelf.closed {
            drop(shelf);
            self.hand_back(jobs.iter().map(Job::last_lease).collect());
            return;
        }
        shelf.jobs.extend(jobs);
        self.shelf_filled.notify_all();
    }

    fn hand_back(&self, unstarted: Vec<Lease>) {
        if !unstarted.is_empty() {
            lock(&self.tray).unstarted.extend(unstarted);
            // It must not wait for the next look.
            self.ring();
        }
    }

    /// Says with how few on the shelf the desk must turn round.
    pub(crate) fn set_low_water(&self, jobs: u32) {
        self.low_water.store(jobs, Ordering::Relaxed);
    }

    /// Takes back what was not started.
    pub(crate) fn clear_shelf(&self) -> Vec<Lease> {
        lock(&self.shelf).jobs.drain(..).map(|job| job.last_lease()).collect()
    }

    /// Takes one job back if it was not started.
    pub(crate) fn take_off_shelf(&self, lease: Lease) -> bool {
        let mut shelf = lock(&self.shelf);
        let before = shelf.jobs.len();
        shelf.jobs.retain(|job| job.last_lease() != lease);
        shelf.jobs.len() < before
    }

    /// Lets the slots end when the shelf is empty.
    pub(crate) fn close_shelf(&self) {
        lock(&self.shelf).closed = true;
        self.shelf_filled.notify_all();
    }

    pub(crate) fn occupancy(&self) -> Occupancy {
        let shelf = lock(&self.shelf);
        let mut occupancy = Occupancy { idle: 0, unstarted: shelf.jobs.len() as u32, all_busy_since: None };
        let mut latest = None;
        for slot in &self.slots {
            match slot.busy_since() {
                Some(since) => latest = latest.max(Some(since)),
                None => occupancy.idle += 1,
            }
        }
        if occupancy.idle == 0 {
            occupancy.all_busy_since = latest;
        }
        occupancy
    }

    /// Tells whether no slot runs anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| slot.busy_since().is_none())
    }

    /// Takes everything that waits for the desk, but a request to stop, which stays.
    pub(crate) fn take_tray(&self) -> Tray {
        let mut tray = lock(&self.tray);
        let (stop, broken) = (tray.stop, tray.broken.take());
        let taken = std::mem::take(&mut *tray);
        (tray.stop, tray.broken) = (stop, broken);
        taken
    }

    /// Takes new output of all slots, of those that are due or of all.
    pub(crate) fn collect_output(&self, tray: &mut Tray) {
        for slot in &self.slots {
            slot.flush_due_output(tray);
        }
    }

    /// When some slot's output will be due.
    pub(crate) fn output_due_at(&self) -> Option<Instant> {
        self.slots.iter().filter_map(Slot::output_due_at).min()
    }

    /// Waits until something is in the tray or it is time; `enough` looks into it.
    pub(crate) fn wait_for_tray(
        &self,
        mut until: impl FnMut(&Tray) -> Option<Instant>,
    ) -> MutexGuard<'_, Tray> {
        let mut tray = lock(&self.tray);
        loop {
            let Some(at) = until(&tray) else { return tray };
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return tray;
            }
            tray = self.tray_filled.wait_timeout(tray, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Has a running attempt ended.
    pub(crate) fn order(&self, lease: Lease, order: Order) -> bool {
        self.slots.iter().any(|slot| slot.give_order(Some(lease), order))
    }

    pub(crate) fn set_roster(&self, workers: Vec<WorkerId>) {
        *lock(&self.roster) = workers;
    }

    // Everybody else's side.

    /// Workers that had not ended when the desk last asked, and newcomers that were
    /// seen since, without this one.
    pub(crate) fn neighbours(&self) -> Vec<WorkerId> {
        let mut neighbours = self.presence.neighbours();
        neighbours.extend(lock(&self.roster).iter().filter(|&&worker| worker != self.worker));
        neighbours.sort_unstable();
        neighbours.dedup();
        neighbours
    }

    /// Tells whether there is nobody to look after, and nothing to drain.
    pub(crate) fn is_alone(&self) -> bool {
        self.background.is_empty() && self.neighbours().is_empty()
    }

    /// A neighbour has ended and was looked after.
    pub(crate) fn forget_neighbour(&self, worker: WorkerId) {
        lock(&self.roster).retain(|&other| other != worker);
    }

    /// Tells the desk that there may be something to do.
    pub(crate) fn ring(&self) {
        lock(&self.tray).rang.get_or_insert_with(Instant::now);
        self.tray_filled.notify_one();
    }

    /// The first look at neighbours begins: what died while no worker was here is taken
    /// back by it.
    pub(crate) fn begins_first_look(&self) {
        self.looks_first.store(true, Ordering::SeqCst);
    }

    /// The first look has ended, whatever came of it.
    pub(crate) fn ends_first_look(&self) {
        if self.looks_first.swap(false, Ordering::SeqCst) {
            self.ring();
        }
    }

    /// Tells whether the first look is under way.
    pub(crate) fn looks_first(&self) -> bool {
        self.looks_first.load(Ordering::SeqCst)
    }

    /// Has the worker stop; a request is only ever made stronger.
    ///
    /// What it means for jobs happens here and now: the desk may be waiting for
    /// the store.
    pub(crate) fn stop(&self, stop: Stop) {
        match stop {
            Stop::Graceful => self.start_nothing_more(),
            Stop::Forced => self.halt(),
        }
        let mut tray = lock(&self.tray);
        tray.stop = tray.stop.max(Some(stop));
        drop(tray);
        self.tray_filled.notify_one();
    }

    /// Ends what runs, here and now, and tells the desk that the worker cannot go on.
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
            lock(&self.tray).broken = Some(error);
        }
        self.halt();
        self.tray_filled.notify_one();
        why
    }

    /// For how long a worker whose lease has run out tries to hand in what it has.
    pub(crate) fn last_tries_take(&self) -> Duration {
        let is_to_stop = lock(&self.tray).stop.is_some();
        if is_to_stop { LAST_TRIES_OF_ONE_THAT_STOPS } else { LAST_TRIES_TAKE }
    }

    /// Tells whether anybody has found that the worker cannot go on.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::SeqCst)
    }

    /// Has nothing more started: what was not is handed back.
    pub(crate) fn start_nothing_more(&self) {
        self.outside.stops();
        self.close_shelf();
        self.hand_back(self.clear_shelf());
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
