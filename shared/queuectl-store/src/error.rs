//! What can go wrong with a store.

use queuectl_core::{IllegalTransition, JobId, State, WorkerId};
use std::io;
use std::path::PathBuf;

/// Why a store could not do what it was asked to.
///
/// Unless a variant says otherwise, nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A job of this id is there already.
    #[error("job {id} exists already")]
    DuplicateId {
        /// The id that is taken.
        id: JobId,
        /// Which of the jobs that were to be accepted, from 0.
        index: usize,
    },
    /// No job has this id.
    #[error("there is no job {id}")]
    NoSuchJob {
        /// The id that was asked for.
        id: JobId,
    },
    /// The job is in a state in which this cannot happen.
    #[error("job {id} is {}, so it cannot be {}", source.state, source.event)]
    Refused {
        /// The job.
        id: JobId,
        /// Its state, and what was to happen.
        source: IllegalTransition,
    },
    /// Jobs of this state are still to be worked on.
    #[error("{state} jobs cannot be deleted: they have not come to rest")]
    NotSettled {
        /// The state that was named.
        state: State,
    },
    /// Another program holds the database and did not let go in time.
    #[error("the queue {path} is busy: another program has been writing for longer than {waited_s} s")]
    Busy {
        /// The database.
        path: PathBuf,
        /// How long it was waited for.
        waited_s: u64,
    },
    /// No room is left.
    #[error("the disk that holds the queue {path} is full")]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The disk has failed to read or to write; the change may or may not be there
    /// after a power cut, and was not acknowledged.
    #[error("the disk fails at the queue {path}: {reason}")]
    Disk {
        /// The database.
        path: PathBuf,
        /// What SQLite saw.
        reason: String,
    },
    /// The file or its folder cannot be written.
    #[error("the queue {path} is read-only")]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// The file cannot be opened at all.
    #[error("the queue {path} cannot be opened: {reason}")]
    CannotOpen {
        /// The database.
        path: PathBuf,
        /// What stands in the way.
        reason: String,
    },
    /// The file is something else.
    #[error("{path} is not a queue: {reason}")]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The file is damaged.
    #[error("the queue {path} is damaged: {reason}")]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite found.
        reason: String,
    },
    /// The file was written by a newer program.
    #[error("the queue {path} has schema {found}; this program knows schemas up to {known}")]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// The schema it has.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// The file was written by an older program, and reading must not change it.
    #[error("the queue {path} has schema {found} and must be brought to {known} first")]
    OlderSchema {
        /// The database.
        path: PathBuf,
        /// The schema it has.
        found: i64,
        /// The schema this program reads.
        known: i64,
    },
    /// Locks and shared memory cannot be trusted there.
    #[error("the queue {path} lies on a network file system ({kind}), whose locks cannot be trusted")]
    NetworkFileSystem {
        /// The database.
        path: PathBuf,
        /// Which file system.
        kind: &'static str,
    },
    /// The same database under another name would have another log.
    #[error("the queue {path} has {links} hard links; SQLite would damage it")]
    HardLinked {
        /// The database.
        path: PathBuf,
        /// How many names it has.
        links: u64,
    },
    /// The file by which workers show that they live is gone.
    #[error(
        "the lock file {path} is missing, so nobody can tell whether the {workers} workers of this queue live"
    )]
    LockFileMissing {
        /// Where it should be.
        path: PathBuf,
        /// How many workers have not ended.
        workers: usize,
    },
    /// The file by which workers show that they live is another one now.
    #[error("the lock file {path} was replaced while workers use it")]
    LockFileReplaced {
        /// Where it is.
        path: PathBuf,
    },
    /// Somebody has taken this worker for dead and given its jobs to others.
    #[error("worker {worker} was taken for dead, and its jobs were given to others")]
    CalledDead {
        /// This worker.
        worker: WorkerId,
    },
    /// The database was removed or replaced under an open connection.
    #[error("the queue {path} was removed or replaced while it was in use")]
    DatabaseReplaced {
        /// Where it was.
        path: PathBuf,
    },
    /// No store of this program serves this URL.
    #[error("no store of this program can open {url}")]
    NoStoreFor {
        /// The URL without its password.
        url: String,
    },
    /// The bundled SQLite has a known bug.
    #[error("SQLite {found} can damage a queue; {wanted} or newer is needed")]
    UnsafeSqlite {
        /// The version that was found.
        found: &'static str,
        /// The oldest that will do.
        wanted: &'static str,
    },
    /// The operating system refused.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
    /// Anything else the database says.
    #[error("the queue {path}: {source}")]
    Database {
        /// The database.
        path: PathBuf,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Tells whether the same call may succeed later, without anybody's help
    /// or when there is room again.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Full { .. } | Self::Disk { .. })
    }
}
