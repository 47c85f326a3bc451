//! What is waited for: that a cancelled job has ended, that workers are gone, that a queue
//! has drained, that a job that is followed, or jobs that are named, have come to rest.
//!
//! Nothing here waits. The caller looks again and again, in whatever loop it has, pauses
//! in between, and shows what each look tells.

pub mod cancel;
pub mod drain;
pub mod follow;
pub mod jobs;
pub mod stop;
pub mod unseen;
