//! What people do to jobs.

use super::books::{self, Books};
use super::inspect::all;
use super::session::{Session, values};
use super::work::unlawful;
use super::{PostgresStore, Trouble, row, sql};
use crate::counts::Counts;
use crate::upkeep::{Backup, Cancelled, Finding, Retried, Upkeep};
use crate::{Result, StoreError};
use queuectl_core::{Event, JobId, Lease, Seq, State, Timestamp, WorkerId};
use std::path::Path;

/// What `sql::STATE_OF` tells about a job.
struct Found {
    seq: Seq,
    state: State,
    lease: i64,
    worker: Option<i64>,
}

impl Upkeep for PostgresStore {
    fn cancel(&mut self, id: &JobId, now: Timestamp) -> Result<Cancelled> {
        let cancelled = self.change(|session, books| {
            let found = find(session, id)?;
            let state = after(id, found.state, Event::Cancelled)?;
            if let Some(worker) = found.worker {
                let asked =
                    session.rows(sql::REQUEST_CANCEL, values![found.seq.0, found.lease, now.as_millis()])?;
                let lease = Lease { seq: found.seq, number: found.lease };
                return still_there(asked.len(), 1, Cancelled::Requested { lease, worker: WorkerId(worker) });
            }
            let gone = session
                .rows(sql::CANCEL, values![found.seq.0, state.as_str(), now.as_millis(), found.lease])?;
            still_there(gone.len(), 1, ())?;
            books.counts.moved(found.state, state);
            Ok(Cancelled::Done)
        })?;
        match cancelled {
            Cancelled::Requested { worker, .. } => self.ring_only(&[worker.0]),
            // Whoever drains the queue may have waited for this job.
            Cancelled::Done => self.ring_all(),
        }
        Ok(cancelled)
    }

    fn retry_dead(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.change(|session, books| {
            let found = find(session, id)?;
            after(id, found.state, Event::Revived)?;
            // It would only be set aside again.
            let jobs = all(&session.rows(sql::JOBS_OF_SEQS, values![vec![found.seq.0]])?, row::job)?;
            if let Some(reason) = jobs.into_iter().find_map(|job| job.unreadable) {
                return Err(StoreError::UnreadableJob { id: id.clone(), reason }.into());
            }
            revive(session, books, &[found.seq.0], now)
        })?;
        self.ring_all();
        Ok(())
    }

    fn hurry(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.change(|session, _| {
            let found = find(session, id)?;
            after(id, found.state, Event::Hurried)?;
            session.rows(sql::HURRY, values![found.seq.0, now.as_millis()])?;
            Ok(())
        })?;
        self.ring_all();
        Ok(())
    }

    fn retry_some_dead(&mut self, after: Seq, limit: u32, now: Timestamp) -> Result<Retried> {
        let retried = self.change(|session, books| {
            let dead = session.rows(sql::OLDEST_DEAD, values![after.0, i64::from(limit)])?;
            let dead: Vec<i64> = all(&dead, |found| row::get(found, 0))?;
            let mut jobs = all(&session.rows(sql::JOBS_OF_SEQS, values![dead])?, row::job)?;
            jobs.sort_unstable_by_key(|job| job.seq);
            let (retried, seqs) = Retried::of(jobs);
            let seqs: Vec<i64> = seqs.iter().map(|seq| seq.0).collect();
            revive(session, books, &seqs, now)?;
            Ok(retried)
        })?;
        self.ring_all();
        Ok(retried)
    }

    fn prune(&mut self, states: &[State], finished_before: Timestamp, limit: u32) -> Result<u64> {
        if let Some(&state) = states.iter().find(|state| !state.is_settled()) {
            return Err(StoreError::NotSettled { state });
        }
        self.change(|session, books| {
            let mut pruned = 0;
            for state in states {
                let left = i64::from(limit) - pruned;
                let old = session
                    .rows(sql::SETTLED_BEFORE, values![state.as_str(), finished_before.as_millis(), left])?;
                let old: Vec<i64> = all(&old, |found| row::get(found, 0))?;
                if !old.is_empty() {
                    session.rows(sql::DELETE, values![old])?;
                }
                books.counts[*state] -= old.len() as i64;
                pruned += old.len() as i64;
            }
            Ok(pruned.unsigned_abs())
        })
    }

