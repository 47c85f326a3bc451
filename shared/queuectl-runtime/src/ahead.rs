//! How many jobs a worker may hold that it has not started.
//!
//! Holding some saves a commit a job; holding one behind a long job would keep
//! it from an idle neighbour. So a worker looks as far ahead as its last jobs
//! say it will get in [`HORIZON`], and gives back what it holds when every slot
//! has been busy for longer than [`PATIENCE`].

use std::collections::VecDeque;
use std::time::Duration;

/// A worker claims what it expects to start in this time. (Claiming 64 or 128
/// ahead gave nothing over 32.)
const HORIZON: Duration = Duration::from_millis(20);

/// Most jobs held unstarted.
const MOST: u32 = 32;

/// How many durations are remembered; fewer say nothing.
const REMEMBERED: usize = 8;

/// What is held unstarted is given back when every slot has been busy for so long.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// Remembers how long the last jobs took, and how long it took to claim them.
#[derive(Debug)]
pub(crate) struct Ahead {
    slots: u32,
    last: VecDeque<Duration>,
    exchange: Duration,
}

impl Ahead {
    /// Knows nothing yet, so looks at nothing ahead.
    pub(crate) fn new(slots: u32) -> Self {
        Self { slots, last: VecDeque::with_capacity(REMEMBERED), exchange: Duration::ZERO }
    }

    /// Notes how long a job took.
    pub(crate) fn note(&mut self, duration: Duration) {
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(duration);
    }

    /// Notes how long an exchange with the store took; a slow one is remembered
    /// for a few more.
    pub(crate) fn note_exchange(&mut self, took: Duration) {
        self.exchange = took.max(self.exchange * 3 / 4);
    }

    /// When so few are left unstarted, it is time to fetch more: as many as will be
    /// started while they are fetched, so that no slot waits for the store.
    pub(crate) fn low_water(&self) -> u32 {
        let meanwhile = (self.starts_in(self.exchange) as u32).saturating_add(self.slots);
        meanwhile.min(self.limit() / 2).max(self.slots)
    }

    /// How many jobs may be held beyond those that can start at once.
    pub(crate) fn limit(&self) -> u32 {
        if self.last.len() < REMEMBERED {
            return 0;
        }
        self.starts_in(HORIZON).min(f64::from(MOST)) as u32
    }

    /// How many jobs all slots start in a time, if the next ones are like the last.
    fn starts_in(&self, time: Duration) -> f64 {
        let mean = self.last.iter().sum::<Duration>().as_secs_f64() / self.last.len().max(1) as f64;
        time.as_secs_f64() * f64::from(self.slots) / mean.max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(slots: u32, durations: &[u64]) -> u32 {
        let mut ahead = Ahead::new(slots);
        for &millis in durations {
            ahead.note(Duration::from_millis(millis));
        }
        ahead.limit()
    }

    #[test]
    fn nothing_is_held_until_eight_jobs_have_ended() {
        assert_eq!(after(2, &[1; 7]), 0);
        assert_eq!(after(2, &[1; 8]), 32);
    }

    #[test]
    fn long_jobs_are_never_held() {
        assert_eq!(after(1, &[1000; 8]), 0);
        assert_eq!(after(1, &[1, 1, 1, 1, 1, 1, 1, 5000]), 0);
        assert_eq!(after(1, &[2; 8]), 10);
        // Only the last eight count.
        assert_eq!(after(1, &[5000, 2, 2, 2, 2, 2, 2, 2, 2]), 10);
    }

    #[test]
    fn more_is_fetched_before_the_slots_run_dry() {
        let mut ahead = Ahead::new(1);
        (0..8).for_each(|_| ahead.note(Duration::from_millis(1)));
        assert_eq!(ahead.low_water(), 1, "nothing is known of the store");
        ahead.note_exchange(Duration::from_millis(4));
        assert_eq!(ahead.low_water(), 5);
        ahead.note_exchange(Duration::from_millis(1));
        assert_eq!(ahead.low_water(), 4, "a slow one is remembered");
        ahead.note_exchange(Duration::from_secs(1));
        assert_eq!(ahead.low_water(), 10, "half of what may be held: 20");
        (0..8).for_each(|_| ahead.note(Duration::from_secs(5)));
        assert_eq!(ahead.low_water(), 1, "long jobs are not held");
    }

    #[test]
    fn jobs_that_take_no_time_are_not_held_without_end() {
        assert_eq!(after(1000, &[0; 8]), MOST);
    }
}
