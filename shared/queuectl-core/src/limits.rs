//! Bounds that several crates keep.

/// The most workers of a manager, and the most jobs a worker runs at a time.
///
/// The lock file has room for the notes of so many jobs of a worker.
pub const MOST_AT_A_TIME: u32 = 1024;
