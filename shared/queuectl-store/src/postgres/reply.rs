//! What the server answers to an exchange.

use super::counters;
use super::row::{self, Found};
use super::trouble::{Trouble, missing};
use crate::counts::Counts;
use crate::job_row;
use crate::stored;
use crate::worker_record::Stop;
use queuectl_core::{Job, Lease, Next, Seq, State, Timestamp, WorkerId, effect};
use tokio_postgres::Row;

/// What a worker is told.
#[derive(Default)]
pub(super) struct Reply {
    /// Jobs that it holds now, by priority and position.
    pub(super) claimed: Vec<Job>,
    /// From which states they were claimed.
    pub(super) claimed_from: Vec<State>,
    /// Jobs that it holds now too, and whose rows cannot be read.
    pub(super) unreadable: Vec<Seq>,
    /// The rank and the position of the first of each queue.
    pub(super) first_of_queues: Vec<(String, (i64, i64))>,
    /// How many ends were written.
    pub(super) ended: i64,
    /// Some of these jobs are ready again, which this exchange could not see.
    pub(super) any_returned: bool,
    /// A job that may be what kills its workers is ready, as far as they were looked at.
    pub(super) any_suspect: bool,
    /// Pages of the index of the ready that this connection has read in all.
    pub(super) pages_walked: i64,
    pub(super) signals: Signals,
}

/// What a worker is told each time.
#[derive(Default)]
pub(super) struct Signals {
    /// How it is to stop, if it is.
    pub(super) stop: Option<Stop>,
    /// It is no longer on the list.
    pub(super) was_called_dead: bool,
    /// Leases of its own that are to end.
    pub(super) cancel: Vec<Lease>,
    /// The queues of which nothing is to be started, with when that ends.
    pub(super) paused: Vec<(String, Option<Timestamp>)>,
    /// The queues with a limit that this worker serves.
    pub(super) limited: Vec<String>,
    /// Those of them that have ready jobs and are not paused.
    pub(super) limited_and_ready: Vec<String>,
    /// The server's clock.
    pub(super) time: Timestamp,
    /// What is not read each time.
    pub(super) more: Option<MoreSignals>,
}

/// What a worker can do without for a moment, in the queues that it serves.
pub(super) struct MoreSignals {
    pub(super) roster: Vec<WorkerId>,
    /// The queues that have ready jobs, served or not, if they were looked for.
    pub(super) ready_queues: Option<Vec<String>>,
    /// When the first of the scheduled falls due.
    pub(super) next_due: Option<Timestamp>,
    /// Some job waits that was given its time by another clock.
    pub(super) due_by_another_clock: bool,
    /// The sums of the counters, if they were added up.
    pub(super) counts: Option<Counts>,
    /// Of how many changes.
    pub(super) changes: i64,
}

impl Reply {
    /// Reads what came back: a row for each job, or one without a job.
    pub(super) fn read(rows: &[Row], worker: WorkerId, now: Timestamp) -> Result<Self, Trouble> {
        let head = rows.first().ok_or_else(missing)?;
        let mut reply = Self {
            ended: row::get(head, "ended_jobs")?,
            any_returned: row::get::<i64>(head, "returned_jobs")? > 0,
            any_suspect: row::get(head, "any_suspect")?,
            pages_walked: row::get(head, "pages_walked")?,
            signals: Signals::read(head)?,
            ..Self::default()
        };
        let found = Found::of(job_row::job::COLUMNS, head)?;
        let mut taken: Vec<((i64, i64), Job)> = Vec::with_capacity(rows.len());
        for one in rows {
            // Without a job there is one row all the same.
            let Some(seq) = row::get::<Option<i64>>(one, "seq")? else { continue };
            let job = job_row::read(found.in_row(one));
            if job.unreadable.is_some() || effect::claim(&job, worker).is_err() {
                reply.unreadable.push(Seq(seq));
                continue;
            }
            let position: Option<i64> = row::get(one, "position")?;
            taken.push(((-i64::from(job.priority), position.unwrap_or_default()), job));
        }
        taken.sort_unstable_by_key(|(at, _)| *at);
        for (at, job) in taken {
            if !reply.first_of_queues.iter().any(|(queue, _)| *queue == job.queue) {
                reply.first_of_queues.push((job.queue.clone(), at));
            }
            reply.claimed_from.push(job.state);
            reply.claimed.push(claimed(job, worker, now)?);
        }
        Ok(reply)
    }

    /// Tells whether fewer jobs were ready than were wanted.
    pub(super) fn is_short(&self, wanted: u32) -> bool {
        self.claimed.len() + self.unreadable.len() < wanted as usize
    }
}

/// A job as it is once it is claimed.
fn claimed(job: Job, worker: WorkerId, now: Timestamp) -> Result<Job, Trouble> {
    let effect = effect::claim(&job, worker)?;
    let lease = if let Next::Claimed { lease, .. } = effect.next { lease } else { job.lease };
    Ok(Job {
        state: effect.state,
        stage: effect.next.stage(),
        attempts: effect.attempts,
        lease,
        worker: Some(worker),
        updated_at: now,
        started_at: Some(now),
        ..job
    })
}

impl Signals {
    /// Reads the columns that `SIGNALS` and `MORE_SIGNALS` name.
    pub(super) fn read(told: &Row) -> Result<Self, Trouble> {
        let stop: Option<i64> = row::get(told, "stop")?;
        let to_cancel: Vec<i64> = row::get(told, "cancel")?;
        let (pairs, _) = to_cancel.as_chunks();
        let mut cancel: Vec<Lease> =
            pairs.iter().map(|&[seq, number]| Lease { seq: Seq(seq), number }).collect();
        cancel.sort_unstable();
        let (paused, until): (Vec<String>, Vec<Option<i64>>) =
            (row::get(told, "paused")?, row::get(told, "paused_until")?);
        let until = until.into_iter().map(|until| until.map(Timestamp::from_millis));
        let roster: Option<Vec<i64>> = row::get(told, "roster")?;
        Ok(Self {
            stop: stop.and_then(stored::stop_from_number),
            was_called_dead: stop.is_none(),
            cancel,
            paused: paused.into_iter().zip(until).collect(),
            limited: row::get(told, "limited")?,
            limited_and_ready: row::get(told, "limited_and_ready")?,
            time: Timestamp::from_millis(row::get(told, "time")?),
            more: roster.map(|roster| MoreSignals::read(told, roster)).transpose()?,
        })
    }
}

impl MoreSignals {
    fn read(told: &Row, roster: Vec<i64>) -> Result<Self, Trouble> {
        let was_added_up: bool = row::get(told, "was_added_up")?;
        Ok(Self {
            roster: roster.into_iter().map(WorkerId).collect(),
            ready_queues: row::get(told, "ready_queues")?,
            next_due: row::optional_time(told, "next_due")?,
            due_by_another_clock: row::get(told, "due_by_another_clock")?,
            counts: if was_added_up { Some(counters::counts(told)?) } else { None },
            changes: if was_added_up { row::get(told, "changes")? } else { 0 },
        })
    }
}
