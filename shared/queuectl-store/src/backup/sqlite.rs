//! A copy of a queue in a file.
//!
//! `VACUUM INTO` reads one snapshot: writers go on, and only the write-ahead log
//! cannot begin anew until it is done.

use super::copy::{Partial, place_for};
use crate::sqlite::connection::SqliteStore;
use crate::sqlite::explain::explain;
use crate::sqlite::trouble::Trouble;
use crate::sqlite::{guard, move_stage};
use crate::transfer::Backup;
use crate::{Counts, Result, StoreError};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl SqliteStore {
    pub(crate) fn copy_to(&mut self, to: &Path) -> Result<Backup> {
        if self.identity.is_none() {
            return Err(guard::cannot_open(&self.path, "there is no queue"));
        }
        let to = place_for(to)?;
        self.check_not_replaced()?;
        let partial = Partial::create(&to)?;
        partial.give_to_the_owner_of(&self.path)?;
        self.vacuum_into(&partial)?;
        self.check_not_replaced()?;
        let counts = self.make_a_queue(&partial)?;
        let bytes = partial.publish(&to)?;
        Ok(Backup { bytes, counts })
    }

    fn vacuum_into(&mut self, partial: &Partial) -> Result<()> {
        self.look_again()?;
        let written = self.vacuum_what_is_open(partial);
        self.look_away().and(written)
    }

    fn vacuum_what_is_open(&mut self, partial: &Partial) -> Result<()> {
        let reads_only: bool = self
            .connection
            .pragma_query_value(None, "query_only", |row| row.get(0))
            .map_err(|error| self.explain(error))?;
        // It forbids writing to the copy too.
        let forbid = |connection: &Connection, on: bool| connection.pragma_update(None, "query_only", on);
        let result = forbid(&self.connection, false).and_then(|()| {
            let written = self.connection.execute("VACUUM INTO ?1", [FileName(&partial.path)]);
            forbid(&self.connection, reads_only).and(written)
        });
        result.map(|_| ()).map_err(|error| self.explain_copy(error, partial))
    }

    fn make_a_queue(&self, partial: &Partial) -> Result<Counts> {
        let made = partial.open().and_then(|connection| {
            move_stage::insist_complete(&connection, &self.path)?;
            partial.make_a_queue(connection)
        });
        made.map_err(|trouble| match trouble {
            Trouble::Store(error) => error,
            Trouble::Sql(error) => self.explain_copy(error, partial),
        })
    }

    /// Says which of the two files an error is about.
    fn explain_copy(&self, error: rusqlite::Error, partial: &Partial) -> StoreError {
        // SQLite has made the copy empty again, which was to be as large as the queue.
        let bytes = fs::metadata(&self.path).map_or(0, |queue| queue.len());
        if let Some(limit) = partial.limit_of(&error, bytes) {
            return limit;
        }
        let path = match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure,
            ) => &partial.meant_for,
            _ => &self.path,
        };
        explain(error, path, self.busy_timeout)
    }
}

/// A file name as SQLite takes it: any bytes.
struct FileName<'a>(&'a Path);

impl ToSql for FileName<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0.as_os_str().as_bytes())))
    }
}
