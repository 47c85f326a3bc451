//! Waiting for facts.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: no test fails because a
/// machine is slow.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Waits until something is a fact.
///
/// The only place in the tests that sleeps, and only between two looks.
#[expect(
    clippy::disallowed_methods,
    reason = "between two looks; a fact of another program has no descriptor"
)]
pub fn wait_until(deadline: Duration, what: &str, mut is_fact: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_fact() {
        assert!(began.elapsed() < deadline, "after {deadline:?} it is still not so: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
