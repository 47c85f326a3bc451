//! How the queue is looked at.

use super::books;
use super::session::{Session, values};
use super::{PostgresStore, Trouble, row, sql};
use crate::clock::Clock;
use crate::counts::Counts;
use crate::inspect::{Inspect, Life, OutputPart, Selection, Worker};
use crate::pulse::DEAD_AFTER;
use crate::{Result, machine};
use postgres::Row;
use queuectl_core::{Attempt, Job, JobId, Lease, Seq, WorkerId};

impl Inspect for PostgresStore {
    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn job(&mut self, id: &JobId) -> Result<Option<Job>> {
        self.read(|session| first(&session.rows(sql::JOB, values![id.as_str()])?, row::job))
    }

    fn jobs(&mut self, selection: &Selection) -> Result<Vec<Job>> {
        let statement = jobs_statement(selection);
        let (after, limit) = (selection.after.0, i64::from(selection.limit));
        self.read(|session| all(&session.rows_of(&statement, values![after, limit])?, row::job))
    }

    fn counts(&mut self) -> Result<Counts> {
        self.read(|session| Ok(books::sums(&books::one(session.rows(sql::LEDGER, &[])?)?, 0)?.0))
    }

    fn attempts(&mut self, seq: Seq) -> Result<Vec<Attempt>> {
        self.read(|session| {
            all(&session.rows(sql::ATTEMPTS, values![seq.0])?, |found| row::attempt(seq, found))
        })
    }

    fn output(&mut self, lease: Lease, from: i64, limit: u32) -> Result<Vec<OutputPart>> {
        let values: [i64; 4] = [lease.seq.0, lease.number, from, i64::from(limit)];
        self.read(|session| {
            let rows = session.rows(sql::OUTPUT, values![values[0], values[1], values[2], values[3]])?;
            all(&rows, |found| row::output(lease, found))
        })
    }

    fn worker(&mut self, id: WorkerId) -> Result<Option<Worker>> {
        let silence = DEAD_AFTER.as_secs_f64();
        let found = self.look_at_workers(|session| session.rows(sql::WORKER, values![silence, id.0]))?;
        Ok(found.into_iter().next())
    }

    fn workers(&mut self) -> Result<Vec<Worker>> {
        let silence = DEAD_AFTER.as_secs_f64();
        self.look_at_workers(|session| session.rows(sql::WORKERS, values![silence]))
    }
}

impl PostgresStore {
    /// Reads rows of workers, and asks the kernel about those of this machine.
    fn look_at_workers(
        &mut self,
        mut rows: impl FnMut(&mut Session) -> std::result::Result<Vec<Row>, postgres::Error>,
    ) -> Result<Vec<Worker>> {
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

/// Reads every row.
pub(super) fn all<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, Trouble>) -> Result<Vec<T>, Trouble> {
    rows.iter().map(read).collect()
}

fn first<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    rows.first().map(read).transpose()
}

/// States are written out, so that the server can prove that a partial index holds
/// all that is asked for.
fn jobs_statement(selection: &Selection) -> String {
    let states: Vec<String> = selection.states.iter().map(|state| format!("'{state}'")).collect();
    match states.as_slice() {
        [] => format!("{}{}", sql::JOBS, sql::JOBS_ORDER),
        [state] => format!("{} AND state = {state}{}", sql::JOBS, sql::JOBS_ORDER),
        states => format!("{} AND state IN ({}){}", sql::JOBS, states.join(", "), sql::JOBS_ORDER),
    }
}
