//! The queue in one SQLite file.
//!
//! WAL with `synchronous=FULL`: what was committed survives a power cut (NORMAL
//! lost acknowledged commits in the same cuts, FULL lost none). Its price is paid
//! by batching: one commit carries many results and claims. Every verb that
//! writes is one `BEGIN IMMEDIATE` transaction, since a deferred one that turns
//! into a writer fails whatever the time-out.

pub(crate) mod busy;
pub(crate) mod guard;
mod inspect;
mod intake;
pub(crate) mod ledger;
mod line;
pub(crate) mod migrate;
pub(crate) mod reserve;
pub(crate) mod row;
pub(crate) mod sql;
pub(crate) mod stage;
pub(crate) mod unwritable;
pub(crate) mod upkeep;
mod work;

#[cfg(test)]
mod plan_tests;

use crate::identity::FileIdentity;
use crate::location::{Access, OpenOptions};
use crate::planted::Bug;
use crate::{Result, StoreError, doorbell};
use ledger::Ledger;
use queuectl_core::WorkerId;
use reserve::{MadeAgain, Reserve};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, ffi};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use unwritable::Way;

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
    reserve: Reserve,
    /// The last jobs were accepted while no worker was on the list.
    nobody_works: bool,
}

/// What can go wrong inside a verb, before the database's path is added.
pub(crate) enum Trouble {
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
        let is_nothing = guard::find(path, options.owners)?.is_none_or(|file| file.len() == 0);
        if options.access != Access::Write && is_nothing {
            return Self::open_nothing(path, options);
        }
        if options.access == Access::Write {
            guard::create(path, options.owners)?;
        }
        let path = guard::real_path(path)?;
        guard::check_file(&path, options.owners)?;
        let identity =
            FileIdentity::of(&path).map_err(|error| guard::cannot_open(&path, &error.to_string()))?;
        match Self::connect(&path, Some(identity), options) {
            Err(StoreError::OlderSchema { found: 0, .. }) => Self::open_nothing(&path, options),
            Err(error) if options.access == Access::Read && unwritable::may_be(&error) => {
                let mut store = Self::open_nothing(&path, options)?;
                store.identity = Some(identity);
                store.look_without_writing().map_err(|_| error)?;
                Ok(store)
            }
            connected => connected,
        }
    }

    /// Opens the queue in a file to delete jobs, where the disk is full too.
    pub(crate) fn open_to_delete(path: &Path, options: &OpenOptions) -> Result<Self> {
        match Self::open(path, options) {
            Err(error @ StoreError::Full { .. }) => {
                let path = guard::real_path(path)?;
                if !reserve::release(&path) {
                    return Err(error);
                }
                let used = MadeAgain::for_queue(&path);
                let mut store = Self::open(&path, options)?;
                store.use_reserve(used)?;
                Ok(store)
            }
            opened => {
                let mut store = opened?;
                store.reserve = Reserve::ForDeleting;
                Ok(store)
            }
        }
    }

    /// From now on the log is written to the database when there is room for that, and
    /// not before: tried in vain, it would use up the room and leave none for the log.
    fn use_reserve(&mut self, used: MadeAgain) -> Result<()> {
        self.reserve = Reserve::Used(used);
        self.explained(|connection| Ok(connection.pragma_update(None, "wal_autocheckpoint", 0)?))?;
        self.empty_log_if_it_fits()
    }

    /// Has the log written to the database, if the database need not grow by more than
    /// there is room: then the log is begun anew, and needs none.
    fn empty_log_if_it_fits(&mut self) -> Result<()> {
        let file = fs::metadata(&self.path).map_or(0, |file| file.len());
        let free = reserve::free_bytes(&self.path);
        self.explained(|connection| {
            let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
            let bytes = number("page_count")? * number("page_size")?;
            if bytes <= file + free {
                // A reader may keep some of it from being written; then the next call does it.
                connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            }
            Ok(())
        })
    }

    /// Takes the reserve, if it may be used and is not yet. Where it is not there, one
    /// who was killed has left its room to the disk, and little is enough all the same.
    fn take_reserve(&mut self) -> Result<bool> {
        if !matches!(self.reserve, Reserve::ForDeleting) {
            return Ok(false);
        }
        reserve::release(&self.path);
        self.use_reserve(MadeAgain::for_queue(&self.path)).map(|()| true)
    }

    fn connect(path: &Path, identity: Option<FileIdentity>, options: &OpenOptions) -> Result<Self> {
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
        Ok(Self::around(connection, path.to_owned(), None, options.busy_timeout))
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
                    stage::insist_not_left(connection, &path)?;
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

pub(crate) fn roster(connection: &Connection) -> rusqlite::Result<Vec<WorkerId>> {
    connection.prepare_cached(sql::ROSTER)?.query_map([], |row| row.get(0).map(WorkerId))?.collect()
}

/// Says what an error of SQLite means for the queue.
pub(crate) fn explain(error: rusqlite::Error, path: &Path, waited: Duration) -> StoreError {
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
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => guard::read_only(&path),
        ErrorCode::CannotOpen if guard::is_read_only(&path) => guard::read_only(&path),
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure if guard::is_full(&path) => {
            StoreError::Full { queue: path.into() }
        }
        ErrorCode::CannotOpen => StoreError::CannotOpen { path, reason },
        ErrorCode::SystemIoFailure if let Some((path, limit_bytes)) = guard::grown_to_limit(&path) => {
            StoreError::FileLimit { path, limit_bytes }
        }
        ErrorCode::SystemIoFailure => StoreError::Disk { path, reason },
        ErrorCode::NotADatabase => {
            StoreError::NotOurs { queue: path.into(), reason: "it is no SQLite database".into() }
        }
        ErrorCode::DatabaseCorrupt => StoreError::Corrupt { queue: path.into(), reason },
        _ => StoreError::Database { queue: path.into(), source: Box::new(error) },
    }
}
