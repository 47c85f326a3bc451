//! Dead jobs get another life, and failed ones need not wait for their retry.

use crate::named::NamedError;
use queuectl_core::{JobId, State, Timestamp};
use queuectl_store::{Store, StoreError};

/// Does what the state of the job calls for; gives what to say of the job then.
///
/// # Errors
///
/// [`NamedError::Change`].
pub fn revive_or_hurry(
    store: &mut dyn Store,
    id: &JobId,
    now: Timestamp,
) -> Result<&'static str, NamedError> {
    let done = match store.retry_dead(id, now) {
        Err(StoreError::Refused { source, .. }) if source.state == State::Failed => {
            store.hurry(id, now).map(|()| "waits no longer for its retry")
        }
        revived => revived.map(|()| "is pending again"),
    };
    done.map_err(|source| NamedError::of_change(id, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explanation::Explanation;
    use crate::fixture::Queue;

    #[test]
    fn a_job_that_is_not_dead_is_refused() {
        let mut queue = Queue::new();
        queue.add(&["a"]);
        let (now, id) = (queue.now(), JobId::new("a").unwrap());
        let said = Explanation::from(revive_or_hurry(queue.store(), &id, now).unwrap_err());
        assert_eq!(said.message, "job a is pending; only dead and failed jobs can be retried");
    }
}
