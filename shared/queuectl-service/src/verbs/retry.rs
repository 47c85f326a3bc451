//! Dead jobs get another life, and failed ones need not wait for their retry.

use crate::amounts::plural;
use crate::explain::store::of_change;
use crate::explanation::Explanation;
use crate::named::NamedError;
use queuectl_core::{JobId, Seq, State, Timestamp};
use queuectl_store::{Store, StoreError};

/// Jobs of one transaction, so that workers are not kept waiting.
const BATCH: u32 = 1000;

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

/// Why not every dead job was revived.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// The queue cannot be looked at; nothing was done.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A step failed; those before are done.
    #[error("{retried} jobs are pending again, and of some more: {source}")]
    Step {
        /// How many jobs are pending again.
        retried: u64,
        /// What came of the step.
        source: StoreError,
    },
    /// One stays dead, since it could not be run.
    #[error("the row of job {id} cannot be read: {reason}")]
    Unreadable {
        /// Its number.
        seq: Seq,
        /// Its id, as far as it can be read.
        id: JobId,
        /// Which column, and what is wrong with it.
        reason: String,
    },
}

impl From<RetryError> for Explanation {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::Store(error) => error.into(),
            RetryError::Step { retried, source } => of_change(
                source,
                format_args!("{retried} jobs are pending again, and of some more"),
                "see which are left with `queuectl dlq list`, and run it again for them",
            ),
            RetryError::Unreadable { seq, id, reason } => {
                // An id that is no text cannot be typed; the number always finds it.
                Self::from(StoreError::UnreadableJob { id, reason }).hint(format!(
                    "see what is left of it with `queuectl show {seq}`, and all such rows with `queuectl doctor`"
                ))
            }
        }
    }
}

/// Revives every dead job that is there now, step by step; tells of each that stays dead.
/// Gives how many are pending again.
///
/// # Errors
///
/// Those of the store, with what is done already.
pub fn retry_all(
    store: &mut dyn Store,
    now: impl Fn() -> Timestamp,
    mut refused: impl FnMut(RetryError),
) -> Result<u64, RetryError> {
    // Jobs that die again meanwhile are not for this call.
    let mut left = store.counts()?[State::Dead].max(0) as u64;
    let (mut retried, mut after) = (0, Seq(0));
    while left > 0 {
        let batch = u32::try_from(left).unwrap_or(BATCH).min(BATCH);
        let step = store
            .retry_some_dead(after, batch, now())
            .map_err(|source| RetryError::Step { retried, source })?;
        let Some(last) = step.last else { break };
        after = last;
        retried += step.revived;
        left = left.saturating_sub(step.revived + step.unreadable.len() as u64);
        for (seq, id, reason) in step.unreadable {
            refused(RetryError::Unreadable { seq, id, reason });
        }
    }
    Ok(retried)
}

/// What [`retry_all`] has done, in words: `1 job is pending again`.
pub fn told(retried: u64) -> String {
    let are = if retried == 1 { "is" } else { "are" };
    format!("{} {are} pending again", plural(retried, "job"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;

    #[test]
    fn every_dead_job_is_revived_and_no_other() {
        let mut queue = Queue::new();
        queue.add_dead(&["a", "b", "c"]);
        queue.add(&["d"]);
        let now = queue.now();
        let retried = retry_all(queue.store(), || now, |error| panic!("{error}")).unwrap();
        assert_eq!((retried, told(retried).as_str()), (3, "3 jobs are pending again"));
        assert_eq!(queue.store().counts().unwrap()[State::Pending], 4);
    }

    #[test]
    fn a_job_that_is_not_dead_is_refused() {
        let mut queue = Queue::new();
        queue.add(&["a"]);
        let (now, id) = (queue.now(), JobId::new("a").unwrap());
        let said = Explanation::from(revive_or_hurry(queue.store(), &id, now).unwrap_err());
        assert_eq!(said.message, "job a is pending; only dead and failed jobs can be retried");
    }
}
