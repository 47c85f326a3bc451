//! Jobs whose rows cannot be read: they come out of the line, so that they are in
//! nobody's way, and are kept as they are.

use super::books::Books;
use super::inspect::all;
use super::session::{Session, values};
use super::{PostgresStore, Trouble, row, sql};
use crate::Result;
use crate::raw::CANNOT_BE_READ;
use crate::work::SetAside;
use queuectl_core::{Seq, State, Timestamp, WorkerId};

/// So many of the first in line are looked through for the one that no statement can
/// claim.
const LOOKED_THROUGH: i64 = 10_000;

/// What has no better reason.
const SAYS_WHAT_CANNOT_BE: &str = "what it says contradicts where it is";

/// Has jobs be dead that are in line, or that this worker has claimed.
pub(super) fn set_aside(
    session: &mut Session,
    books: &mut Books,
    worker: WorkerId,
    which: &[Seq],
    now: Timestamp,
) -> Result<Vec<SetAside>, Trouble> {
    if which.is_empty() {
        return Ok(Vec::new());
    }
    let seqs: Vec<i64> = which.iter().map(|seq| seq.0).collect();
    let jobs = all(&session.rows(sql::JOBS_OF_SEQS, values![seqs])?, row::job)?;
    let (seqs, errors): (Vec<i64>, Vec<String>) = jobs
        .iter()
        .map(|job| (job.seq.0, format!("{CANNOT_BE_READ}: {}", reason(job.unreadable.as_deref()))))
        .unzip();
    let errors: Vec<String> = errors.iter().map(|error| row::storable(error)).collect();
    let gone = session.rows(sql::SET_ASIDE, values![now.as_millis(), seqs, errors, worker.0])?;
    let mut aside = Vec::with_capacity(gone.len());
    for found in &gone {
        let (seq, was_claimed): (i64, bool) = (row::get(found, 0)?, row::get(found, 1)?);
        let Some(job) = jobs.iter().find(|job| job.seq.0 == seq) else { continue };
        // As what it was counted while it waited.
        let waited_as: Option<State> = row::state(found, 2).ok();
        let guess = if job.attempts > u32::from(was_claimed) { State::Failed } else { State::Pending };
        match (was_claimed, waited_as) {
            (true, Some(State::Pending | State::Failed)) => {}
            // The claim has not counted it out.
            (true, _) => books.counts[guess] -= 1,
            (false, waited_as) => books.counts.moved(waited_as.unwrap_or(guess), State::Processing),
        }
        books.counts.moved(State::Processing, State::Dead);
        let reason = reason(job.unreadable.as_deref()).to_owned();
        aside.push(SetAside { id: job.id.clone(), reason });
    }
    Ok(aside)
}

fn reason(unreadable: Option<&str>) -> &str {
    unreadable.unwrap_or(SAYS_WHAT_CANNOT_BE)
}

impl PostgresStore {
    /// Sets aside what this worker has claimed and cannot read. If that does not happen,
    /// the next exchange hands it back.
    pub(super) fn set_claims_aside(
        &mut self,
        worker: WorkerId,
        which: &[Seq],
        now: Timestamp,
    ) -> Vec<SetAside> {
        if which.is_empty() {
            return Vec::new();
        }
        let aside = self.write(|session, books| set_aside(session, books, worker, which, now));
        aside.unwrap_or_else(|error| {
            tracing::debug!("jobs that cannot be read could not be set aside: {error}");
            self.memory.is_unclear = true;
            Vec::new()
        })
    }

    /// Sets aside those of the first in line that cannot be read, after the server has
    /// refused to claim one of them; gives what there was.
    pub(super) fn sift(&mut self, worker: WorkerId, now: Timestamp) -> Result<Vec<SetAside>> {
        self.write(|session, books| {
            let first = session.rows(sql::FIRST_IN_LINE, values![LOOKED_THROUGH])?;
            let seqs: Vec<i64> = all(&first, |found| row::get(found, 0))?;
            let jobs = all(&session.rows(sql::JOBS_OF_SEQS, values![seqs])?, row::job)?;
            let damaged: Vec<Seq> =
                jobs.iter().filter(|job| job.unreadable.is_some()).map(|job| job.seq).collect();
            set_aside(session, books, worker, &damaged, now)
        })
    }
}

/// The server could not make of a row what the statement wanted of it.
pub(crate) fn is_about_data(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("22") || code.code().starts_with("23"))
}
