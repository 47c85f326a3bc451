//! What people and programs do to jobs.

use super::arrays::Arrays;
use super::counters::Counters;
use super::row::{self, all};
use super::store::PostgresStore;
use super::trouble::Trouble;
use super::{filter, sql};
use crate::columns::{Cell, Column, Has};
use crate::filter::by_state;
use crate::job_row;
use crate::job_row::job;
use crate::queue::{Cancelled, Enqueued, OnTaken, Queue, Retried};
use crate::{Result, StoreError};
use queuectl_core::{
    Blocker, Cancellation, Filter, IllegalTransition, JobId, Lease, Limits, NewJob, Next, Pause, Seq, Stage,
    State, Timestamp, Wait, Waiting, WorkerId, effect,
};
use queuectl_postgres::Named;
use queuectl_postgres::session::{Session, named, values};
use std::collections::HashSet;
use tokio_postgres::Row;

/// What is told of the stage a new job goes to, beside what it is given.
const STAGE: [Column; 4] = [
    Column { name: "stage", has: Has::Text },
    Column { name: "blocked_by", has: Has::Text },
    Column { name: "run_at_ms", has: Has::Number },
    Column { name: "waits_since_ms", has: Has::Number },
];

impl Queue for PostgresStore {
    fn enqueue(&mut self, jobs: &[NewJob], on_taken: OnTaken, now: Timestamp) -> Result<Enqueued> {
        let (mut given, mut stages) = (Arrays::new(job::GIVEN), Arrays::new(&STAGE));
        let nexts: Vec<Next> = jobs.iter().map(|job| effect::accept(job, now).next).collect();
        for (job, next) in jobs.iter().zip(&nexts) {
            given.push(job_row::given(job, now));
            stages.push(stage_cells(next));
        }
        let mut values: Vec<Named<'_>> = given.named();
        values.extend(stages.named());
        let at = now.as_millis();
        values.extend(named![now: at]);

        let enqueued = self.change(|session, counters| {
            let rows = session.ask(&sql::ENQUEUE, &values)?;
            if rows.len() < jobs.len() && on_taken == OnTaken::Refuse {
                let index = not_added(jobs, &rows)?.first().copied().unwrap_or_default();
                return Err(StoreError::DuplicateId { id: jobs[index].id.clone(), index }.into());
            }
            let skipped = if rows.len() < jobs.len() { not_added(jobs, &rows)? } else { Vec::new() };
            for (index, (job, next)) in jobs.iter().zip(&nexts).enumerate() {
                if skipped.binary_search(&index).is_err() {
                    let counts = counters.of(&job.queue);
                    counts[State::Pending] += 1;
                    counts.blocked += i64::from(next.stage() == Stage::Blocked);
                }
            }
            Ok(Enqueued { added: rows.len() as u64, skipped })
        })?;
        if enqueued.added > 0 {
            self.ring_all();
        }
        Ok(enqueued)
    }

    fn cancel(&mut self, id: &JobId, now: Timestamp) -> Result<Cancelled> {
        let cancelled = self.change(|session, counters| {
            let found = find(session, id)?;
            let seq = found.seq.0;
            match effect::cancel(&found.waiting, now).map_err(|source| refused(id, source))? {
                Cancellation::OfWorker => {
                    let asked =
                        session.rows(sql::REQUEST_CANCEL, values![seq, found.lease, now.as_millis()])?;
                    let lease = Lease { seq: found.seq, number: found.lease };
                    let worker = WorkerId(found.worker.unwrap_or_default());
                    still_there(asked.len(), 1, Cancelled::Requested { lease, worker })
                }
                Cancellation::Done(effect) => {
                    let finished_at = if let Next::Finished { at } = effect.next { at } else { now };
                    let state = effect.state.as_str();
                    let (now, finished_at_ms) = (now.as_millis(), finished_at.as_millis());
                    let values = named![seq, state, lease: found.lease, now, finished_at_ms];
                    still_there(session.ask(&sql::CANCEL, &values)?.len(), 1, ())?;
                    let counts = counters.of(&found.queue);
                    counts.moved(found.waiting.state, effect.state);
                    counts.blocked -= i64::from(found.blocked_by.is_some());
                    Ok(Cancelled::Done)
                }
            }
        })?;
        match cancelled {
            Cancelled::Requested { worker, .. } => self.ring_only(&[worker.0]),
            // A worker that drains the queue may have waited for this job.
            Cancelled::Done => self.ring_all(),
        }
        Ok(cancelled)
    }

    fn retry_dead(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.change(|session, counters| {
            let found = find(session, id)?;
            effect::revive(found.waiting.state).map_err(|source| refused(id, source))?;
            // It would only be set aside again.
            let jobs = row::jobs(&session.rows(sql::JOBS_OF_SEQS, values![vec![found.seq.0]])?)?;
            if let Some(reason) = jobs.into_iter().find_map(|job| job.unreadable) {
                return Err(StoreError::UnreadableJob { id: id.clone(), reason }.into());
            }
            revive(session, counters, &[found.seq.0], now)
        })?;
        self.ring_all();
        Ok(())
    }

