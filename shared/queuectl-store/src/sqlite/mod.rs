//! The queue in one SQLite file.
//!
//! WAL with `synchronous=FULL`: what was committed survives a power cut (NORMAL
//! lost acknowledged commits in the same cuts, FULL lost none). Its price is paid
//! by batching: one commit carries many results and claims. Every verb that
//! writes is one `BEGIN IMMEDIATE` transaction, since a deferred one that turns
//! into a writer fails whatever the time-out.

pub(crate) mod backup;
mod busy;
mod doctor;
mod guard;
mod inspect;
mod intake;
mod ledger;
mod line;
mod migrate;
mod row;
mod sql;
mod transfer;
mod upkeep;
mod work;

#[cfg(test)]
mod plan_tests;

use crate::identity::FileIdentity;
use crate::location::{Access, OpenOptions};
use crate::planted::Bug;
use crate::{Result, StoreError, doorbell};
pub(crate) use doctor::diagnose;
use ledger::Ledger;
use queuectl_core::WorkerId;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, ffi};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Statements kept prepared; there are about fifty.
const STATEMENT_CACHE: usize = 64;

/// A queue in a SQLite file, seen through one connection.
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    /// Which file this connection writes to; none for a queue that is not there.
    identity: Option<FileIdentity>,
    busy_timeout: Duration,
}

/// What can go wrong inside a verb, before the database's path is added.
enum Trouble {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl SqliteStore {
    /// Opens the queue in a file.
    ///
    /// # Errors
    ///
    /// Everything that makes the file unfit to be a queue: see [`StoreError`].
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        guard::check_sqlite()?;
        let is_nothing = std::fs::metadata(path)
            .map_or_else(|error| error.kind() == ErrorKind::NotFound, |file| file.len() == 0);
        if options.access != Access::Write && is_nothing {
            return Self::open_nothing(path, options);
        }
        if options.access == Access::Write {
            guard::create(path)?;
        }
        let path = guard::real_path(path)?;
        guard::check_file(&path)?;
        let identity =
            FileIdentity::of(&path).map_err(|error| guard::cannot_open(&path, &error.to_string()))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)
            .map_err(|error| explain(error, &path, options.busy_timeout))?;
        let real_path = path.clone();
        let mut store =
            Self { connection, path, identity: Some(identity), busy_timeout: options.busy_timeout };
        match store.set_up(options.access) {
            Err(StoreError::OlderSchema { found: 0, .. }) => Self::open_nothing(&real_path, options),
            set_up => set_up.map(|()| store),
        }
    }

    /// What is not there, wherever it should be, read as an empty queue.
    pub(crate) fn nothing(path: &Path) -> Result<Self> {
        Self::open_nothing(path, &OpenOptions::new(Access::Read, Duration::ZERO))
    }

    /// A queue that is not there, or is just being made, reads as an empty one and
    /// stays away.
    fn open_nothing(path: &Path, options: &OpenOptions) -> Result<Self> {
        let result = Connection::open_in_memory().and_then(|mut connection| {
            migrate::create_unshared(&mut connection)?;
            Ok(connection)
        });
        let connection = result.map_err(|error| explain(error, path, options.busy_timeout))?;
        Ok(Self { connection, path: path.to_owned(), identity: None, busy_timeout: options.busy_timeout })
    }

    fn set_up(&mut self, access: Access) -> Result<()> {
        let timeout = self.busy_timeout;
        let identity = self.identity;
        let path = self.path.clone();
        self.connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        // Plans never depend on what is bound; else a statement with `LIMIT ?` is
        // prepared anew each time, which cost a tenth of an exchange.
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(|error| explain(error, &path, timeout))?;
        self.explained(|connection| {
            busy::wait_for_others(connection, timeout)?;
            busy::insist(|| migrate::bring_up_to_date(connection, &path, access))?;
            let level = if Bug::NormalSync.is_planted() { "NORMAL" } else { "FULL" };
            connection.pragma_update(None, "synchronous", level)?;
            // Sorting and the like never leaves a file behind.
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            if let (Access::Write | Access::Change | Access::Return, Some(identity)) = (access, identity) {
                if access != Access::Return {
                    transfer::insist_not_left(connection, &path)?;
                }
                migrate::adopt_copy(connection, &path, &identity.to_string())
            } else {
                Ok(connection.pragma_update(None, "query_only", true)?)
            }
        })
    }

    /// Runs one verb as one transaction that writes.
    fn write<T>(
        &mut self,
        verb: impl FnOnce(&Connection, &mut Ledger) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        // What is written to a file that has lost its name is lost with it.
        self.check_not_replaced()?;
        let done = self.explained(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut ledger = Ledger::open(&transaction)?;
            let done = verb(&transaction, &mut ledger)?;
            ledger.close(&transaction)?;
            match transaction.commit() {
                Err(_) if Bug::AcknowledgedBeforeCommit.is_planted() => {}
                committed => committed?,
            }
            Ok(done)
        })?;
        // It may have been waiting for its turn for long.
        self.check_not_replaced()?;
        Ok(done)
    }

    /// Runs one verb that people or new workers ask for: refused where the queue is,
    /// or is being, moved.
    fn change<T>(
        &mut self,
        verb: impl FnOnce(&Connection, &mut Ledger) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        let queue = self.path.clone();
        self.write(|connection, ledger| {
            ledger.stage.insist_open(|| queue.into())?;
            verb(connection, ledger)
        })
    }

    /// Runs one verb as one transaction that only reads.
    fn read<T>(&mut self, verb: impl FnOnce(&Connection) -> std::result::Result<T, Trouble>) -> Result<T> {
        self.explained(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            let read = verb(&transaction)?;
            transaction.commit()?;
            Ok(read)
        })
    }

    fn explained<T>(
        &mut self,
        action: impl FnOnce(&mut Connection) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        busy::wait_at_most(self.busy_timeout);
        action(&mut self.connection).map_err(|trouble| match trouble {
            Trouble::Store(error) => error,
            Trouble::Sql(error) => explain(error, &self.path, self.busy_timeout),
        })
    }

    /// Makes sure that the path still leads to the file this connection writes to.
    fn check_not_replaced(&self) -> Result<()> {
        match (self.identity, FileIdentity::of(&self.path)) {
            (None, _) => Ok(()),
            (Some(opened), Ok(found)) if opened == found => Ok(()),
            _ => Err(StoreError::DatabaseReplaced { path: self.path.clone() }),
        }
    }

    fn ring_all(&self, workers: &[WorkerId]) {
        for &worker in workers {
            doorbell::ring(&self.path, worker);
        }
    }
}

