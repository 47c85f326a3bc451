//! What an open queue shows: its schema, its settings, whether it is sound.

use super::advice::{after_damage, report_it};
use crate::Result;
use crate::doctor::rows::UnreadableRows;
use crate::doctor::words::START_A_WORKER;
use crate::doctor::words::{listed, of_keys};
use crate::finding::Finding;
use crate::sqlite::connection::SqliteStore;
use crate::sqlite::unwritable::{self, Way};
use crate::sqlite::{row, soundness, sql};
use queuectl_files::quoted_path;
use rusqlite::Connection;

impl SqliteStore {
    fn pragma<T: rusqlite::types::FromSql>(&mut self, name: &str) -> Result<T> {
        self.explained(|connection| Ok(connection.pragma_query_value(None, name, |row| row.get(0))?))
    }

    pub(super) fn schema(&mut self) -> Result<Finding> {
        let version: i64 = self.pragma("user_version")?;
        Ok(Finding::ok("schema", format!("version {version}, which this program knows")))
    }

    pub(super) fn journal_mode(&mut self) -> Result<Finding> {
        let mode = match &self.way {
            // A connection for one look tells of its own mode.
            Way::WithoutWriting(_) if unwritable::has_log(&self.path) => "wal".to_owned(),
            _ => self.pragma("journal_mode")?,
        };
        Ok(if mode == "wal" {
            Finding::ok("journal-mode", "a write-ahead log")
        } else {
            Finding::error(
                "journal-mode",
                format!("{mode} instead of a write-ahead log: another program has changed it"),
                format!("start a worker, which changes it back: `{START_A_WORKER}`"),
            )
        })
    }

    pub(super) fn sync_level(&mut self) -> Result<Finding> {
        const FULL: i64 = 2;
        let level: i64 = self.pragma("synchronous")?;
        Ok(if level >= FULL {
            Finding::ok("sync", "every commit is on disk before it is acknowledged")
        } else {
            let found =
                "this build does not wait for the disk: a power cut can take back what was acknowledged";
            Finding::error("sync", found, "use a release of queuectl: `queuectl --version`")
        })
    }

    pub(super) fn integrity(&mut self) -> Result<Finding> {
        let problems = self.read(|connection| Ok(soundness::integrity(connection)?))?;
        Ok(match problems.as_slice() {
            [] => Finding::ok("integrity", "no damage was found"),
            problems => Finding::error("integrity", listed(problems), after_damage(&self.path)),
        })
    }

    /// Rows that no program can read.
    pub(super) fn rows(&mut self) -> Result<Finding> {
        let unreadable = self.read(|connection| Ok(unreadable_rows(connection)?))?;
        let change = |statement: &str| {
            format!("sqlite3 {} \"{}\"", quoted_path(&self.path), statement.replace('@', ""))
        };
        Ok(unreadable.finding(change))
    }

    pub(super) fn counts_are_right(&mut self) -> Result<Finding> {
        let problems = self.read(|connection| Ok(soundness::wrong_counts(connection)?))?;
        Ok(match problems.as_slice() {
            [] => Finding::ok("counts", "the counts by state are right"),
            problems => Finding::error(
                "counts",
                listed(problems),
                format!("the jobs themselves are there, as `queuectl list` shows; {}", report_it()),
            ),
        })
    }

    pub(super) fn keys_are_right(&mut self) -> Result<Finding> {
        let problems = self.read(|connection| Ok(soundness::wrong_keys(connection)?))?;
        Ok(of_keys(&problems, report_it()))
    }
}

fn unreadable_rows(connection: &Connection) -> rusqlite::Result<UnreadableRows> {
    let mut unreadable = UnreadableRows::default();
    let mut jobs = connection.prepare(sql::ALL_JOBS)?;
    let mut found = jobs.query([])?;
    while let Some(found) = found.next()? {
        unreadable.note_job(&row::job(found));
    }
    let mut workers = connection.prepare(sql::ALL_WORKERS)?;
    let mut found = workers.query([])?;
    while let Some(found) = found.next()? {
        unreadable.note_worker(&row::worker(found));
    }
    let mut attempts = connection.prepare(sql::ALL_ATTEMPTS)?;
    let mut found = attempts.query([])?;
    while let Some(found) = found.next()? {
        unreadable.note_attempt(&row::attempt(found));
    }
    let mut output = connection.prepare(sql::ALL_OUTPUT)?;
    let mut found = output.query([])?;
    while let Some(found) = found.next()? {
        let (part, problem) = row::output(found);
        let name = || format!("output {} of the job of seq {}", part.n, part.lease.seq);
        unreadable.note(name, problem.as_deref());
    }
    Ok(unreadable)
}
