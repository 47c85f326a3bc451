//! What can go wrong inside a verb, before it is said what it means.

use crate::StoreError;
use queuectl_core::IllegalTransition;
use queuectl_postgres::{Meaning, meaning};
use tokio_postgres::error::Severity;

/// What went wrong inside a verb.
#[derive(Debug)]
pub(crate) enum Trouble {
    Sql(tokio_postgres::Error),
    Row(Unreadable),
    /// The server has answered what no server with a queue would.
    Foreign(String),
    Store(StoreError),
    /// What the verb remembered was no longer so.
    Stale,
}

/// A value of a row that cannot be what it should be.
#[derive(Debug, thiserror::Error)]
#[error("column {column} {problem}")]
pub(crate) struct Unreadable {
    pub(crate) column: String,
    pub(crate) problem: String,
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A row says something that the rules of a job do not allow.
impl From<IllegalTransition> for Trouble {
    fn from(error: IllegalTransition) -> Self {
        Self::Row(Unreadable { column: "state".to_owned(), problem: error.to_string() })
    }
}

/// A statement that always gives a row gave none.
pub(super) fn missing() -> Trouble {
    Trouble::Foreign("no row where there always is one".to_owned())
}

/// Two transactions have met in a way that only a repetition solves.
pub(super) fn is_conflict(error: &tokio_postgres::Error) -> bool {
    error.code().map(meaning) == Some(Meaning::Conflict)
}

/// The server has refused it. (What ends the connection may come after the commit.)
pub(super) fn has_not_happened(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| said.parsed_severity() == Some(Severity::Error))
}

/// The server could not make of a row what the statement wanted of it.
pub(crate) fn is_about_data(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("22") || code.code().starts_with("23"))
}

/// What the server said, in one line.
pub(crate) fn message(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned())
}
