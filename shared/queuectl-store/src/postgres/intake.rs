//! How jobs are accepted.

use super::arrays::Arrays;
use super::counters::Counters;
use super::trouble::Trouble;
use super::unique::{self, Holder};
use super::wishes::{STAGE, stage_cells, waits_for};
use super::{row, sql};
use crate::job_row::{self, job};
use crate::queue::{DuplicateJob, Enqueued, HolderIs, KeysOfBatch, OnTaken};
use crate::{Result, StoreError};
use queuectl_core::{
    Blocker, Duplicate, Job, KeyHold, NewJob, Next, OnDuplicate, Position, Seq, Stage, State, Timestamp,
    Unique, UniqueKey, duplicate, effect,
};
use queuectl_postgres::Named;
use queuectl_postgres::session::{Session, named, values};
use std::collections::{HashMap, HashSet};
use tokio_postgres::Row;

/// Jobs that are to be accepted.
struct Lines<'a> {
    jobs: Vec<&'a NewJob>,
    /// Which of all that were given each is.
    indexes: Vec<usize>,
    /// Their numbers, if they have them already.
    seqs: Option<Vec<i64>>,
}

/// Accepts jobs, but for those whose unique keys are taken.
pub(super) fn accept(
    session: &mut Session,
    counters: &mut Counters,
    jobs: &[NewJob],
    on_taken: OnTaken,
    now: Timestamp,
) -> Result<Enqueued, Trouble> {
    let mut enqueued = Enqueued::default();
    let lines = if jobs.iter().any(|job| job.unique.is_some()) {
        admit(session, counters, jobs, on_taken, &mut enqueued, now)?
    } else {
        Lines { jobs: jobs.iter().collect(), indexes: (0..jobs.len()).collect(), seqs: None }
    };
    if lines.jobs.is_empty() {
        return Ok(enqueued);
    }
    let nexts: Vec<Next> = lines.jobs.iter().map(|job| effect::accept(job, now).next).collect();
    let rows = insert(session, &lines, &nexts, now)?;
    let left_out = if rows.len() < lines.jobs.len() { not_added(&lines.jobs, &rows)? } else { Vec::new() };
    if let Some(&first) = left_out.first()
        && on_taken == OnTaken::Refuse
    {
        let (id, index) = (lines.jobs[first].id.clone(), lines.indexes[first]);
        return Err(StoreError::DuplicateId { id, index }.into());
    }
    for (line, (job, next)) in lines.jobs.iter().zip(&nexts).enumerate() {
        if left_out.binary_search(&line).is_err() {
            let counts = counters.of(&job.queue);
            counts[State::Pending] += 1;
            counts.blocked += i64::from(next.stage() == Stage::Blocked);
        }
    }
    if let Some(seqs) = &lines.seqs
        && !left_out.is_empty()
    {
        let seqs: Vec<i64> = left_out.iter().map(|&line| seqs[line]).collect();
        session.rows(sql::FORGET_KEYS, values![seqs])?;
    }
    enqueued.added = rows.len() as u64;
    enqueued.skipped = left_out.into_iter().map(|line| lines.indexes[line]).collect();
    Ok(enqueued)
}

/// Writes jobs; gives the id of each that is new.
fn insert(
    session: &mut Session,
    lines: &Lines<'_>,
    nexts: &[Next],
    now: Timestamp,
) -> Result<Vec<Row>, Trouble> {
    let (mut given, mut stages) = (Arrays::new(job::GIVEN), Arrays::new(&STAGE));
    for (job, next) in lines.jobs.iter().zip(nexts) {
        given.push(job_row::given(job, now));
        stages.push(stage_cells(next));
    }
    let mut values: Vec<Named<'_>> = given.named();
    values.extend(stages.named());
    let at = now.as_millis();
    values.extend(named![now: at]);
    let seqs = lines.seqs.clone().unwrap_or_default();
    let statement = if lines.seqs.is_some() {
        values.extend(named![seq: seqs]);
        &sql::ENQUEUE_NUMBERED
    } else {
        &sql::ENQUEUE
    };
    Ok(session.ask(statement, &values)?)
}

