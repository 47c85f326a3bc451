//! Whether what is kept is what is there.

use super::counters;
use super::row::{self, one};
use super::sql;
use super::trouble::Trouble;
use crate::counts::{self, Counts};
use crate::rows;
use queuectl_core::Stage;
use queuectl_postgres::session::Session;
use std::collections::BTreeMap;

/// Compares the counts that are kept with the jobs that are there.
pub(crate) fn wrong_counts(session: &mut Session) -> Result<Vec<String>, Trouble> {
    let (counted, unknown) = count(session)?;
    let kept: BTreeMap<String, Counts> = counters::kept_by_queue(session)?.into_iter().collect();
    let mut problems = counts::differences(&counted, &kept);
    if unknown > 0 {
        problems.push(format!("{unknown} jobs are in no state that is known"));
    }
    let misplaced = one(session.rows(sql::MISPLACED, &[])?)?;
    let (jobs, rows): (i64, i64) = (row::get(&misplaced, 0)?, row::get(&misplaced, 1)?);
    let stages = Stage::ALL.map(Stage::as_str).join(", ");
    if jobs > 0 {
        problems.push(format!("{jobs} jobs are not in exactly one of the stages {stages}"));
    }
    if rows > 0 {
        problems.push(format!("{rows} rows of the stages {stages} are those of no job"));
    }
    let astray: i64 = row::get(&one(session.rows(sql::ASTRAY, &[])?)?, 0)?;
    if astray > 0 {
        problems.push(format!(
            "{astray} rows of the stages {stages} name another queue, priority or position than their jobs"
        ));
    }
    Ok(problems)
}

/// Compares the unique keys that are held with the jobs that have them.
pub(crate) fn wrong_keys(session: &mut Session) -> Result<Vec<String>, Trouble> {
    let wrong = one(session.rows(sql::WRONG_KEYS, &[])?)?;
    Ok(rows::wrong_keys(row::get(&wrong, 0)?, row::get(&wrong, 1)?))
}

/// Counts the jobs of each queue; and those that are in no state that is known.
pub(crate) fn count(session: &mut Session) -> Result<(BTreeMap<String, Counts>, i64), Trouble> {
    let (mut counted, mut unknown) = (BTreeMap::<String, Counts>::new(), 0);
    for found in &session.rows(sql::COUNT_JOBS, &[])? {
        let number: i64 = row::get(found, "count")?;
        let counts = counted.entry(row::get(found, "queue")?).or_default();
        match row::state(found) {
            Ok(state) => {
                counts[state] = number;
                counts.blocked += row::get::<i64>(found, "blocked")?;
            }
            Err(_) => unknown += number,
        }
    }
    Ok((counted, unknown))
}
