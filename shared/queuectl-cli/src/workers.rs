//! Which workers live.

use crate::failure::Failure;
use queuectl_store::{Store, StoreError, Worker};

/// A worker that has not ended, and whether it lives: whether its lock is held.
#[derive(Clone, Debug)]
pub struct KnownWorker {
    /// The worker.
    pub worker: Worker,
    /// None if nobody can tell.
    pub alive: Option<bool>,
}

/// Lists the workers that have not ended, and says which of them live.
///
/// A lock file that is missing or was replaced proves nothing: then nobody can
/// tell, which is no reason to show nothing. It is the second part of what is
/// returned.
pub fn known_workers(store: &mut dyn Store) -> Result<(Vec<KnownWorker>, Option<StoreError>), Failure> {
    let workers = store.workers()?;
    if workers.is_empty() {
        return Ok((Vec::new(), None));
    }
    let (locks, doubt) = match store.lock_file() {
        Ok(locks) => (Some(locks), None),
        Err(doubt @ (StoreError::LockFileMissing { .. } | StoreError::LockFileReplaced { .. })) => {
            (None, Some(doubt))
        }
        Err(error) => return Err(error.into()),
    };
    let mut known = Vec::with_capacity(workers.len());
    for worker in workers {
        let alive = locks.as_ref().map(|locks| locks.is_held(worker.id)).transpose()?;
        known.push(KnownWorker { worker, alive });
    }
    Ok((known, doubt))
}
