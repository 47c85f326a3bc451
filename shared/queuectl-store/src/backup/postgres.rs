//! A copy of a queue on a server, in a SQLite file.
//!
//! It is read in one snapshot, which keeps no writer waiting.

use super::copy::{Filling, write_copy};
use crate::Result;
use crate::postgres::PostgresStore;
use crate::postgres::trouble::Trouble;
use crate::transfer::Backup;
use crate::transfer::postgres::{export, numbers, whereabouts};
use crate::transfer::{Limits, Position, Record, Stage};
use queuectl_postgres::session::Session;
use std::path::Path;

impl PostgresStore {
    pub(crate) fn copy_to(&mut self, to: &Path) -> Result<Backup> {
        let queue = self.location();
        self.read(|session| {
            session.begin_snapshot()?;
            if let stage @ Stage::Arriving(_) = whereabouts(session)?.stage {
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
        let records = export(session, after, Limits::BATCH)?;
        let Some(last) = records.last().map(Record::position) else { break };
        copy.add(records)?;
        after = last;
    }
    Ok(copy.go_on_from(&numbers(session)?)?)
}
