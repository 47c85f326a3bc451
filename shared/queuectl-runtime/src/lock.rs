//! Taking a lock that a thread which panicked may have held.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for a lock.
///
/// A thread that panicked cannot have left what is behind it half-changed: each change
/// is one step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
