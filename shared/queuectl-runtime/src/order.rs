//! How a running attempt is told to end.

use queuectl_core::Outcome;

/// How a running attempt is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It ran too long.
    End,
    /// A person cancelled its job.
    Cancel,
    /// The worker stops by force, or has lost the job.
    Interrupt,
}

impl Order {
    /// How an attempt that is ended like this is recorded.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::End => Outcome::Timeout,
            Self::Cancel => Outcome::Cancelled,
            Self::Interrupt => Outcome::Interrupted,
        }
    }
}
