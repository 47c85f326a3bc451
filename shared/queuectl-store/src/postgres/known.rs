//! What is known of a job when a person wants something of it.

use super::row::{self, all};
use super::sql;
use super::trouble::Trouble;
use crate::StoreError;
use queuectl_core::{Blocker, JobId, Lease, Seq, Stage, Wait, Waiting};
use queuectl_postgres::session::{Session, values};
use tokio_postgres::Row;

/// Where a job stands.
pub(super) struct Known {
    pub(super) seq: Seq,
    pub(super) id: String,
    pub(super) queue: String,
    /// Its place among the ready, if it is there.
    pub(super) rank: i64,
    pub(super) position: Option<i64>,
    pub(super) waiting: Waiting,
    pub(super) lease: i64,
    pub(super) worker: Option<i64>,
    /// It has a unique key, or had one before it came to rest.
    pub(super) has_key: bool,
}

impl Known {
    /// The attempt that runs, or the last one.
    pub(super) fn last_lease(&self) -> Lease {
        Lease { seq: self.seq, number: self.lease }
    }

    fn read(found: &Row) -> Result<Self, Trouble> {
        let times = row::optional_time(found, "run_at_ms")?.zip(row::optional_time(found, "waits_since_ms")?);
        let blocked_by: Option<&str> = row::get(found, "blocked_by")?;
        let blocked_by = blocked_by.map(str::parse::<Blocker>).transpose();
        let stage: Option<&str> = row::get(found, "stage")?;
        Ok(Self {
            seq: Seq(row::get(found, "seq")?),
            id: row::get(found, "id")?,
            queue: row::get(found, "queue")?,
            rank: row::get(found, "rank")?,
            position: row::get(found, "position")?,
            waiting: Waiting {
                state: row::state(found)?,
                stage: stage.and_then(|stage| stage.parse::<Stage>().ok()),
                blocked_by: blocked_by.map_err(|error| row::unreadable("blocked_by", error.to_string()))?,
                attempts: row::nearest(found, "attempts")?,
                crashes: row::nearest(found, "crashes")?,
                wait: times.map(|(due_at, since)| Wait { due_at, since }),
            },
            lease: row::get(found, "lease")?,
            worker: row::get(found, "worker")?,
            has_key: row::get(found, "has_key")?,
        })
    }
}

/// What is known of the job of this id.
pub(super) fn of_id(session: &mut Session, id: &JobId) -> Result<Known, Trouble> {
    let rows = session.rows(sql::STANDING_OF_JOB, values![id.as_str()])?;
    let found = rows.first().ok_or_else(|| StoreError::NoSuchJob { id: id.clone() })?;
    Known::read(found).map_err(|trouble| match trouble {
        Trouble::Row(unreadable) => {
            StoreError::UnreadableJob { id: id.clone(), reason: unreadable.to_string() }.into()
        }
        trouble => trouble,
    })
}

/// What is known of each of many jobs; those that cannot be read are left out.
pub(super) fn of_rows(rows: &[Row]) -> Result<Vec<Known>, Trouble> {
    let known = all(rows, |found| match Known::read(found) {
        Ok(known) => Ok(Some(known)),
        Err(Trouble::Row(_)) => Ok(None),
        Err(trouble) => Err(trouble),
    })?;
    Ok(known.into_iter().flatten().collect())
}
