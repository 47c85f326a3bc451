//! What can go wrong with a store.

use crate::location::Location;
use queuectl_core::{IllegalTransition, JobId, State, UniqueKey, WorkerId};
use queuectl_files::{FileError, Unfit};
use queuectl_postgres::ServerProblem;
use std::io;
use std::path::{Path, PathBuf};

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
    /// Another job has this unique key.
    #[error("job {holder} has the unique key {key} already")]
    DuplicateKey {
        /// The key.
        key: UniqueKey,
        /// The job that has it; it may be at rest, or gone, within its window.
        holder: JobId,
        /// Which of the jobs that were to be accepted, from 0.
        index: usize,
    },
    /// A dead job cannot go on, since another job has its unique key.
    #[error("job {id} stays dead: job {holder} has its unique key {key}")]
    KeyTaken {
        /// The dead job.
        id: JobId,
        /// Its key.
        key: UniqueKey,
        /// The job that has it.
        holder: JobId,
    },
    /// No job has this id.
    #[error("there is no job {id}")]
    NoSuchJob {
        /// The id that was asked for.
        id: JobId,
    },
    /// What is kept of the job cannot be read.
    #[error("the row of job {id} cannot be read: {reason}")]
    UnreadableJob {
        /// The job.
        id: JobId,
        /// Which column, and what is wrong with it.
        reason: String,
    },
    /// A record cannot be brought to a store that has no place for what it says.
    #[error("the queue {queue} cannot take {record} as it is: {reason}")]
    UnreadableRecord {
        /// The queue that was to take it.
        queue: Location,
        /// Which record, by its key.
        record: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The job is in a state in which this cannot happen.
    #[error("job {id} is {}, so it cannot be {}", source.state, source.event)]
    Refused {
        /// The job.
        id: JobId,
        /// Its state, and what was to happen.
        source: IllegalTransition,
    },
    /// The job is in another state than those that were meant.
    #[error("job {id} is {state}")]
    OtherState {
        /// The job.
        id: JobId,
        /// Its state.
        state: State,
    },
    /// Nobody holds the job, so it cannot be released.
    #[error("job {id} is {state}, and not held")]
    NotHeld {
        /// The job.
        id: JobId,
        /// Its state.
        state: State,
    },
    /// Jobs of this state are still to be worked on.
    #[error("{state} jobs cannot be deleted: they have not come to rest")]
    NotFinished {
        /// The state that was named.
        state: State,
    },
    /// Another program holds the database and did not let go in time.
    #[error("the queue {queue} is busy: another program has been writing for longer than {waited_s} s")]
    Busy {
        /// The queue.
        queue: Location,
        /// How long it was waited for.
        waited_s: u64,
    },
    /// This process holds the lock it waits for. If that stays so, the system has not
    /// taken it back, and nothing but the end of the process frees the queue.
    #[error("the queue {path} is busy: this program itself has held its lock for longer than {waited_s} s")]
    BusyWithItself {
        /// The database.
        path: PathBuf,
        /// How long it was waited for.
        waited_s: u64,
    },
    /// No room is left.
    #[error("the disk that holds the queue {queue} is full")]
    Full {
        /// The queue.
        queue: Location,
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
    /// A file has reached the size beyond which this process may not write.
    #[error(
        "{path} cannot grow: this process may write no file of more than {limit_bytes} bytes (`ulimit -f`)"
    )]
    FileLimit {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit_bytes: u64,
    },
    /// The file or its folder cannot be written.
    #[error("the queue {queue} is read-only")]
    ReadOnly {
        /// The queue.
        queue: Location,
    },
    /// Nothing can be written on its file system.
    #[error("the queue {queue} is on a read-only file system")]
    ReadOnlyFileSystem {
        /// The queue.
        queue: Location,
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
    #[error("{queue} is not a queue: {reason}")]
    NotOurs {
        /// The queue.
        queue: Location,
        /// What it is instead.
        reason: String,
    },
    /// The file is damaged.
    #[error("the queue {queue} is damaged: {reason}")]
    Corrupt {
        /// The queue.
        queue: Location,
        /// What SQLite found.
        reason: String,
    },
    /// The file was written by a newer program.
    #[error("the queue {queue} has schema {found}; this program knows schemas up to {known}")]
    NewerSchema {
        /// The queue.
        queue: Location,
        /// The schema it has.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// The file was written by an older program, and reading must not change it.
    #[error("the queue {queue} has schema {found} and must be brought to {known} first")]
    OlderSchema {
        /// The queue.
        queue: Location,
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
    /// Another worker has taken this one for dead and given its jobs to others.
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
    /// The server cannot be used.
    #[error("the queue {queue}: {problem}")]
    Server {
        /// The queue.
        queue: Location,
        /// What stands in the way.
        problem: ServerProblem,
    },
    /// A worker could not tell the server for too long that it lives; others may
    /// take its jobs over by now.
    #[error(
        "worker {worker} could not renew its lease at the server for {silent_s} s; others may have its jobs"
    )]
    LeaseLapsed {
        /// This worker.
        worker: WorkerId,
        /// Since when, in seconds.
        silent_s: u64,
    },
    /// A worker that seemed dead has shown that it lives.
    #[error("worker {worker} lives")]
    StillAlive {
        /// That worker.
        worker: WorkerId,
    },
    /// The queue is, or is being brought, somewhere else.
    #[error("the queue {queue} has moved to {to}")]
    Moved {
        /// The queue.
        queue: Location,
        /// Where it is now, without a password.
        to: String,
    },
    /// The queue stays, and the command that gave up the move has yet to finish that.
    #[error("the queue {queue} is closed until the move to {to} is given up completely")]
    Staying {
        /// The queue.
        queue: Location,
        /// Where it does not go, without a password.
        to: String,
    },
    /// What is in the queue is still being brought here.
    #[error("the queue {queue} is being moved here from {from} and is not complete")]
    Arriving {
        /// The queue.
        queue: Location,
        /// Where it comes from, without a password.
        from: String,
    },
    /// Only into a queue that was never used can another be moved.
    #[error("the queue {queue} has jobs or workers of its own")]
    NotEmpty {
        /// The queue.
        queue: Location,
    },
    /// The queue is in another move, or in none: another command has ended this one.
    #[error("the queue {queue} is not in this move any more")]
    NotThisMove {
        /// The queue.
        queue: Location,
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
    /// It, or a file beside it, is another user's, or no file.
    #[error(transparent)]
    Unfit(#[from] Unfit),
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
    /// A change was sent to the server, and it cannot be found out what became of it.
    #[error("it is not known whether the queue {queue} was changed: {reason}")]
    OutcomeUnknown {
        /// The queue.
        queue: Location,
        /// Why it cannot be found out.
        reason: String,
    },
    /// What numbers jobs or workers gives out numbers that are taken.
    #[error(
        "the queue {queue} gives out numbers that are taken ({constraint}): its sequences are behind its tables"
    )]
    NumbersTaken {
        /// The queue.
        queue: Location,
        /// The rule that keeps a number from being there twice.
        constraint: String,
    },
    /// Anything else the database says.
    #[error("the queue {queue}: {source}")]
    Database {
        /// The queue.
        queue: Location,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Why a file beside the queue could not be opened.
    pub(crate) fn of_file(action: &'static str, path: &Path, error: FileError) -> Self {
        match error {
            FileError::Unfit(unfit) => Self::Unfit(unfit),
            FileError::Io(source) => Self::Io { action, path: path.to_owned(), source },
        }
    }

    /// Tells whether the same call may succeed later, without help
    /// or when there is room again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Busy { .. }
            | Self::BusyWithItself { .. }
            | Self::Full { .. }
            | Self::FileLimit { .. }
            | Self::Disk { .. }
            | Self::OutcomeUnknown { .. } => true,
            Self::Server { problem, .. } => problem.is_passing(),
            _ => false,
        }
    }

    /// Tells whether the same call may succeed later for a worker or its manager, for whom
    /// it has succeeded before. Of what a server has refused see also
    /// [`is_refusal_by_server`](Self::is_refusal_by_server).
    pub fn is_passing_at_work(&self) -> bool {
        match self {
            Self::Server { problem, .. } => problem.passes_again(),
            // What a server cannot read now it may read later: it has other copies, and
            // administrators. A file has only us.
            Self::Corrupt { queue: Location::Url(_), .. } => true,
            _ => self.is_passing(),
        }
    }

    /// Tells whether a server is there and has refused what was asked of it. Of such an
    /// answer alone it cannot be told how long it lasts: a table may be away for the moments
    /// of a restore, and a trigger may fail for ever.
    pub fn is_refusal_by_server(&self) -> bool {
        use ServerProblem::{Failed, Foreign, NoRight, RowsHidden};
        match self {
            Self::Database { queue: Location::Url(_), .. }
            | Self::Corrupt { queue: Location::Url(_), .. }
            | Self::NumbersTaken { .. } => true,
            Self::Server { problem, .. } => {
                matches!(problem, Failed { .. } | Foreign { .. } | NoRight { .. } | RowsHidden { .. })
            }
            _ => false,
        }
    }
}
