//! What a worker holds, and what becomes of it.

use super::arrays::Arrays;
use super::cache::Held;
use super::counters::Counters;
use super::row::{self, all};
use super::trouble::Trouble;
use super::{sql, unique};
use crate::columns::{Cell, ended};
use crate::counts::Counts;
use crate::worker::Ended;
use queuectl_core::{Effect, Ending, Lease, Next, RetryPolicy, Standing, State, Timestamp, WorkerId, effect};
use queuectl_postgres::session::{Session, named, values};
use std::collections::HashMap;

/// The standings of the jobs that a worker holds, as far as one transaction is about them.
pub(super) struct Standings {
    held: HashMap<Lease, Held>,
    missed: Vec<Lease>,
    /// Jobs that have unique keys and come to rest.
    keys_free: Vec<i64>,
}

/// The ends of attempts, as one statement takes them.
pub(super) struct Ends {
    ends: Vec<(Ended, Effect, String)>,
}

/// What becomes of the jobs whose attempts have ended: to be written.
pub(super) struct Outcome {
    pub(super) ends: Ends,
    pub(super) effects: Vec<(Lease, Effect)>,
    /// How the number of jobs in each state changes with them.
    pub(super) counts: Counts,
    /// When the first of those falls due that are to run again.
    pub(super) first_due: Option<Timestamp>,
}

impl Standings {
    /// Reads what a worker holds of these leases, and locks it.
    pub(super) fn read(session: &mut Session, worker: WorkerId, leases: &[Lease]) -> Result<Self, Trouble> {
        let mut held = HashMap::new();
        if !leases.is_empty() {
            let (seqs, numbers) = columns(leases);
            let rows = session.rows(sql::STANDINGS, values![worker.0, seqs, numbers])?;
            let read = all(&rows, |found| {
                let standing = Standing {
                    state: State::Processing,
                    // What has become of its row must not keep its end from being recorded.
                    attempts: row::nearest(found, "attempts")?,
                    max_retries: row::nearest(found, "max_retries")?,
                    crashes: row::nearest(found, "crashes")?,
                    cancel_requested: row::get(found, "cancel_requested")?,
                };
                let (queue, has_key) = (row::get(found, "queue")?, row::get(found, "has_key")?);
                Ok((row::lease(found)?, Held { standing, queue, has_key }))
            })?;
            held = read.into_iter().collect();
        }
        Ok(Self { held, missed: Vec::new(), keys_free: Vec::new() })
    }

    /// Takes for granted what is remembered: it saves a round trip, and the statement that
    /// writes makes sure that it is still so.
    pub(super) fn remembered(held: HashMap<Lease, Held>) -> Self {
        Self { held, missed: Vec::new(), keys_free: Vec::new() }
    }

    /// Tells whether a lease is held.
    pub(super) fn is_held(&self, lease: Lease) -> bool {
        self.held.contains_key(&lease)
    }

    /// Tells whether a lease is held, and notes it if not.
    pub(super) fn holds(&mut self, lease: Lease) -> bool {
        let holds = self.is_held(lease);
        if !holds {
            self.missed.push(lease);
        }
        holds
    }

    /// The queues of those of these leases that are held.
    pub(super) fn queues_of(&self, leases: &[Lease]) -> Vec<String> {
        leases.iter().filter_map(|lease| Some(self.held.get(lease)?.queue.clone())).collect()
    }

    /// Gives up a lease that is held, and notes it if it is not: nothing is
    /// recorded twice.
    fn let_go(&mut self, lease: Lease) -> Option<Held> {
        let held = self.held.remove(&lease);
        if held.is_none() {
            self.missed.push(lease);
        }
        held
    }

    /// The leases that were asked for and are not held.
    pub(super) fn superseded(mut self) -> Vec<Lease> {
        self.missed.sort_unstable();
        self.missed.dedup();
        self.missed
    }

    /// Says what becomes of jobs whose attempts have ended and whose leases are held, and
    /// lets go of them.
    pub(super) fn finish(
        &mut self,
        ended: &[Ended],
        policy: &RetryPolicy,
        now: Timestamp,
    ) -> Result<Outcome, Trouble> {
        let mut outcome = Outcome::nothing();
        for end in ended {
            let Some(Held { standing, queue, has_key }) = self.let_go(end.lease) else { continue };
            let ending = Ending::Ran { outcome: end.outcome, at: end.ended_at };
            let effect = effect::finish(&standing, ending, policy, now)?;
            self.keys_free.extend((has_key && effect.state.is_finished()).then_some(end.lease.seq.0));
            outcome.counts.moved(standing.state, effect.state);
            if let Next::Scheduled(wait) = effect.next {
                outcome.first_due = outcome.first_due.into_iter().chain([wait.due_at]).min();
            }
            outcome.effects.push((end.lease, effect));
            outcome.ends.ends.push((end.clone(), effect, queue));
        }
        Ok(outcome)
    }

