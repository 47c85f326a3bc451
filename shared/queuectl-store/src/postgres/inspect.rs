//! How the queue is looked at.

use super::books;
use super::session::{Session, values};
use super::{PostgresStore, Trouble, row, sql};
use crate::clock::Clock;
use crate::counts::Counts;
use crate::inspect::{Inspect, Life, OutputPart, Selection, Worker};
use crate::{Result, machine};
use queuectl_core::{Attempt, Job, JobId, Lease, Seq, State, WorkerId};
use tokio_postgres::Row;

impl Inspect for PostgresStore {
    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn job(&mut self, id: &JobId) -> Result<Option<Job>> {
        self.read(|session| first(&session.rows(sql::JOB, values![id.as_str()])?, row::job))
    }

    fn jobs(&mut self, selection: &Selection) -> Result<Vec<Job>> {
        let asks_for_pending = selection.states.contains(&State::Pending);
        let few_wait = asks_for_pending && {
            let counts = self.counts()?;
            counts[State::Pending] + counts[State::Failed] <= FEW
        };
        let statement = jobs_statement(selection, few_wait);
        let (after, limit) = (selection.after.0, i64::from(selection.limit));
        self.read(|session| all(&session.rows_of(&statement, values![after, limit])?, row::job))
    }

    fn counts(&mut self) -> Result<Counts> {
        self.read(|session| Ok(books::sums(&books::one(session.rows(sql::LEDGER, &[])?)?, 0)?.0))
    }

    fn attempts(&mut self, seq: Seq) -> Result<Vec<Attempt>> {
        self.read(|session| {
            Ok(session
                .rows(sql::ATTEMPTS, values![seq.0])?
                .iter()
                .map(|found| row::attempt(seq, found))
                .collect())
        })
    }

    fn output(&mut self, lease: Lease, from: i64, limit: u32) -> Result<Vec<OutputPart>> {
        let values: [i64; 4] = [lease.seq.0, lease.number, from, i64::from(limit)];
        self.read(|session| {
            let rows = session.rows(sql::OUTPUT, values![values[0], values[1], values[2], values[3]])?;
            Ok(rows.iter().map(|found| row::output(lease, found)).collect())
        })
    }

    fn output_end(&mut self, lease: Lease, bytes: u32) -> Result<Vec<OutputPart>> {
        let wanted = i64::from(bytes);
        self.read(|session| {
            let rows = session.rows(sql::OUTPUT_END, values![lease.seq.0, lease.number, wanted])?;
            Ok(rows.iter().map(|found| row::output(lease, found)).collect())
        })
    }

    fn worker(&mut self, id: WorkerId) -> Result<Option<Worker>> {
        let found = self.look_at_workers(|session| session.rows(sql::WORKER, values![id.0]))?;
        Ok(found.into_iter().next())
    }

    fn workers(&mut self) -> Result<Vec<Worker>> {
        self.look_at_workers(|session| session.rows(sql::WORKERS, &[]))
    }
}

impl PostgresStore {
    /// Reads rows of workers, and asks the kernel about those of this machine.
    fn look_at_workers(
        &mut self,
        mut rows: impl FnMut(&mut Session) -> std::result::Result<Vec<Row>, tokio_postgres::Error>,
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

/// So many jobs that wait are found faster than they are among all.
const FEW: i64 = 10_000;

/// Where all jobs of the states that are asked for lie in places of their own, only
/// those are looked through; and then which of them are in these states.
fn jobs_statement(selection: &Selection, few_wait: bool) -> String {
    let (jobs, order) = (sql::JOBS, sql::JOBS_ORDER);
    let states: Vec<String> = selection.states.iter().map(|state| format!("'{state}'")).collect();
    let places: Option<Vec<&str>> = selection.states.iter().map(|&state| place(state, few_wait)).collect();
    let states = states.join(", ");
    match places.as_deref() {
        Some([]) => format!("{jobs}{order}"),
        None => format!("{jobs} AND state IN ({states}){order}"),
        Some(places) => {
            format!("{jobs} AND state IN ({states}) AND seq IN ({}){order}", places.join(" UNION ALL "))
        }
    }
}

/// Where jobs in this state are, if they have a place of their own that is smaller
/// than the table of all jobs.
fn place(state: State, few_wait: bool) -> Option<&'static str> {
    match state {
        State::Completed => None,
        State::Pending => few_wait.then_some(sql::PENDING),
        State::Processing => Some(sql::PROCESSING),
        State::Failed => Some(sql::FAILED),
        State::Dead => Some(sql::DEAD),
        State::Cancelled => Some(sql::CANCELLED),
    }
}
