//! Jobs whose rows cannot be read: they are finished, so that they are in no claim's way,
//! and are kept as they are.

use super::counters::Counters;
use super::row::{self, all, storable};
use super::store::PostgresStore;
use super::trouble::Trouble;
use super::{sql, unique};
use crate::Result;
use crate::raw::CANNOT_BE_READ;
use crate::worker::SetAside;
use queuectl_core::{Job, Seq, State, Timestamp, WorkerId, effect};
use queuectl_postgres::session::{Session, named, values};

/// So many of the first of the ready are looked through for the one that no statement can
/// claim.
const LOOKED_THROUGH: i64 = 10_000;

/// What has no better reason.
const SAYS_WHAT_CANNOT_BE: &str = "what it says contradicts where it is";

/// Has jobs be dead that are ready, or that this worker has claimed.
pub(super) fn set_aside(
    session: &mut Session,
    counters: &mut Counters,
    worker: WorkerId,
    which: &[Seq],
    now: Timestamp,
) -> Result<Vec<SetAside>, Trouble> {
    if which.is_empty() {
        return Ok(Vec::new());
    }
    let seqs: Vec<i64> = which.iter().map(|seq| seq.0).collect();
    let jobs = row::jobs(&session.rows(sql::JOBS_OF_SEQS, values![seqs])?)?;
    let seqs: Vec<i64> = jobs.iter().map(|job| job.seq.0).collect();
    let errors: Vec<String> =
        jobs.iter().map(|job| storable(&format!("{CANNOT_BE_READ}: {}", reason(job)))).collect();
    let at = now;
    let state = effect::set_aside(0, 0, now).state.as_str();
    let now = now.as_millis();
    let values = named![seqs, errors, state, worker: worker.0, now];
    let (mut aside, mut keyed) = (Vec::with_capacity(jobs.len()), Vec::new());
    for found in &session.ask(&sql::SET_ASIDE, &values)? {
        let (seq, was_claimed): (i64, bool) = (row::get(found, "seq")?, row::get(found, "was_claimed")?);
        let Some(job) = jobs.iter().find(|job| job.seq.0 == seq) else { continue };
        keyed.extend(job.unique_key.is_some().then_some(seq));
        let counts = counters.of(row::get(found, "queue")?);
        // As what it was counted while it waited.
        let waited_as: Option<State> = row::state(found).ok();
        let guess = if job.attempts > u32::from(was_claimed) { State::Failed } else { State::Pending };
        match (was_claimed, waited_as) {
            (true, Some(State::Pending | State::Failed)) => {}
            // The claim has not counted it out.
            (true, _) => counts[guess] -= 1,
            (false, waited_as) => counts.moved(waited_as.unwrap_or(guess), State::Processing),
        }
        counts.moved(State::Processing, State::Dead);
        aside.push(SetAside { id: job.id.clone(), reason: reason(job).to_owned() });
    }
    unique::give_back(session, &keyed, at)?;
    Ok(aside)
}

fn reason(job: &Job) -> &str {
    job.unreadable.as_deref().unwrap_or(SAYS_WHAT_CANNOT_BE)
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
        let aside = self.write(|session, counters| set_aside(session, counters, worker, which, now));
        aside.unwrap_or_else(|error| {
            tracing::debug!("jobs that cannot be read could not be set aside: {error}");
            self.cache.is_unclear = true;
            Vec::new()
        })
    }

    /// Sets aside those of the first of the ready that cannot be read, after the server has
    /// refused to claim one of them; gives what there was.
    pub(super) fn sift(&mut self, worker: WorkerId, now: Timestamp) -> Result<Vec<SetAside>> {
        self.write(|session, counters| {
            let first = session.rows(sql::FIRST_READY, values![LOOKED_THROUGH])?;
            let seqs: Vec<i64> = all(&first, |found| row::get(found, "seq"))?;
            let jobs = row::jobs(&session.rows(sql::JOBS_OF_SEQS, values![seqs])?)?;
            let damaged: Vec<Seq> =
                jobs.iter().filter(|job| job.unreadable.is_some()).map(|job| job.seq).collect();
            set_aside(session, counters, worker, &damaged, now)
        })
    }
}
