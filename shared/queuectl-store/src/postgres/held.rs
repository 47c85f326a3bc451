//! What a worker holds, and what becomes of it.

use super::books::Books;
use super::ends::Ends;
use super::inspect::all;
use super::session::{Session, values};
use super::work::unlawful;
use super::{Trouble, row, sql};
use crate::counts::Counts;
use crate::work::Ended;
use queuectl_core::{Ending, Lease, RetryPolicy, Standing, State, Timestamp, Verdict, WorkerId, settle};
use std::collections::HashMap;

/// Where the jobs that a worker holds stand, as far as one transaction is about them.
pub(super) struct Held {
    standings: HashMap<Lease, Standing>,
    missed: Vec<Lease>,
}

/// What becomes of the jobs whose attempts have ended: to be written.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) ends: Ends,
    pub(super) verdicts: Vec<(Lease, Verdict)>,
    /// How the number of jobs in each state changes with them.
    pub(super) counts: Counts,
    /// When the first of those falls due that are to run again.
    pub(super) first_due: Option<Timestamp>,
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
                    state: State::Processing,
                    // What has become of its row must not keep its end from being recorded.
                    attempts: row::nearest(found, 2)?,
                    max_retries: row::nearest(found, 3)?,
                    crashes: row::nearest(found, 4)?,
                    cancel_requested: row::get(found, 5)?,
                };
                Ok((row::lease(found)?, standing))
            })?;
            standings = read.into_iter().collect();
        }
        Ok(Self { standings, missed: Vec::new() })
    }

    /// Takes for granted what is remembered: it saves a round trip, and whoever
    /// writes makes sure that it is still so.
    pub(super) fn remembered(standings: HashMap<Lease, Standing>) -> Self {
        Self { standings, missed: Vec::new() }
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

    /// Settles attempts whose leases are held, and lets go of them.
    pub(super) fn settle(
        &mut self,
        ended: &[Ended],
        policy: &RetryPolicy,
        now: Timestamp,
    ) -> Result<Settled, Trouble> {
        let mut settled = Settled::default();
        for end in ended {
            let Some(standing) = self.let_go(end.lease) else { continue };
            let verdict = settle(&standing, Ending::Ran(end.outcome), policy).map_err(unlawful)?;
            settled.counts.moved(standing.state, verdict.state);
            let due = settled.ends.push(end, &verdict, now);
            settled.first_due = settled.first_due.into_iter().chain(due).min();
            settled.verdicts.push((end.lease, verdict));
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
            let (seqs, numbers) = columns(&back.iter().map(|&(lease, _)| lease).collect::<Vec<_>>());
            let states: Vec<&str> = back.iter().map(|(_, verdict)| verdict.state.as_str()).collect();
            let attempts: Vec<i64> = back.iter().map(|(_, verdict)| i64::from(verdict.attempts)).collect();
            let settled: Vec<bool> = back.iter().map(|(_, verdict)| verdict.state.is_settled()).collect();
            session
                .rows(sql::HAND_BACK, values![now.as_millis(), seqs, numbers, states, attempts, settled])?;
        }
        Ok(back)
    }
}

/// Leases as two columns.
pub(super) fn columns(leases: &[Lease]) -> (Vec<i64>, Vec<i64>) {
    leases.iter().map(|lease| (lease.seq.0, lease.number)).unzip()
}
