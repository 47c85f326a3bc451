//! Why a worker could not go on.

use queuectl_store::StoreError;
use std::io;

/// Why a worker could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The queue is out of order.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue cannot be used at the moment; another worker may begin later.
    #[error(transparent)]
    NotYet(StoreError),
    /// It cannot go on, for another reason than the queue.
    #[error("{reason}")]
    Broken {
        /// What happened.
        reason: String,
    },
    /// Its lease has run out and the queue does not answer.
    #[error("the queue has not answered in time; what ended last could not be handed in")]
    GaveUp,
    /// The manager did not say what to do.
    #[error("the manager's instructions cannot be read: {0}")]
    Instructions(String),
    /// The machine is short of something.
    #[error("the worker cannot start: {0}")]
    Start(#[from] io::Error),
}

impl WorkerError {
    /// What an error of the store means before the worker has begun.
    pub(crate) fn at_the_start(error: StoreError) -> Self {
        if error.is_passing_at_work() { Self::NotYet(error) } else { Self::Store(error) }
    }
}
