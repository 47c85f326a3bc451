//! The line: how jobs get into it, and how the first are taken out.

use super::ledger::{self, Ledger};
use super::work::unlawful;
use super::{Trouble, row, sql};
use crate::raw::CANNOT_BE_READ;
use crate::work::{Exchange, SetAside, Suspects};
use queuectl_core::{Event, Job, SUSPECT_AFTER_CRASHES, State, Timestamp, WorkerId};
use rusqlite::{Connection, ErrorCode};

/// Most jobs that join the line in one transaction, so that a flood of retries
/// stalls nobody.
const MOST_PROMOTED: u32 = 200;

/// Most jobs that are set aside in one transaction.
const MOST_SET_ASIDE: usize = 1000;

/// What was taken out of the line.
#[derive(Default)]
pub(super) struct Claimed {
    /// Jobs that the worker holds now.
    pub(super) jobs: Vec<Job>,
    /// Jobs that nobody can run, and that are dead now.
    pub(super) set_aside: Vec<SetAside>,
}

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

/// Takes the first in line, at most one suspect among them. Those whose rows cannot
/// be read are no longer in line then: they would be in the way of all others.
pub(super) fn claim(
    connection: &Connection,
    ledger: &mut Ledger,
    worker: WorkerId,
    exchange: &Exchange<'_>,
    now: Timestamp,
) -> Result<Claimed, Trouble> {
    let mut claimed = Claimed::default();
    loop {
        let damaged = match first_to_claim(connection, exchange)? {
            First::Sound(jobs) => {
                claimed.jobs = jobs;
                break;
            }
            First::Damaged(damaged) => damaged,
        };
        for job in &damaged {
            claimed.set_aside.push(set_aside(connection, ledger, job, now)?);
        }
        if claimed.set_aside.len() >= MOST_SET_ASIDE {
            break;
        }
    }
    for job in &mut claimed.jobs {
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
    Ok(claimed)
}

/// What stands first in line.
enum First {
    Sound(Vec<Job>),
    /// Those among the first whose rows cannot be read.
    Damaged(Vec<Job>),
}

/// The first in line, at most one suspect among them, if all can be read.
fn first_to_claim(connection: &Connection, exchange: &Exchange<'_>) -> rusqlite::Result<First> {
    let mut room_for_suspect = exchange.suspects == Suspects::One;
    let mut first = match first_in_line(connection, sql::FIRST_IN_LINE, (exchange.want,))? {
        First::Sound(jobs) => jobs,
        damaged @ First::Damaged(_) => return Ok(damaged),
    };
    if first.iter().any(Job::is_suspect) {
        // Rare: the first suspect if there is room, and then those without suspicion.
        let suspect = first
            .iter()
            .position(|job| job.is_suspect() && std::mem::take(&mut room_for_suspect))
            .map(|index| first.swap_remove(index));
        let others = exchange.want - u32::from(suspect.is_some());
        first = match first_in_line(connection, sql::FIRST_UNSUSPECTED, (others, SUSPECT_AFTER_CRASHES))? {
            First::Sound(jobs) => jobs,
            damaged @ First::Damaged(_) => return Ok(damaged),
        };
        first.extend(suspect);
    }
    Ok(First::Sound(first))
}

fn first_in_line(
    connection: &Connection,
    statement: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<First> {
    let (mut sound, mut damaged) = (Vec::new(), Vec::new());
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(parameters)?;
    while let Some(found) = rows.next()? {
        match row::sound_job(found) {
            Ok(job) if job.state.after(Event::Claimed).is_ok() => sound.push(job),
            Ok(job) => {
                let problem = format!("column state has {:?}, and the job is in line", job.state.as_str());
                damaged.push(Job { unreadable: Some(problem), ..job });
            }
            Err(_) => damaged.push(row::job(found)),
        }
    }
    Ok(if damaged.is_empty() { First::Sound(sound) } else { First::Damaged(damaged) })
}

/// Has a job whose row cannot be read be dead, with that as its last error. All else
/// that the row says stays as it is.
fn set_aside(
    connection: &Connection,
    ledger: &mut Ledger,
    job: &Job,
    now: Timestamp,
) -> Result<SetAside, Trouble> {
    let reason = job.unreadable.clone().unwrap_or_default();
    let error = format!("{CANNOT_BE_READ}: {reason}");
    let at = now.as_millis();
    let is_counted =
        connection.query_row(sql::STATE_OF_SEQ, [job.seq.0], |found| Ok(row::state(found, 0).is_ok()))?;
    // The row may break rules that were switched off by hand, and must be written all the same.
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    let written = match connection.execute(sql::SET_ASIDE, (job.seq.0, at, &error)) {
        Err(refused) if refused.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            connection.execute(sql::SET_ASIDE_BY_FORCE, (job.seq.0, at, &error))
        }
        written => written,
    };
    connection.pragma_update(None, "ignore_check_constraints", false)?;
    written?;
    if is_counted {
        ledger.counts.moved(job.state, State::Dead);
    } else {
        // Nobody knows as what it was counted.
        ledger.counts = ledger::count(connection)?.0;
    }
    Ok(SetAside { id: job.id.clone(), reason })
}
