//! Where jobs are kept.
//!
//! [`Store`] is four traits, by who calls them: a [`Reader`] looks, a [`Queue`] does what
//! people and programs want of jobs, a [`Worker`] runs them, a [`Transfer`] brings the whole
//! queue elsewhere. Their methods are the verbs of the queue; each is one transaction. A store decides nothing: which state follows, and
//! how long a retry waits, comes from `queuectl-core`. It asks for no time:
//! every method takes `now`. Nothing above this crate knows which store it
//! talks to; [`open`] looks at the location and picks.

mod backup;
mod clock;
mod columns;
mod counts;
mod doctor;
mod doorbell;
mod error;
mod filter;
mod finding;
mod identity;
mod job_row;
mod lease;
mod lease_clock;
mod liveness;
mod location;
pub mod machine;
mod note_region;
mod output;
mod planted;
mod postgres;
mod queue;
mod raw;
mod reader;
mod readers;
mod renewals;
mod rows;
mod sqlite;
mod stored;
mod transfer;
mod worker;
mod worker_record;

pub use clock::Clock;
pub use counts::Counts;
pub use doorbell::Doorbell;
pub use error::StoreError;
pub use finding::{Finding, Level};
pub use lease::{LeaseTimes, boot_clock};
pub use liveness::{Entry, Found, LockFile, Note, Presence, Taken};
pub use location::{Access, Location, OpenOptions, with_files_from, without_password};
pub use output::{OutputPart, OutputTrim};
pub use planted::Bug;
pub use postgres::PostgresStore;
pub use queue::{Cancelled, DuplicateJob, Enqueued, Granted, HolderIs, OnTaken, Queue, Requested};
pub use queuectl_postgres::ServerProblem;
pub use reader::Reader;
pub use readers::Readers;
pub use sqlite::SqliteStore;
pub use transfer::{
    Backup, Inventory, Kind, Limits, Move, MoveId, Numbers, Position, Record, Stage, Transfer, Whereabouts,
};

pub use worker::{Ended, Exchange, Exchanged, NewWorker, Registration, Rescued, SetAside, Suspects, Worker};
pub use worker_record::{Life, Stop, WorkerRecord};

use queuectl_core::names_a_server;

/// The result of every method of a store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A place where jobs are kept, seen through one connection of one thread.
pub trait Store: Reader + Queue + Worker + Transfer + Send {}

impl<T: Reader + Queue + Worker + Transfer + Send> Store for T {}

/// Opens the queue at a location.
///
/// With [`Access::Write`] the queue is created if it is not there, and brought
/// to this program's schema if it is older. With [`Access::Read`] nothing is
/// ever created or changed: a queue that is not there reads as an empty one. With
/// [`Access::Change`] none is created either, and an older one is brought up to date.
///
/// # Errors
///
/// Everything that makes the location unfit to be a queue: see [`StoreError`].
pub fn open(location: &Location, options: &OpenOptions) -> Result<Box<dyn Store>> {
    match location {
        Location::File(path) => Ok(Box::new(SqliteStore::open(path, options)?)),
        Location::Url(url) if names_a_server(url) => PostgresStore::open(url, options),
        Location::Url(url) => Err(StoreError::NoStoreFor { url: location::without_password(url) }),
    }
}

/// Opens the queue at a location to delete jobs, with [`Access::Change`]: where the disk is
/// full, room that is kept back for that is used, and kept back again afterwards.
///
/// # Errors
///
/// Those of [`open`].
pub fn open_to_delete(location: &Location, options: &OpenOptions) -> Result<Box<dyn Store>> {
    match location {
        Location::File(path) => Ok(Box::new(SqliteStore::open_to_delete(path, options)?)),
        Location::Url(_) => open(location, options),
    }
}

/// The lock file on this machine of a queue, if any worker was ever here. Neither server
/// nor database is asked.
///
/// # Errors
///
/// If the URL cannot be understood, or the file not opened.
pub fn lock_file_here(location: &Location, options: &OpenOptions) -> Result<Option<LockFile>> {
    match location {
        Location::Url(url) if names_a_server(url) => postgres::lock_file_here(url, options),
        Location::Url(_) => Ok(None),
        Location::File(path) => LockFile::open_existing(path),
    }
}

/// Examines the queue at a location, whatever is wrong with it.
///
/// What would make [`open`] refuse it is a finding. Creates and changes nothing,
/// whatever access the options say.
pub fn diagnose(location: &Location, options: &OpenOptions) -> Vec<Finding> {
    match location {
        Location::File(path) => doctor::sqlite::diagnose(path, options),
        Location::Url(url) if names_a_server(url) => doctor::postgres::diagnose(url, options),
        Location::Url(url) => {
            let error = StoreError::NoStoreFor { url: location::without_password(url) };
            vec![Finding::error("database", error.to_string(), "name another queue with `--database PATH`")]
        }
    }
}
