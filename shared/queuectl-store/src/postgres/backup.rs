//! A copy of the queue in a SQLite file, while others go on working.
//!
//! It is read in one snapshot, which keeps nobody waiting.

use super::session::Session;
use super::{PostgresStore, Trouble, transfer};
use crate::Result;
use crate::sqlite::backup::{Filling, write_copy};
use crate::transfer::{Limits, Position, Record, Stage};
use crate::upkeep::Backup;
use std::path::Path;

impl PostgresStore {
    pub(super) fn copy_to(&mut self, to: &Path) -> Result<Backup> {
        let queue = self.location();
        self.read(|session| {
            session.begin_snapshot()?;
            if let stage @ Stage::Arriving(_) = transfer::whereabouts(session)?.stage {
                stage.insist_open(|| queue.clone())?;
            }
            let backup = write_copy(to, |copy| fill(copy, session))?;
            // The copy has its name. Whether the server hears that nothing more is read
            // changes nothing of that.
            session.roll_back();
            Ok(backup)
        })
    }
}

/// Puts all that a snapshot has into a copy.
fn fill(copy: &mut Filling<'_>, session: &mut Session) -> Result<(), Trouble> {
    let mut after = Position::BEGINNING;
    loop {
        let records = transfer::export(session, after, Limits::BATCH)?;
        let Some(last) = records.last().map(Record::position) else { break };
        copy.add(records)?;
        after = last;
    }
    Ok(copy.go_on_from(&transfer::numbers(session)?)?)
}