    /// Gives back the unique keys of those that have come to rest: all at once, and before
    /// more is claimed.
    pub(super) fn give_keys_back(&mut self, session: &mut Session, now: Timestamp) -> Result<(), Trouble> {
        unique::give_back(session, &std::mem::take(&mut self.keys_free), now)
    }

    /// Takes back claims that were never started and are held, and lets go of them.
    pub(super) fn hand_back(
        &mut self,
        session: &mut Session,
        counters: &mut Counters,
        unstarted: &[Lease],
        policy: &RetryPolicy,
        now: Timestamp,
    ) -> Result<Vec<(Lease, Effect)>, Trouble> {
        let mut back: Vec<(Lease, Effect)> = Vec::with_capacity(unstarted.len());
        for &lease in unstarted {
            let Some(Held { standing, queue, has_key }) = self.let_go(lease) else { continue };
            let effect = effect::finish(&standing, Ending::Unstarted, policy, now)?;
            self.keys_free.extend((has_key && effect.state.is_finished()).then_some(lease.seq.0));
            counters.of(&queue).moved(standing.state, effect.state);
            back.push((lease, effect));
        }
        if !back.is_empty() {
            let (seqs, leases) = columns(&back.iter().map(|&(lease, _)| lease).collect::<Vec<_>>());
            let states: Vec<&str> = back.iter().map(|(_, effect)| effect.state.as_str()).collect();
            let attempts: Vec<i64> = back.iter().map(|(_, effect)| i64::from(effect.attempts)).collect();
            let finished: Vec<bool> = back.iter().map(|(_, effect)| effect.state.is_finished()).collect();
            let now = now.as_millis();
            session.ask(&sql::HAND_BACK, &named![seqs, leases, states, attempts, finished, now])?;
        }
        Ok(back)
    }
}

impl Outcome {
    /// Of no attempt.
    pub(super) fn nothing() -> Self {
        let ends = Ends { ends: Vec::new() };
        Self { ends, effects: Vec::new(), counts: Counts::default(), first_due: None }
    }
}

impl Ends {
    /// Tells whether all these jobs have come to rest, and none has a record of its
    /// attempt yet, which it had if there was output.
    pub(super) fn are_plain(&self) -> bool {
        self.ends.iter().all(|(end, effect, _)| effect.state.is_finished() && end.output_bytes == 0)
    }

    /// How many of them are of a queue.
    pub(super) fn of_queue(&self, queue: &str) -> u64 {
        self.ends.iter().filter(|(.., of)| of == queue).count() as u64
    }

    /// The queues of those that are ready again.
    pub(super) fn returned_queues(&self) -> impl Iterator<Item = &str> {
        let is_ready = |effect: &Effect| matches!(effect.next, Next::Ready(_));
        self.ends.iter().filter(move |(_, effect, _)| is_ready(effect)).map(|(.., queue)| queue.as_str())
    }

    /// The columns `ended`.
    pub(super) fn arrays(&self) -> Arrays<'_> {
        let mut arrays = Arrays::new(ended::COLUMNS);
        for (end, effect, queue) in &self.ends {
            arrays.push(cells(end, effect, queue));
        }
        arrays
    }
}

/// What is told of an end, in the order of the columns `ended`.
fn cells<'a>(end: &'a Ended, effect: &Effect, queue: &'a str) -> [Cell<'a>; ended::COLUMNS.len()] {
    let finished_at = if let Next::Finished { at } = effect.next { Some(at.as_millis()) } else { None };
    let wait = if let Next::Scheduled(wait) = effect.next { Some(wait) } else { None };
    [
        end.lease.seq.0.into(),
        end.lease.number.into(),
        queue.into(),
        effect.state.as_str().into(),
        i64::from(effect.attempts).into(),
        i64::from(effect.crashes).into(),
        end.started_at.as_millis().into(),
        end.ended_at.as_millis().into(),
        finished_at.into(),
        wait.map(|wait| wait.due_at.as_millis()).into(),
        wait.map(|wait| wait.since.as_millis()).into(),
        end.outcome.as_str().into(),
        end.outcome.code().map(i64::from).into(),
        end.outcome.exit_code().map(i64::from).into(),
        end.outcome.signal().map(i64::from).into(),
        end.error.as_deref().into(),
        end.output_bytes.cast_signed().into(),
        end.dropped_bytes.cast_signed().into(),
    ]
}

/// Leases as two columns.
pub(super) fn columns(leases: &[Lease]) -> (Vec<i64>, Vec<i64>) {
    leases.iter().map(|lease| (lease.seq.0, lease.number)).unzip()
}
