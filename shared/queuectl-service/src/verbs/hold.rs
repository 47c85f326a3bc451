//! Jobs are held.

use crate::named::NamedError;
use queuectl_core::{JobId, Timestamp};
use queuectl_store::Store;

/// What is said of a job that was held.
pub const DONE: &str = "was held";

/// Has a job wait until it is released.
///
/// # Errors
///
/// [`NamedError::Change`].
pub fn hold(store: &mut dyn Store, id: &JobId, now: Timestamp) -> Result<(), NamedError> {
    store.hold(id, now).map_err(|source| NamedError::of_change(id, source))
}
