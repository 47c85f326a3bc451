//! The books of the queue: how many jobs stand where, the next place in line, and
//! whether the queue is being moved.
//!
//! Read once at the beginning of a verb and written once at its end. Only one
//! writer exists at a time, so nothing changes in between.

use super::sql;
use crate::counts::Counts;
use crate::raw::Raw;
use crate::transfer::Stage;
use queuectl_core::State;
use rusqlite::{Connection, Result, Row};

/// The books during one transaction.
pub(crate) struct Ledger {
    /// Jobs by state.
    pub(crate) counts: Counts,
    /// Where the queue stands in a move.
    pub(crate) stage: Stage,
    next_place: i64,
    /// As it was read; none if it was not to be believed.
    read: Option<(Counts, i64)>,
}

impl Ledger {
    /// Reads the books.
    ///
    /// Numbers that cannot be are counted anew from the jobs themselves.
    pub(crate) fn open(connection: &Connection) -> Result<Self> {
        let (read, stage) = connection
            .prepare_cached(sql::LEDGER)?
            .query_row([], |row| Ok((numbers(row), super::row::stage(row, State::ALL.len() + 1)?)))?;
        let (counts, next_place) = match read {
            Some(read) => read,
            None => count_anew(connection)?,
        };
        Ok(Self { counts, stage, next_place, read })
    }

    /// Gives out the next place in line.
    pub(super) fn next_place(&mut self) -> i64 {
        self.next_place += 1;
        self.next_place - 1
    }

    /// Gives out no place before this one any more.
    pub(crate) fn go_on_from(&mut self, place: i64) {
        self.next_place = self.next_place.max(place);
    }

    /// Writes the books, if anything in them has changed. (Fewer than no jobs means that
    /// they were wrong before.)
    pub(crate) fn close(mut self, connection: &Connection) -> Result<()> {
        if State::ALL.into_iter().any(|state| self.counts[state] < 0) {
            self.counts = count_anew(connection)?.0;
        }
        if self.read == Some((self.counts, self.next_place)) {
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

/// Reads the counts and the next place, if they are numbers that can be.
fn numbers(row: &Row<'_>) -> Option<(Counts, i64)> {
    let number = |index| match super::row::value(row, index) {
        Raw::Integer(number @ 0..) => Some(number),
        _ => None,
    };
    let mut counts = Counts::default();
    for (index, state) in State::ALL.into_iter().enumerate() {
        counts[state] = number(index + 1)?;
    }
    Some((counts, number(0)?))
}

/// The counts that are kept, if they can be.
pub(super) fn kept(connection: &Connection) -> Result<Option<Counts>> {
    connection.prepare_cached(sql::LEDGER)?.query_row([], |row| Ok(numbers(row).map(|(counts, _)| counts)))
}

/// Counts the jobs by state; and those that have none which is known.
pub(crate) fn count(connection: &Connection) -> Result<(Counts, i64)> {
    let (mut counts, mut unknown) = (Counts::default(), 0);
    let mut count = connection.prepare(sql::COUNT_BY_STATE)?;
    let mut rows = count.query([])?;
    while let Some(found) = rows.next()? {
        let number: i64 = found.get(1)?;
        match super::row::state(found, 0) {
            Ok(state) => counts[state] = number,
            Err(_) => unknown += number,
        }
    }
    Ok((counts, unknown))
}

/// What the books should say.
fn count_anew(connection: &Connection) -> Result<(Counts, i64)> {
    tracing::warn!("the counts of the queue cannot be right and are counted anew");
    let last_place: i64 = connection.query_row(sql::LAST_PLACE, [], |row| row.get(0))?;
    Ok((count(connection)?.0, last_place.max(0).saturating_add(1)))
}
