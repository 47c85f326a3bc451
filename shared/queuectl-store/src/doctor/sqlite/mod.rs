//! What is well with a queue in a SQLite file, and what is not.
//!
//! Everything here only looks. SQLite would fold what a killed program has left in
//! the write-ahead log into the database when the last connection closes; the
//! connection that is made here leaves it where it is.

mod advice;
mod contents;
mod files;
mod owners;
mod workers;

use crate::doctor::words::{of_move, size};
use crate::finding::Finding;
use crate::identity::FileIdentity;
use crate::location::{Access, OpenOptions};
use crate::reader::Reader;
use crate::sqlite::connection::SqliteStore;
use crate::sqlite::explain::explain;
use crate::sqlite::{guard, unwritable};
use crate::transfer::{Stage, Transfer};
use crate::{Result, StoreError};
use advice::refusal;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Examines the queue in a file, whatever is wrong with it.
pub(crate) fn diagnose(path: &Path, options: &OpenOptions) -> Vec<Finding> {
    let mut findings = vec![match guard::check_sqlite() {
        Ok(()) => Finding::ok("sqlite", format!("SQLite {}", rusqlite::version())),
        Err(error) => refusal("sqlite", &error, path),
    }];
    let (path, metadata) = match files::find(path, options.owners) {
        Ok(found) => found,
        Err(finding) => {
            findings.push(finding);
            return findings;
        }
    };
    let refused = guard::check_file(&path, options.owners).err();
    findings.push(match &refused {
        Some(error) => refusal("database", error, &path),
        None => Finding::ok("database", format!("{}, {}", path.display(), size(metadata.len()))),
    });
    findings.extend(files::file_system(&path));
    findings.extend(owners::beside_the_queue(&path, &metadata, refused.as_ref()));
    findings.extend(files::permissions(&path));
    findings.push(files::access(&path));
    findings.extend(files::room(&path));
    findings.push(files::log(&path));
    if refused.is_none() {
        findings.extend(inside(path, options.busy_timeout));
    }
    findings
}

/// What can be seen through a connection that leaves everything as it is.
fn inside(path: PathBuf, busy_timeout: Duration) -> Vec<Finding> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(&path, flags).and_then(|connection| {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(connection)
    });
    let connection = match opened {
        Ok(connection) => connection,
        Err(error) => return vec![refusal("database", &explain(error, &path, busy_timeout), &path)],
    };
    let identity = FileIdentity::of(&path).ok();
    let mut store = SqliteStore::around(connection, path, identity, busy_timeout);
    let findings = match store.set_up(Access::Read) {
        Ok(()) => store.diagnose(),
        Err(error) if unwritable::may_be(&error) && store.look_without_writing().is_ok() => store.diagnose(),
        Err(error) => store.beyond(&error),
    };
    if files::log_bytes(&store.path) == 0 {
        // Nothing is in the log, so the last to close may take it away as usual.
        let _ = store.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
    }
    findings
}

impl SqliteStore {
    /// What an open queue shows.
    pub(crate) fn findings(&mut self) -> Vec<Finding> {
        if self.identity.is_none() {
            return vec![advice::missing(&self.path)];
        }
        let mut findings = vec![
            self.finding("schema", Self::schema),
            self.finding("journal-mode", Self::journal_mode),
            self.finding("sync", Self::sync_level),
            self.finding("integrity", Self::integrity),
            self.finding("rows", Self::rows),
            self.finding("counts", Self::counts_are_right),
            self.finding("keys", Self::keys_are_right),
        ];
        let stage = self.whereabouts().map(|found| found.map(|found| found.stage).unwrap_or_default());
        findings.extend(match &stage {
            Ok(stage) => of_move(stage, &self.path.as_path().into()),
            Err(error) => Some(self.refused("move", error)),
        });
        if !matches!(stage, Ok(Stage::Left(_))) {
            findings.extend(self.work());
        }
        findings
    }

    /// What can be said of a queue that cannot be opened.
    fn beyond(&mut self, error: &StoreError) -> Vec<Finding> {
        match error {
            StoreError::OlderSchema { found: 0, queue, .. } => vec![Finding::error(
                "schema",
                format!("{queue} is an empty database"),
                "add a job, which makes a queue of it: `queuectl enqueue 'echo hello'`",
            )],
            // It has our schema, and what makes reading refuse it is its journal.
            StoreError::OlderSchema { found, known, .. } if found == known => {
                vec![
                    self.finding("journal-mode", Self::journal_mode),
                    self.finding("integrity", Self::integrity),
                ]
            }
            StoreError::OlderSchema { .. } | StoreError::NewerSchema { .. } => {
                vec![self.refused("schema", error), self.finding("integrity", Self::integrity)]
            }
            StoreError::Corrupt { .. } => vec![self.refused("integrity", error)],
            _ => vec![self.refused("database", error)],
        }
    }

    fn finding(&mut self, check: &'static str, look: impl FnOnce(&mut Self) -> Result<Finding>) -> Finding {
        look(self).unwrap_or_else(|error| self.refused(check, &error))
    }

    fn refused(&self, check: &'static str, error: &StoreError) -> Finding {
        refusal(check, error, &self.path)
    }
}
