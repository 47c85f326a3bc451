//! Jobs are cancelled.

use crate::named::NamedError;
use queuectl_core::{JobId, Timestamp};
use queuectl_store::{Cancelled, Store};

/// What is said of a job that was cancelled.
pub const DONE: &str = "was cancelled";

/// Cancels a job, or asks its worker to end it; [`CancelWait`](crate::wait::cancel::CancelWait)
/// waits for that.
///
/// # Errors
///
/// [`NamedError::Change`].
pub fn cancel(store: &mut dyn Store, id: &JobId, now: Timestamp) -> Result<Cancelled, NamedError> {
    store.cancel(id, now).map_err(|source| NamedError::of_change(id, source))
}
