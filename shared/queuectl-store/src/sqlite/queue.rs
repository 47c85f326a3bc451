//! What people do to jobs.

use super::connection::SqliteStore;
use super::counters::Counters;
use super::reserve::Reserve;
use super::roster::roster;
use super::stages::{self, Attempt};
use super::standing::{self, Known};
use super::trouble::Trouble;
use super::{busy, duplicates, filter, row, sql, unique, wishes};
use crate::columns::Cell;
use crate::filter::by_state;
use crate::queue::{self, Cancelled, Enqueued, KeysOfBatch, OnTaken, Queue, insist_finished};
use crate::worker::Worker;
use crate::{Result, StoreError, doorbell, rows};
use queuectl_core::{
    Filter, Granted, JobId, Limits, NewJob, Pause, Refusal, Seq, State, Timestamp, Wish, effect,
};
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use std::time::{Duration, Instant};

/// Jobs, and pieces of their output, that are deleted at once there.
const FEW_JOBS: u64 = 16;
const FEW_PARTS: u64 = 64;

/// How long the readers of the log are waited for to empty it: no program can write meanwhile.
const EMPTYING_WAITS: Duration = Duration::from_millis(200);

/// After a step of many that took so long, others that wait are let through.
const LONG_STEP: Duration = Duration::from_millis(4);

impl Queue for SqliteStore {
    fn enqueue(&mut self, jobs: &[NewJob], on_taken: OnTaken, now: Timestamp) -> Result<Enqueued> {
        let (enqueued, workers) = self.change(|connection, counters| {
            let mut enqueued = Enqueued::default();
            let mut keys = KeysOfBatch::default();
            for (index, job) in jobs.iter().enumerate() {
                if let Some(duplicate) =
                    duplicates::meet(connection, counters, &mut keys, (index, job), on_taken, now)?
                {
                    enqueued.duplicates.push(duplicate);
                    continue;
                }
                let is_new = stages::accept(connection, counters, job, &effect::accept(job, now), now)?;
                match (is_new, on_taken) {
                    (false, OnTaken::Refuse) => {
                        return Err(Trouble::Store(StoreError::DuplicateId { id: job.id.clone(), index }));
                    }
                    (false, OnTaken::Skip) => enqueued.skipped.push(index),
                    (true, _) => enqueued.added += 1,
                }
            }
            Ok((enqueued, roster(connection)?))
        })?;
        self.nobody_works = workers.is_empty();
        self.ring_all(&workers);
        Ok(enqueued)
    }

    fn cancel(&mut self, id: &JobId, now: Timestamp) -> Result<Cancelled> {
        let cancelled = self.change(|connection, counters| {
            let job = standing::of_id(connection, id)?;
            Ok(match wishes::grant(connection, counters, &job, Wish::Cancel, now)? {
                Ok(Granted::OfWorker) => {
                    let worker = job.worker.ok_or_else(|| unreadable(id, "column worker is NULL"))?;
                    Cancelled::Requested { lease: job.last_lease(), worker }
                }
                granted => granted.map(|_| Cancelled::Done).map_err(|refusal| refused(id, &job, refusal))?,
            })
        })?;
        match cancelled {
            Cancelled::Requested { worker, .. } => doorbell::ring(&self.path, worker),
            // A worker that drains the queue may have waited for this job.
            Cancelled::Done => self.ring()?,
        }
        Ok(cancelled)
    }

    fn retry_dead(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.change_and_ring(|connection, counters| {
            let job = standing::of_id(connection, id)?;
            let effect = effect::revive(job.state).map_err(|source| refused(id, &job, source.into()))?;
            let dead = standing::readable(connection, id)?;
            if let (Some(holder), Some(key)) = (unique::take_again(connection, &dead, now)?, dead.unique_key)
            {
                return Err(StoreError::KeyTaken { id: id.clone(), key, holder: holder.job_id }.into());
            }
            stages::apply(connection, counters, &job.before(), job.state, &effect, &Attempt::Same, now)?;
            Ok(())
        })
    }

    fn hurry(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.change_and_ring(|connection, counters| {
            let job = standing::of_id(connection, id)?;
            let hurried = effect::hurry(&job.waiting(), now);
            if let Some(next) = hurried.map_err(|source| refused(id, &job, source.into()))? {
                stages::go_on(connection, counters, &job.before(), &next, Some(now))?;
            }
            Ok(())
        })
    }

    fn hold(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        // A worker that drains the queue may have waited for this job.
        self.grant_one(Wish::Hold, id, now)
    }

    fn release(&mut self, id: &JobId, now: Timestamp) -> Result<()> {
        self.grant_one(Wish::Release, id, now)
    }

    fn pause(&mut self, queue: &str, pause: &Pause) -> Result<()> {
        self.change_and_ring(|connection, _| {
            let cells = [Cell::from(queue)].into_iter().chain(rows::pause_cells(pause));
            connection.prepare_cached(sql::PAUSE)?.execute(params_from_iter(cells))?;
            Ok(())
        })
    }

    fn resume(&mut self, queue: &str, now: Timestamp) -> Result<bool> {
        self.change_and_ring(|connection, _| {
            let ended = connection
                .prepare_cached(sql::PAUSED_UNTIL)?
                .query_row([queue], |found| Ok(row::optional_time(found, 0).unwrap_or_default()))
                .optional()?;
            connection.prepare_cached(sql::RESUME)?.execute([queue])?;
            connection.prepare_cached(sql::FORGET_EMPTY_RULES)?.execute([queue])?;
            Ok(ended.is_some_and(|until| Pause::lasts(until, now)))
        })
    }

