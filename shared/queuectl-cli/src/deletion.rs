//! How jobs that came to rest are deleted, and their room given back.

use crate::confirm::{Consent, Unasked, can_ask, confirm};
use crate::context::Context;
use crate::failure::Failure;
use queuectl_core::{Exit, Filter, State, Timestamp};
use queuectl_service::find::FindError;
use queuectl_service::verbs::delete::{self, DryRun};
use queuectl_service::verbs::many::question;
use queuectl_service::verbs::prune;
use queuectl_store::{Access, Store};

/// Deletes jobs that have come to rest, with their output, or only counts them. Which, is
/// asked when the clock of the queue is known; a person on a terminal is asked before whether
/// to delete so many of this `thing`. Says how many.
pub fn delete_settled(
    cx: &Context,
    dry_run: DryRun,
    consent: Consent,
    thing: &str,
    which: impl FnOnce(Timestamp) -> Result<Filter, Failure>,
) -> Result<u64, Failure> {
    if dry_run == DryRun::Yes {
        let mut store = cx.store(Access::Read)?;
        return Ok(store.count(&which(cx.now())?, u32::MAX)?);
    }
    let Some(mut store) = cx.existing_store_to_delete()? else { return Ok(0) };
    let now = cx.now();
    let filter = which(now)?;
    if consent == Consent::Asked && can_ask() {
        let count = store.count(&filter, u32::MAX)?;
        if count > 0 {
            confirm(&question("Delete", count, thing), consent, Unasked::GoesOn)?;
        }
    }
    let deleted = prune::prune(&mut *store, &filter, now, |_| ())?;
    // Also what an earlier call has deleted that was ended before it came to this.
    give_room_back(cx, &mut *store);
    Ok(deleted)
}

/// Deletes the jobs that are named and in one of these states, and says what is wrong
/// with the others, as `refused` puts it.
///
/// Gives how many were deleted, or would be, and the first exit code that is not 0.
pub fn delete_named(
    cx: &Context,
    given: &[String],
    states: &[State],
    dry_run: DryRun,
    refused: impl Fn(FindError) -> Failure,
) -> Result<(u64, Option<Exit>), Failure> {
    let mut store = cx.store_to_delete(dry_run)?;
    let mut worst = None;
    let deleted = delete::delete_named(&mut *store, given, states, dry_run, |error| {
        let failure = refused(error);
        failure.report();
        worst.get_or_insert(failure.code());
    });
    if dry_run == DryRun::No && deleted > 0 {
        give_room_back(cx, &mut *store);
    }
    Ok((deleted, worst))
}

fn give_room_back(cx: &Context, store: &mut dyn Store) {
    if let Err(error) = prune::give_room_back(store) {
        cx.output().warn(format!("not all of the room could be given back to the disk: {error}"));
    }
}
