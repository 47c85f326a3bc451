//! What a worker holds, and what becomes of it.

use super::books::Books;
use super::ends::Ends;
use super::inspect::all;
use super::session::{Session, values};
use super::work::unlawful;
use super::{Trouble, row, sql};
use crate::work::Ended;
use queuectl_core::{Ending, Lease, RetryPolicy, Standing, Timestamp, Verdict, WorkerId, settle};
use std::collections::HashMap;

/// Where the jobs that a worker holds stand, as far as one transaction is about them.
pub(super) struct Held {
    standings: HashMap<Lease, Standing>,
    missed: Vec<Lease>,
    /// Whether it was read in this transaction, and its rows are locked; else it is
    /// what is remembered of the claims, and may have changed.
    is_certain: bool,
}

/// The attempts that a worker hands in, and when failed jobs run again.
pub(super) struct Results<'a> {
    pub(super) worker: WorkerId,
    pub(super) ended: &'a [Ended],
    pub(super) policy: &'a RetryPolicy,
}

impl Held {
    /// Reads what a worker holds of these leases, and locks it.
    pub(super) fn read(session: &mut Session, worker: WorkerId, leases: &[Lease]) -> Result<Self, Trouble> {
        let mut standings = HashMap::new();
        if !leases.is_empty() {
            let (seqs, numbers) = columns(leases);
            let rows = session.rows(sql::STANDINGS, values![worker.0, seqs, numbers])?;
            let read = all(&rows, |found| {
                let standing = Standing {
                    state: row::state(found, 2)?,
                    attempts: row::number(found, 3)?,
                    max_retries: row::number(found, 4)?,
                    crashes: row::number(found, 5)?,
                    cancel_requested: row::get(found, 6)?,
                };
                Ok((row::lease(found)?, standing))
            })?;
            standings = read.into_iter().collect();
        }
        Ok(Self { standings, missed: Vec::new(), is_certain: true })
    }

    /// Takes for granted what is remembered: it saves a round trip, and whoever
    /// writes makes sure that it is still so.
    pub(super) fn remembered(standings: HashMap<Lease, Standing>) -> Self {
        Self { standings, missed: Vec::new(), is_certain: false }
    }

    /// Tells whether a lease is held.
    pub(super) fn is_held(&self, lease: Lease) -> bool {
        self.standings.contains_key(&lease)
    }

    /// Tells whether a lease is held, and notes it if not.
    pub(super) fn holds(&mut self, lease: Lease) -> bool {
        let holds = self.is_held(lease);
        if !holds {
            self.missed.push(lease);
        }
        holds
    }

    /// Gives up a lease that is held, and notes it if it is not: nothing is
    /// recorded twice.
    fn let_go(&mut self, lease: Lease) -> Option<Standing> {
        let standing = self.standings.remove(&lease);
        if standing.is_none() {
            self.missed.push(lease);
        }
        standing
    }

    /// The leases that were asked for and are not held.
    pub(super) fn superseded(mut self) -> Vec<Lease> {
        self.missed.sort_unstable();
        self.missed.dedup();
        self.missed
    }

    /// Records the ends of attempts whose leases are held, and lets go of them.
    ///
    /// # Errors
    ///
    /// [`Trouble::Stale`] if what was remembered is no longer so.
    pub(super) fn record(
        &mut self,
        session: &mut Session,
        books: &mut Books,
        results: &Results<'_>,
        now: Timestamp,
    ) -> Result<Vec<(Lease, Verdict)>, Trouble> {
        let Results { worker, ended, policy } = *results;
        let mut settled = Vec::with_capacity(ended.len());
        let mut ends = Ends::default();
        for end in ended {
            let Some(standing) = self.let_go(end.lease) else { continue };
            let verdict = settle(&standing, Ending::Ran(end.outcome), policy).map_err(unlawful)?;
            books.counts.moved(standing.state, verdict.state);
            ends.push(end, &verdict, now);
            settled.push((end.lease, verdict));
        }
        if !settled.is_empty() && ends.write(session, worker, self.is_certain, now)? < settled.len() as i64 {
            return Err(Trouble::Stale);
        }
        Ok(settled)
    }

    /// Takes back claims that were never started and are held, and lets go of them.
    pub(super) fn hand_back(
        &mut self,
        session: &mut Session,
        books: &mut Books,
        unstarted: &[Lease],
        policy: &RetryPolicy,
        now: Timestamp,
    ) -> Result<Vec<(Lease, Verdict)>, Trouble> {
        let mut back: Vec<(Lease, Verdict)> = Vec::with_capacity(unstarted.len());
        for &lease in unstarted {
            let Some(standing) = self.let_go(lease) else { continue };
            let verdict = settle(&standing, Ending::Unstarted, policy).map_err(unlawful)?;
            books.counts.moved(standing.state, verdict.state);
            back.push((lease, verdict));
        }
        if !back.is_empty() {
            let seqs: Vec<i64> = back.iter().map(|(lease, _)| lease.seq.0).collect();
            let states: Vec<&str> = back.iter().map(|(_, verdict)| verdict.state.as_str()).collect();
            let attempts: Vec<i64> = back.iter().map(|(_, verdict)| i64::from(verdict.attempts)).collect();
            let settled: Vec<bool> = back.iter().map(|(_, verdict)| verdict.state.is_settled()).collect();
            session.rows(sql::HAND_BACK, values![now.as_millis(), seqs, states, attempts, settled])?;
        }
        Ok(back)
    }
}

/// Leases as two columns.
pub(super) fn columns(leases: &[Lease]) -> (Vec<i64>, Vec<i64>) {
    leases.iter().map(|lease| (lease.seq.0, lease.number)).unzip()
}
