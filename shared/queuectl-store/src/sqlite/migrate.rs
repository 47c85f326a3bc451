//! Bringing a database to this program's schema.
//!
//! Numbered files, each applied once, in one transaction with the number it
//! leads to. `application_id` says that a database is a queue, `user_version`
//! which schema it has.

use super::counters::Counters;
use super::roster::roster;
use super::trouble::Trouble;
use super::{ends, sql};
use crate::StoreError;
use crate::liveness::LockFile;
use crate::location::Access;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;
use uuid::Uuid;

/// Says that a SQLite file is a queue: "quct".
const APPLICATION_ID: i64 = 0x7175_6374;

/// Schema n is what the first n of these make of an empty database.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/sqlite/0001_queue.sql")];

const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Checks that a database is a queue this program knows; makes it one if it is
/// empty or older, and may be written.
pub(super) fn bring_up_to_date(
    connection: &mut Connection,
    path: &Path,
    access: Access,
) -> Result<(), Trouble> {
    loop {
        // One snapshot: another program may be making the queue at this moment.
        let snapshot = connection.transaction()?;
        let found = schema(&snapshot, path)?;
        snapshot.commit()?;
        if found > NEWEST {
            return Err(StoreError::NewerSchema { queue: path.into(), found, known: NEWEST }.into());
        }
        if found == NEWEST {
            let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
            if mode == "wal" {
                return Ok(());
            }
        }
        if access == Access::Read {
            return Err(StoreError::OlderSchema { queue: path.into(), found, known: NEWEST }.into());
        }
        migrate(connection, path)?;
    }
}

/// Refuses what is not a queue of this program's schema.
pub(super) fn insist_known(connection: &mut Connection, path: &Path) -> Result<(), Trouble> {
    match schema(connection, path)? {
        found if found > NEWEST => {
            Err(StoreError::NewerSchema { queue: path.into(), found, known: NEWEST }.into())
        }
        found if found < NEWEST => {
            Err(StoreError::OlderSchema { queue: path.into(), found, known: NEWEST }.into())
        }
        _ => Ok(()),
    }
}

/// Makes a queue that only this connection sees.
pub(crate) fn create_unshared(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    apply(&transaction, 0)?;
    transaction.commit()
}

fn schema(connection: &Connection, path: &Path) -> Result<i64, Trouble> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application_id = number("application_id")?;
    let version = number("user_version")?;
    if application_id == APPLICATION_ID {
        return Ok(version);
    }
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application_id == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    let reason = "it is the SQLite database of another program".to_owned();
    Err(StoreError::NotOurs { queue: path.into(), reason }.into())
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Trouble> {
    // Both are kept in the file and cannot be set in a transaction; the first
    // must come before the first table.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let reason = format!("its file system allows no shared memory (journal mode {mode})");
        return Err(StoreError::CannotOpen { path: path.to_owned(), reason }.into());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another program may have done it while we waited.
    let found = schema(&transaction, path)?;
    if found < NEWEST {
        apply(&transaction, found)?;
    }
    transaction.commit()?;
    Ok(())
}

fn apply(connection: &Connection, found: i64) -> rusqlite::Result<()> {
    for migration in MIGRATIONS.iter().skip(found as usize) {
        connection.execute_batch(migration)?;
    }
    if found == 0 {
        connection.execute(sql::NEW_QUEUE, (Uuid::new_v4().simple().to_string(), "", NEWEST))?;
    } else {
        connection.execute(sql::NEW_SCHEMA, [NEWEST])?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", NEWEST)
}

/// Makes a copied or moved database a queue of its own.
///
/// The workers it lists work on the file it was copied from, if at all. Here
/// they hold nothing, and their processes must not be taken for ours: the copy
/// gets a random id of its own, and what they had claimed is handed back.
pub(crate) fn adopt_copy(connection: &mut Connection, path: &Path, file: &str) -> Result<(), Trouble> {
    let known = |connection: &Connection| {
        connection.prepare_cached(sql::FILE)?.query_row([], |row| row.get::<_, String>(0))
    };
    if known(connection)? == file {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = known(&transaction)?;
    if before != file {
        let run = Uuid::new_v4().simple().to_string();
        transaction.execute(sql::NEW_FILE, (file, run))?;
        if !before.is_empty() {
            let mut counters = Counters::open(&transaction)?;
            let locks = LockFile::open_existing(path)?;
            for worker in roster(&transaction)? {
                // A worker is at work here under this name: it was swapped under them.
                if locks.as_ref().is_some_and(|locks| locks.is_held(worker).unwrap_or(true)) {
                    return Err(StoreError::DatabaseReplaced { path: path.to_owned() }.into());
                }
                ends::hand_back_all(&transaction, &mut counters, worker)?;
            }
            counters.close(&transaction)?;
        }
    }
    transaction.commit()?;
    Ok(())
}
