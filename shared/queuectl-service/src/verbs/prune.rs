//! Jobs that have come to rest are deleted, in steps.

use crate::amounts::plural;
use crate::explain::store::of_change;
use crate::explanation::Explanation;
use queuectl_core::{Filter, TimeRange, Timestamp};
use queuectl_store::{Store, StoreError};
use std::time::Duration;

/// Jobs of one transaction, so that workers are not kept waiting.
const BATCH: u32 = 1000;

/// A step failed; those before are done.
#[derive(Debug, thiserror::Error)]
#[error("{deleted} jobs are deleted, and of some more: {source}")]
pub struct PruneError {
    /// How many jobs are deleted.
    pub deleted: u64,
    /// What came of the step.
    pub source: StoreError,
}

impl From<PruneError> for Explanation {
    fn from(PruneError { deleted, source }: PruneError) -> Self {
        let is_full = matches!(source, StoreError::Full { .. });
        let said = of_change(
            source,
            format_args!("{deleted} jobs are deleted, and of some more"),
            "run it again: what is deleted already is not in its way",
        );
        if !is_full {
            return said;
        }
        // What deletes needs some room itself, and what was kept back is used up.
        let deleted = plural(deleted, "job");
        said.hint(format!("remove something else on that disk, and run it again; deleted so far: {deleted}"))
    }
}

/// Deletes jobs that have come to rest and that a filter means now, with their output; says
/// after each step how many are deleted in all. Gives that number.
///
/// What comes to rest meanwhile stays. What did so in the future, by a clock that was set
/// back since, is among those that are deleted last, and no more of it than there was.
///
/// # Errors
///
/// [`PruneError`].
pub fn prune(
    store: &mut dyn Store,
    filter: &Filter,
    now: Timestamp,
    mut progress: impl FnMut(u64),
) -> Result<u64, PruneError> {
    let failed = |source| PruneError { deleted: 0, source };
    let meant = store.count(filter, u32::MAX).map_err(failed)?;
    let later = now.after(Duration::from_millis(1));
    let until = filter.finished.until.map_or(later, |until| until.min(later));
    let before_now =
        Filter { finished: TimeRange { until: Some(until), ..filter.finished }, ..filter.clone() };
    let mut deleted = 0;
    for filter in [&before_now, filter] {
        while deleted < meant {
            let limit = u32::try_from(meant - deleted).unwrap_or(BATCH).min(BATCH);
            let step = Filter { limit, ..filter.clone() };
            let more = store.prune(&step).map_err(|source| PruneError { deleted, source })?;
            if more == 0 {
                break;
            }
            deleted += more;
            progress(deleted);
        }
    }
    Ok(deleted)
}

/// Gives the room of deleted jobs back to the disk, in steps. They are deleted, whether
/// it can be or not.
///
/// # Errors
///
/// Those of the store.
pub fn give_room_back(store: &mut dyn Store) -> Result<(), StoreError> {
    while store.give_back()? {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;
    use queuectl_core::State;

    #[test]
    fn what_came_to_rest_before_is_deleted_step_by_step() {
        let mut queue = Queue::new();
        queue.add_dead(&["a", "b"]);
        queue.add(&["c"]);
        let dead = Filter::of_states(&[State::Dead]);
        let mut told = Vec::new();
        assert_eq!(queue.store().count(&dead, u32::MAX).unwrap(), 2);
        let now = queue.now();
        assert_eq!(prune(queue.store(), &dead, now, |deleted| told.push(deleted)).unwrap(), 2);
        assert_eq!(told, [2]);
        assert_eq!(prune(queue.store(), &dead, now, |_| ()).unwrap(), 0);
        give_room_back(queue.store()).unwrap();
        assert_eq!(queue.store().counts().unwrap().total(), 1);
    }

    #[test]
    fn what_came_to_rest_in_the_future_is_deleted_too() {
        let mut queue = Queue::new();
        queue.add_dead(&["a", "b"]);
        let before = queue.now().before(Duration::from_hours(1));
        assert_eq!(prune(queue.store(), &Filter::of_states(&[State::Dead]), before, |_| ()).unwrap(), 2);
    }

    #[test]
    fn a_full_disk_leads_to_what_is_left_to_do() {
        let queue = queuectl_store::Location::File("queue.db".into());
        let said = Explanation::from(PruneError { deleted: 1, source: StoreError::Full { queue } });
        assert!(said.hint.unwrap().ends_with("deleted so far: 1 job"));
    }
}
