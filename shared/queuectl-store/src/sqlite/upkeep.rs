//! What people do to jobs.

use super::ledger::Ledger;
use super::{SqliteStore, Trouble, roster, row, sql};
use crate::counts::Counts;
use crate::upkeep::{Backup, Cancelled, Finding, Upkeep};
use crate::{Result, StoreError, doorbell, work::Work};
use queuectl_core::{Event, JobId, Lease, Seq, State, Timestamp, WorkerId};
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

/// Free pages given back to the file system after a deletion, at most: a longer
/// transaction would keep workers waiting.
const PAGES_GIVEN_BACK: u32 = 1000;

/// What `sql::STATE_OF` tells about a job.
struct Found {
    seq: Seq,
    state: State,
    lease: i64,
    worker: Option<i64>,
}

impl Upkeep for SqliteStore {
    fn cancel(&mut self, id: &JobId, now: Timestamp) -> Result<Cancelled> {
        let cancelled = self.change(|connection, ledger| {
            let found = find(connection, id)?;
            let state = after(id, found.state, Event::Cancelled)?;
            if let Some(worker) = found.worker {
                connection.prepare_cached(sql::REQUEST_CANCEL)?.execute((found.seq.0, now.as_millis()))?;
                let lease = Lease { seq: found.seq, number: found.lease };
                return Ok(Cancelled::Requested { lease, worker: WorkerId(worker) });
            }
            connection.prepare_cached(sql::CANCEL)?.execute((
                found.seq.0,
                state.as_str(),
                now.as_millis(),
            ))?;
            ledger.counts.moved(found.state, state);
            Ok(Cancelled::Done)
        })?;
        match cancelled {
            Cancelled::Requested { worker, .. } => doorbell::ring(&self.path, worker),
            // Whoever drains the queue may have waited for this job.
            Cancelled::Done => self.ring()?,
        }
        Ok(cancelled)
    }

    fn retry_dead(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        let workers = self.change(|connection, ledger| {
            let found = find(connection, id)?;
            after(id, found.state, Event::Revived)?;
            revive(connection, ledger, found.seq, now)?;
            Ok(roster(connection)?)
        })?;
        self.ring_all(&workers);
        Ok(())
    }

    fn hurry(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        let workers = self.change(|connection, _| {
            let found = find(connection, id)?;
            after(id, found.state, Event::Hurried)?;
            connection.prepare_cached(sql::HURRY)?.execute((found.seq.0, now.as_millis()))?;
            Ok(roster(connection)?)
        })?;
        self.ring_all(&workers);
        Ok(())
    }

    fn retry_some_dead(&mut self, limit: u32, now: Timestamp) -> Result<u64> {
        let (revived, workers) = self.change(|connection, ledger| {
            let dead = seqs(connection, sql::OLDEST_DEAD, [limit])?;
            for &seq in &dead {
                revive(connection, ledger, seq, now)?;
            }
            Ok((dead.len() as u64, roster(connection)?))
        })?;
        self.ring_all(&workers);
        Ok(revived)
    }

    fn prune(&mut self, states: &[State], finished_before: Timestamp, limit: u32) -> Result<u64> {
        if let Some(&state) = states.iter().find(|state| !state.is_settled()) {
            return Err(StoreError::NotSettled { state });
        }
        let pruned = self.change(|connection, ledger| {
            let mut pruned = 0;
            for state in states {
                let left = u64::from(limit) - pruned;
                let parameters = (state.as_str(), finished_before.as_millis(), left);
                let old = seqs(connection, sql::SETTLED_BEFORE, parameters)?;
                for seq in &old {
                    delete(connection, *seq)?;
                }
                ledger.counts[*state] -= old.len() as i64;
                pruned += old.len() as u64;
            }
            Ok(pruned)
        })?;
        if pruned > 0 {
            self.explained(|connection| {
                let statement = format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK})");
                // It gives back a page a step.
                let mut pages = connection.prepare_cached(&statement)?;
                let mut steps = pages.query([])?;
                while steps.next()?.is_some() {}
                Ok(())
            })?;
        }
        Ok(pruned)
    }

    fn delete(&mut self, id: &JobId, states: &[State]) -> Result<()> {
        if let Some(&state) = states.iter().find(|state| !state.is_settled()) {
            return Err(StoreError::NotSettled { state });
        }
        self.change(|connection, ledger| {
            let Found { seq, state, .. } = find(connection, id)?;
            if !states.contains(&state) {
                return Err(StoreError::OtherState { id: id.clone(), state }.into());
            }
            delete(connection, seq)?;
            ledger.counts[state] -= 1;
            Ok(())
        })
    }

    fn check(&mut self) -> Result<Vec<String>> {
        self.read(|connection| {
            let mut problems = integrity(connection)?;
            problems.extend(wrong_books(connection)?);
            Ok(problems)
        })
    }

    fn diagnose(&mut self) -> Vec<Finding> {
        self.findings()
    }

    fn backup(&mut self, to: &Path) -> Result<Backup> {
        self.copy_to(to)
    }
}

/// What SQLite finds wrong with the file and with the constraints of its tables.
pub(super) fn integrity(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    problems.retain(|line| line != "ok");
    Ok(problems)
}

/// Compares the counts that are kept with the jobs that are there.
pub(super) fn wrong_books(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut counted = Counts::default();
    let mut count = connection.prepare(sql::COUNT_BY_STATE)?;
    let mut rows = count.query([])?;
    while let Some(found) = rows.next()? {
        counted[row::state(found, 0)?] = found.get(1)?;
    }
    let kept = Ledger::open(connection)?.counts;
    Ok(State::ALL
        .into_iter()
        .filter(|&state| counted[state] != kept[state])
        .map(|state| {
            format!("{} {state} jobs are there and {} are on the books", counted[state], kept[state])
        })
        .collect())
}

fn find(connection: &Connection, id: &JobId) -> Result<Found, Trouble> {
    let found = connection
        .prepare_cached(sql::STATE_OF)?
        .query_row([id.as_str()], |found| {
            Ok(Found {
                seq: Seq(found.get(0)?),
                state: row::state(found, 1)?,
                lease: found.get(2)?,
                worker: found.get(3)?,
            })
        })
        .optional()?;
    found.ok_or_else(|| StoreError::NoSuchJob { id: id.clone() }.into())
}

fn after(id: &JobId, state: State, event: Event) -> Result<State, StoreError> {
    state.after(event).map_err(|source| StoreError::Refused { id: id.clone(), source })
}

fn revive(connection: &Connection, ledger: &mut Ledger, seq: Seq, now: Timestamp) -> Result<(), Trouble> {
    // The caller has found it dead, in this transaction.
    let state = State::Dead.after(Event::Revived).map_err(super::work::unlawful)?;
    let place = ledger.next_place();
    connection.prepare_cached(sql::REVIVE)?.execute((seq.0, state.as_str(), place, now.as_millis()))?;
    ledger.counts.moved(State::Dead, state);
    Ok(())
}

/// Deletes a job with all its records.
fn delete(connection: &Connection, seq: Seq) -> rusqlite::Result<()> {
    for statement in [sql::DELETE_OUTPUT, sql::DELETE_ATTEMPTS, sql::DELETE_JOB] {
        connection.prepare_cached(statement)?.execute([seq.0])?;
    }
    Ok(())
}

fn seqs(
    connection: &Connection,
    statement: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Seq>> {
    connection.prepare_cached(statement)?.query_map(parameters, |row| row.get(0).map(Seq))?.collect()
}
