//! How long is waited for processes that cannot be seen.

use queuectl_core::WorkerId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What is left of a dead worker in another pid namespace is given so long to end.
pub const UNSEEN_WAITS: Duration = Duration::from_secs(10);

/// Dead workers whose processes cannot be seen from here.
#[derive(Debug, Default)]
pub struct Unseen {
    since: HashMap<WorkerId, Instant>,
}

impl Unseen {
    /// Tells whether the processes of a worker were given their time.
    pub fn has_waited(&self, worker: WorkerId) -> bool {
        self.since.get(&worker).is_some_and(|since| since.elapsed() >= UNSEEN_WAITS)
    }

    /// Notes that the processes of a worker cannot be seen; their time begins with the
    /// first note.
    pub fn note(&mut self, worker: WorkerId) {
        self.since.entry(worker).or_insert_with(Instant::now);
    }
}
