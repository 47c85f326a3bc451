//! What time it is for a queue.
//!
//! A queue in a file goes by the clock of its machine. Several machines never
//! agree, so a queue on a server goes by the server's clock alone: it is read
//! with every exchange, and between two readings this machine's monotonic clock
//! goes on from there. No other part asks for the time.

use queuectl_core::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Two readings that differ by less show the same time.
const TREMBLES_BY: Duration = Duration::from_millis(20);

/// The clock of a queue; clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    server: Option<Arc<Mutex<Option<Reading>>>>,
}

/// What a server's clock showed, and when that was here.
#[derive(Clone, Copy, Debug)]
struct Reading {
    time: Timestamp,
    at: Instant,
}

impl Clock {
    /// The clock of this machine.
    pub const fn of_this_machine() -> Self {
        Self { server: None }
    }

    /// The clock of a server, which is still to be read; until then it shows
    /// this machine's time.
    pub(crate) fn of_a_server() -> Self {
        Self { server: Some(Arc::default()) }
    }

    /// Notes what the server's clock showed at a moment, unless that is what was
    /// expected: no clock that is read over a network should tremble.
    pub(crate) fn set(&self, time: Timestamp, at: Instant) {
        let Some(server) = &self.server else { return };
        let mut known = server.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = known.map(|known| known.time.after(at.saturating_duration_since(known.at)));
        let differs = |expected: Timestamp| expected.since(time).max(time.since(expected)) > TREMBLES_BY;
        if expected.is_none_or(differs) {
            *known = Some(Reading { time, at });
        }
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        let reading =
            self.server.as_ref().and_then(|server| *server.lock().unwrap_or_else(PoisonError::into_inner));
        reading.map_or_else(machine_time, |reading| reading.time.after(reading.at.elapsed()))
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks this machine")]
fn machine_time() -> Timestamp {
    let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
    };
    Timestamp::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_clock_goes_on_from_its_last_reading() {
        let clock = Clock::of_a_server();
        let same = clock.clone();
        let noon = Timestamp::from_millis(1_800_000_000_000);
        clock.set(noon, Instant::now().checked_sub(Duration::from_secs(5)).unwrap());
        let shown = same.now().since(noon);
        assert!(shown >= Duration::from_secs(5) && shown < Duration::from_mins(5), "{shown:?}");
    }

    #[test]
    fn without_a_reading_it_is_this_machines_time() {
        let (machine, server) = (Clock::of_this_machine().now(), Clock::of_a_server().now());
        assert!(server.since(machine) < Duration::from_mins(5));
    }
}
