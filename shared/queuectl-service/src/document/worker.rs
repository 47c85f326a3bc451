//! Workers, as programs read them.

use crate::amounts::whole_millis;
use crate::dates::{optional_rfc3339, rfc3339};
use crate::worker_state::WorkerState;
use queuectl_store::{Life, Stop, WorkerRecord};
use serde::Serialize;

/// A worker.
#[derive(Debug, Serialize)]
pub struct WorkerDocument<'a> {
    /// Its number.
    pub id: i64,
    /// The machine's name.
    pub host: &'a str,
    /// Its process.
    pub pid: u32,
    /// The process that started it.
    pub manager_pid: u32,
    /// When it began.
    pub started_at: String,
    /// The queues it serves, by name or pattern; none is all.
    pub queues: Vec<String>,
    /// Jobs it runs at a time.
    pub concurrency: u32,
    /// Jobs it runs now.
    pub jobs_now: u64,
    /// Jobs it has claimed in advance and not started.
    pub jobs_claimed: u64,
    /// Attempts it has ended.
    pub jobs_done: u64,
    /// How it was asked to stop, if it was: `graceful` or `forced`.
    pub stop: Option<&'static str>,
    /// Whether it lives; null if that cannot be told.
    pub alive: Option<bool>,
    /// Whether it lives and stands still: its process was stopped.
    pub stalled: bool,
    /// Whether it is on this machine.
    pub here: bool,
    /// When it last told the server that it lives; null where no server is told.
    pub heartbeat_at: Option<String>,
    /// How long its lease lasts; null where no server is told.
    pub lease_ms: Option<u64>,
    /// When others take its jobs over, if nothing more is heard of it; null likewise.
    pub given_up_at: Option<String>,
}

impl<'a> From<&'a WorkerRecord> for WorkerDocument<'a> {
    fn from(worker: &'a WorkerRecord) -> Self {
        Self {
            id: worker.id.0,
            host: &worker.host,
            pid: worker.pid,
            manager_pid: worker.manager_pid,
            started_at: rfc3339(worker.started_at),
            concurrency: worker.concurrency,
            queues: worker.queues.patterns(),
            jobs_now: worker.jobs_running(),
            jobs_claimed: worker.jobs_claimed(),
            jobs_done: worker.jobs_done,
            stop: worker.stop.map(|stop| match stop {
                Stop::Graceful => "graceful",
                Stop::Forced => "forced",
            }),
            alive: match worker.life {
                Life::Alive => Some(true),
                Life::Dead => Some(false),
                Life::Unknown => None,
            },
            stalled: WorkerState::of(worker) == WorkerState::Stalled,
            here: worker.is_here,
            heartbeat_at: optional_rfc3339(worker.heartbeat_at),
            lease_ms: worker.lease.map(|lease| whole_millis(lease.length())),
            given_up_at: optional_rfc3339(worker.given_up_at()),
        }
    }
}

/// Workers that were started in the background.
#[derive(Debug, Serialize)]
pub struct StartedWorkers {
    /// How many.
    pub workers: u32,
    /// The process that looks after them.
    pub manager_pid: u32,
    /// The file with their log.
    pub log: String,
}

/// Workers that were asked to stop.
#[derive(Debug, Serialize)]
pub struct StoppedWorkers {
    /// How many were asked.
    pub workers: usize,
    /// Whether they are gone.
    pub stopped: bool,
    /// Workers that live on other machines and were not meant.
    pub elsewhere: usize,
}
