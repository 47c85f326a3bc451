//! Jobs that were held go on.

use crate::named::NamedError;
use queuectl_core::{JobId, Timestamp};
use queuectl_store::Store;

/// What is said of a job that was released.
pub const DONE: &str = "was released";

/// Lets a job go on that was held.
///
/// # Errors
///
/// [`NamedError::Change`].
pub fn release(store: &mut dyn Store, id: &JobId, now: Timestamp) -> Result<(), NamedError> {
    store.release(id, now).map_err(|source| NamedError::of_change(id, source))
}
