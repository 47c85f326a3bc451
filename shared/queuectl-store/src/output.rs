//! What attempts write, piece by piece.

use queuectl_core::{Lease, Stream, Timestamp};

/// One piece of an attempt's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPart {
    /// Whose output.
    pub lease: Lease,
    /// When that attempt was started.
    pub started_at: Timestamp,
    /// Its position in the attempt's output, from 0; a gap means that parts were dropped.
    pub n: i64,
    /// Where it was written to.
    pub stream: Stream,
    /// When its first byte was read.
    pub at: Timestamp,
    /// What was written.
    pub bytes: Vec<u8>,
}

/// Rows of output that fell out of the rolling tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputTrim {
    /// Whose output.
    pub lease: Lease,
    /// The first row to go.
    pub from: i64,
    /// The last row to go.
    pub to: i64,
}
