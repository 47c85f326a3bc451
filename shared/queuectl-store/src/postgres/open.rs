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
    /// Everything that makes the server unfit, and the place no queue: see [`StoreError`].
    pub fn open(url: &str, options: &OpenOptions) -> Result<Box<dyn crate::Store>> {
        let mut store = Self::unconnected(address(url, options)?, options);
        store.connect_at_first()?;
        if migrate::bring_up_to_date(&mut store)? == migrate::Found::Nothing {
            // What is not there reads as an empty queue.
            return Ok(Box::new(crate::SqliteStore::nothing(&store.stand_in)?));
        }
        Ok(Box::new(store))
    }
}

/// The lock file on this machine of the queue at a URL; asks nobody.
pub(crate) fn lock_file_here(url: &str, options: &OpenOptions) -> Result<Option<LockFile>> {
    let address = address(url, options)?;
    LockFile::open_existing(&stand_in(&address, options))
}
