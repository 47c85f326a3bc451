//! What the threads of a manager say to each other.

use queuectl_core::WorkerId;
use std::io;
use std::process::ExitStatus;

/// What a manager wants done by its supervisor. `index` says which of its workers is
/// meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    /// A worker has begun: see whether it was meant by a request to stop that came
    /// before its row did.
    MeetWorker { index: usize },
    /// Give the jobs of a dead worker back.
    TakeBack {
        index: usize,
        /// Its number, if it has told it.
        id: Option<WorkerId>,
        pid: u32,
    },
    /// Find out whether a dead worker may be replaced.
    Replace { index: usize },
}

/// What the supervisor answers.
pub(crate) enum Reply {
    /// A dead worker was looked after, as far as that could be done.
    TakenBack {
        index: usize,
        jobs_done: u64,
        was_asked_to_stop: bool,
        /// Why its jobs may not have been given back; none if they surely were.
        owed: Option<String>,
    },
    /// Whether a dead worker may be replaced.
    MayReplace { index: usize, may: bool },
    /// A worker that has just begun was meant by a request to stop.
    IsMeant { index: usize },
}

/// What a manager hears.
pub(crate) enum Event {
    /// A signal that asks it to stop.
    Signal(i32),
    /// A worker has begun.
    Registered(usize, WorkerId),
    /// A worker's process has ended.
    Exited(usize, io::Result<ExitStatus>),
    /// The supervisor has answered.
    Reply(Reply),
}
