//! How the queue is looked at.

use super::connection::SqliteStore;
use super::roster::takers;
use super::{counters, filter, row, soundness, sql, unique};
use crate::clock::Clock;
use crate::counts::Counts;
use crate::finding::Finding;
use crate::liveness::LockFile;
use crate::output::OutputPart;
use crate::reader::Reader;
use crate::worker_record::{Life, WorkerRecord};
use crate::{Result, machine};
use queuectl_core::{
    Attempt, Filter, Job, JobId, JobReference, Lease, QueueRules, Seq, State, Timestamp, UniqueKey, WorkerId,
};
use rusqlite::{OptionalExtension, ToSql};

impl Reader for SqliteStore {
    fn clock(&self) -> Clock {
        Clock::of_this_machine()
    }

    fn job(&mut self, id: &JobId) -> Result<Option<Job>> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(sql::JOB)?
                .query_row([id.as_str()], |found| Ok(row::job(found)))
                .optional()?)
        })
    }

    fn states(&mut self, seqs: &[Seq]) -> Result<Vec<(Seq, State)>> {
        self.read(|connection| {
            let mut state = connection.prepare_cached(sql::STATE_OF_SEQ)?;
            let mut states = Vec::with_capacity(seqs.len());
            for &seq in seqs {
                if let Some(state) = state.query_row([seq.0], |found| row::state(found, 0)).optional()? {
                    states.push((seq, state));
                }
            }
            Ok(states)
        })
    }

    fn jobs(&mut self, filter: &Filter) -> Result<Vec<Job>> {
        self.read(|connection| Ok(filter::jobs(filter).read_jobs(connection)?))
    }

    fn count(&mut self, filter: &Filter, most: u32) -> Result<u64> {
        let count = self.read(|connection| Ok(filter::count(filter, most).number(connection)?))?;
        Ok(count.unwrap_or(0).max(0).unsigned_abs())
    }

    fn seqs(&mut self, filter: &Filter) -> Result<Vec<Seq>> {
        self.read(|connection| Ok(filter::seqs(filter).numbers(connection)?))
    }

    fn jobs_meant(&mut self, reference: &JobReference, limit: u32) -> Result<Vec<Job>> {
        match reference {
            JobReference::Number(seq) => self.find(sql::JOB_OF_NUMBER, &[&seq.0, &limit]),
            JobReference::Last => self.find(sql::LAST_JOB, &[&limit]),
            JobReference::Beginning(text) => {
                self.find(sql::JOBS_THAT_BEGIN, &[text, &end_of_beginnings(text), &limit])
            }
            JobReference::Ending(text) => {
                self.find(sql::JOBS_THAT_END, &[text, &(text.chars().count() as i64), &limit])
            }
        }
    }

    fn first_of_newest(&mut self, filter: &Filter, count: u64) -> Result<Option<Seq>> {
        let first = self.read(|connection| Ok(filter::first_of_newest(filter, count).number(connection)?))?;
        Ok(first.map(Seq))
    }

    fn counts(&mut self) -> Result<Counts> {
        self.read(|connection| {
            Ok(counters::counts_by_queue(connection)?.iter().map(|(_, counts)| counts).sum())
        })
    }

    fn counts_by_queue(&mut self) -> Result<Vec<(String, Counts)>> {
        self.read(|connection| Ok(counters::counts_by_queue(connection)?))
    }

    fn rules(&mut self) -> Result<Vec<QueueRules>> {
        self.read(|connection| {
            let mut rules = connection.prepare_cached(sql::RULES)?;
            let rules = rules.query_map([], |found| Ok(row::queue_rules(found)))?;
            Ok(rules.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn attempts(&mut self, seq: Seq) -> Result<Vec<Attempt>> {
        self.read(|connection| {
            let mut attempts = connection.prepare_cached(sql::ATTEMPTS)?;
            let found = attempts.query_map([seq.0], |found| Ok(row::attempt(found)))?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn output(&mut self, lease: Lease, from: i64, limit: u32) -> Result<Vec<OutputPart>> {
        self.read(|connection| {
            let mut output = connection.prepare_cached(sql::OUTPUT)?;
            let found = output
                .query_map((lease.seq.0, lease.number, from, limit), |found| Ok(row::output(found).0))?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn output_end(&mut self, lease: Lease, bytes: u32) -> Result<Vec<OutputPart>> {
        self.read(|connection| {
            let mut output = connection.prepare_cached(sql::OUTPUT_END)?;
            let mut rows = output.query((lease.seq.0, lease.number))?;
            let (mut parts, mut missing) = (Vec::new(), bytes as usize);
            while missing > 0
                && let Some(found) = rows.next()?
            {
                let part = row::output(found).0;
                missing = missing.saturating_sub(part.bytes.len());
                parts.push(part);
            }
            parts.reverse();
            Ok(parts)
        })
    }

    fn worker(&mut self, id: WorkerId) -> Result<Option<WorkerRecord>> {
        let worker = self.read(|connection| {
            Ok(connection
                .prepare_cached(sql::WORKER)?
                .query_row([id.0], |found| Ok(row::worker(found)))
                .optional()?)
        })?;
        let mut found: Vec<WorkerRecord> = worker.into_iter().collect();
        self.tell_lives(&mut found)?;
        Ok(found.pop())
    }

    fn workers(&mut self) -> Result<Vec<WorkerRecord>> {
        let mut workers: Vec<WorkerRecord> = self.read(|connection| {
            let mut workers = connection.prepare_cached(sql::WORKERS)?;
            Ok(workers.query_map([], |found| Ok(row::worker(found)))?.collect::<rusqlite::Result<_>>()?)
        })?;
        self.tell_lives(&mut workers)?;
        Ok(workers)
    }

    fn has_workers(&mut self, queue: &str) -> Result<bool> {
        // Seen by the transaction that accepted them: a question less for each job.
        if std::mem::take(&mut self.nobody_works) {
            return Ok(false);
        }
        let takers = self.read(|connection| Ok(takers(connection)?))?;
        let mut takers = takers.iter().filter(|(_, queues)| queues.serves(queue)).peekable();
        if takers.peek().is_none() {
            return Ok(false);
        }
        // Without the file it cannot be found out.
        let Some(lock_file) = LockFile::open_existing(&self.path)? else { return Ok(true) };
        for (worker, _) in takers {
            if lock_file.is_held(*worker)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn taken_ids(&mut self, ids: &[&JobId]) -> Result<Vec<JobId>> {
        self.read(|connection| {
            let mut is_taken = connection.prepare_cached(sql::ID_IS_TAKEN)?;
            let mut taken = Vec::new();
            for id in ids {
                if is_taken.query_row([id.as_str()], |_| Ok(())).optional()?.is_some() {
                    taken.push((*id).clone());
                }
            }
            Ok(taken)
        })
    }

    fn taken_keys(&mut self, keys: &[&UniqueKey], now: Timestamp) -> Result<Vec<(UniqueKey, JobId)>> {
        self.read(|connection| {
            let mut taken = Vec::new();
            for &key in keys {
                let holder = unique::holder(connection, key, now)?;
                taken.extend(holder.map(|holder| (key.clone(), holder.job_id)));
            }
            Ok(taken)
        })
    }

    fn check(&mut self) -> Result<Vec<String>> {
        self.read(|connection| {
            let mut problems = soundness::integrity(connection)?;
            problems.extend(soundness::wrong_counts(connection)?);
            problems.extend(soundness::wrong_keys(connection)?);
            Ok(problems)
        })
    }

    fn diagnose(&mut self) -> Vec<Finding> {
        self.findings()
    }
}

impl SqliteStore {
    /// Reads the jobs that a statement finds.
    fn find(&mut self, statement: &str, values: &[&dyn ToSql]) -> Result<Vec<Job>> {
        self.read(|connection| {
            let mut jobs = connection.prepare_cached(statement)?;
            let found = jobs.query_map(values, |found| Ok(row::job(found)))?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Asks the kernel which of these workers live.
    fn tell_lives(&mut self, workers: &mut [WorkerRecord]) -> Result<()> {
        if workers.iter().all(|worker| worker.ended_at.is_some()) {
            for worker in workers {
                worker.life = Life::Dead;
            }
            return Ok(());
        }
        let Some(lock_file) = LockFile::open_existing(&self.path)? else { return Ok(()) };
        for worker in workers {
            let held = worker.ended_at.is_none() && lock_file.is_held(worker.id)?;
            worker.life = if held { Life::Alive } else { Life::Dead };
            worker.is_stalled = held && machine::is_stopped(worker);
        }
        Ok(())
    }
}

/// No id that begins with a text is greater than this one.
fn end_of_beginnings(text: &str) -> String {
    format!("{text}{}", char::MAX)
}
