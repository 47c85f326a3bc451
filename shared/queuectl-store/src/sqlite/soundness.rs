//! Whether a queue is what it should be.

use super::counters;
use super::row::Name;
use crate::counts::Counts;
use queuectl_core::State;
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

/// Compares the counts that are kept with the jobs that are there.
pub(crate) fn wrong_counts(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let (counted, unknown) = counters::count(connection)?;
    let (mut problems, mut are_numbers) = (Vec::new(), true);
    let mut queues: BTreeMap<Name, [Counts; 2]> = BTreeMap::new();
    counters::for_each(connection, |queue, kept| {
        are_numbers &= kept.is_some();
        queues.entry(queue.clone()).or_default()[1] = kept.unwrap_or_default();
        Ok(())
    })?;
    for (queue, counts) in counted {
        queues.entry(queue).or_default()[0] = counts;
    }
    if are_numbers {
        for (queue, [there, kept]) in queues {
            let by_state = State::ALL.map(|state| (state.as_str(), there[state], kept[state]));
            let wrong = by_state.into_iter().chain([("blocked", there.blocked, kept.blocked)]);
            problems.extend(wrong.filter(|(_, there, kept)| there != kept).map(|(which, there, kept)| {
                format!("{there} {which} jobs are there and {kept} are on the books of the queue {queue}")
            }));
        }
    } else {
        problems.push("the books have what is no number of jobs".to_owned());
    }
    if unknown > 0 {
        problems.push(format!("{unknown} jobs are in no state that is known"));
    }
    Ok(problems)
}
