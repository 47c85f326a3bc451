//! How jobs that came to rest are deleted.

use crate::context::{Context, DryRun};
use crate::failure::Failure;
use crate::find::find_job;
use crate::text::plural;
use queuectl_core::{Exit, JobId, State, Timestamp};
use queuectl_store::{Store, StoreError};
use std::collections::HashSet;

/// Jobs of one transaction, so that workers are not kept waiting.
const BATCH: u32 = 1000;

/// Deletes jobs in these states, with their output, that came to rest before a time,
/// which is asked for when the clock of the queue is known. Says how many, and gives
/// their room back to the disk.
pub fn delete_settled(
    cx: &Context,
    states: &[State],
    finished_before: impl FnOnce() -> Timestamp,
) -> Result<u64, Failure> {
    let Some(mut store) = cx.existing_store_to_delete()? else { return Ok(0) };
    let finished_before = finished_before();
    let mut deleted = 0;
    loop {
        let more = store.prune(states, finished_before, BATCH).map_err(|error| {
            let is_full = matches!(error, StoreError::Full { .. });
            let how = "run it again: what is deleted already is not in its way";
            let failure =
                Failure::of_change(error, format!("{deleted} jobs are deleted, and of some more"), how);
            if !is_full {
                return failure;
            }
            // What deletes needs some room itself, and what was kept back is used up.
            let deleted = plural(deleted, "job");
            failure.hint(format!(
                "remove something else on that disk, and run it again; deleted so far: {deleted}"
            ))
        })?;
        if more == 0 {
            break;
        }
        deleted += more;
    }
    // Also what an earlier call has deleted that was ended before it came to this.
    give_room_back(cx, &mut *store);
    Ok(deleted)
}

/// Deletes the jobs that are named and in one of these states, and says what is wrong
/// with the others, as `refused` puts it. A job that is named twice is one job.
///
/// Gives how many were deleted, or would be, and the first exit code that is not 0.
pub fn delete_named(
    cx: &Context,
    typed: &[String],
    states: &[State],
    dry_run: DryRun,
    refused: impl Fn(StoreError) -> Failure,
) -> Result<(u64, Option<Exit>), Failure> {
    let mut store = cx.store_to_delete(dry_run)?;
    let (mut deleted, mut worst) = (0, None);
    for found in find_each(&mut *store, typed) {
        let gone = found.and_then(|(id, state)| match dry_run {
            DryRun::No => store.delete(&id, states).map_err(&refused),
            DryRun::Yes if states.contains(&state) => Ok(()),
            DryRun::Yes => Err(refused(StoreError::OtherState { id, state })),
        });
        match gone {
            Ok(()) => deleted += 1,
            Err(failure) => {
                failure.report();
                worst.get_or_insert(failure.code());
            }
        }
    }
    if dry_run == DryRun::No && deleted > 0 {
        give_room_back(cx, &mut *store);
    }
    Ok((deleted, worst))
}

/// Finds all that are named before any is deleted: what names a job twice would name
/// none, or another, after that.
fn find_each(store: &mut dyn Store, typed: &[String]) -> Vec<Result<(JobId, State), Failure>> {
    let mut seen = HashSet::new();
    let found = typed.iter().map(|typed| find_job(store, typed));
    let once = found.filter(|found| found.as_ref().map_or(true, |job| seen.insert(job.seq)));
    once.map(|found| found.map(|job| (job.id, job.state))).collect()
}

/// Gives the room of deleted jobs back to the disk. They are deleted, whether it can be or not.
fn give_room_back(cx: &Context, store: &mut dyn Store) {
    loop {
        match store.give_back() {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                cx.output().warn(format!("not all of the room could be given back to the disk: {error}"));
                break;
            }
        }
    }
}
