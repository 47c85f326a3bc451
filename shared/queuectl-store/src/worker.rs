//! How jobs are worked on.

use crate::Result;
use crate::counts::Counts;
use crate::doorbell::Doorbell;
use crate::lease::LeaseTimes;
use crate::liveness::{Entry, LockFile, Presence, Taken};
use crate::machine;
use crate::output::{OutputPart, OutputTrim};
use crate::worker_record::{Stop, WorkerRecord};
use queuectl_core::{
    Effect, Job, JobId, Lease, Outcome, PausedQueues, QueueSet, RetryPolicy, Timestamp, WorkerId,
};
use std::path::PathBuf;

/// A worker that wants to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWorker {
    /// The machine's name.
    pub host: String,
    /// The worker's process.
    pub pid: u32,
    /// The process that started it and replaces it.
    pub manager_pid: u32,
    /// Which boot of the machine this is; empty where nobody can tell.
    pub boot_id: String,
    /// The namespace its pid is valid in; 0 where nobody can tell.
    pub pid_namespace: u64,
    /// Jobs it runs at a time.
    pub concurrency: u32,
    /// Where its jobs look for programs.
    pub path: String,
    /// The queues it serves.
    pub queues: QueueSet,
    /// Between machines: how long it lives after its last word.
    pub lease: LeaseTimes,
}

impl NewWorker {
    /// This process, started by nobody else, on this machine, for all queues.
    pub fn of_this_process(concurrency: u32) -> Self {
        Self {
            host: machine::host_name(),
            pid: std::process::id(),
            manager_pid: std::process::id(),
            boot_id: machine::boot_id(),
            pid_namespace: machine::pid_namespace(),
            concurrency,
            path: std::env::var_os("PATH").unwrap_or_default().to_string_lossy().into_owned(),
            queues: QueueSet::ALL,
            lease: LeaseTimes::USUAL,
        }
    }

    /// What the lock file is to say of it, once it has a number.
    pub(crate) fn entry(&self, worker: WorkerId, run: &str, lease: Option<LeaseTimes>) -> Entry {
        Entry {
            worker,
            pid: self.pid,
            began_at_ticks: machine::began_at_ticks(self.pid).unwrap_or(0),
            pid_namespace: self.pid_namespace,
            manager_pid: self.manager_pid,
            run: run.to_owned(),
            lease,
        }
    }
}

/// A worker that has begun.
pub struct Registration {
    /// Its number, never reused.
    pub id: WorkerId,
    /// The random id that marks the processes of this queue.
    pub run: String,
    /// Shows that it lives until it is dropped or the process dies.
    pub presence: Presence,
    /// Rings when there may be something to do.
    pub doorbell: Box<dyn Doorbell>,
    /// Workers that had not ended when it began, as far as anybody had noticed.
    pub neighbours: Vec<WorkerId>,
}

/// The end of an attempt, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which attempt.
    pub lease: Lease,
    /// When its process was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
    /// Bytes it wrote, kept or not.
    pub output_bytes: u64,
    /// Bytes of these that were not kept.
    pub dropped_bytes: u64,
}

/// Whether a job that may be what kills its workers can be claimed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspects {
    /// None runs here: one may be claimed.
    One,
    /// One runs here already.
    No,
}

/// What a worker hands in and asks for, in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Attempts that ended.
    pub ended: &'a [Ended],
    /// Claims that will not be started.
    pub unstarted: &'a [Lease],
    /// New output, of running and of ended attempts.
    pub output: &'a [OutputPart],
    /// Output that is to be forgotten.
    pub trims: &'a [OutputTrim],
    /// How many jobs to claim at most.
    pub want: u32,
    /// How many of these are claimed in advance, for slots that are not free yet: not of
    /// queues with a limit, so that no job waits behind one that could start elsewhere.
    pub ahead: u32,
    /// Of which queues.
    pub queues: &'a QueueSet,
    /// Whether a suspect may be among them.
    pub suspects: Suspects,
    /// When failed jobs run again.
    pub policy: &'a RetryPolicy,
}

impl<'a> Exchange<'a> {
    /// How many of the jobs that are wanted can be started at once.
    pub(crate) fn at_once(&self) -> u32 {
        self.want.saturating_sub(self.ahead)
    }

    /// Hands in nothing and asks for nothing.
    pub const fn nothing(policy: &'a RetryPolicy) -> Self {
        Self {
            ended: &[],
            unstarted: &[],
            output: &[],
            trims: &[],
            want: 0,
            ahead: 0,
            queues: &QueueSet::ALL,
            suspects: Suspects::One,
            policy,
        }
    }
}

