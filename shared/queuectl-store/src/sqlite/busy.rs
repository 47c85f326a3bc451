//! How a program waits for another that writes.
//!
//! SQLite's own handler backs off to sleeps of 100 ms and starves whoever has
//! waited longest. Here everybody tries again after about 1 ms, with jitter,
//! until a deadline.

use rusqlite::Connection;
use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    /// A connection belongs to one thread, so its wait can be kept there: since
    /// when it lasts, and how long it may.
    static WAITING_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    static LIMIT: Cell<Duration> = const { Cell::new(Duration::from_secs(30)) };
}

/// Makes a connection wait for others, at most so long at a time.
pub(super) fn wait_for_others(connection: &mut Connection, at_most: Duration) -> rusqlite::Result<()> {
    LIMIT.set(at_most);
    connection.busy_handler(Some(wait_a_little))
}

/// Called by SQLite with the number of times it was called for this wait.
#[expect(clippy::disallowed_methods, reason = "SQLite has nothing to wait for but the time")]
fn wait_a_little(times: i32) -> bool {
    let began = match (times, WAITING_SINCE.get()) {
        (1.., Some(began)) => began,
        _ => Instant::now(),
    };
    WAITING_SINCE.set(Some(began));
    if began.elapsed() >= LIMIT.get() {
        return false;
    }
    std::thread::sleep(Duration::from_micros(fastrand::u64(500..1500)));
    true
}
