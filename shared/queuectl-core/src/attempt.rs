//! One run of a job, and how it ended.

use crate::lease::{Lease, WorkerId};
use crate::outcome::Outcome;
use crate::time::Timestamp;

/// Where a piece of output was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The stream as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The record of one attempt; there is exactly one for each lease that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which job, and which claim of it.
    pub lease: Lease,
    /// Who ran it.
    pub worker: WorkerId,
    /// The machine it ran on.
    pub host: String,
    /// When its process was started.
    pub started_at: Timestamp,
    /// When it ended; none while it runs.
    pub ended_at: Option<Timestamp>,
    /// How it ended; none while it runs.
    pub outcome: Option<Outcome>,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
    /// Bytes it wrote, kept or not.
    pub output_bytes: u64,
    /// Bytes of these that were not kept, from the middle.
    pub dropped_bytes: u64,
}
