//! The suite on SQLite: a database in a temporary folder.

use super::conformance;
use queuectl_store::{Access, Location, OpenOptions, Store};
use rusqlite::Connection;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

pub const OPTIONS: OpenOptions = OpenOptions { access: Access::Write, busy_timeout: Duration::from_secs(60) };

pub struct Harness {
    folder: TempDir,
}

impl Harness {
    fn database(&self) -> PathBuf {
        self.folder.path().join("queue.db")
    }
}

impl conformance::Harness for Harness {
    const BACKEND: &str = "store::sqlite";

    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn connect(&self) -> Box<dyn Store> {
        queuectl_store::open(&Location::File(self.database()), &OPTIONS).unwrap()
    }

    fn falsify_the_books(&self) {
        let connection = Connection::open(self.database()).unwrap();
        connection.execute("UPDATE queue SET dead = dead + 1", []).unwrap();
    }
}
