//! How the queue is looked at.

use super::counters;
use super::filter::{self, Waiting};
use super::row::{self, all, one};
use super::store::PostgresStore;
use super::trouble::Trouble;
use super::{soundness, sql, unique};
use crate::clock::Clock;
use crate::counts::Counts;
use crate::finding::Finding;
use crate::output::OutputPart;
use crate::reader::Reader;
use crate::worker_record::{Life, WorkerRecord};
use crate::{Result, machine, stored};
use queuectl_core::{
    Attempt, Filter, Job, JobId, JobReference, Lease, Order, QueueRules, QueueSet, Seq, State, Timestamp,
    UniqueKey, WorkerId,
};
use queuectl_postgres::session::{Session, Value, values};
use std::collections::HashSet;
use tokio_postgres::Row;

/// Numbers of jobs that are read at once: an answer of the server must not be long in coming.
const SEQS_ON_PAGE: u32 = 50_000;

impl Reader for PostgresStore {
    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn job(&mut self, id: &JobId) -> Result<Option<Job>> {
        self.read(|session| Ok(row::jobs(&session.rows(sql::JOB, values![id.as_str()])?)?.pop()))
    }

    fn states(&mut self, seqs: &[Seq]) -> Result<Vec<(Seq, State)>> {
        let numbers: Vec<i64> = seqs.iter().map(|seq| seq.0).collect();
        self.read(|session| {
            let rows = session.rows(sql::STATES_OF_SEQS, values![numbers])?;
            all(&rows, |found| Ok((Seq(row::get(found, "seq")?), row::state(found)?)))
        })
    }

    fn jobs(&mut self, filter: &Filter) -> Result<Vec<Job>> {
        let statement = filter::jobs(filter, self.waiting(filter)?);
        self.read(|session| {
            let rows = statement.rows(session)?;
            if filter.order != Order::ByEnd {
                return row::jobs(&rows);
            }
            let mut jobs = jobs_of_numbers(session, &rows)?;
            jobs.sort_by_key(|job| (job.finished_at, job.seq));
            Ok(jobs)
        })
    }

    fn count(&mut self, filter: &Filter, most: u32) -> Result<u64> {
        let statement = filter::count(filter, self.waiting(filter)?, most);
        self.read(|session| {
            let count: i64 = row::get(&one(statement.rows(session)?)?, 0)?;
            Ok(count.max(0).unsigned_abs())
        })
    }

    fn seqs(&mut self, filter: &Filter) -> Result<Vec<Seq>> {
        let waiting = self.waiting(filter)?;
        self.read(|session| {
            session.begin_snapshot()?;
            let (mut seqs, mut after): (Vec<i64>, _) = (Vec::new(), Seq(0));
            loop {
                let page = one(filter::seqs(filter, waiting, after, SEQS_ON_PAGE).rows(session)?)?;
                let page: Vec<i64> = row::get(&page, "seqs")?;
                let Some(&last) = page.last() else { break };
                after = Seq(last);
                seqs.extend(page);
            }
            // All was read; whether the server hears that changes nothing.
            session.roll_back();
            Ok(seqs.into_iter().map(Seq).collect())
        })
    }

    fn jobs_meant(&mut self, reference: &JobReference, limit: u32) -> Result<Vec<Job>> {
        let limit = i64::from(limit);
        match reference {
            JobReference::Number(seq) => self.find(sql::JOB_OF_NUMBER, values![seq.0, limit]),
            JobReference::Last => self.find(sql::LAST_JOB, values![limit]),
            JobReference::Beginning(text) => {
                // No id that begins with a text is greater than this one.
                let end = format!("{text}{}", char::MAX);
                self.find(sql::JOBS_THAT_BEGIN, values![text.as_str(), end, limit])
            }
            JobReference::Ending(text) => {
                let length = text.chars().count() as i64;
                self.find(sql::JOBS_THAT_END, values![text.as_str(), length, limit])
            }
        }
    }

    fn first_of_newest(&mut self, filter: &Filter, count: u64) -> Result<Option<Seq>> {
        let statement = filter::first_of_newest(filter, self.waiting(filter)?, count);
        self.read(|session| {
            let seq: Option<i64> = row::get(&one(statement.rows(session)?)?, 0)?;
            Ok(seq.map(Seq))
        })
    }

    fn counts(&mut self) -> Result<Counts> {
        self.read(counters::kept)
    }

    fn counts_by_queue(&mut self) -> Result<Vec<(String, Counts)>> {
        self.read(counters::kept_by_queue)
    }

    fn rules(&mut self) -> Result<Vec<QueueRules>> {
        self.read(|session| row::queue_rules(&session.rows(sql::RULES, &[])?))
    }

    fn attempts(&mut self, seq: Seq) -> Result<Vec<Attempt>> {
        self.read(|session| row::attempts(&session.rows(sql::ATTEMPTS, values![seq.0])?))
    }

    fn output(&mut self, lease: Lease, from: i64, limit: u32) -> Result<Vec<OutputPart>> {
        let values: [i64; 4] = [lease.seq.0, lease.number, from, i64::from(limit)];
        self.read(|session| {
            let rows = session.rows(sql::OUTPUT, values![values[0], values[1], values[2], values[3]])?;
            row::output(&rows)
        })
    }

