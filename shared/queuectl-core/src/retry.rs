//! How long a failed job waits.

use std::time::Duration;

/// When a failed job runs again, and when it never does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Seconds to the power of the attempts made. 2 gives 2, 4, 8, … s; 1 gives
    /// 1 s each time; 0 retries at once.
    pub base: f64,
    /// No wait is longer than this.
    pub max: Duration,
    /// How many attempts may be lost with their worker before the job is dead.
    pub crash_limit: u32,
}

impl RetryPolicy {
    /// The wait after a failed run: `base ^ attempts` seconds, at most `max`.
    ///
    /// Whole milliseconds. What cannot be computed (overflow, a base that is no
    /// number) counts as `max`: a broken setting delays, it never stops the queue.
    pub fn delay(&self, attempts: u32) -> Duration {
        let exponent = i32::try_from(attempts).unwrap_or(i32::MAX);
        let millis = self.base.powi(exponent) * 1000.0;
        let max_millis = u64::try_from(self.max.as_millis()).unwrap_or(u64::MAX);
        if millis.is_nan() || millis >= max_millis as f64 {
            Duration::from_millis(max_millis)
        } else {
            // A negative float becomes 0.
            Duration::from_millis(millis.round() as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(base: f64) -> RetryPolicy {
        RetryPolicy { base, max: Duration::from_hours(24), crash_limit: 5 }
    }

    #[test]
    fn base_two_waits_two_four_eight_seconds() {
        let waits: Vec<u64> = (1..=3).map(|attempts| policy(2.0).delay(attempts).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8]);
    }

    #[test]
    fn zero_and_one_are_values_of_their_own() {
        assert_eq!(policy(0.0).delay(1), Duration::ZERO);
        assert_eq!(policy(1.0).delay(9), Duration::from_secs(1));
        assert_eq!(policy(1.5).delay(2), Duration::from_millis(2250));
    }

    proptest! {
        #[test]
        fn no_setting_panics_or_exceeds_the_longest_wait(base in any::<f64>(), attempts in any::<u32>(), max_s in any::<u64>()) {
            let policy = RetryPolicy { base, max: Duration::from_secs(max_s), crash_limit: 5 };
            prop_assert!(policy.delay(attempts) <= Duration::from_secs(max_s));
        }

        #[test]
        fn later_attempts_never_wait_less(base in 1.0..100.0f64, attempts in 0..1000u32) {
            prop_assert!(policy(base).delay(attempts) <= policy(base).delay(attempts + 1));
        }
    }
}