/// What a worker gets in return.
#[derive(Clone, Debug, Default)]
pub struct Exchanged {
    /// Jobs it holds now.
    pub claimed: Vec<Job>,
    /// Jobs that came to their turn and that nobody can run: they are dead now.
    pub set_aside: Vec<SetAside>,
    /// What became of the jobs whose attempts ended.
    pub finished: Vec<(Lease, Effect)>,
    /// Leases of what was handed in that are no longer this worker's: discarded.
    pub superseded: Vec<Lease>,
    /// Leases of this worker that a person wants ended.
    pub cancel: Vec<Lease>,
    /// How this worker is to stop, if it is.
    pub stop: Option<Stop>,
    /// This worker is no longer on the list: it was taken for dead, or the list is
    /// another one. Nobody would rescue what it claims, so it gets nothing.
    pub was_called_dead: bool,
    /// Jobs by state, afterwards, in the queues that this worker serves; what waits in one that
    /// is paused until a person says otherwise counts as blocked. A store that adds them up
    /// may give what others have changed up to half a second late, but not to who would end
    /// because of it.
    pub counts: Counts,
    /// When the next job of these queues falls due that are not paused, or the first pause
    /// ends.
    pub next_due: Option<Timestamp>,
    /// The queues of which nothing is to be started, also not what was claimed before.
    pub paused: PausedQueues,
    /// The queues that this worker serves and that have a limit: others may wait for what it
    /// ends there.
    pub limited: Vec<String>,
    /// One of them has a ready job and room for it: what is claimed in advance of other queues
    /// would be started before it, whatever its priority.
    pub limited_waits: bool,
    /// Every worker that has not ended, this one included.
    pub roster: Vec<WorkerId>,
}

/// A job whose row cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Its name, as far as it can be read.
    pub id: JobId,
    /// What of its row cannot be read.
    pub reason: String,
}

/// What a rescue did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rescued {
    /// What became of the dead worker's jobs.
    pub jobs: Vec<(Lease, Effect)>,
}

/// Working on jobs.
pub trait Worker {
    /// Makes a worker known; its kernel lock is held before its row is committed.
    fn register(&mut self, worker: &NewWorker, now: Timestamp) -> Result<Registration>;

    /// Records what ended, hands back what will not start, appends output,
    /// has jobs that are due become ready, claims.
    ///
    /// With nothing to hand in and nothing to claim it only reads. Whatever
    /// names a lease that is no longer this worker's is discarded and reported
    /// as superseded. How many jobs become ready is said in
    /// [`Promotion`](queuectl_core::Promotion). What is claimed comes from the queues that are
    /// named and not paused, by priority and then by position, whichever of them it is in.
    ///
    /// # Errors
    ///
    /// On an error nothing of it has happened; it can be repeated as it is.
    fn exchange(&mut self, worker: WorkerId, exchange: &Exchange<'_>, now: Timestamp) -> Result<Exchanged>;

    /// Notes that a worker has ended well; its claims, if any, are handed back.
    fn retire(&mut self, worker: WorkerId, policy: &RetryPolicy, now: Timestamp) -> Result<()>;

    /// Opens the file by which workers on this machine show that they live.
    ///
    /// # Errors
    ///
    /// [`StoreError::LockFileMissing`](crate::StoreError::LockFileMissing) if there
    /// are workers and no file: that proves nothing, so nobody may be called dead.
    fn lock_file(&mut self) -> Result<LockFile>;

    /// Where that file is, whether or not it is there. Asks nobody.
    fn lock_file_path(&self) -> PathBuf;

    /// Takes a dead worker's place, so that this is its only rescuer, until dropped.
    /// None if it lives, as far as can be proved, or if another process is at it.
    fn take(&mut self, worker: &WorkerRecord) -> Result<Option<Taken>>;

    /// The leases a worker holds.
    fn claims(&mut self, worker: WorkerId) -> Result<Vec<Lease>>;

    /// Gives the jobs of a dead worker back; those it had `started` count a crash.
    ///
    /// Call it only with the dead worker [taken](Self::take) and none of its
    /// processes left that can be seen.
    ///
    /// # Errors
    ///
    /// [`StoreError::StillAlive`](crate::StoreError::StillAlive) if it has shown
    /// meanwhile that it lives.
    fn rescue(
        &mut self,
        worker: WorkerId,
        started: &[Lease],
        policy: &RetryPolicy,
        now: Timestamp,
    ) -> Result<Rescued>;

    /// Asks workers to stop and rings them. A request is only ever made stronger;
    /// it is also meant for a manager that is about to replace one that died.
    fn request_stop(&mut self, workers: &[WorkerId], stop: Stop, now: Timestamp) -> Result<()>;

    /// Notes that a worker stops for a reason of its own, such as a signal, so that
    /// people see it; asks nobody for anything.
    fn note_stop(&mut self, worker: WorkerId, stop: Stop) -> Result<()>;

    /// How many requests to stop this queue has seen; a manager that would start another
    /// worker compares.
    fn stops(&mut self) -> Result<i64>;

    /// Rings the doorbell of every worker.
    fn ring(&mut self) -> Result<()>;
}
