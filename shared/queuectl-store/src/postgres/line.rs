//! The line: how jobs get into it, and how the first are taken out.

use super::Trouble;
use super::books::Books;
use super::inspect::all;
use super::session::{Session, Typed, Value, values};
use super::work::unlawful;
use super::{row, sql};
use crate::work::Suspects;
use postgres::Row;
use queuectl_core::{Event, Job, SUSPECT_AFTER_CRASHES, Timestamp, WorkerId};

/// Most jobs that join the line in one transaction, so that a flood of retries
/// stalls nobody.
const MOST_PROMOTED: i64 = 200;

/// Which part of the line is looked at.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// At most so many jobs.
    pub(super) want: u32,
    /// From this rank and place on.
    pub(super) from: (i64, i64),
}

/// The beginning of the line.
#[derive(Default)]
pub(super) struct Line {
    /// Whether a job is due that is not in line.
    pub(super) anything_due: bool,
    /// The rank and the place of the first.
    pub(super) beginning: Option<(i64, i64)>,
    /// The first in line: locked, and not taken yet.
    first: Vec<Job>,
}

impl Line {
    /// Looks at the first in line.
    pub(super) fn look(session: &mut Session, look: Look, now: Timestamp) -> Result<Self, Trouble> {
        let (rank, place) = look.from;
        let other_clock = now.after(crate::FURTHER_THAN_A_TURN).as_millis();
        let (want, now) = (i64::from(look.want), now.as_millis());
        let rows = session.rows(sql::LOOK, values![want, rank, place, now, other_clock])?;
        let head = rows.first().ok_or_else(row::missing)?;
        // Without a job there is one row all the same.
        let has_job = |row: &&Row| row::get::<Option<i64>>(row, 0).is_ok_and(|seq| seq.is_some());
        let first = rows.iter().filter(has_job).map(row::job).collect::<Result<Vec<Job>, _>>()?;
        let place: Option<i64> = row::get(head, row::AFTER_JOB)?;
        let beginning = first.first().zip(place).map(|(job, place)| (-i64::from(job.priority), place));
        Ok(Self { anything_due: row::get(head, row::AFTER_JOB + 1)?, beginning, first })
    }

    /// The first in line, at most one suspect among them; where there are fewer than
    /// wanted, jobs that are due join it.
    ///
    /// So a flood of retries waits outside, and a new job stands behind few.
    pub(super) fn first(
        self,
        session: &mut Session,
        want: u32,
        suspects: Suspects,
        may_promote: bool,
        now: Timestamp,
    ) -> Result<Vec<Job>, Trouble> {
        let mut first = self.first;
        let missing = i64::from(want) - first.len() as i64;
        if missing > 0 && may_promote && self.anything_due && promote(session, missing, now)? {
            first = all(&session.rows(sql::FIRST_IN_LINE, values![i64::from(want)])?, row::job)?;
        }
        if first.iter().any(|job| job.crashes >= SUSPECT_AFTER_CRASHES) {
            // Rare: the first suspect if there is room, and then those without suspicion.
            let mut room_for_suspect = suspects == Suspects::One;
            let suspect = first
                .iter()
                .position(|job| job.crashes >= SUSPECT_AFTER_CRASHES && std::mem::take(&mut room_for_suspect))
                .map(|index| first.swap_remove(index));
            let others = i64::from(want) - i64::from(suspect.is_some());
            let limit = i64::from(SUSPECT_AFTER_CRASHES);
            first = all(&session.rows(sql::FIRST_UNSUSPECTED, values![others, limit])?, row::job)?;
            first.extend(suspect);
        }
        Ok(first)
    }
}

/// Where the line is never empty, every eighth time (by the clock) jobs that are due
/// join it all the same, so that they come to their turn.
pub(super) fn is_their_turn(now: Timestamp) -> bool {
    now.as_millis() % 8 == 0
}

/// Puts due jobs in line, as many as are wanted; tells whether there were any.
pub(super) fn promote(session: &mut Session, wanted: i64, now: Timestamp) -> Result<bool, Trouble> {
    let mut left = wanted.min(MOST_PROMOTED);
    let other_clock = now.after(crate::FURTHER_THAN_A_TURN);
    let mut any = false;
    for (statement, since) in [(sql::DUE, now), (sql::DUE_BY_ANOTHER_CLOCK, other_clock)] {
        let since = since.as_millis();
        let due = session.rows(statement, values![since, left])?;
        if due.is_empty() {
            continue;
        }
        left -= due.len() as i64;
        any = true;
        let column = |index| due.iter().map(|due| row::get(due, index)).collect::<Result<Vec<i64>, _>>();
        let (seqs, places) = (column(0)?, column(1)?);
        session.rows(sql::PUT_IN_LINE, values![seqs, places])?;
    }
    Ok(any)
}

/// A claim that is about to be written, in columns.
pub(super) struct Claim {
    seqs: Vec<i64>,
    states: Vec<&'static str>,
    leases: Vec<i64>,
    attempts: Vec<i64>,
    now: i64,
}

impl Claim {
    /// Makes the jobs what their rows are about to be.
    pub(super) fn of(
        jobs: &mut [Job],
        books: &mut Books,
        worker: WorkerId,
        now: Timestamp,
    ) -> Result<Self, Trouble> {
        for job in &mut *jobs {
            let next = job.state.after(Event::Claimed).map_err(unlawful)?;
            books.counts.moved(job.state, next);
            job.state = next;
            job.attempts += 1;
            job.lease += 1;
            job.worker = Some(worker);
            job.run_at = None;
            (job.started_at, job.updated_at) = (Some(now), now);
        }
        Ok(Self {
            seqs: jobs.iter().map(|job| job.seq.0).collect(),
            states: jobs.iter().map(|job| job.state.as_str()).collect(),
            leases: jobs.iter().map(|job| job.lease).collect(),
            attempts: jobs.iter().map(|job| i64::from(job.attempts)).collect(),
            now: now.as_millis(),
        })
    }

    /// The values of the statement that writes it, after those of the books.
    pub(super) fn values(&self) -> [Value<'_>; 5] {
        [self.seqs.value(), self.states.value(), self.leases.value(), self.attempts.value(), self.now.value()]
    }
}