    fn hurry(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.change(|session, _| {
            let found = find(session, id)?;
            let next = effect::hurry(&found.waiting, now).map_err(|source| refused(id, source))?;
            if let Some(Next::Scheduled(wait)) = next {
                let (run_at_ms, waits_since_ms) = (wait.due_at.as_millis(), wait.since.as_millis());
                let now = now.as_millis();
                session.ask(&sql::RESCHEDULE, &named![seq: found.seq.0, run_at_ms, waits_since_ms, now])?;
            }
            Ok(())
        })?;
        self.ring_all();
        Ok(())
    }

    fn release(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.change(|session, counters| {
            let found = find(session, id)?;
            if found.blocked_by != Some(Blocker::Hold) {
                return Err(StoreError::NotHeld { id: id.clone(), state: found.waiting.state }.into());
            }
            let next = effect::release(&found.waiting, now).map_err(|source| refused(id, source))?;
            let wait = if let Next::Scheduled(wait) = next { Some(wait) } else { None };
            counters.of(&found.queue).blocked -= 1;
            let released = session.ask(
                &sql::UNBLOCK,
                &named![
                    seq: found.seq.0,
                    blocked_by: Blocker::Hold.as_str(),
                    stage: next.stage().as_str(),
                    run_at_ms: wait.map(|wait| wait.due_at.as_millis()),
                    waits_since_ms: wait.map(|wait| wait.since.as_millis()),
                    now: now.as_millis(),
                ],
            )?;
            still_there(released.len(), 1, ())
        })?;
        self.ring_all();
        Ok(())
    }

    fn pause(&mut self, queue: &str, pause: &Pause) -> Result<()> {
        self.change(|session, _| {
            session.rows(sql::LOCK_RULES, &[])?;
            session.ask(
                &sql::PAUSE,
                &named![
                    queue,
                    paused_at_ms: pause.since.as_millis(),
                    paused_until_ms: pause.until.map(Timestamp::as_millis),
                    paused_by: pause.by.as_str(),
                    paused_reason: pause.reason.as_deref(),
                ],
            )?;
            Ok(())
        })?;
        self.ring_all();
        Ok(())
    }

    fn resume(&mut self, queue: &str, now: Timestamp) -> Result<bool> {
        let ended = self.change(|session, _| {
            session.rows(sql::LOCK_RULES, &[])?;
            let ended = session.rows(sql::PAUSED_UNTIL, values![queue])?;
            session.rows(sql::RESUME, values![queue])?;
            session.rows(sql::FORGET_EMPTY_RULES, values![queue])?;
            ended.first().map(|found| row::optional_time(found, "paused_until_ms")).transpose()
        })?;
        self.ring_all();
        Ok(ended.is_some_and(|until| until.is_none_or(|until| now < until)))
    }

    fn set_limits(&mut self, queue: &str, limits: &Limits) -> Result<()> {
        self.change(|session, _| {
            session.rows(sql::LOCK_RULES, &[])?;
            session.ask(&sql::SET_LIMITS, &named![queue, job_limit: limits.running.map(i64::from)])?;
            session.rows(sql::FORGET_EMPTY_RULES, values![queue])?;
            Ok(())
        })?;
        self.ring_all();
        Ok(())
    }

    fn retry_some_dead(&mut self, after: Seq, limit: u32, now: Timestamp) -> Result<Retried> {
        let retried = self.change(|session, counters| {
            let dead = session.rows(sql::OLDEST_DEAD, values![after.0, i64::from(limit)])?;
            let dead: Vec<i64> = all(&dead, |found| row::get(found, "seq"))?;
            let mut jobs = row::jobs(&session.rows(sql::JOBS_OF_SEQS, values![dead])?)?;
            jobs.sort_unstable_by_key(|job| job.seq);
            let (retried, seqs) = Retried::of(jobs);
            let seqs: Vec<i64> = seqs.iter().map(|seq| seq.0).collect();
            revive(session, counters, &seqs, now)?;
            Ok(retried)
        })?;
        self.ring_all();
        Ok(retried)
    }

    fn prune(&mut self, filter: &Filter) -> Result<u64> {
        let filters = by_state(filter)?;
        self.change(|session, counters| {
            let mut pruned = 0;
            for (state, filter) in &filters {
                let left = u64::from(filter.limit) - pruned;
                let old = filter::to_delete(filter, left).rows(session)?;
                delete(session, counters, *state, &old)?;
                pruned += old.len() as u64;
            }
            Ok(pruned)
        })
    }

