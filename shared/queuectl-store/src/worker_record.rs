//! A worker as the store knows it.

use crate::lease::LeaseTimes;
use queuectl_core::{QueueSet, Timestamp, WorkerId};

/// How a worker is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Claim nothing more, finish what runs.
    Graceful,
    /// End what runs, uncharged.
    Forced,
}

/// Whether a worker lives, by proof and not by elapsed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It holds its lock.
    Alive,
    /// Its lock is free: its process is gone.
    Dead,
    /// It cannot be told from here.
    Unknown,
}

/// A worker as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRecord {
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
    /// When it ended; none while it works, or if no other has noticed yet.
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

impl WorkerRecord {
    /// Tells whether it may claim jobs: it lives, as far as can be told, and was not asked to
    /// stop.
    pub fn takes_jobs(&self) -> bool {
        self.life != Life::Dead && self.stop.is_none()
    }

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
