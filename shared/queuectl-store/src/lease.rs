//! How long a lease lasts, and what follows from that.
//!
//! A worker chooses its lease and writes it down beside its name; it is judged by
//! that, whatever the judge's own is. With a lease of 30 s:
//!
//! ```text
//!      renewal                                       29 s         31 s       33 s
//!  ───────┼──────────── jobs run ──────────────────────┼─ ending ───┼──────────┼─────
//!         │                                        SIGTERM      SIGKILL    others may
//!         └ from here both sides count                                     take over
//! ```

use std::time::Duration;

/// The length of a worker's lease, and all times that follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseTimes(Duration);

impl LeaseTimes {
    /// The shortest: jobs still need time to end, and clocks to differ.
    pub const SHORTEST: Duration = Duration::from_secs(10);
    /// The longest.
    pub const LONGEST: Duration = Duration::from_mins(5);
    /// The usual one.
    pub const USUAL: Self = Self(Duration::from_secs(30));

    /// A lease that lasts so long, or as nearly as is allowed.
    pub fn of(length: Duration) -> Self {
        Self(length.clamp(Self::SHORTEST, Self::LONGEST))
    }

    /// How long it lasts.
    pub const fn length(self) -> Duration {
        self.0
    }

    /// How often it is renewed: several renewals may be lost without harm.
    pub fn renewed_every(self) -> Duration {
        self.0 / 15
    }

    /// A worker that has not renewed it for so long ends its jobs.
    pub fn ends_jobs_after(self) -> Duration {
        self.has_ended_jobs_after().saturating_sub(self.step())
    }

    /// By then nothing of them is left.
    pub fn has_ended_jobs_after(self) -> Duration {
        self.dead_after().saturating_sub(self.step())
    }

    /// A worker that has not renewed it for so long, by the server's clock, is taken
    /// for dead: the lease, and what two clocks may differ in that time.
    pub fn dead_after(self) -> Duration {
        self.0 + self.0 / 10
    }

    /// What it takes to end jobs; and as much again, so that two clocks may differ.
    fn step(self) -> Duration {
        (self.0 / 15).max(Duration::from_secs(2))
    }

    /// A worker that was seen to renew it within so long lives, whatever the server's clock
    /// says: an administrator may have set it forward.
    pub(crate) fn seen_still_for(self) -> Duration {
        self.renewed_every() * 5 / 2
    }

    /// A connection on which the server does not answer its worker for so long is given up:
    /// another may be answered before the lease has run out.
    pub(crate) fn answered_within(self) -> Duration {
        self.ends_jobs_after() / 3
    }

    /// How often others look whether it has run out.
    pub(crate) fn looked_at_every(self) -> Duration {
        (self.0 / 30).min(Duration::from_secs(1))
    }

    /// A worker that was not heard of for so long has missed a few renewals.
    pub fn is_overdue_after(self) -> Duration {
        self.renewed_every() * 5
    }
}

/// A clock that is never set, and that goes on while the machine sleeps.
pub fn boot_clock() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    // Elsewhere the monotonic clock may stand still during sleep.
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(lease: LeaseTimes) -> [Duration; 5] {
        [
            lease.renewed_every(),
            lease.ends_jobs_after(),
            lease.has_ended_jobs_after(),
            lease.dead_after(),
            lease.looked_at_every(),
        ]
    }

    #[test]
    fn a_worker_stops_before_others_may_take_over() {
        for seconds in [0, 10, 11, 17, 30, 60, 299, 300, 100_000] {
            let lease = LeaseTimes::of(Duration::from_secs(seconds));
            let [renewed, ends, has_ended, dead, _] = times(lease);
            assert!(renewed * 5 < ends && ends < has_ended && has_ended < dead, "{lease:?}");
            // Two seconds are what jobs need to end, and as much lies between the two
            // sides; on a long lease clocks differ more.
            let step = Duration::from_secs(2);
            assert!(has_ended >= ends + step && dead >= has_ended + step, "{lease:?}");
            assert!(dead * 19 > has_ended * 20, "{lease:?}");
        }
    }

    #[test]
    fn the_usual_lease_has_the_times_that_are_documented() {
        let seconds = |seconds: [u64; 5]| seconds.map(Duration::from_secs);
        assert_eq!(times(LeaseTimes::USUAL), seconds([2, 29, 31, 33, 1]));
        let [renewed, others @ ..] = times(LeaseTimes::of(LeaseTimes::SHORTEST));
        assert_eq!(renewed.as_millis(), 666);
        assert_eq!(others[..3], seconds([7, 9, 11, 0, 0])[..3]);
        assert_eq!(times(LeaseTimes::of(LeaseTimes::LONGEST)), seconds([20, 290, 310, 330, 1]));
        assert_eq!(LeaseTimes::USUAL.seen_still_for(), Duration::from_secs(5));
    }
}
