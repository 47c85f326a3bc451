//! The books of the queue: how many jobs stand where.
//!
//! Each verb adds what it has changed as a row of its own, so that nobody waits
//! for anybody's count; the sum of all rows is the truth. When there are many,
//! whoever comes by makes one of them.

use super::Trouble;
use super::session::{Session, Typed, Value, values};
use super::{row, sql};
use crate::counts::Counts;
use queuectl_core::State;
use tokio_postgres::Row;

/// More changes than this are folded into one.
const FOLDED_BEYOND: i64 = 100;

/// Most changes that are folded at once.
const FOLDED_AT_ONCE: i64 = 10_000;

/// What one transaction changes.
#[derive(Default)]
pub(crate) struct Books {
    /// How the number of jobs in each state changes.
    pub(crate) counts: Counts,
    /// Its number, once it is known; then nothing is to be added any more.
    closed_as: Option<i64>,
}

impl Books {
    /// Writes the changes; gives the number of the transaction.
    pub(super) fn close(&mut self, session: &mut Session) -> Result<i64, Trouble> {
        if let Some(number) = self.closed_as {
            return Ok(number);
        }
        let changes = State::ALL.map(|state| self.counts[state]);
        let values: Vec<Value<'_>> = changes.iter().map(Typed::value).collect();
        let number = row::get(&one(session.rows(sql::SAVE_LEDGER, &values)?)?, 0)?;
        self.closed_as = Some(number);
        Ok(number)
    }

    /// Changes nothing in books that may not be there before this transaction.
    pub(super) fn leave_alone(&mut self, session: &mut Session) -> Result<(), Trouble> {
        let row = one(session.rows(sql::TRANSACTION, &[])?)?;
        self.closed_as = Some(row::get(&row, 0)?);
        Ok(())
    }
}

/// Reads the sums that `sums!` names, from this column on, and how many changes
/// they were made of.
pub(crate) fn sums(row: &Row, first: usize) -> Result<(Counts, i64), Trouble> {
    let mut counts = Counts::default();
    for (index, state) in State::ALL.into_iter().enumerate() {
        counts[state] = row::get(row, first + index)?;
    }
    Ok((counts, row::get(row, first + State::ALL.len())?))
}

/// Adds two.
pub(super) fn sum(mut counts: Counts, more: &Counts) -> Counts {
    for state in State::ALL {
        counts[state] += more[state];
    }
    counts
}

/// Makes one change of many, if there are many; tells whether there were. (Each worker
/// that works keeps one.)
pub(super) fn fold(session: &mut Session, changes: i64, workers: usize) -> Result<bool, Trouble> {
    let are_many = changes > FOLDED_BEYOND + workers as i64;
    if are_many {
        session.rows(sql::FOLD, values![FOLDED_AT_ONCE])?;
    }
    Ok(are_many)
}

/// The row of a statement that always gives one.
pub(crate) fn one(rows: Vec<Row>) -> Result<Row, Trouble> {
    rows.into_iter().next().ok_or_else(row::missing)
}
