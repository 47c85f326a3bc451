//! Jobs that are to be accepted and whose unique keys are taken.

use super::counters::Counters;
use super::trouble::Trouble;
use super::unique::{Holder, holder};
use super::{row, sql, stages, standing};
use crate::StoreError;
use crate::queue::{DuplicateJob, HolderIs, KeysOfBatch, OnTaken};
use queuectl_core::{Duplicate, KeyHold, NewJob, OnDuplicate, Timestamp, duplicate};
use rusqlite::{Connection, OptionalExtension as _};

/// What becomes of a job of a batch whose key is taken; none if it is free.
pub(super) fn meet<'a>(
    connection: &Connection,
    counters: &mut Counters,
    keys: &mut KeysOfBatch<'a>,
    (index, job): (usize, &'a NewJob),
    on_taken: OnTaken,
    now: Timestamp,
) -> Result<Option<DuplicateJob>, Trouble> {
    let Some(unique) = &job.unique else { return Ok(None) };
    if let Some(duplicate) = keys.duplicate(index, unique)? {
        return Ok(Some(duplicate));
    }
    let Some(holder) = holder(connection, &unique.key, now)? else {
        keys.note(unique, &job.id);
        return Ok(None);
    };
    keys.note(unique, &holder.job_id);
    let held = match unique.on_duplicate {
        OnDuplicate::Replace => connection
            .prepare_cached(sql::JOB_OF_SEQ)?
            .query_row([holder.seq.0], |found| Ok(row::job(found)))
            .optional()?,
        OnDuplicate::Keep | OnDuplicate::Fail => None,
    };
    let Holder { job_id: holder, hold: KeyHold { until, .. }, .. } = holder;
    let holder_is = match (duplicate(job, unique.on_duplicate, held.as_ref(), now), &held) {
        (Duplicate::Refused, _) if !on_taken.may_be_itself(job, &holder) => {
            return Err(StoreError::DuplicateKey { key: unique.key.clone(), holder, index }.into());
        }
        (Duplicate::Replaces(next), Some(held)) => {
            let known = standing::of_id(connection, &held.id)?;
            stages::replace(connection, counters, &known.before(), job, &next, now)?;
            HolderIs::Replaced
        }
        _ => HolderIs::Kept,
    };
    Ok(Some(DuplicateJob { index, holder, until, holder_is }))
}
