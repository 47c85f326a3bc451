//! A queue in a SQLite file, seen through one connection, and how a verb becomes one
//! transaction.

use super::counters::Counters;
use super::explain::explain;
use super::reserve::{self, Reserve};
use super::trouble::Trouble;
use super::unwritable::{self, Way};
use super::{busy, guard, migrate, move_stage};
use crate::identity::FileIdentity;
use crate::location::{Access, OpenOptions};
use crate::planted::Bug;
use crate::{Result, StoreError, doorbell};
use queuectl_core::WorkerId;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Statements kept prepared; there are about fifty.
const STATEMENT_CACHE: usize = 64;

/// SQLite's pages, and how many of them a log has before it is begun anew.
const PAGE_BYTES: u64 = 4096;
const PAGES_OF_A_LOG: u64 = 1000;

/// A queue in a SQLite file, seen through one connection.
pub struct SqliteStore {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    /// Which file this connection writes to; none for a queue that is not there.
    pub(crate) identity: Option<FileIdentity>,
    pub(crate) busy_timeout: Duration,
    pub(crate) way: Way,
    /// After the connection, which still writes when it is closed.
    pub(super) reserve: Reserve,
    /// The last jobs were accepted while no worker was on the list.
    pub(super) nobody_works: bool,
}

impl SqliteStore {
    /// Opens what is there.
    pub(super) fn connect(
        path: &Path,
        identity: Option<FileIdentity>,
        options: &OpenOptions,
    ) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|error| explain(error, path, options.busy_timeout))?;
        let mut store = Self::around(connection, path.to_owned(), identity, options.busy_timeout);
        store.set_up(options.access)?;
        if options.access == Access::Write {
            reserve::keep(path);
        }
        Ok(store)
    }

    pub(crate) fn around(
        connection: Connection,
        path: PathBuf,
        identity: Option<FileIdentity>,
        busy_timeout: Duration,
    ) -> Self {
        let (way, reserve) = (Way::Ordinary, Reserve::Kept);
        Self { connection, path, identity, busy_timeout, way, reserve, nobody_works: false }
    }

    pub(crate) fn set_up(&mut self, access: Access) -> Result<()> {
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
            if let Some(limit) = guard::largest_file() {
                // Else the log reaches the limit before SQLite begins it anew.
                let pages = (limit / 4 / PAGE_BYTES).clamp(1, PAGES_OF_A_LOG);
                connection.pragma_update(None, "wal_autocheckpoint", pages)?;
            }
            // Sorting and the like never leaves a file behind.
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            if let (Access::Write | Access::Change | Access::Return, Some(identity)) = (access, identity) {
                if access != Access::Return {
                    move_stage::insist_not_left(connection, &path)?;
                }
                migrate::adopt_copy(connection, &path, &identity.to_string())
            } else {
                Ok(connection.pragma_update(None, "query_only", true)?)
            }
        })
    }

    /// Runs one verb as one transaction that writes.
    pub(crate) fn write<T>(
        &mut self,
        verb: impl FnOnce(&Connection, &mut Counters) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        // What is written to a file that has lost its name is lost with it.
        self.check_not_replaced()?;
        let done = self.explained(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut counters = Counters::open(&transaction)?;
            let done = verb(&transaction, &mut counters)?;
            counters.close(&transaction)?;
            match transaction.commit() {
                Err(_) if Bug::AcknowledgedBeforeCommit.is_planted() => {}
                committed => committed?,
            }
            Ok(done)
        })?;
        // It may have waited for another writer for long.
        self.check_not_replaced()?;
        Ok(done)
    }

    /// Runs one verb that people or new workers ask for: refused where the queue is,
    /// or is being, moved.
    pub(super) fn change<T>(
        &mut self,
        verb: impl FnOnce(&Connection, &mut Counters) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        let queue = self.path.clone();
        self.write(|connection, counters| {
            counters.move_stage.insist_open(|| queue.into())?;
            verb(connection, counters)
        })
    }

    /// Runs one verb as one transaction that only reads.
    pub(crate) fn read<T>(
        &mut self,
        verb: impl FnOnce(&Connection) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        self.explained(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            let read = verb(&transaction)?;
            transaction.commit()?;
            Ok(read)
        })
    }

    pub(crate) fn explained<T>(
        &mut self,
        action: impl FnOnce(&mut Connection) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        busy::wait_at_most(self.busy_timeout);
        self.look_again()?;
        let done = action(&mut self.connection).map_err(|trouble| match trouble {
            Trouble::Store(error) => error,
            Trouble::Sql(error) => explain(error, &self.path, self.busy_timeout),
        });
        self.look_away()?;
        done
    }

    /// From now on makes a connection anew for each look, in the way that needs no room
    /// and no right to write, as long as no other is possible.
    pub(crate) fn look_without_writing(&mut self) -> Result<()> {
        // What has failed may have locks left, which are not to be in the way.
        self.connection = Connection::open_in_memory().map_err(|error| self.explain(error))?;
        self.way = Way::WithoutWriting(None);
        let looked = self.explained(|_| Ok(()));
        if looked.is_err() {
            self.way = Way::Ordinary;
        }
        looked
    }

    /// Makes the connection for a look, where it is made anew.
    pub(crate) fn look_again(&mut self) -> Result<()> {
        if matches!(self.way, Way::Ordinary) {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            match unwritable::look(&self.path) {
                Ok(Some((mut connection, hold))) => {
                    migrate::insist_known(&mut connection, &self.path)
                        .map_err(|trouble| self.explain_trouble(trouble))?;
                    connection
                        .pragma_update(None, "query_only", true)
                        .map_err(|error| self.explain(error))?;
                    self.connection = connection;
                    self.way = Way::WithoutWriting(Some(hold));
                    return Ok(());
                }
                // Others have the queue open, so there is room again, or it is written
                // through another mount.
                Ok(None) => {
                    let options = OpenOptions::new(Access::Read, self.busy_timeout);
                    if let Ok(store) = Self::connect(&self.path, self.identity, &options) {
                        self.connection = store.connection;
                        self.way = Way::Ordinary;
                        return Ok(());
                    }
                    if began.elapsed() >= self.busy_timeout {
                        let waited_s = self.busy_timeout.as_secs();
                        return Err(StoreError::Busy { queue: self.path.as_path().into(), waited_s });
                    }
                    busy::pause();
                }
                Err(unwritable::Trouble::Sql(error)) => return Err(self.explain(error)),
                Err(unwritable::Trouble::Io(error)) => {
                    return Err(guard::cannot_open(&self.path, &error.to_string()));
                }
            }
        }
    }

    /// Ends a look, so that others can open the queue; refuses what was read while
    /// others wrote.
    pub(crate) fn look_away(&mut self) -> Result<()> {
        let Way::WithoutWriting(hold) = &mut self.way else { return Ok(()) };
        let Some(hold) = hold.take() else { return Ok(()) };
        self.connection = Connection::open_in_memory().map_err(|error| self.explain(error))?;
        if hold.held() {
            return Ok(());
        }
        Err(StoreError::Busy { queue: self.path.as_path().into(), waited_s: 0 })
    }

    pub(crate) fn explain(&self, error: rusqlite::Error) -> StoreError {
        explain(error, &self.path, self.busy_timeout)
    }

    fn explain_trouble(&self, trouble: Trouble) -> StoreError {
        match trouble {
            Trouble::Store(error) => error,
            Trouble::Sql(error) => self.explain(error),
        }
    }

    /// Makes sure that the path still leads to the file this connection writes to.
    pub(crate) fn check_not_replaced(&self) -> Result<()> {
        match (self.identity, FileIdentity::of(&self.path)) {
            (None, _) => Ok(()),
            (Some(opened), Ok(found)) if opened == found => Ok(()),
            _ => Err(StoreError::DatabaseReplaced { path: self.path.clone() }),
        }
    }

    pub(crate) fn ring_all(&self, workers: &[WorkerId]) {
        for &worker in workers {
            doorbell::ring(&self.path, worker);
        }
    }
}