    fn give_back(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn delete(&mut self, id: &JobId, states: &[State]) -> Result<()> {
        if let Some(&state) = states.iter().find(|state| !state.is_settled()) {
            return Err(StoreError::NotSettled { state });
        }
        self.change(|session, books| {
            let Found { seq, state, .. } = find(session, id)?;
            if !states.contains(&state) {
                return Err(StoreError::OtherState { id: id.clone(), state }.into());
            }
            let here = session.rows(sql::SETTLED, values![seq.0])?;
            still_there(here.len(), 1, ())?;
            session.rows(sql::DELETE, values![vec![seq.0]])?;
            books.counts[state] -= 1;
            Ok(())
        })
    }

    fn check(&mut self) -> Result<Vec<String>> {
        self.read(|session| {
            session.begin_snapshot()?;
            let problems = wrong_books(session)?;
            session.commit()?;
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

/// Compares the counts that are kept with the jobs that are there.
pub(super) fn wrong_books(session: &mut Session) -> Result<Vec<String>, Trouble> {
    let mut counted = Counts::default();
    let mut unknown = 0;
    for found in &session.rows(sql::COUNT_BY_STATE, &[])? {
        let number: i64 = row::get(found, 1)?;
        match row::state(found, 0) {
            Ok(state) => counted[state] = number,
            Err(_) => unknown += number,
        }
    }
    let (kept, _) = books::sums(&books::one(session.rows(sql::LEDGER, &[])?)?, 0)?;
    let wrong = State::ALL.into_iter().filter(|&state| counted[state] != kept[state]);
    let mut problems: Vec<String> = wrong
        .map(|state| {
            format!("{} {state} jobs are there and {} are on the books", counted[state], kept[state])
        })
        .collect();
    if unknown > 0 {
        problems.push(format!("{unknown} jobs are in no state that is known"));
    }
    let misplaced = books::one(session.rows(sql::MISPLACED, &[])?)?;
    let (jobs, places): (i64, i64) = (row::get(&misplaced, 0)?, row::get(&misplaced, 1)?);
    if jobs > 0 {
        problems.push(format!("{jobs} jobs are not in exactly one of line, wait, claim and settled"));
    }
    if places > 0 {
        problems.push(format!("{places} places of line, wait, claim and settled are those of no job"));
    }
    Ok(problems)
}

/// What a verb gives, if it has changed as many as it found; else they have changed
/// since it looked, and it looks again.
fn still_there<T>(changed: usize, found: usize, gives: T) -> Result<T, Trouble> {
    if changed == found { Ok(gives) } else { Err(Trouble::Stale) }
}

fn find(session: &mut Session, id: &JobId) -> Result<Found, Trouble> {
    let rows = session.rows(sql::STATE_OF, values![id.as_str()])?;
    let found = rows.first().ok_or_else(|| StoreError::NoSuchJob { id: id.clone() })?;
    let read = || {
        Ok(Found {
            seq: Seq(row::get(found, 0)?),
            state: row::state(found, 1)?,
            lease: row::get(found, 2)?,
            worker: row::get(found, 3)?,
        })
    };
    read().map_err(|trouble| match trouble {
        Trouble::Row(unreadable) => {
            StoreError::UnreadableJob { id: id.clone(), reason: unreadable.to_string() }.into()
        }
        trouble => trouble,
    })
}

fn after(id: &JobId, state: State, event: Event) -> Result<State, StoreError> {
    state.after(event).map_err(|source| StoreError::Refused { id: id.clone(), source })
}

fn revive(session: &mut Session, books: &mut Books, dead: &[i64], now: Timestamp) -> Result<(), Trouble> {
    // The caller has found them dead, in this transaction.
    let state = State::Dead.after(Event::Revived).map_err(unlawful)?;
    for _ in dead {
        books.counts.moved(State::Dead, state);
    }
    let revived = session.rows(sql::REVIVE, values![dead.to_vec(), state.as_str(), now.as_millis()])?;
    still_there(revived.len(), dead.len(), ())
}
