//! Whether a queue is what it should be.

use super::{counters, sql};
use crate::counts::differences;
use crate::rows;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// What SQLite finds wrong with the file and with the constraints of its tables.
pub(crate) fn integrity(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    problems.retain(|problem| problem != "ok");
    Ok(problems)
}

/// Compares the unique keys that are held with the jobs that have them.
pub(crate) fn wrong_keys(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let count = |statement| connection.query_row(statement, [], |found| found.get(0));
    Ok(rows::wrong_keys(count(sql::STRAY_KEYS)?, count(sql::KEYS_MISSING)?))
}

/// Compares the counts that are kept with the jobs that are there.
pub(crate) fn wrong_counts(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let (counted, unknown) = counters::count(connection)?;
    let (mut kept, mut are_numbers) = (BTreeMap::new(), true);
    counters::for_each(connection, |queue, counts| {
        are_numbers &= counts.is_some();
        kept.insert(queue.clone(), counts.unwrap_or_default());
        Ok(())
    })?;
    let mut problems = if are_numbers {
        differences(&counted.into_iter().collect(), &kept)
    } else {
        vec!["the counters have what is no number of jobs".to_owned()]
    };
    if unknown > 0 {
        problems.push(format!("{unknown} jobs are in no state that is known"));
    }
    Ok(problems)
}
