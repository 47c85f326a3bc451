//! The line: how jobs get into it, and how the first are taken out.

use super::ledger::Ledger;
use super::work::unlawful;
use super::{Trouble, row, sql};
use crate::work::{Exchange, Suspects};
use queuectl_core::{Event, Job, SUSPECT_AFTER_CRASHES, Timestamp, WorkerId};
use rusqlite::Connection;

/// Most jobs that join the line in one transaction, so that a flood of retries
/// stalls nobody.
const MOST_PROMOTED: u32 = 200;

/// Tells whether there is a job in line, or one that is due.
pub(super) fn anything_to_claim(connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    if connection.prepare_cached(sql::ANYTHING_IN_LINE)?.exists([])? {
        return Ok(true);
    }
    let other_clock = now.after(crate::FURTHER_THAN_A_TURN);
    connection.prepare_cached(sql::ANYTHING_DUE)?.exists([now.as_millis(), other_clock.as_millis()])
}

/// Puts due jobs in line: what is wanted now and not there.
///
/// So a flood of retries waits outside, and a new job stands behind few. Where
/// the line is never empty, every eighth time (by the clock) they join it all the
/// same, so that they come to their turn.
pub(super) fn promote(
    connection: &Connection,
    ledger: &mut Ledger,
    wanted: u32,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let in_line: u32 = connection.prepare_cached(sql::IN_LINE)?.query_row([wanted], |row| row.get(0))?;
    let is_their_turn = now.as_millis() % 8 == 0;
    let missing = if is_their_turn { wanted } else { wanted - in_line };
    let mut left = missing.min(MOST_PROMOTED);
    let other_clock = now.after(crate::FURTHER_THAN_A_TURN);
    for (statement, since) in [(sql::DUE, now), (sql::DUE_BY_ANOTHER_CLOCK, other_clock)] {
        let due: Vec<i64> = connection
            .prepare_cached(statement)?
            .query_map((since.as_millis(), left), |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        left -= due.len() as u32;
        for seq in due {
            connection.prepare_cached(sql::PUT_IN_LINE)?.execute((seq, ledger.next_place()))?;
        }
    }
    Ok(())
}

/// Takes the first in line, at most one suspect among them.
pub(super) fn claim(
    connection: &Connection,
    ledger: &mut Ledger,
    worker: WorkerId,
    exchange: &Exchange<'_>,
    now: Timestamp,
) -> Result<Vec<Job>, Trouble> {
    let mut room_for_suspect = exchange.suspects == Suspects::One;
    let mut first = first_in_line(connection, sql::FIRST_IN_LINE, (exchange.want,))?;
    if first.iter().any(Job::is_suspect) {
        // Rare: the first suspect if there is room, and then those without suspicion.
        let suspect = first
            .iter()
            .position(|job| job.is_suspect() && std::mem::take(&mut room_for_suspect))
            .map(|index| first.swap_remove(index));
        let others = exchange.want - u32::from(suspect.is_some());
        first = first_in_line(connection, sql::FIRST_UNSUSPECTED, (others, SUSPECT_AFTER_CRASHES))?;
        first.extend(suspect);
    }
    for job in &mut first {
        let next = job.state.after(Event::Claimed).map_err(unlawful)?;
        ledger.counts.moved(job.state, next);
        // As the row is about to be.
        job.state = next;
        job.attempts += 1;
        job.lease += 1;
        job.worker = Some(worker);
        job.run_at = None;
        (job.started_at, job.updated_at) = (Some(now), now);
        connection.prepare_cached(sql::CLAIM)?.execute((
            job.seq.0,
            job.state.as_str(),
            worker.0,
            job.lease,
            job.attempts,
            now.as_millis(),
        ))?;
    }
    Ok(first)
}

fn first_in_line(
    connection: &Connection,
    statement: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Job>> {
    connection.prepare_cached(statement)?.query_map(parameters, row::job)?.collect()
}
