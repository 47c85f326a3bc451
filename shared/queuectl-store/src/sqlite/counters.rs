//! What is counted in the queue: how many jobs of which queue are where, and the next
//! position among the ready.
//!
//! Changes are gathered during a verb and written once at its end, a row for each queue.
//! Only one writer exists at a time, so nothing changes in between.

use super::queues::Served;
use super::row::{self, Name};
use super::sql;
use crate::counts::Counts;
use crate::raw::Raw;
use crate::transfer::Stage;
use queuectl_core::State;
use rusqlite::{Connection, ErrorCode, Result, Row, ToSql};
use std::collections::BTreeMap;

/// The counters during one transaction.
pub(crate) struct Counters {
    /// Where the queue stands in a move.
    pub(crate) move_stage: Stage,
    next_position: i64,
    /// As it was read; none if it was not to be believed.
    read_position: Option<i64>,
    /// What has changed since the counts were written, by queue.
    changes: BTreeMap<String, Counts>,
    /// What has changed is of a queue, or of a state, that cannot be read.
    are_unknown: bool,
}

impl Counters {
    /// Reads what a verb may need. A next position that cannot be is found anew.
    pub(crate) fn open(connection: &Connection) -> Result<Self> {
        let (read_position, move_stage) = connection.prepare_cached(sql::QUEUE)?.query_row([], |found| {
            let position = match row::value(found, 0) {
                Raw::Integer(position @ 0..) => Some(position),
                _ => None,
            };
            Ok((position, row::move_stage(found, 1)?))
        })?;
        let next_position = match read_position {
            Some(position) => position,
            None => connection
                .query_row(sql::LAST_POSITION, [], |row| row.get::<_, i64>(0))?
                .max(0)
                .saturating_add(1),
        };
        Ok(Self { move_stage, next_position, read_position, changes: BTreeMap::new(), are_unknown: false })
    }

    /// Gives out the next position among the ready.
    pub(super) fn next_position(&mut self) -> i64 {
        self.next_position += 1;
        self.next_position - 1
    }

    /// Gives out no position before this one any more.
    pub(crate) fn go_on_from(&mut self, position: i64) {
        self.next_position = self.next_position.max(position);
    }

    /// Notes that jobs have come into a state, or have gone from it.
    pub(crate) fn add(&mut self, queue: Option<&str>, state: State, jobs: i64) {
        self.change(queue, |counts| counts[state] += jobs);
    }

    /// Notes that a job went from one state to another.
    pub(super) fn moved(&mut self, queue: Option<&str>, from: State, to: State) {
        self.change(queue, |counts| counts.moved(from, to));
    }

    /// Notes that jobs are blocked now, or are no longer.
    pub(crate) fn add_blocked(&mut self, queue: Option<&str>, jobs: i64) {
        self.change(queue, |counts| counts.blocked += jobs);
    }

    /// Notes that it is not known what has changed: all is to be counted anew.
    pub(super) fn are_unknown(&mut self) {
        self.are_unknown = true;
    }

    /// Notes that there is nothing to count any more.
    pub(crate) fn begin_anew(&mut self) {
        self.changes.clear();
    }

    fn change(&mut self, queue: Option<&str>, change: impl FnOnce(&mut Counts)) {
        let Some(queue) = queue else {
            self.are_unknown = true;
            return;
        };
        match self.changes.get_mut(queue) {
            Some(counts) => change(counts),
            None => change(self.changes.entry(queue.to_owned()).or_default()),
        }
    }

    /// The same as [`counts`], changes included.
    pub(super) fn counts(&mut self, connection: &Connection, served: &Served<'_>) -> Result<Counts> {
        self.save_counts(connection)?;
        counts(connection, served)
    }

    /// Writes what has changed.
    pub(crate) fn close(mut self, connection: &Connection) -> Result<()> {
        self.save_counts(connection)?;
        if self.read_position != Some(self.next_position) {
            connection.prepare_cached(sql::SAVE_NEXT_POSITION)?.execute([self.next_position])?;
        }
        Ok(())
    }

    fn save_counts(&mut self, connection: &Connection) -> Result<()> {
        let changes = std::mem::take(&mut self.changes);
        if std::mem::take(&mut self.are_unknown) {
            return count_all_anew(connection);
        }
        for (queue, change) in changes.iter().filter(|(_, change)| !change.is_zero()) {
            if !add(connection, queue, change)? {
                // Fewer than no jobs, or what is no number: they were wrong before.
                let counts = count_anew(connection, &queue.as_str().into())?;
                save(connection, queue, &counts)?;
            }
            if change.total() < 0 {
                connection.prepare_cached(sql::FORGET_EMPTY_COUNTS)?.execute([queue])?;
            }
        }
        Ok(())
    }
}