fn roster(connection: &Connection) -> rusqlite::Result<Vec<WorkerId>> {
    connection.prepare_cached(sql::ROSTER)?.query_map([], |row| row.get(0).map(WorkerId))?.collect()
}

/// Says what an error of SQLite means for the queue.
fn explain(error: rusqlite::Error, path: &Path, waited: Duration) -> StoreError {
    let path = path.to_owned();
    let rusqlite::Error::SqliteFailure(failure, ref message) = error else {
        return StoreError::Database { queue: path.into(), source: Box::new(error) };
    };
    let reason = message.clone().unwrap_or_else(|| failure.to_string());
    match failure.code {
        ErrorCode::DatabaseBusy if busy::waits_for_itself(&path) => {
            StoreError::BusyWithItself { path, waited_s: waited.as_secs() }
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Busy { queue: path.into(), waited_s: waited.as_secs() }
        }
        ErrorCode::DiskFull => StoreError::Full { queue: path.into() },
        ErrorCode::ReadOnly if failure.extended_code == ffi::SQLITE_READONLY_DBMOVED => {
            StoreError::DatabaseReplaced { path }
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly { queue: path.into() },
        ErrorCode::CannotOpen if guard::is_read_only(&path) => StoreError::ReadOnly { queue: path.into() },
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure if guard::is_full(&path) => {
            StoreError::Full { queue: path.into() }
        }
        ErrorCode::CannotOpen => StoreError::CannotOpen { path, reason },
        ErrorCode::SystemIoFailure => StoreError::Disk { path, reason },
        ErrorCode::NotADatabase => {
            StoreError::NotOurs { queue: path.into(), reason: "it is no SQLite database".into() }
        }
        ErrorCode::DatabaseCorrupt => StoreError::Corrupt { queue: path.into(), reason },
        _ => StoreError::Database { queue: path.into(), source: Box::new(error) },
    }
}
