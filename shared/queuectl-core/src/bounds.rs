//! How much of something there may be, where more than one place has to know it.

/// The most workers that one start starts.
pub const MOST_WORKERS: u32 = 1024;

/// The most jobs that one worker runs at a time.
pub const MOST_JOBS_AT_ONCE: u32 = 1024;