/// Adds to the counts of a queue; tells whether they can be what they are then.
fn add(connection: &Connection, queue: &str, change: &Counts) -> Result<bool> {
    let [pending, processing, completed, failed, dead, cancelled] = State::ALL.map(|state| change[state]);
    let parameters = (pending, processing, completed, failed, dead, cancelled, change.blocked, queue);
    match connection.prepare_cached(sql::ADD_COUNTS)?.execute(parameters) {
        Ok(0) if change.can_be() => save(connection, queue, change).map(|()| true),
        Ok(changed) => Ok(changed > 0),
        Err(refused) if refused.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the counts of a queue.
fn save(connection: &Connection, queue: &str, counts: &Counts) -> Result<()> {
    let [pending, processing, completed, failed, dead, cancelled] = State::ALL.map(|state| counts[state]);
    let numbers = [pending, processing, completed, failed, dead, cancelled, counts.blocked];
    let values = numbers.iter().map(|number| -> &dyn ToSql { number }).chain([&queue as &dyn ToSql]);
    connection.prepare_cached(sql::SAVE_COUNTS)?.execute(rusqlite::params_from_iter(values))?;
    Ok(())
}

/// How many jobs of these queues are where; what waits in a queue that is paused until a
/// person says otherwise is blocked. Numbers that cannot be are counted anew from the jobs
/// themselves.
pub(super) fn counts(connection: &Connection, served: &Served<'_>) -> Result<Counts> {
    let mut total = Counts::default();
    for_each(connection, |queue, kept| {
        if queue.is_served_by(served.queues) {
            let mut counts = match kept {
                Some(kept) => kept,
                None => count_anew(connection, queue)?,
            };
            if served.is_paused_for_good(queue) {
                counts.block_all();
            }
            total.add(&counts);
        }
        Ok(())
    })?;
    Ok(total)
}

/// The same for each queue, by name.
pub(crate) fn counts_by_queue(connection: &Connection) -> Result<Vec<(String, Counts)>> {
    let mut found = Vec::new();
    for_each(connection, |queue, kept| {
        let counts = match kept {
            Some(kept) => kept,
            None => count_anew(connection, queue)?,
        };
        found.push((queue.to_string(), counts));
        Ok(())
    })?;
    Ok(found)
}

/// Goes through what is kept, by name; with nothing where that cannot be.
pub(super) fn for_each(
    connection: &Connection,
    mut each: impl FnMut(&Name, Option<Counts>) -> Result<()>,
) -> Result<()> {
    let mut kept = connection.prepare_cached(sql::ALL_COUNTS)?;
    let mut rows = kept.query([])?;
    while let Some(found) = rows.next()? {
        each(&found.get(State::ALL.len() + 1)?, numbers(found))?;
    }
    Ok(())
}

/// Reads counts, if they can be.
fn numbers(row: &Row<'_>) -> Option<Counts> {
    let number = |index| match row::value(row, index) {
        Raw::Integer(number @ 0..) => Some(number),
        _ => None,
    };
    let mut counts = Counts::default();
    counts.blocked = number(State::ALL.len())?;
    for (index, state) in State::ALL.into_iter().enumerate() {
        counts[state] = number(index)?;
    }
    Some(counts)
}

/// Counts all jobs, by queue; and those that are in no state that is known.
pub(crate) fn count(connection: &Connection) -> Result<(Vec<(Name, Counts)>, i64)> {
    let (mut counted, mut unknown) = (Vec::new(), 0);
    let mut count = connection.prepare(sql::COUNT_ALL)?;
    let mut rows = count.query([])?;
    while let Some(found) = rows.next()? {
        let counts = numbers(found).unwrap_or_default();
        let jobs: i64 = found.get(State::ALL.len() + 2)?;
        unknown += jobs - counts.total();
        counted.push((found.get(State::ALL.len() + 1)?, counts));
    }
    Ok((counted, unknown))
}

/// What the counts of a queue should be.
fn count_anew(connection: &Connection, queue: &Name) -> Result<Counts> {
    tracing::warn!("the counts of the queue {queue} cannot be right and are counted anew");
    connection.query_row(sql::COUNT_QUEUE, [queue], |found| Ok(numbers(found).unwrap_or_default()))
}

/// Writes what the counts of all queues should be.
fn count_all_anew(connection: &Connection) -> Result<()> {
    connection.execute(sql::FORGET_COUNTS, [])?;
    connection.execute(sql::COUNT_QUEUES, [])?;
    Ok(())
}