    fn give_back(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn delete(&mut self, id: &JobId, states: &[State]) -> Result<()> {
        crate::queue::insist_finished(states)?;
        self.change(|session, counters| {
            let found = find(session, id)?;
            let state = found.waiting.state;
            if !states.contains(&state) {
                return Err(StoreError::OtherState { id: id.clone(), state }.into());
            }
            let here = session.rows(sql::FINISHED, values![found.seq.0])?;
            still_there(here.len(), 1, ())?;
            delete(session, counters, state, &here)
        })
    }
}

/// Where a job stands.
struct Found {
    seq: Seq,
    queue: String,
    waiting: Waiting,
    lease: i64,
    worker: Option<i64>,
    blocked_by: Option<Blocker>,
}

fn find(session: &mut Session, id: &JobId) -> Result<Found, Trouble> {
    let rows = session.rows(sql::STANDING_OF_JOB, values![id.as_str()])?;
    let found = rows.first().ok_or_else(|| StoreError::NoSuchJob { id: id.clone() })?;
    read_standing(found).map_err(|trouble| match trouble {
        Trouble::Row(unreadable) => {
            StoreError::UnreadableJob { id: id.clone(), reason: unreadable.to_string() }.into()
        }
        trouble => trouble,
    })
}

fn read_standing(found: &Row) -> Result<Found, Trouble> {
    // Of a job that is ready the wait is over.
    let stage: Option<&str> = row::get(found, "stage")?;
    let still_waits = stage != Some(Stage::Ready.as_str());
    let times = row::optional_time(found, "run_at_ms")?.zip(row::optional_time(found, "waits_since_ms")?);
    let wait = times.filter(|_| still_waits).map(|(due_at, since)| Wait { due_at, since });
    let blocked_by: Option<&str> = row::get(found, "blocked_by")?;
    let blocked_by = blocked_by.map(str::parse::<Blocker>).transpose();
    Ok(Found {
        seq: Seq(row::get(found, "seq")?),
        queue: row::get(found, "queue")?,
        waiting: Waiting {
            state: row::state(found)?,
            attempts: row::nearest(found, "attempts")?,
            crashes: row::nearest(found, "crashes")?,
            wait,
        },
        lease: row::get(found, "lease")?,
        worker: row::get(found, "worker")?,
        blocked_by: blocked_by.map_err(|error| row::unreadable("blocked_by", error.to_string()))?,
    })
}

/// The stage that a new job goes to, in the order of [`STAGE`].
fn stage_cells(next: &Next) -> [Cell<'static>; STAGE.len()] {
    let (blocked_by, wait) = match *next {
        Next::Scheduled(wait) => (None, Some(wait)),
        Next::Blocked { by, wait } => (Some(by), wait),
        Next::Ready(_) | Next::Claimed { .. } | Next::Finished { .. } => (None, None),
    };
    [
        next.stage().as_str().into(),
        blocked_by.map(Blocker::as_str).into(),
        wait.map(|wait| wait.due_at.as_millis()).into(),
        wait.map(|wait| wait.since.as_millis()).into(),
    ]
}

/// Which jobs were not added: their ids were taken, by the queue or by jobs before them.
fn not_added(jobs: &[NewJob], rows: &[Row]) -> Result<Vec<usize>, Trouble> {
    let mut added =
        rows.iter().map(|added| row::get(added, "id")).collect::<Result<HashSet<&str>, Trouble>>()?;
    Ok((0..jobs.len()).filter(|&index| !added.remove(jobs[index].id.as_str())).collect())
}

/// What a verb gives, if it has changed as many as it found; else they have changed
/// since it looked, and it looks again.
fn still_there<T>(changed: usize, found: usize, gives: T) -> Result<T, Trouble> {
    if changed == found { Ok(gives) } else { Err(Trouble::Stale) }
}

fn refused(id: &JobId, source: IllegalTransition) -> StoreError {
    StoreError::Refused { id: id.clone(), source }
}

fn revive(
    session: &mut Session,
    counters: &mut Counters,
    seqs: &[i64],
    now: Timestamp,
) -> Result<(), Trouble> {
    // The caller has found them dead, in this transaction.
    let effect = effect::revive(State::Dead)?;
    let revived = session.ask(
        &sql::REVIVE,
        &named![
            seqs: seqs.to_vec(),
            state: effect.state.as_str(),
            attempts: i64::from(effect.attempts),
            crashes: i64::from(effect.crashes),
            now: now.as_millis(),
        ],
    )?;
    for found in &revived {
        counters.of(row::get(found, "queue")?).moved(State::Dead, effect.state);
    }
    still_there(revived.len(), seqs.len(), ())
}

/// Deletes finished jobs with all their records.
fn delete(session: &mut Session, counters: &mut Counters, state: State, jobs: &[Row]) -> Result<(), Trouble> {
    if jobs.is_empty() {
        return Ok(());
    }
    let seqs: Vec<i64> = all(jobs, |found| row::get(found, "seq"))?;
    for found in jobs {
        counters.of(row::get(found, "queue")?)[state] -= 1;
    }
    session.rows(sql::DELETE, values![seqs])?;
    Ok(())
}
