//! Waiting.

use super::Result;
use std::time::{Duration, Instant};

/// How long a fact may keep a benchmark waiting.
const DEADLINE: Duration = Duration::from_mins(5);

/// Does nothing for a while, so that what is measured is idle.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time; it waits for nothing here")]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// Waits until something is a fact.
pub(crate) fn wait_until(what: &str, mut is_fact: impl FnMut() -> Result<bool>) -> Result {
    let began = Instant::now();
    while !is_fact()? {
        if began.elapsed() > DEADLINE {
            return Err(format!("after {DEADLINE:?} it is still not so: {what}").into());
        }
        pause(Duration::from_millis(2));
    }
    Ok(())
}
