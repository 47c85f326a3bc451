//! Deleting the jobs that are named, whenever they came to rest.

use queuectl_cli::{Context, DryRun, Exit, Failure, find_job, give_room_back};
use queuectl_core::State;
use queuectl_store::{Store, StoreError};

const SETTLED: [State; 3] = [State::Completed, State::Dead, State::Cancelled];

/// Deletes those that have come to rest, and says what is wrong with the others; gives
/// how many were deleted, and the first exit code that is not 0.
pub(crate) fn delete(
    cx: &Context,
    typed: &[String],
    dry_run: DryRun,
) -> Result<(u64, Option<Exit>), Failure> {
    let mut store = cx.store_to_delete(dry_run)?;
    let (mut deleted, mut worst) = (0, None);
    for typed in typed {
        match delete_one(&mut *store, typed, dry_run) {
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

fn delete_one(store: &mut dyn Store, typed: &str, dry_run: DryRun) -> Result<(), Failure> {
    let job = find_job(store, typed)?;
    if dry_run == DryRun::No {
        store.delete(&job.id, &SETTLED)?;
    } else if !job.state.is_settled() {
        return Err(StoreError::OtherState { id: job.id, state: job.state }.into());
    }
    Ok(())
}
