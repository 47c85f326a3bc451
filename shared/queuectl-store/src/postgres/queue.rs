//! What people and programs do to jobs.

use super::counters::Counters;
use super::known::{self, Known};
use super::row::{self, all};
use super::store::PostgresStore;
use super::trouble::Trouble;
use super::wishes::{self, still_there};
use super::{filter, intake, sql};
use crate::filter::by_state;
use crate::queue::{self, Cancelled, DuplicateJob, Enqueued, HolderIs, OnTaken, Queue};
use crate::{Result, StoreError};
use queuectl_core::{
    Filter, Granted, JobId, Limits, NewJob, Pause, Refusal, Seq, State, Timestamp, Wish, WorkerId, effect,
};
use queuectl_postgres::session::{Session, named, values};
use tokio_postgres::Row;

impl Queue for PostgresStore {
    fn enqueue(&mut self, jobs: &[NewJob], on_taken: OnTaken, now: Timestamp) -> Result<Enqueued> {
        let enqueued =
            self.change(|session, counters| intake::accept(session, counters, jobs, on_taken, now))?;
        let has_replaced = |duplicate: &DuplicateJob| duplicate.holder_is == HolderIs::Replaced;
        if enqueued.added > 0 || enqueued.duplicates.iter().any(has_replaced) {
            self.ring_all();
        }
        Ok(enqueued)
    }

    fn cancel(&mut self, id: &JobId, now: Timestamp) -> Result<Cancelled> {
        let cancelled = self.change(|session, counters| {
            let job = known::of_id(session, id)?;
            let granted = wishes::grant(session, counters, &job, Wish::Cancel, now)?;
            Ok(match granted.map_err(|refusal| refused(id, &job, refusal))? {
                Granted::OfWorker => {
                    let worker = WorkerId(job.worker.unwrap_or_default());
                    Cancelled::Requested { lease: job.last_lease(), worker }
                }
                Granted::Becomes(_) | Granted::Goes(_) | Granted::IsSo => Cancelled::Done,
            })
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
            let job = known::of_id(session, id)?;
            effect::revive(job.waiting.state).map_err(|source| refused(id, &job, source.into()))?;
            // It would only be set aside again.
            if let Some((_, id, reason)) = wishes::unreadable(session, &[job.seq.0])?.pop() {
                return Err(StoreError::UnreadableJob { id, reason }.into());
            }
            wishes::grant(session, counters, &job, Wish::Retry, now)?
                .map(drop)
                .map_err(|refusal| refused(id, &job, refusal).into())
        })?;
        self.ring_all();
        Ok(())
    }

    fn hurry(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.change(|session, counters| {
            let job = known::of_id(session, id)?;
            let hurried = effect::hurry(&job.waiting, now);
            let next = hurried.map_err(|source| refused(id, &job, source.into()))?;
            next.map_or(Ok(()), |next| wishes::go_on(session, counters, &job, next, now))
        })?;
        self.ring_all();
        Ok(())
    }

    fn hold(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.grant_one(Wish::Hold, id, now)
    }

    fn release(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.grant_one(Wish::Release, id, now)
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
        Ok(ended.is_some_and(|until| Pause::lasts(until, now)))
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

    fn grant_some(
        &mut self,
        wish: Wish,
        filter: &Filter,
        jobs: &[Seq],
        now: Timestamp,
    ) -> Result<queue::Granted> {
        let granted =
            self.change(|session, counters| wishes::grant_some(session, counters, wish, filter, jobs, now))?;
        self.ring_all();
        Ok(granted)
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
        queue::insist_finished(states)?;
        self.change(|session, counters| {
            let found = known::of_id(session, id)?;
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

impl PostgresStore {
    fn grant_one(&mut self, wish: Wish, id: &JobId, now: Timestamp) -> Result<()> {
        self.change(|session, counters| {
            let job = known::of_id(session, id)?;
            let granted = wishes::grant(session, counters, &job, wish, now)?;
            granted.map(drop).map_err(|refusal| refused(id, &job, refusal).into())
        })?;
        self.ring_all();
        Ok(())
    }
}

fn refused(id: &JobId, job: &Known, refusal: Refusal) -> StoreError {
    match refusal {
        Refusal::State(source) => StoreError::Refused { id: id.clone(), source },
        Refusal::NotHeld => StoreError::NotHeld { id: id.clone(), state: job.waiting.state },
    }
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
