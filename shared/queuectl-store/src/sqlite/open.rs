//! How a queue in a file is opened.

use super::connection::SqliteStore;
use super::explain::explain;
use super::reserve::{self, MadeAgain, Reserve};
use super::{guard, migrate, unwritable};
use crate::identity::FileIdentity;
use crate::location::{Access, OpenOptions};
use crate::{Result, StoreError};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

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
}
