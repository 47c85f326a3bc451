//! Jobs that are named are deleted.

use crate::find::FindError;
use crate::named::find_each;
use queuectl_core::State;
use queuectl_store::{Store, StoreError};

/// Whether something is only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// Nothing is changed.
    Yes,
    /// It is done.
    No,
}

impl From<bool> for DryRun {
    fn from(flag: bool) -> Self {
        if flag { Self::Yes } else { Self::No }
    }
}

/// Deletes the jobs that are named and in one of these states; tells what is wrong with
/// each of the others. A job that is named twice is one job.
///
/// Gives how many were deleted, or would be.
pub fn delete_named(
    store: &mut dyn Store,
    given: &[String],
    states: &[State],
    dry_run: DryRun,
    mut refused: impl FnMut(FindError),
) -> u64 {
    let mut deleted = 0;
    for found in find_each(store, given) {
        let gone = found.and_then(|(id, state)| match dry_run {
            DryRun::No => Ok(store.delete(&id, states)?),
            DryRun::Yes if states.contains(&state) => Ok(()),
            DryRun::Yes => Err(StoreError::OtherState { id, state }.into()),
        });
        match gone {
            Ok(()) => deleted += 1,
            Err(error) => refused(error),
        }
    }
    deleted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;

    #[test]
    fn what_is_in_another_state_stays_and_what_is_named_twice_is_one() {
        let mut queue = Queue::new();
        queue.add_dead(&["a", "b"]);
        queue.add(&["c"]);
        let given = ["a", "1", "c", "none", "b"].map(str::to_owned);
        let mut refused = Vec::new();
        let tried =
            delete_named(queue.store(), &given, &[State::Dead], DryRun::Yes, |e| refused.push(e.to_string()));
        assert_eq!(
            (tried, &refused[..]),
            (2, &["job c is pending", "there is no job none"].map(String::from)[..])
        );
        assert_eq!(queue.store().counts().unwrap().total(), 3);
        let deleted = delete_named(queue.store(), &given, &[State::Dead], DryRun::No, |_| ());
        assert_eq!((deleted, queue.store().counts().unwrap().total()), (2, 1));
    }
}