/// Takes the keys of jobs that have one, and says what becomes of those whose keys are
/// taken; gives the others.
///
/// Differs from its twin in that all keys are taken before the first job is looked at,
/// since each would be a round trip. No job is accepted for that which there is not.
fn admit<'a>(
    session: &mut Session,
    counters: &mut Counters,
    jobs: &'a [NewJob],
    on_taken: OnTaken,
    enqueued: &mut Enqueued,
    now: Timestamp,
) -> Result<Lines<'a>, Trouble> {
    let mut asked_for = HashSet::new();
    let mut first: Vec<&NewJob> = jobs.iter().collect();
    first.retain(|job| job.unique.as_ref().is_none_or(|unique| asked_for.insert(&unique.key)));
    let numbers = unique::take(session, &first, now)?;
    let without = first.iter().zip(&numbers).filter(|(_, number)| number.is_none());
    let keys = without.filter_map(|(job, _)| Some(&job.unique.as_ref()?.key));
    let holders = unique::holders(session, keys)?;
    let held = read_replaced(session, &first, &holders)?;

    let mut lines = Lines { jobs: Vec::new(), indexes: Vec::new(), seqs: Some(Vec::new()) };
    let (mut keys, mut numbers) = (KeysOfBatch::default(), numbers.into_iter());
    for (index, job) in jobs.iter().enumerate() {
        let unique = job.unique.as_ref();
        if let Some(duplicate) = unique.and_then(|unique| keys.duplicate(index, unique).transpose()) {
            enqueued.duplicates.push(duplicate?);
            continue;
        }
        let number = numbers.next().flatten();
        let holder = unique.and_then(|unique| holders.get(&unique.key)).filter(|_| number.is_none());
        if let Some(unique) = unique {
            keys.note(unique, holder.map_or(&job.id, |holder| &holder.job_id));
        }
        match (number, unique, holder) {
            (Some(number), ..) => {
                lines.jobs.push(job);
                lines.indexes.push(index);
                lines.seqs.get_or_insert_default().push(number);
            }
            (None, Some(unique), Some(holder)) => {
                let met = Met { index, job, unique, holder, held: held.get(&holder.seq) };
                enqueued.duplicates.push(met.settle(session, counters, on_taken, now)?);
            }
            // It is locked, so it cannot have gone since.
            (None, ..) => return Err(Trouble::Stale),
        }
    }
    Ok(lines)
}

/// The jobs that others may replace.
fn read_replaced(
    session: &mut Session,
    jobs: &[&NewJob],
    holders: &HashMap<UniqueKey, Holder>,
) -> Result<HashMap<Seq, Job>, Trouble> {
    let replacing = jobs.iter().filter_map(|job| job.unique.as_ref());
    let replacing = replacing.filter(|unique| unique.on_duplicate == OnDuplicate::Replace);
    let seqs: Vec<i64> =
        replacing.filter_map(|unique| holders.get(&unique.key)).map(|holder| holder.seq.0).collect();
    if seqs.is_empty() {
        return Ok(HashMap::new());
    }
    let jobs = row::jobs(&session.rows(sql::JOBS_OF_SEQS, values![seqs])?)?;
    Ok(jobs.into_iter().map(|job| (job.seq, job)).collect())
}

/// A job that is to be accepted, and the one that has its key.
struct Met<'a> {
    index: usize,
    job: &'a NewJob,
    unique: &'a Unique,
    holder: &'a Holder,
    /// That one's row, if it is there and may be replaced.
    held: Option<&'a Job>,
}

impl Met<'_> {
    /// What becomes of them.
    fn settle(
        &self,
        session: &mut Session,
        counters: &mut Counters,
        on_taken: OnTaken,
        now: Timestamp,
    ) -> Result<DuplicateJob, Trouble> {
        let Self { index, job, unique, .. } = *self;
        let Holder { job_id: holder, hold: KeyHold { until, .. }, .. } = self.holder.clone();
        let holder_is = match (duplicate(job, unique.on_duplicate, self.held, now), self.held) {
            (Duplicate::Refused, _) if !on_taken.may_be_itself(job, &holder) => {
                return Err(StoreError::DuplicateKey { key: unique.key.clone(), holder, index }.into());
            }
            (Duplicate::Replaces(next), Some(held)) => {
                replace(session, held, job, &next, now)?;
                let blocked = [held.stage, next.stage()].map(|stage| i64::from(stage == Stage::Blocked));
                counters.of(&held.queue).blocked += blocked[1] - blocked[0];
                HolderIs::Replaced
            }
            _ => HolderIs::Kept,
        };
        Ok(DuplicateJob { index, holder, until, holder_is })
    }
}

/// Has a job that waits say what another says.
fn replace(
    session: &mut Session,
    held: &Job,
    new: &NewJob,
    next: &Next,
    now: Timestamp,
) -> Result<(), Trouble> {
    let mut replaced = Arrays::new(&job_row::REPLACED);
    replaced.push(job_row::replaced(new, now));
    let (blocked_by, wait) = waits_for(next);
    let (stage, blocked_by) = (next.stage().as_str(), blocked_by.map(Blocker::as_str));
    let run_at_ms = wait.map(|wait| wait.due_at.as_millis());
    let waits_since_ms = wait.map(|wait| wait.since.as_millis());
    let gets_position = *next == Next::Ready(Position::Last);
    let mut values: Vec<Named<'_>> = replaced.named();
    let (seq, at) = (vec![held.seq.0], now.as_millis());
    values.extend(named![seq, stage, blocked_by, run_at_ms, waits_since_ms, gets_position, now: at]);
    // A worker may have claimed it since, or it has become ready.
    if session.ask(&sql::REPLACE, &values)?.is_empty() { Err(Trouble::Stale) } else { Ok(()) }
}

/// Which jobs were not added: their ids were taken, by the queue or by jobs before them.
fn not_added(jobs: &[&NewJob], rows: &[Row]) -> Result<Vec<usize>, Trouble> {
    let mut added =
        rows.iter().map(|added| row::get(added, "id")).collect::<Result<HashSet<&str>, Trouble>>()?;
    Ok((0..jobs.len()).filter(|&index| !added.remove(jobs[index].id.as_str())).collect())
}
