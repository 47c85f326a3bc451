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
use std::cmp::Ordering;
use std::path::Path;
use uuid::Uuid;

/// Says that a SQLite file is a queue: "quct".
const APPLICATION_ID: i64 = 0x7175_6374;

/// Schema n is what the first n of these make of an empty database.
struct Migrations<'a>(&'a [&'a str]);

const MIGRATIONS: Migrations<'_> = Migrations(&[include_str!("../../migrations/sqlite/0001_queue.sql")]);

/// Checks that a database is a queue this program knows; makes it one if it is
/// empty or older, and may be written.
pub(super) fn bring_up_to_date(
    connection: &mut Connection,
    path: &Path,
    access: Access,
) -> Result<(), Trouble> {
    MIGRATIONS.bring_up_to_date(connection, path, access)
}

/// Refuses what is not a queue of this program's schema.
pub(super) fn insist_known(connection: &mut Connection, path: &Path) -> Result<(), Trouble> {
    let (found, known) = (schema(connection, path)?, MIGRATIONS.newest());
    match found.cmp(&known) {
        Ordering::Greater => Err(StoreError::NewerSchema { queue: path.into(), found, known }.into()),
        Ordering::Less => Err(StoreError::OlderSchema { queue: path.into(), found, known }.into()),
        Ordering::Equal => Ok(()),
    }
}

/// Makes a queue that only this connection sees.
pub(crate) fn create_unshared(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    MIGRATIONS.apply(&transaction, 0)?;
    transaction.commit()
}

impl Migrations<'_> {
    const fn newest(&self) -> i64 {
        self.0.len() as i64
    }

    fn bring_up_to_date(
        &self,
        connection: &mut Connection,
        path: &Path,
        access: Access,
    ) -> Result<(), Trouble> {
        let known = self.newest();
        loop {
            // One snapshot: another program may be making the queue at this moment.
            let snapshot = connection.transaction()?;
            let found = schema(&snapshot, path)?;
            snapshot.commit()?;
            if found > known {
                return Err(StoreError::NewerSchema { queue: path.into(), found, known }.into());
            }
            if found == known {
                let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
                if mode == "wal" {
                    return Ok(());
                }
            }
            if access == Access::Read {
                return Err(StoreError::OlderSchema { queue: path.into(), found, known }.into());
            }
            self.migrate(connection, path)?;
        }
    }

    fn migrate(&self, connection: &mut Connection, path: &Path) -> Result<(), Trouble> {
        // Both are kept in the file and cannot be set in a transaction; the first
        // must come before the first table.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode != "wal" {
            let reason = format!("its file system allows no shared memory (journal mode {mode})");
            return Err(StoreError::CannotOpen { path: path.to_owned(), reason }.into());
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another program may have done it while we waited.
        let found = schema(&transaction, path)?;
        if found < self.newest() {
            self.apply(&transaction, found)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn apply(&self, connection: &Connection, found: i64) -> rusqlite::Result<()> {
        for migration in self.0.iter().skip(found as usize) {
            connection.execute_batch(migration)?;
        }
        if found == 0 {
            connection.execute(sql::NEW_QUEUE, (Uuid::new_v4().simple().to_string(), "", self.newest()))?;
        } else {
            connection.execute(sql::NEW_SCHEMA, [self.newest()])?;
        }
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", self.newest())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &str = "ALTER TABLE queue ADD COLUMN colour TEXT NOT NULL DEFAULT 'green'";
    const WITH_THE_NEXT: Migrations<'_> = Migrations(&[MIGRATIONS.0[0], NEXT]);

    fn text(connection: &Connection, statement: &str) -> rusqlite::Result<String> {
        connection.query_row(statement, [], |row| row.get(0))
    }

    fn open(migrations: &Migrations<'_>, path: &Path, access: Access) -> Result<Connection, Trouble> {
        let mut connection = Connection::open(path)?;
        migrations.bring_up_to_date(&mut connection, path, access)?;
        Ok(connection)
    }

    #[test]
    fn an_older_schema_is_left_alone_by_who_looks_and_brought_up_to_date_by_who_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let Ok(older) = open(&MIGRATIONS, &path, Access::Write) else { panic!("it is made") };
        older.execute("INSERT INTO counts (queue, dead) VALUES ('default', 7)", []).unwrap();
        drop(older);
        let before = std::fs::read(&path).unwrap();
        let looked = open(&WITH_THE_NEXT, &path, Access::Read);
        assert!(matches!(looked, Err(Trouble::Store(StoreError::OlderSchema { found: 1, known: 2, .. }))));
        assert!(std::fs::read(&path).unwrap() == before, "who looks has changed it");

        for _ in 0..2 {
            let Ok(newer) = open(&WITH_THE_NEXT, &path, Access::Write) else { panic!("it is opened") };
            assert_eq!(schema(&newer, &path).ok(), Some(2));
            assert_eq!(text(&newer, "SELECT colour || oldest_writer FROM queue").unwrap(), "green2");
            assert_eq!(text(&newer, "SELECT queue || dead FROM counts").unwrap(), "default7");
        }
        // The older program neither reads nor writes it now.
        for access in [Access::Read, Access::Write] {
            let refused = open(&MIGRATIONS, &path, access);
            assert!(matches!(
                refused,
                Err(Trouble::Store(StoreError::NewerSchema { found: 2, known: 1, .. }))
            ));
        }
    }

    #[test]
    fn a_migration_that_fails_leaves_the_queue_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        drop(open(&MIGRATIONS, &path, Access::Write));
        let failing = Migrations(&[MIGRATIONS.0[0], "ALTER TABLE queue ADD COLUMN colour TEXT; nonsense"]);
        assert!(matches!(open(&failing, &path, Access::Write), Err(Trouble::Sql(_))));
        let Ok(connection) = open(&MIGRATIONS, &path, Access::Write) else { panic!("it is what it was") };
        assert!(text(&connection, "SELECT colour FROM queue").is_err());
    }
}
