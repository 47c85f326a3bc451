//! Where a worker's threads meet.
//!
//! The desk (the thread that owns the store) puts claimed jobs on a shelf; slots
//! take them, run them, and put the results in a tray. Whoever has something for
//! the desk wakes it.

use crate::attempt;
use crate::slot::{Order, Slot, lock};
use crate::worker::WorkerOptions;
use os_pipe::PipeReader;
use queuectl_core::{Job, JobId, Lease, WorkerId};
use queuectl_store::{Ended, Note, OutputPart, OutputTrim, Presence, Stop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most pipes of background processes that are kept open; a process that writes
/// to a closed one is ended by SIGPIPE.
const MOST_LEFT_OPEN: usize = 256;

/// Nobody who writes without end in the background gets all the attention.
const MOST_READS: usize = 64;

/// What a worker's threads share.
pub(crate) struct Floor {
    worker: WorkerId,
    run: String,
    environment: Arc<HashMap<OsString, OsString>>,
    presence: Presence,
    options: WorkerOptions,
    shelf: Mutex<Shelf>,
    shelf_filled: Condvar,
    /// With fewer on the shelf, the desk wants to know of each result.
    low_water: AtomicU32,
    tray: Mutex<Tray>,
    tray_filled: Condvar,
    slots: Vec<Slot>,
    left_open: Mutex<Vec<LeftOpen>>,
    roster: Mutex<Vec<WorkerId>>,
}

/// Jobs that were claimed and not started.
#[derive(Default)]
struct Shelf {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// A pipe that was open when its job had exited.
struct LeftOpen {
    pipe: PipeReader,
    /// Whose processes may hold it, until that was said.
    untold: Option<JobId>,
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
    pub(crate) broken: Option<String>,
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
    pub(crate) fn new(
        worker: WorkerId,
        run: String,
        presence: Presence,
        environment: HashMap<OsString, OsString>,
        options: WorkerOptions,
    ) -> std::io::Result<Self> {
        let slots = (0..options.concurrency).map(Slot::new).collect::<Result<_, _>>()?;
        Ok(Self {
            worker,
            run,
            environment: Arc::new(environment),
            presence,
            options,
            shelf: Mutex::default(),
            shelf_filled: Condvar::new(),
            low_water: AtomicU32::new(0),
            tray: Mutex::default(),
            tray_filled: Condvar::new(),
            slots,
            left_open: Mutex::default(),
            roster: Mutex::default(),
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

    pub(crate) fn kill_grace(&self) -> Duration {
        self.options.kill_grace()
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
                self.broken(format!("a slot has panicked with job {}; this is a bug", job.id));
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

    /// Keeps open what a completed job's background processes write to.
    pub(crate) fn leave_in_background(&self, job: &Job, group: u32, pipes: Vec<PipeReader>) {
        let group = nix::unistd::Pid::from_raw(group.cast_signed());
        let group_lives = nix::sys::signal::killpg(group, None).is_ok();
        if group_lives {
            say_left_in_background(&job.id);
        }
        if pipes.is_empty() {
            return;
        }
        // Without a living group it may be a daemon that holds them, or another
        // slot's child for the instant before its exec: time tells.
        let untold = (!group_lives).then(|| job.id.clone());
        let mut left_open = lock(&self.left_open);
        left_open.extend(pipes.into_iter().map(|pipe| LeftOpen { pipe, untold: untold.clone() }));
        let too_many = left_open.len().saturating_sub(MOST_LEFT_OPEN);
        left_open.drain(..too_many);
    }

    /// Closes what background processes write to: descriptors are needed for jobs.
    pub(crate) fn close_left_open(&self) {
        lock(&self.left_open).clear();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        lock(&self.shelf).closed
    }

    // The desk's side.

    /// Puts claimed jobs on the shelf.
    pub(crate) fn fill_shelf(&self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        lock(&self.shelf).jobs.extend(jobs);
        self.shelf_filled.notify_all();
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

    /// Has all running attempts ended.
    pub(crate) fn order_all(&self, order: Order) {
        for slot in &self.slots {
            slot.give_order(None, order);
        }
    }

    pub(crate) fn set_roster(&self, workers: Vec<WorkerId>) {
        *lock(&self.roster) = workers;
    }

    // Everybody else's side.

    /// Workers that had not ended when the desk last asked, without this one.
    pub(crate) fn neighbours(&self) -> Vec<WorkerId> {
        lock(&self.roster).iter().copied().filter(|&worker| worker != self.worker).collect()
    }

    /// Tells whether there is nobody to look after, and nothing to drain.
    pub(crate) fn is_alone(&self) -> bool {
        lock(&self.left_open).is_empty() && lock(&self.roster).iter().all(|&worker| worker == self.worker)
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

    /// Tells the desk to stop; a request is only ever made stronger.
    pub(crate) fn stop(&self, stop: Stop) {
        let mut tray = lock(&self.tray);
        tray.stop = tray.stop.max(Some(stop));
        drop(tray);
        self.tray_filled.notify_one();
    }

    /// Tells the desk that the worker cannot go on.
    pub(crate) fn broken(&self, reason: String) {
        lock(&self.tray).broken.get_or_insert(reason);
        self.tray_filled.notify_one();
    }

    /// Reads and forgets what background processes have written; says once whose
    /// they are.
    pub(crate) fn drain_left_open(&self) {
        let mut scratch = [0; 16 * 1024];
        let mut to_tell: Vec<JobId> = Vec::new();
        lock(&self.left_open).retain_mut(|left| {
            let is_open = drain(&mut left.pipe, &mut scratch);
            to_tell.extend(left.untold.take().filter(|_| is_open));
            is_open
        });
        to_tell.dedup();
        for job in &to_tell {
            say_left_in_background(job);
        }
    }
}

fn say_left_in_background(job: &JobId) {
    tracing::info!("Job {job} has left processes in the background; they live on.");
}

/// Reads what is in a pipe now; tells whether anybody may still write to it.
fn drain(pipe: &mut PipeReader, scratch: &mut [u8]) -> bool {
    for _ in 0..MOST_READS {
        let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
        match pipe.read(scratch) {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}
