//! Opening the queue at a URL.

use super::enter::address;
use super::migrate;
use super::store::{PostgresStore, stand_in};
use crate::Result;
use crate::liveness::LockFile;
use crate::location::OpenOptions;

impl PostgresStore {
    /// Opens the queue at a server.
    ///
    /// # Errors
    ///
    /// Everything that makes the server unfit, and the location no queue: see [`StoreError`].
    pub fn open(url: &str, options: &OpenOptions) -> Result<Box<dyn crate::Store>> {
        Self::unconnected(address(url, options)?, options).open_queue()
    }

    /// The same as a program with other migrations, one of tomorrow: for tests of what
    /// programs of two schemas do to one queue.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn open_with_migrations(
        url: &str,
        options: &OpenOptions,
        migrations: &'static [&'static str],
    ) -> Result<Box<dyn crate::Store>> {
        Self { migrations, ..Self::unconnected(address(url, options)?, options) }.open_queue()
    }

    fn open_queue(mut self) -> Result<Box<dyn crate::Store>> {
        let store = &mut self;
        store.connect_at_first()?;
        if migrate::bring_up_to_date(store)? == migrate::Found::Nothing {
            // What is not there reads as an empty queue.
            return Ok(Box::new(crate::SqliteStore::nothing(&store.stand_in)?));
        }
        Ok(Box::new(self))
    }
}

/// The lock file on this machine of the queue at a URL; asks nobody.
pub(crate) fn lock_file_here(url: &str, options: &OpenOptions) -> Result<Option<LockFile>> {
    let address = address(url, options)?;
    LockFile::open_existing(&stand_in(&address, options))
}
