//! How jobs come in.

use super::session::values;
use super::{PostgresStore, Trouble, row, sql};
use crate::intake::{Enqueued, Intake, OnTaken};
use crate::{Result, StoreError};
use queuectl_core::{JobId, NewJob, State, Timestamp};
use std::collections::HashSet;
use tokio_postgres::Row;

impl Intake for PostgresStore {
    fn enqueue(&mut self, jobs: &[NewJob], on_taken: OnTaken, now: Timestamp) -> Result<Enqueued> {
        let ids: Vec<&str> = jobs.iter().map(|job| job.id.as_str()).collect();
        let queues: Vec<&str> = jobs.iter().map(|job| job.queue.as_str()).collect();
        let priorities: Vec<i64> = jobs.iter().map(|job| i64::from(job.priority)).collect();
        let max_retries: Vec<i64> = jobs.iter().map(|job| i64::from(job.max_retries)).collect();
        let timeouts: Vec<Option<i64>> = jobs.iter().map(timeout_ms).collect();
        let due: Vec<Option<i64>> =
            jobs.iter().map(|job| job.due_at(now).map(Timestamp::as_millis)).collect();
        let environments: Vec<Option<String>> =
            jobs.iter().map(|job| crate::stored::environment_text(&job.env)).collect();
        let folders: Vec<&str> = jobs.iter().map(|job| job.cwd.as_str()).collect();
        let commands: Vec<&str> = jobs.iter().map(|job| job.command.as_str()).collect();
        let now = now.as_millis();

        let enqueued = self.change(|session, books| {
            let values = values![
                now,
                ids,
                queues,
                priorities,
                max_retries,
                timeouts,
                due,
                environments,
                folders,
                commands
            ];
            let rows = session.rows(sql::ENQUEUE, values)?;
            if rows.len() < jobs.len() && on_taken == OnTaken::Refuse {
                let index = not_added(jobs, &rows)?.first().copied().unwrap_or_default();
                return Err(StoreError::DuplicateId { id: jobs[index].id.clone(), index }.into());
            }
            books.counts[State::Pending] += rows.len() as i64;
            let skipped = if rows.len() < jobs.len() { not_added(jobs, &rows)? } else { Vec::new() };
            Ok(Enqueued { added: rows.len() as u64, skipped })
        })?;
        if enqueued.added > 0 {
            self.ring_all();
        }
        Ok(enqueued)
    }

    fn taken_ids(&mut self, ids: &[&JobId]) -> Result<Vec<JobId>> {
        let asked: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        self.read(|session| {
            let rows = session.rows(sql::IDS_TAKEN, values![asked])?;
            let taken =
                rows.iter().map(|taken| row::get(taken, 0)).collect::<Result<HashSet<&str>, Trouble>>()?;
            Ok(ids.iter().filter(|id| taken.contains(id.as_str())).map(|&id| id.clone()).collect())
        })
    }
}

fn timeout_ms(job: &NewJob) -> Option<i64> {
    job.timeout.map(|timeout| i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX))
}

/// Which jobs were not added: their ids were taken, by the queue or by jobs before them.
fn not_added(jobs: &[NewJob], rows: &[Row]) -> Result<Vec<usize>, Trouble> {
    let mut added =
        rows.iter().map(|added| row::get(added, 0)).collect::<Result<HashSet<&str>, Trouble>>()?;
    Ok((0..jobs.len()).filter(|&index| !added.remove(jobs[index].id.as_str())).collect())
}
