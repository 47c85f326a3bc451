//! What was done to many jobs, or to a queue, as programs read it.

use crate::document::counts::CountsDocument;
use serde::Serialize;

/// Jobs of a file that were added.
#[derive(Debug, Serialize)]
pub struct AddedJobs {
    /// How many.
    pub added: u64,
    /// How many were left out, since their ids were taken.
    pub skipped: u64,
    /// The first of these.
    pub skipped_ids: Vec<String>,
    /// How many were left out, since other jobs have their unique keys.
    pub kept: u64,
    /// How many have replaced what the jobs said that have their unique keys.
    pub replaced: u64,
}

/// Jobs that were deleted, or would be.
#[derive(Debug, Serialize)]
pub struct DeletedJobs {
    /// How many.
    pub deleted: u64,
    /// They are still there: it was only tried.
    pub dry_run: bool,
}

/// Dead jobs that were deleted, or would be.
#[derive(Debug, Serialize)]
pub struct ClearedJobs {
    /// How many.
    pub cleared: u64,
    /// They are still there: it was only tried. Left out if they are gone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// Jobs that were cancelled, or would be.
#[derive(Debug, Serialize)]
pub struct CancelledJobs {
    /// How many.
    pub cancelled: u64,
    /// How many run still; their workers were asked to end them.
    pub requested: u64,
    /// How many were claimed, came to rest or changed before it came to them.
    pub no_longer_fit: u64,
    /// They are as they were: it was only tried.
    pub dry_run: bool,
}

/// Jobs that are held, or would be.
#[derive(Debug, Serialize)]
pub struct HeldJobs {
    /// How many.
    pub held: u64,
    /// How many were claimed, came to rest or changed before it came to them.
    pub no_longer_fit: u64,
    /// They are as they were: it was only tried.
    pub dry_run: bool,
}

/// Jobs that were released, or would be.
#[derive(Debug, Serialize)]
pub struct ReleasedJobs {
    /// How many.
    pub released: u64,
    /// How many were claimed, came to rest or changed before it came to them.
    pub no_longer_fit: u64,
    /// They are as they were: it was only tried.
    pub dry_run: bool,
}

/// Dead jobs that are pending again, or would be.
#[derive(Debug, Serialize)]
pub struct RetriedJobs {
    /// How many.
    pub retried: u64,
    /// How many stay dead since other jobs have their unique keys.
    pub key_taken: u64,
    /// How many were claimed, came to rest or changed before it came to them.
    pub no_longer_fit: u64,
    /// They are as they were: it was only tried.
    pub dry_run: bool,
}

/// A copy of a queue that was written.
#[derive(Debug, Serialize)]
pub struct WrittenBackup {
    /// Where it is.
    pub file: String,
    /// How large it is.
    pub bytes: u64,
    /// How many jobs stand where in it.
    pub jobs: CountsDocument,
}

/// A queue that has moved.
#[derive(Debug, Serialize)]
pub struct MovedQueue {
    /// Where it was.
    pub from: String,
    /// Where it is now.
    pub to: String,
    /// How many of its jobs stand where.
    pub jobs: CountsDocument,
    /// How many records of workers it has.
    pub workers: u64,
    /// How many records of attempts it has.
    pub attempts: u64,
    /// How much output it has.
    pub output_bytes: u64,
    /// Whether every record was compared.
    pub verified: bool,
}

/// A move that was given up.
#[derive(Debug, Serialize)]
pub struct AbortedMove {
    /// What is open again.
    pub opened: Option<String>,
    /// Where what was copied is gone.
    pub emptied: Option<String>,
}
