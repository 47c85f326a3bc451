//! Where a queue in a file stands in a move.

use super::trouble::Trouble;
use super::{row, sql};
use crate::transfer::{Stage, Whereabouts};
use rusqlite::Connection;
use std::path::Path;

/// Refuses a file whose queue is somewhere else for good.
pub(crate) fn insist_not_left(connection: &Connection, path: &Path) -> Result<(), Trouble> {
    match whereabouts(connection)?.stage {
        stage @ Stage::Left(_) => Ok(stage.insist_open(|| path.into())?),
        _ => Ok(()),
    }
}

/// Refuses what is not complete.
pub(crate) fn insist_complete(connection: &Connection, path: &Path) -> Result<(), Trouble> {
    match whereabouts(connection)?.stage {
        stage @ Stage::Arriving(_) => Ok(stage.insist_open(|| path.into())?),
        _ => Ok(()),
    }
}

/// Which queue this is, and where it stands.
pub(crate) fn whereabouts(connection: &Connection) -> rusqlite::Result<Whereabouts> {
    connection
        .prepare_cached(sql::MOVE_STAGE)?
        .query_row([], |found| Ok(Whereabouts { queue: found.get(0)?, stage: row::move_stage(found, 1)? }))
}
