//! The counters: how many jobs of each name of a queue are in which state.
//!
//! Each verb adds what it has changed as a row of its own for each queue, so that no verb
//! waits for another's; the sum of all rows is the truth. When there are many, an exchange
//! makes one of them.

use super::row::{self, one};
use super::sql;
use super::trouble::Trouble;
use crate::counts::Counts;
use queuectl_core::State;
use queuectl_postgres::session::{Session, values};
use std::collections::BTreeMap;
use tokio_postgres::Row;

/// More changes than this are folded into one.
const FOLDED_BEYOND: i64 = 100;

/// Most changes that are folded at once.
const FOLDED_AT_ONCE: i64 = 10_000;

/// What one transaction changes.
#[derive(Default)]
pub(crate) struct Counters {
    by_queue: BTreeMap<String, Counts>,
    /// Its number, once it is known; then nothing is to be added any more.
    closed_as: Option<i64>,
}

impl Counters {
    /// How the numbers of the jobs of a queue change.
    pub(crate) fn of(&mut self, queue: &str) -> &mut Counts {
        if !self.by_queue.contains_key(queue) {
            self.by_queue.insert(queue.to_owned(), Counts::default());
        }
        self.by_queue.get_mut(queue).expect("it was put there just now")
    }

    /// How they change in all queues together.
    pub(super) fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        self.by_queue.values().for_each(|counts| sum.add(counts));
        sum
    }

    /// Writes the changes; gives the number of the transaction.
    pub(super) fn close(&mut self, session: &mut Session) -> Result<i64, Trouble> {
        if let Some(number) = self.closed_as {
            return Ok(number);
        }
        let changes: Vec<(&String, &Counts)> =
            self.by_queue.iter().filter(|(_, counts)| !counts.is_zero()).collect();
        let rows = if changes.is_empty() {
            session.rows(sql::TRANSACTION, &[])?
        } else {
            let queues: Vec<&str> = changes.iter().map(|(queue, _)| queue.as_str()).collect();
            let column = |state| changes.iter().map(|(_, counts)| counts[state]).collect::<Vec<i64>>();
            let [pending, processing, completed, failed, dead, cancelled] = State::ALL.map(column);
            let blocked: Vec<i64> = changes.iter().map(|(_, counts)| counts.blocked).collect();
            let values = values![queues, pending, processing, completed, failed, dead, cancelled, blocked];
            session.rows(sql::ADD_CHANGES, values)?
        };
        let number = row::get(&one(rows)?, "number")?;
        self.closed_as = Some(number);
        Ok(number)
    }

    /// Changes nothing in counters that may not be there before this transaction.
    pub(super) fn leave_alone(&mut self, session: &mut Session) -> Result<(), Trouble> {
        self.closed_as = Some(row::get(&one(session.rows(sql::TRANSACTION, &[])?)?, "number")?);
        Ok(())
    }
}

/// Reads the columns that are called as states are.
pub(crate) fn counts(row: &Row) -> Result<Counts, Trouble> {
    let mut counts = Counts::default();
    for state in State::ALL {
        counts[state] = row::get(row, state.as_str())?;
    }
    counts.blocked = row::get(row, "blocked")?;
    Ok(counts)
}

/// What the counters say of all queues together.
pub(crate) fn kept(session: &mut Session) -> Result<Counts, Trouble> {
    counts(&one(session.rows(sql::COUNTS, &[])?)?)
}

/// What they say of each.
pub(crate) fn kept_by_queue(session: &mut Session) -> Result<Vec<(String, Counts)>, Trouble> {
    let rows = session.rows(sql::COUNTS_BY_QUEUE, &[])?;
    row::all(&rows, |found| Ok((row::get(found, "queue")?, counts(found)?)))
}

/// Makes one change of many for each queue, if there are many beside those that the last
/// time has left (each worker that works keeps one for each queue); gives how many it leaves,
/// if it does so.
pub(super) fn fold(session: &mut Session, changes: i64, left_before: i64) -> Result<Option<i64>, Trouble> {
    if changes <= FOLDED_BEYOND + 2 * left_before {
        return Ok(None);
    }
    Ok(Some(session.rows(sql::FOLD, values![FOLDED_AT_ONCE])?.len() as i64))
}
