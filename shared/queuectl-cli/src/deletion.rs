//! How jobs that came to rest are deleted.

use crate::context::Context;
use crate::failure::Failure;
use crate::text::plural;
use queuectl_core::{State, Timestamp};
use queuectl_store::{Store, StoreError};

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
            let are = plural_are(deleted);
            failure.hint(format!("{are} deleted; remove something else on that disk, and run it again"))
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

fn plural_are(deleted: u64) -> String {
    let are = if deleted == 1 { "is" } else { "are" };
    format!("{} {are}", plural(deleted, "job"))
}

/// Gives the room of deleted jobs back to the disk. They are deleted, whether it can be or not.
pub fn give_room_back(cx: &Context, store: &mut dyn Store) {
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
