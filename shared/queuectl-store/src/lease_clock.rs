//! Where time decides who lives: between machines.
//!
//! No kernel tells one machine that a process of another has died. So a worker
//! renews a lease at the server, again and again, and a worker that has not renewed
//! it for longer than it lasts is taken for dead. That is safe only because the
//! worker itself stops in time: by its own clock, which goes on while the machine
//! sleeps and which no administrator sets, counted from *before* a renewal was sent. See [`LeaseTimes`].

use crate::lease::{LeaseTimes, boot_clock, millis};
use crate::planted::Bug;
use crate::renewals::Renewals;
use queuectl_core::WorkerId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What one worker knows of leases: its own, and those of others.
#[derive(Debug)]
pub(crate) struct LeaseClock {
    /// Milliseconds of the boot clock at which the last renewal was sent that succeeded.
    renewed_at: AtomicU64,
    called_dead: AtomicBool,
    /// How often a notification has rung.
    rings: AtomicU64,
    neighbours: Mutex<HashMap<WorkerId, Neighbour>>,
    lease: LeaseTimes,
    /// Where others on this machine read when it was last renewed.
    noted: Option<Renewals>,
}

/// What the server says of another worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Neighbour {
    /// It shows its life by a lock of this machine.
    Here,
    /// It is on another machine and renews its lease.
    Elsewhere,
    /// It is on another machine, and its lease has run out.
    Silent,
}

/// Why a worker may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lapse {
    /// It could not renew its lease for so long.
    Silent(Duration),
    /// Others have taken it for dead.
    CalledDead,
}

impl LeaseClock {
    /// A clock whose lease was asked for at a moment of the boot clock.
    pub(crate) fn since(asked_at: Duration, lease: LeaseTimes, noted: Option<Renewals>) -> Self {
        Self {
            lease,
            noted,
            renewed_at: AtomicU64::new(millis(asked_at)),
            called_dead: AtomicBool::new(false),
            rings: AtomicU64::new(0),
            neighbours: Mutex::default(),
        }
    }

    /// The lease that is renewed.
    pub(crate) fn lease(&self) -> LeaseTimes {
        self.lease
    }

    /// The lease was renewed by a request that was sent at this moment.
    ///
    /// It counts only if it could be noted for the others on this machine: the worker
    /// and they must know the same.
    pub(crate) fn renewed(&self, asked_at: Duration) {
        if let Some(noted) = &self.noted
            && let Err(error) = noted.note(asked_at)
        {
            tracing::warn!("a renewal of the lease does not count: {error}");
            return;
        }
        self.renewed_at.fetch_max(millis(asked_at), Ordering::SeqCst);
    }

    /// The server does not know this worker any more.
    pub(crate) fn was_called_dead(&self) {
        self.called_dead.store(true, Ordering::SeqCst);
    }

    /// Another program has added a job, or may have.
    pub(crate) fn rang(&self) {
        self.rings.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was so.
    pub(crate) fn rings(&self) -> u64 {
        self.rings.load(Ordering::Relaxed)
    }

    /// Notes what the server says of all workers.
    pub(crate) fn set_neighbours(&self, neighbours: HashMap<WorkerId, Neighbour>) {
        *self.neighbours.lock().unwrap_or_else(PoisonError::into_inner) = neighbours;
    }

    /// All workers, as the server last said.
    pub(crate) fn neighbours(&self) -> Vec<WorkerId> {
        self.neighbours.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// What was last heard of a neighbour.
    pub(crate) fn neighbour(&self, worker: WorkerId) -> Option<Neighbour> {
        self.neighbours.lock().unwrap_or_else(PoisonError::into_inner).get(&worker).copied()
    }

    /// Why the worker may not go on, if it may not.
    pub(crate) fn lapse(&self) -> Option<Lapse> {
        if self.called_dead.load(Ordering::SeqCst) {
            return Some(Lapse::CalledDead);
        }
        let silence = self.silence();
        let has_lapsed = silence >= self.lease.ends_jobs_after() && !Bug::LeaseOverrun.is_planted();
        has_lapsed.then_some(Lapse::Silent(silence))
    }

    /// How long jobs may still be given to end: no time if others have them already.
    pub(crate) fn time_left(&self) -> Duration {
        if self.called_dead.load(Ordering::SeqCst) {
            return Duration::ZERO;
        }
        self.lease.has_ended_jobs_after().saturating_sub(self.silence())
    }

    fn silence(&self) -> Duration {
        boot_clock().saturating_sub(Duration::from_millis(self.renewed_at.load(Ordering::SeqCst)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent_for(silence: Duration) -> LeaseClock {
        // The boot clock may be younger than the silence.
        LeaseClock::since(boot_clock().checked_sub(silence).unwrap_or_default(), LeaseTimes::USUAL, None)
    }

    #[test]
    fn only_a_renewal_lets_it_go_on() {
        let lease_clock = silent_for(Duration::from_secs(29));
        assert!(matches!(lease_clock.lapse(), Some(Lapse::Silent(_))));
        assert!(lease_clock.time_left() <= Duration::from_secs(2));
        lease_clock.renewed(boot_clock());
        assert_eq!(lease_clock.lapse(), None);
        assert!(lease_clock.time_left() > Duration::from_secs(25));
        lease_clock.renewed(Duration::ZERO);
        assert_eq!(lease_clock.lapse(), None, "an older renewal changes nothing");
    }

    #[test]
    fn who_was_called_dead_stays_so() {
        let lease_clock = silent_for(Duration::ZERO);
        lease_clock.was_called_dead();
        lease_clock.renewed(boot_clock());
        assert_eq!(lease_clock.lapse(), Some(Lapse::CalledDead));
        assert_eq!(lease_clock.time_left(), Duration::ZERO, "others may have its jobs already");
    }
}
