//! The suite on SQLite: a database in a temporary folder.

use super::conformance::{self, Queue};
use queuectl_store::{Access, Location, OpenOptions, Store, StoreError};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

pub const OPTIONS: OpenOptions = OpenOptions::new(Access::Write, Duration::from_mins(1));

pub struct Harness {
    folder: TempDir,
}

impl Harness {
    pub fn database(&self) -> PathBuf {
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

    fn falsify_the_counts(&self) {
        let connection = Connection::open(self.database()).unwrap();
        connection.execute("UPDATE counts SET dead = dead + 1", []).unwrap();
    }

    fn falsify_the_keys(&self) {
        let connection = Connection::open(self.database()).unwrap();
        connection.execute("UPDATE unique_key SET seq = seq + 100", []).unwrap();
    }
}

/// A folder for databases.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A queue with one job in it, closed again.
    pub fn with_a_job() -> (Self, PathBuf) {
        let folder = Self::new();
        let path = folder.path("queue.db");
        queue(&path).enqueue(&["a"]);
        (folder, path)
    }

    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub fn open(path: &Path, access: Access) -> Result<Box<dyn Store>, StoreError> {
    queuectl_store::open(&Location::File(path.to_owned()), &OpenOptions { access, ..OPTIONS })
}

pub fn queue(path: &Path) -> Queue {
    Queue { store: open(path, Access::Write).unwrap() }
}
