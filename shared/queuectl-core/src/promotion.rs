//! How scheduled jobs become ready when their time has come.

use crate::time::Timestamp;
use std::time::Duration;

/// How many of the jobs that are due become ready in one transaction.
///
/// As many as are wanted now and not ready: so a flood of retries stays scheduled, and a
/// new job stands behind few. Where some job is always ready, every eighth time (by the
/// clock) they become ready all the same, so that they are claimed some day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// Jobs that are wanted.
    wanted: u32,
    /// Whether those that are ready already do not count.
    is_due_all_the_same: bool,
    now: Timestamp,
}

impl Promotion {
    /// Most jobs that become ready in one transaction, so that a flood of retries
    /// stalls nobody.
    pub const MOST: u32 = 200;

    /// A wait that began in the future, further away than this, began before the clock
    /// was set back: a worker looks at the clock before its transaction comes, so others
    /// may have begun waits since then. (Longer than any transaction waits for the one
    /// before it; a clock set back by less makes a job wait so much longer.)
    const FURTHER_THAN_A_TRANSACTION_WAITS: Duration = Duration::from_mins(5);

    /// For a worker that wants so many jobs now.
    pub const fn new(wanted: u32, now: Timestamp) -> Self {
        Self { wanted, is_due_all_the_same: now.as_millis() % 8 == 0, now }
    }

    /// Tells whether jobs that are due become ready although others are.
    pub const fn is_due_all_the_same(&self) -> bool {
        self.is_due_all_the_same && self.wanted > 0
    }

    /// How many become ready where so many are (counted no further than the wanted).
    pub fn number(&self, ready: u32) -> u32 {
        let missing = if self.is_due_all_the_same { self.wanted } else { self.wanted.saturating_sub(ready) };
        missing.min(Self::MOST)
    }

    /// A job is due from this time on.
    pub const fn due_until(&self) -> Timestamp {
        self.now
    }

    /// A job whose wait began after this time was given its time by another clock, and is
    /// due as well.
    pub fn other_clock_after(now: Timestamp) -> Timestamp {
        now.after(Self::FURTHER_THAN_A_TRANSACTION_WAITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_become_ready_as_are_wanted_and_missing() {
        let ordinary = Timestamp::from_millis(9);
        assert_eq!(Promotion::new(5, ordinary).number(2), 3);
        assert_eq!(Promotion::new(5, ordinary).number(9), 0);
        assert_eq!(Promotion::new(5000, ordinary).number(0), Promotion::MOST);
    }

    #[test]
    fn every_eighth_time_those_that_are_due_come_in_all_the_same() {
        let eighth = Timestamp::from_millis(16);
        assert_eq!(Promotion::new(5, eighth).number(5), 5);
        assert!(Promotion::new(5, eighth).is_due_all_the_same());
        assert!(!Promotion::new(0, eighth).is_due_all_the_same());
    }
}