    fn set_limits(&mut self, queue: &str, limits: &Limits) -> Result<()> {
        self.change_and_ring(|connection, _| {
            connection.prepare_cached(sql::SET_LIMITS)?.execute((queue, limits.running))?;
            connection.prepare_cached(sql::FORGET_EMPTY_RULES)?.execute([queue])?;
            Ok(())
        })
    }

    fn grant_some(
        &mut self,
        wish: Wish,
        filter: &Filter,
        jobs: &[Seq],
        now: Timestamp,
    ) -> Result<queue::Granted> {
        let began = Instant::now();
        let (granted, workers) = self.change(|connection, counters| {
            let granted = wishes::grant_some(connection, counters, wish, filter, jobs, now)?;
            Ok((granted, roster(connection)?))
        })?;
        self.ring_all(&workers);
        // The caller most likely goes on with the next step at once.
        if began.elapsed() >= LONG_STEP {
            busy::let_others_write();
        }
        Ok(granted)
    }

    fn prune(&mut self, filter: &Filter) -> Result<u64> {
        let filters = by_state(filter)?;
        if !matches!(self.reserve, Reserve::Used(_)) {
            match self.prune_at_once(&filters) {
                Err(StoreError::Full { .. }) if self.take_reserve()? => {}
                pruned => return pruned,
            }
        }
        self.prune_bit_by_bit(&filters)
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
        insist_finished(states)?;
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
}

impl SqliteStore {
    /// Runs one verb that may give workers something to do, and rings them.
    fn change_and_ring<T>(
        &mut self,
        verb: impl FnOnce(&Connection, &mut Counters) -> Result<T, Trouble>,
    ) -> Result<T> {
        let (done, workers) = self.change(|connection, counters| {
            let done = verb(connection, counters)?;
            Ok((done, roster(connection)?))
        })?;
        self.ring_all(&workers);
        Ok(done)
    }

    fn grant_one(&mut self, wish: Wish, id: &JobId, now: Timestamp) -> Result<()> {
        self.change_and_ring(|connection, counters| {
            let job = standing::of_id(connection, id)?;
            let granted = wishes::grant(connection, counters, &job, wish, now)?;
            Ok(granted.map(drop).map_err(|refusal| refused(id, &job, refusal))?)
        })
    }

    /// Deletes so many parts of the output of a job, and the job with the last of them;
    /// tells whether it has done so.
    fn delete_some(&mut self, id: &JobId, states: &[State], most_parts: u64) -> Result<bool> {
        self.change(|connection, counters| {
            let Known { seq, state, queue, .. } = standing::of_id(connection, id)?;
            if !states.contains(&state) {
                return Err(StoreError::OtherState { id: id.clone(), state }.into());
            }
            let parts = connection.prepare_cached(sql::DELETE_SOME_OUTPUT)?.execute((seq.0, most_parts))?;
            if parts as u64 >= most_parts {
                return Ok(false);
            }
            delete(connection, seq)?;
            counters.add(queue.as_deref(), state, -1);
            Ok(true)
        })
    }

    fn prune_at_once(&mut self, filters: &[(State, Filter)]) -> Result<u64> {
        self.change(|connection, counters| {
            let mut pruned = 0;
            for (state, filter) in filters {
                let left = u64::from(filter.limit) - pruned;
                let old = filter::to_delete(filter, left).read_queues(connection)?;
                for (seq, queue) in &old {
                    delete(connection, *seq)?;
                    counters.add(queue.as_deref(), *state, -1);
                }
                pruned += old.len() as u64;
            }
            Ok(pruned)
        })
    }

    /// Deletes a few jobs in steps that write little, and gives back their pages after
    /// each, so that the next has room.
    fn prune_bit_by_bit(&mut self, filters: &[(State, Filter)]) -> Result<u64> {
        loop {
            let (pruned, parts) = self.change(|connection, counters| {
                let (mut pruned, mut parts) = (0, 0);
                for (state, filter) in filters {
                    for (seq, queue) in filter::to_delete(filter, FEW_JOBS).read_queues(connection)? {
                        let more = FEW_PARTS - parts;
                        let output =
                            connection.prepare_cached(sql::DELETE_SOME_OUTPUT)?.execute((seq.0, more))?;
                        parts += output as u64;
                        if parts >= FEW_PARTS {
                            return Ok((pruned, parts));
                        }
                        delete(connection, seq)?;
                        counters.add(queue.as_deref(), *state, -1);
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
}

fn refused(id: &JobId, job: &Known, refusal: Refusal) -> StoreError {
    match refusal {
        Refusal::State(source) => StoreError::Refused { id: id.clone(), source },
        Refusal::NotHeld => StoreError::NotHeld { id: id.clone(), state: job.state },
    }
}

fn unreadable(id: &JobId, reason: &str) -> StoreError {
    StoreError::UnreadableJob { id: id.clone(), reason: reason.to_owned() }
}

/// Deletes a job with all its records.
fn delete(connection: &Connection, seq: Seq) -> rusqlite::Result<()> {
    for statement in [sql::DELETE_OUTPUT, sql::DELETE_ATTEMPTS, sql::DELETE_JOB] {
        connection.prepare_cached(statement)?.execute([seq.0])?;
    }
    Ok(())
}
