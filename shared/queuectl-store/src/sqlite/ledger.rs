//! The books of the queue: how many jobs stand where, the next place in line, and
//! whether the queue is being moved.
//!
//! Read once at the beginning of a verb and written once at its end. Only one
//! writer exists at a time, so nothing changes in between.

use super::sql;
use crate::counts::Counts;
use crate::transfer::Stage;
use queuectl_core::State;
use rusqlite::{Connection, Result};

/// The books during one transaction.
pub(super) struct Ledger {
    /// Jobs by state.
    pub(super) counts: Counts,
    /// Where the queue stands in a move.
    pub(super) stage: Stage,
    next_place: i64,
    read: (Counts, i64),
}

impl Ledger {
    /// Reads the books.
    pub(super) fn open(connection: &Connection) -> Result<Self> {
        connection.prepare_cached(sql::LEDGER)?.query_row([], |row| {
            let next_place = row.get(0)?;
            let mut counts = Counts::default();
            for (index, state) in State::ALL.into_iter().enumerate() {
                counts[state] = row.get(index + 1)?;
            }
            let stage = super::row::stage(row, State::ALL.len() + 1)?;
            Ok(Self { counts, stage, next_place, read: (counts, next_place) })
        })
    }

    /// Gives out the next place in line.
    pub(super) fn next_place(&mut self) -> i64 {
        self.next_place += 1;
        self.next_place - 1
    }

    /// Gives out no place before this one any more.
    pub(super) fn go_on_from(&mut self, place: i64) {
        self.next_place = self.next_place.max(place);
    }

    /// Writes the books, if anything in them has changed.
    pub(super) fn close(self, connection: &Connection) -> Result<()> {
        if self.read == (self.counts, self.next_place) {
            return Ok(());
        }
        let [pending, processing, completed, failed, dead, cancelled] =
            State::ALL.map(|state| self.counts[state]);
        connection.prepare_cached(sql::SAVE_LEDGER)?.execute([
            self.next_place,
            pending,
            processing,
            completed,
            failed,
            dead,
            cancelled,
        ])?;
        Ok(())
    }
}
