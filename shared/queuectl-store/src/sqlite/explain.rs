//! What an error of SQLite means for the queue.

use super::{busy, guard};
use crate::StoreError;
use rusqlite::{ErrorCode, ffi};
use std::path::Path;
use std::time::Duration;

/// Says what an error of SQLite means for the queue.
pub(crate) fn explain(error: rusqlite::Error, path: &Path, waited: Duration) -> StoreError {
    let path = path.to_owned();
    let rusqlite::Error::SqliteFailure(failure, ref message) = error else {
        return StoreError::Database { queue: path.into(), source: Box::new(error) };
    };
    let reason = message.clone().unwrap_or_else(|| failure.to_string());
    match failure.code {
        ErrorCode::DatabaseBusy if busy::waits_for_itself(&path) => {
            StoreError::BusyWithItself { path, waited_s: waited.as_secs() }
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Busy { queue: path.into(), waited_s: waited.as_secs() }
        }
        ErrorCode::DiskFull => StoreError::Full { queue: path.into() },
        ErrorCode::ReadOnly if failure.extended_code == ffi::SQLITE_READONLY_DBMOVED => {
            StoreError::DatabaseReplaced { path }
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => guard::read_only(&path),
        ErrorCode::CannotOpen if guard::is_read_only(&path) => guard::read_only(&path),
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure if guard::is_full(&path) => {
            StoreError::Full { queue: path.into() }
        }
        ErrorCode::CannotOpen => StoreError::CannotOpen { path, reason },
        ErrorCode::SystemIoFailure if let Some((path, limit_bytes)) = guard::grown_to_limit(&path) => {
            StoreError::FileLimit { path, limit_bytes }
        }
        ErrorCode::SystemIoFailure => StoreError::Disk { path, reason },
        ErrorCode::NotADatabase => {
            StoreError::NotOurs { queue: path.into(), reason: "it is no SQLite database".into() }
        }
        ErrorCode::DatabaseCorrupt => StoreError::Corrupt { queue: path.into(), reason },
        _ => StoreError::Database { queue: path.into(), source: Box::new(error) },
    }
}
