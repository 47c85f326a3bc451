//! How a worker is.

use queuectl_store::{Life, Stop, WorkerRecord};

/// How a worker is: the one rule for every table, document and note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// Its process is gone; its jobs go to the next worker.
    Dead,
    /// It cannot be told from here whether it lives.
    Unknown,
    /// It lives, and its process was stopped.
    Stalled,
    /// It finishes what it runs, and ends.
    Stopping,
    /// It ends what it runs, and itself.
    Ending,
    /// It takes jobs.
    Running,
}

impl WorkerState {
    /// Looks at a worker.
    pub fn of(worker: &WorkerRecord) -> Self {
        match (worker.life, worker.stop) {
            (Life::Dead, _) => Self::Dead,
            (Life::Unknown, _) => Self::Unknown,
            (Life::Alive, _) if worker.is_stalled => Self::Stalled,
            (Life::Alive, Some(Stop::Graceful)) => Self::Stopping,
            (Life::Alive, Some(Stop::Forced)) => Self::Ending,
            (Life::Alive, None) => Self::Running,
        }
    }

    /// The same in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Unknown => "unknown",
            Self::Stalled => "stalled",
            Self::Stopping => "stopping",
            Self::Ending => "ending",
            Self::Running => "running",
        }
    }
}
