//! What people do to jobs.

use super::ledger::{self, Ledger};
use super::reserve::Reserve;
use super::{SqliteStore, Trouble, busy, roster, row, sql};
use crate::upkeep::{Backup, Cancelled, Finding, Retried, Upkeep};
use crate::{Result, StoreError, doorbell, work::Work};
use queuectl_core::{Event, JobId, Lease, Seq, State, Timestamp, WorkerId};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

/// Free pages given back to the file system after a deletion, at most: a longer
/// transaction would keep workers waiting.
const PAGES_GIVEN_BACK: u32 = 1000;

/// The same where there is hardly room to write.
const FEW_PAGES: u32 = 64;

/// Jobs, and pieces of their output, that are deleted at once there.
const FEW_JOBS: u32 = 16;
const FEW_PARTS: u64 = 64;

/// How long the readers of the log are waited for to empty it: nobody can write meanwhile.
const EMPTYING_WAITS: Duration = Duration::from_millis(200);

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
            insist_readable(connection, id)?;
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

    fn retry_some_dead(&mut self, after: Seq, limit: u32, now: Timestamp) -> Result<Retried> {
        let (retried, workers) = self.change(|connection, ledger| {
            let mut statement = connection.prepare_cached(sql::OLDEST_DEAD)?;
            let dead = statement.query_map((after.0, limit), |found| Ok(row::job(found)))?;
            let (retried, seqs) = Retried::of(dead.collect::<rusqlite::Result<_>>()?);
            for seq in seqs {
                revive(connection, ledger, seq, now)?;
            }
            Ok((retried, roster(connection)?))
        })?;
        self.ring_all(&workers);
        Ok(retried)
    }

    fn prune(&mut self, states: &[State], finished_before: Timestamp, limit: u32) -> Result<u64> {
        if let Some(&state) = states.iter().find(|state| !state.is_settled()) {
            return Err(StoreError::NotSettled { state });
        }
        if !matches!(self.reserve, Reserve::Used(_)) {
            match self.prune_at_once(states, finished_before, limit) {
                Err(StoreError::Full { .. }) if self.take_reserve()? => {}
                pruned => return pruned,
            }
        }
        self.prune_bit_by_bit(states, finished_before)
    }

    fn give_back(&mut self) -> Result<bool> {
        let given_back = match self.give_pages_back() {
            Err(StoreError::Full { .. }) if self.take_reserve()? => self.give_pages_back(),
            given_back => given_back,
        };
        if given_back? > 0 {
            return Ok(true);
        }
        // The file is cut when the log has been written to it; a reader may be in the way
        // of that, and then the next program that closes the queue does it.
        busy::wait_at_most(EMPTYING_WAITS);
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = emptied {
            tracing::debug!("the log could not be emptied: {error}");
        }
        Ok(false)
    }

    fn delete(&mut self, id: &JobId, states: &[State]) -> Result<()> {
        if let Some(&state) = states.iter().find(|state| !state.is_settled()) {
            return Err(StoreError::NotSettled { state });
        }
        if !matches!(self.reserve, Reserve::Used(_)) {
            match self.delete_some(id, states, u64::MAX >> 1) {
                Err(StoreError::Full { .. }) if self.take_reserve()? => {}
                deleted => return deleted.map(drop),
            }
        }
        while !self.delete_some(id, states, FEW_PARTS)? {
            self.give_all_pages_back()?;
        }
        self.give_all_pages_back()
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

impl SqliteStore {
    /// Deletes so many parts of the output of a job, and the job with the last of them;
    /// tells whether it has done so.
    fn delete_some(&mut self, id: &JobId, states: &[State], most_parts: u64) -> Result<bool> {
        self.change(|connection, ledger| {
            let Found { seq, state, .. } = find(connection, id)?;
            if !states.contains(&state) {
                return Err(StoreError::OtherState { id: id.clone(), state }.into());
            }
            let parts = connection.prepare_cached(sql::DELETE_SOME_OUTPUT)?.execute((seq.0, most_parts))?;
            if parts as u64 >= most_parts {
                return Ok(false);
            }
            delete(connection, seq)?;
            ledger.counts[state] -= 1;
            Ok(true)
        })
    }

    fn prune_at_once(&mut self, states: &[State], finished_before: Timestamp, limit: u32) -> Result<u64> {
        self.change(|connection, ledger| {
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
        })
    }

    /// Deletes a few jobs in steps that write little, and gives back their pages after
    /// each, so that the next has room.
    fn prune_bit_by_bit(&mut self, states: &[State], finished_before: Timestamp) -> Result<u64> {
        loop {
            let (pruned, parts) = self.change(|connection, ledger| {
                let (mut pruned, mut parts) = (0, 0);
                for state in states {
                    let parameters = (state.as_str(), finished_before.as_millis(), FEW_JOBS);
                    for seq in seqs(connection, sql::SETTLED_BEFORE, parameters)? {
                        let more = FEW_PARTS - parts;
                        let output =
                            connection.prepare_cached(sql::DELETE_SOME_OUTPUT)?.execute((seq.0, more))?;
                        parts += output as u64;
                        if parts >= FEW_PARTS {
                            return Ok((pruned, parts));
                        }
                        delete(connection, seq)?;
                        ledger.counts[*state] -= 1;
                        pruned += 1;
                    }
                }
                Ok((pruned, parts))
            })?;
            self.give_all_pages_back()?;
            if pruned > 0 || parts == 0 {
                return Ok(pruned);
            }
        }
    }

    /// Gives all free pages back, with a log that is begun anew as often as it can be.
    fn give_all_pages_back(&mut self) -> Result<()> {
        self.empty_log_if_it_fits()?;
        while self.give_pages_back()? > 0 {
            self.empty_log_if_it_fits()?;
        }
        self.empty_log_if_it_fits()
    }

    /// Gives some free pages back to the file system; tells how many are left.
    fn give_pages_back(&mut self) -> Result<u64> {
        let most = if matches!(self.reserve, Reserve::Used(_)) { FEW_PAGES } else { PAGES_GIVEN_BACK };
        self.explained(|connection| {
            let free = |connection: &Connection| {
                connection.pragma_query_value(None, "freelist_count", |row| row.get::<_, u64>(0))
            };
            let before = free(connection)?;
            let statement = format!("PRAGMA incremental_vacuum({most})");
            // It gives back a page a step.
            let mut pages = connection.prepare_cached(&statement)?;
            let mut steps = pages.query([])?;
            while steps.next()?.is_some() {}
            drop(steps);
            drop(pages);
            let left = free(connection)?;
            // A file of another program, which gives nothing back.
            Ok(if left < before { left } else { 0 })
        })
    }
}

/// What SQLite finds wrong with the file and with the constraints of its tables.
pub(crate) fn integrity(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    problems.retain(|line| line != "ok");
    Ok(problems)
}

/// Compares the counts that are kept with the jobs that are there.
pub(crate) fn wrong_books(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let (counted, unknown) = ledger::count(connection)?;
    let mut problems: Vec<String> = match ledger::kept(connection)? {
        Some(kept) => State::ALL
            .into_iter()
            .filter(|&state| counted[state] != kept[state])
            .map(|state| {
                format!("{} {state} jobs are there and {} are on the books", counted[state], kept[state])
            })
            .collect(),
        None => vec!["the books have what is no number of jobs".to_owned()],
    };
    if unknown > 0 {
        problems.push(format!("{unknown} jobs are in no state that is known"));
    }
    Ok(problems)
}

fn find(connection: &Connection, id: &JobId) -> Result<Found, Trouble> {
    let mut statement = connection.prepare_cached(sql::STATE_OF)?;
    let mut rows = statement.query([id.as_str()])?;
    let found = rows.next()?.ok_or_else(|| StoreError::NoSuchJob { id: id.clone() })?;
    let read = || {
        Ok(Found {
            seq: Seq(found.get(0)?),
            state: row::state(found, 1)?,
            lease: found.get(2)?,
            worker: found.get(3)?,
        })
    };
    read().or_else(|error: rusqlite::Error| {
        insist_readable(connection, id)?;
        Err(error.into())
    })
}

fn unreadable(id: &JobId, reason: String) -> Trouble {
    StoreError::UnreadableJob { id: id.clone(), reason }.into()
}

/// Refuses a job whose row cannot be read: it would only be set aside again.
fn insist_readable(connection: &Connection, id: &JobId) -> Result<(), Trouble> {
    let job = connection.prepare_cached(sql::JOB)?.query_row([id.as_str()], |found| Ok(row::job(found)))?;
    job.unreadable.map_or(Ok(()), |reason| Err(unreadable(id, reason)))
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
