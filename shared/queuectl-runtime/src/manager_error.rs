//! Why a manager gave up.

use queuectl_core::WorkerId;
use queuectl_store::StoreError;
use std::io;

/// Why a manager gave up.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// No process could be started.
    #[error("a worker cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The signals of a stop could not be asked for.
    #[error("signals cannot be received: {0}")]
    Signals(#[source] io::Error),
    /// A worker ended with an error of its own, which it has told.
    #[error("{count} of the workers ended with an error")]
    WorkersFailed {
        /// How many.
        count: u32,
    },
    /// Workers died, and their jobs may not have been given back.
    #[error("{}", say_owed(.workers, *.are_ended, .reason))]
    JobsOwed {
        /// Their numbers and processes; one that died at its beginning has told none.
        workers: Vec<(Option<WorkerId>, u32)>,
        /// Whether nothing of what they had started is left.
        are_ended: bool,
        /// What kept the first of them from it.
        reason: String,
    },
    /// The queue is out of order.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn say_owed(workers: &[(Option<WorkerId>, u32)], are_ended: bool, reason: &str) -> String {
    let name = |(id, pid): &(Option<WorkerId>, u32)| match id {
        Some(id) => format!("worker {id} (PID {pid})"),
        None => format!("a worker (PID {pid})"),
    };
    let workers = workers.iter().map(name).collect::<Vec<_>>().join(", ");
    let left =
        if are_ended { "nothing of them runs any more" } else { "some of their processes cannot be ended" };
    format!("the jobs of {workers} may not have been given back, and {left}: {reason}")
}
