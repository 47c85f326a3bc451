//! Room on the disk: where there is hardly any, and how it is given back.

use super::connection::SqliteStore;
use super::reserve::{self, MadeAgain, Reserve};
use crate::Result;
use rusqlite::Connection;
use std::fs;

/// Free pages given back to the file system after a deletion, at most: a longer
/// transaction would keep workers waiting.
const PAGES_GIVEN_BACK: u32 = 1000;

/// The same where there is hardly room to write.
const FEW_PAGES: u32 = 64;

impl SqliteStore {
    /// From now on the log is written to the database when there is room for that, and
    /// not before: tried in vain, it would use up the room and leave none for the log.
    pub(super) fn use_reserve(&mut self, used: MadeAgain) -> Result<()> {
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
    pub(super) fn take_reserve(&mut self) -> Result<bool> {
        if !matches!(self.reserve, Reserve::ForDeleting) {
            return Ok(false);
        }
        reserve::release(&self.path);
        self.use_reserve(MadeAgain::for_queue(&self.path)).map(|()| true)
    }

    /// Gives all free pages back, with a log that is begun anew as often as it can be.
    pub(super) fn give_all_pages_back(&mut self) -> Result<()> {
        self.empty_log_if_it_fits()?;
        while self.give_pages_back()? > 0 {
            self.empty_log_if_it_fits()?;
        }
        self.empty_log_if_it_fits()
    }

    /// Gives some free pages back to the file system; tells how many are left.
    pub(super) fn give_pages_back(&mut self) -> Result<u64> {
        let most = if matches!(self.reserve, Reserve::Used(_)) { FEW_PAGES } else { PAGES_GIVEN_BACK };
        self.explained(|connection| {
            let free = |connection: &Connection| {
                connection.pragma_query_value(None, "freelist_count", |row| row.get::<_, u64>(0))
            };
            let before = free(connection)?;
            let statement = format!("PRAGMA incremental_vacuum({most})");
            // It gives back a page a step.
            let mut pages = connection.prepare_cached(&statement)?;
            let mut steps = pages.query([])?;
            while steps.next()?.is_some() {}
            drop(steps);
            drop(pages);
            let left = free(connection)?;
            // A file of another program, which gives nothing back.
            Ok(if left < before { left } else { 0 })
        })
    }
}