    fn output_end(&mut self, lease: Lease, bytes: u32) -> Result<Vec<OutputPart>> {
        let wanted = i64::from(bytes);
        self.read(|session| {
            let rows = session.rows(sql::OUTPUT_END, values![lease.seq.0, lease.number, wanted])?;
            row::output(&rows)
        })
    }

    fn worker(&mut self, id: WorkerId) -> Result<Option<WorkerRecord>> {
        let found = self.look_at_workers(|session| session.rows(sql::WORKER, values![id.0]))?;
        Ok(found.into_iter().next())
    }

    fn workers(&mut self) -> Result<Vec<WorkerRecord>> {
        self.look_at_workers(|session| session.rows(sql::WORKERS, &[]))
    }

    fn has_workers(&mut self, queue: &str) -> Result<bool> {
        let lock_file = self.lock_file_here()?;
        let here = lock_file.as_ref().map(crate::liveness::LockFile::identity).transpose()?;
        let found: Vec<(i64, String)> = self.read(|session| {
            let mut found = Vec::new();
            for worker in &session.rows(sql::WHO_TAKES_JOBS, &[])? {
                // What cannot be read may be any queue.
                let queues = stored::queues(row::get(worker, "queues")?).unwrap_or(QueueSet::ALL);
                if queues.serves(queue) && !row::Silence::read(worker)?.is_death() {
                    found.push((row::get(worker, "id")?, row::get(worker, "lock_file")?));
                }
            }
            Ok(found)
        })?;
        for (id, lock_file_there) in found {
            // Of those on this machine the lock tells, and at once.
            let lives = match &lock_file {
                Some(lock_file) if here.as_ref() == Some(&lock_file_there) => {
                    lock_file.is_held(WorkerId(id))?
                }
                _ => true,
            };
            if lives {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn taken_ids(&mut self, ids: &[&JobId]) -> Result<Vec<JobId>> {
        let asked: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        self.read(|session| {
            let rows = session.rows(sql::IDS_TAKEN, values![asked])?;
            let taken =
                rows.iter().map(|taken| row::get(taken, "id")).collect::<Result<HashSet<&str>, Trouble>>()?;
            Ok(ids.iter().filter(|id| taken.contains(id.as_str())).map(|&id| id.clone()).collect())
        })
    }

    fn taken_keys(&mut self, keys: &[&UniqueKey], now: Timestamp) -> Result<Vec<(UniqueKey, JobId)>> {
        let holders = self.read(|session| unique::holders(session, keys.iter().copied()))?;
        let holder = |key: &&UniqueKey| holders.get(*key).filter(|holder| !holder.hold.is_stale(now));
        let taken = keys.iter().filter_map(|key| Some(((*key).clone(), holder(key)?.job_id.clone())));
        Ok(taken.collect())
    }

    fn check(&mut self) -> Result<Vec<String>> {
        self.read(|session| {
            session.begin_snapshot()?;
            let mut problems = soundness::wrong_counts(session)?;
            problems.extend(soundness::wrong_keys(session)?);
            session.commit()?;
            Ok(problems)
        })
    }

    fn diagnose(&mut self) -> Vec<Finding> {
        self.findings()
    }
}

impl PostgresStore {
    /// Reads the jobs whose numbers a statement finds.
    fn find(&mut self, statement: &'static str, values: &[Value<'_>]) -> Result<Vec<Job>> {
        self.read(|session| {
            let rows = session.rows(statement, values)?;
            jobs_of_numbers(session, &rows)
        })
    }

    /// Looks how many jobs wait, if a filter asks for them.
    fn waiting(&mut self, filter: &Filter) -> Result<Waiting> {
        if Waiting::matters_to(filter) { Ok(Waiting::of(&self.counts()?)) } else { Ok(Waiting::Many) }
    }

    /// Reads rows of workers, and asks the kernel about those of this machine.
    fn look_at_workers(
        &mut self,
        mut rows: impl FnMut(&mut Session) -> std::result::Result<Vec<Row>, tokio_postgres::Error>,
    ) -> Result<Vec<WorkerRecord>> {
        let lock_file = self.lock_file_here()?;
        let here = lock_file.as_ref().map(crate::liveness::LockFile::identity).transpose()?;
        let mut workers =
            self.read(|session| all(&rows(session)?, |found| row::worker(found, here.as_deref())))?;
        for worker in &mut workers {
            if worker.ended_at.is_some() {
                worker.life = Life::Dead;
            } else if let Some(lock_file) = lock_file.as_ref().filter(|_| worker.is_here) {
                let held = lock_file.is_held(worker.id)?;
                worker.life = if held { Life::Alive } else { Life::Dead };
                worker.is_stalled = held && machine::is_stopped(worker);
            }
        }
        Ok(workers)
    }
}

/// Reads the jobs whose numbers these rows have.
fn jobs_of_numbers(session: &mut Session, rows: &[Row]) -> Result<Vec<Job>, Trouble> {
    let numbers: Vec<i64> = all(rows, |found| row::get(found, 0))?;
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    row::jobs(&session.rows(sql::JOBS_OF_NUMBERS, values![numbers])?)
}
