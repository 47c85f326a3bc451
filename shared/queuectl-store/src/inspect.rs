//! How the queue is looked at.

use crate::Result;
use crate::clock::Clock;
use crate::counts::Counts;
use crate::lease::LeaseTimes;
use crate::work::Stop;
use queuectl_core::{
    Attempt, Job, JobId, JobReference, Lease, QueueSet, Seq, State, Stream, Timestamp, WorkerId,
};

/// Which jobs to list, in the order of acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Only these states; empty means all.
    pub states: Vec<State>,
    /// Only jobs accepted after this one; `Seq(0)` means from the beginning.
    pub after: Seq,
    /// At most so many.
    pub limit: u32,
}

/// One piece of an attempt's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPart {
    /// Whose output.
    pub lease: Lease,
    /// When that attempt was started.
    pub started_at: Timestamp,
    /// Its place in the attempt's output, from 0; a gap means that parts were dropped.
    pub n: i64,
    /// Where it was written to.
    pub stream: Stream,
    /// When its first byte was read.
    pub at: Timestamp,
    /// What was written.
    pub bytes: Vec<u8>,
}

/// Whether a worker lives, by proof and not by elapsed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It holds its lock.
    Alive,
    /// Nobody holds its lock: its process is gone.
    Dead,
    /// Nobody can tell from here.
    Unknown,
}

/// A worker as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its number, never reused.
    pub id: WorkerId,
    /// The machine's name.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// The process that started it and replaces it.
    pub manager_pid: u32,
    /// Which boot of the machine it was started in.
    pub boot_id: String,
    /// The namespace its pid is valid in.
    pub pid_namespace: u64,
    /// The random id that marks its processes.
    pub run: String,
    /// Where in the lock file its notes are.
    pub note_region: u32,
    /// Jobs it runs at a time.
    pub concurrency: u32,
    /// Where its jobs look for programs.
    pub path: String,
    /// The queues it serves.
    pub queues: QueueSet,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none while it works, or if nobody has noticed yet.
    pub ended_at: Option<Timestamp>,
    /// Whether it is on this machine, so that its processes are here.
    pub is_here: bool,
    /// When it last told the server that it lives; none where no server is told.
    pub heartbeat_at: Option<Timestamp>,
    /// The lease it renews; none where no server is told.
    pub lease: Option<LeaseTimes>,
    /// Whether it lives; a worker that has ended is dead.
    pub life: Life,
    /// It lives and stands still: a signal or a debugger has stopped its process.
    pub is_stalled: bool,
    /// How it was asked to stop, if it was.
    pub stop: Option<Stop>,
    /// Attempts it has ended.
    pub jobs_done: u64,
    /// Jobs it holds now.
    pub jobs_now: u64,
    /// What of its row cannot be read; the other fields show it as far as it can.
    pub unreadable: Option<String>,
}

impl Worker {
    /// Jobs it runs now: it fills its slots before it claims any in advance.
    pub fn jobs_running(&self) -> u64 {
        self.jobs_now.min(u64::from(self.concurrency))
    }

    /// Jobs it has claimed in advance and not started.
    pub fn jobs_claimed(&self) -> u64 {
        self.jobs_now - self.jobs_running()
    }

    /// When others take what it runs over, if nothing more is heard of it; none where no
    /// server is told who lives.
    pub fn given_up_at(&self) -> Option<Timestamp> {
        Some(self.heartbeat_at?.after(self.lease?.dead_after()))
    }
}

/// Looking at the queue. Changes nothing.
pub trait Inspect {
    /// The clock that this queue goes by; every `now` is a reading of it.
    fn clock(&self) -> Clock;

    /// Finds a job by its id.
    fn job(&mut self, id: &JobId) -> Result<Option<Job>>;

    /// Lists jobs in the order of acceptance.
    fn jobs(&mut self, selection: &Selection) -> Result<Vec<Job>>;

    /// Finds the jobs that a reference may mean, at most `limit` of them.
    ///
    /// Numbers, beginnings and the last job are found by an index; for an ending the
    /// ids of all jobs are read.
    fn jobs_meant(&mut self, reference: &JobReference, limit: u32) -> Result<Vec<Job>>;

    /// The first of the newest `count` jobs in these states (all, if none is named);
    /// none if there is no such job.
    fn first_of_newest(&mut self, states: &[State], count: u64) -> Result<Option<Seq>>;

    /// Jobs that came to rest in this state since then, at most `limit` of them.
    fn settled_since(&mut self, state: State, since: Timestamp, limit: u32) -> Result<Vec<Job>>;

    /// How many jobs stand where; takes the same time however many there are.
    fn counts(&mut self) -> Result<Counts>;

    /// The same for each queue that has ever had a job, by name.
    fn counts_by_queue(&mut self) -> Result<Vec<(String, Counts)>>;

    /// How many jobs wait for a time, first runs and retries, counted no further than
    /// `most`; what has fallen due counts until a worker looks.
    fn waiting(&mut self, most: u32) -> Result<u64>;

    /// The records of a job's attempts, oldest first.
    fn attempts(&mut self, seq: Seq) -> Result<Vec<Attempt>>;

    /// The output of an attempt from part `from` on, at most `limit` parts.
    fn output(&mut self, lease: Lease, from: i64, limit: u32) -> Result<Vec<OutputPart>>;

    /// The end of an attempt's output, in its order: the last parts, as many as have so
    /// many bytes, and no more. What comes before is not read.
    fn output_end(&mut self, lease: Lease, bytes: u32) -> Result<Vec<OutputPart>>;

    /// Finds a worker, also one that has ended.
    fn worker(&mut self, id: WorkerId) -> Result<Option<Worker>>;

    /// Workers that have not ended, as far as anybody has noticed.
    fn workers(&mut self) -> Result<Vec<Worker>>;

    /// Tells whether a worker may be there that takes jobs of this queue: one that serves
    /// it, lives, as far as can be told, and was not asked to stop.
    fn has_workers(&mut self, queue: &str) -> Result<bool> {
        let takes = |worker: &Worker| {
            worker.life != Life::Dead && worker.stop.is_none() && worker.queues.serves(queue)
        };
        Ok(self.workers()?.iter().any(takes))
    }
}
