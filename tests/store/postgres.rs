//! The suite on PostgreSQL: a schema on a server that is thrown away.

use super::conformance;
use crate::support::postgres::{Schema, Server};
use crate::support::trials::Means;
use queuectl_store::{Access, Location, OpenOptions, Store, StoreError};
use std::time::Duration;
use tempfile::TempDir;

pub struct Harness {
    schema: Schema,
    /// Where the lock file is.
    folder: TempDir,
}

impl Harness {
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    pub fn open(&self, access: Access) -> Result<Box<dyn Store>, StoreError> {
        self.open_by(&Server::shared().url(""), access)
    }

    /// Opens it by another way: a URL that ends where the name of the schema begins.
    pub fn open_by(&self, way: &str, access: Access) -> Result<Box<dyn Store>, StoreError> {
        let url = format!("{way}{}", self.schema.name());
        queuectl_store::open(&Location::Url(url), &self.options(access))
    }

    /// How it is opened: the URL, and how else.
    pub fn way(&self, access: Access) -> (String, OpenOptions) {
        (Server::shared().url(self.schema.name()), self.options(access))
    }

    fn options(&self, access: Access) -> OpenOptions {
        OpenOptions {
            state_folder: Some(self.folder.path().to_owned()),
            ..OpenOptions::new(access, Duration::from_mins(1))
        }
    }
}

impl conformance::Harness for Harness {
    const BACKEND: &str = "store::postgres";

    const MEANS: &[Means] = &[Means::Postgres];

    fn new() -> Self {
        Self { schema: Server::shared().schema(), folder: tempfile::tempdir().unwrap() }
    }

    fn connect(&self) -> Box<dyn Store> {
        self.open(Access::Write).unwrap()
    }

    fn falsify_the_counts(&self) {
        self.schema.client().execute("INSERT INTO change (queue, dead) VALUES ('default', 1)", &[]).unwrap();
    }

    fn falsify_the_keys(&self) {
        self.schema.client().execute("UPDATE unique_key SET seq = seq + 100", &[]).unwrap();
    }
}
