//! Jobs that were claimed and not started.

use crate::lock::lock;
use queuectl_core::{Job, Lease};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Jobs that were claimed and not started, oldest first.
#[derive(Default)]
pub(crate) struct Prefetched {
    contents: Mutex<Contents>,
    changed: Condvar,
    /// With fewer jobs left, the coordinator wants to know of each result.
    low_water: AtomicU32,
}

#[derive(Default)]
struct Contents {
    jobs: VecDeque<Job>,
    /// Nothing more is to be started.
    is_closed: bool,
}

impl Prefetched {
    /// Adds claimed jobs. Once this is closed, it takes none: their leases come back.
    #[must_use = "what is not taken must be handed back"]
    pub(crate) fn add(&self, jobs: Vec<Job>) -> Vec<Lease> {
        if jobs.is_empty() {
            return Vec::new();
        }
        let mut contents = lock(&self.contents);
        if contents.is_closed {
            return jobs.iter().map(Job::last_lease).collect();
        }
        contents.jobs.extend(jobs);
        self.changed.notify_all();
        Vec::new()
    }

    /// Waits for a job; none when this is closed and empty.
    ///
    /// `occupy` is called before the job can be missed here, so that at each moment it is
    /// counted in one place.
    pub(crate) fn next(&self, occupy: impl Fn(&Job)) -> Option<Job> {
        let mut contents = lock(&self.contents);
        loop {
            if let Some(job) = contents.jobs.pop_front() {
                occupy(&job);
                return Some(job);
            }
            if contents.is_closed {
                return None;
            }
            contents = self.changed.wait(contents).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Looks at something else while the number of jobs here stays as it is.
    pub(crate) fn with_count<T>(&self, look: impl FnOnce(u32) -> T) -> T {
        let contents = lock(&self.contents);
        look(contents.jobs.len() as u32)
    }

    /// Says with how few jobs left the coordinator must exchange.
    pub(crate) fn set_low_water(&self, jobs: u32) {
        self.low_water.store(jobs, Ordering::Relaxed);
    }

    /// Tells whether slots may run out of work before the coordinator has exchanged.
    pub(crate) fn is_low(&self) -> bool {
        lock(&self.contents).jobs.len() < self.low_water.load(Ordering::Relaxed) as usize
    }

    /// Takes back all that was not started.
    pub(crate) fn clear(&self) -> Vec<Lease> {
        lock(&self.contents).jobs.drain(..).map(|job| job.last_lease()).collect()
    }

    /// Takes back those that are not to be started after all.
    pub(crate) fn remove_those(&self, are_meant: impl Fn(&Job) -> bool) -> Vec<Lease> {
        let mut contents = lock(&self.contents);
        let (back, left): (VecDeque<Job>, _) = contents.jobs.drain(..).partition(are_meant);
        contents.jobs = left;
        back.iter().map(Job::last_lease).collect()
    }

    /// Takes one job back; tells whether it was not started yet.
    pub(crate) fn remove(&self, lease: Lease) -> bool {
        let mut contents = lock(&self.contents);
        let before = contents.jobs.len();
        contents.jobs.retain(|job| job.last_lease() != lease);
        contents.jobs.len() < before
    }

    /// Lets the slots end when nothing is left here.
    pub(crate) fn close(&self) {
        lock(&self.contents).is_closed = true;
        self.changed.notify_all();
    }

    /// Tells whether nothing more is to be started.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.contents).is_closed
    }
}
