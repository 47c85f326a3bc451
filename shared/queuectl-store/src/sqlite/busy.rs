//! How a program waits for another that writes.
//!
//! SQLite's own handler backs off to sleeps of 100 ms and starves the program that
//! has waited longest. Here each tries again after about 1 ms, with jitter,
//! until a deadline.

use super::trouble::Trouble;
use crate::machine;
use rusqlite::{Connection, ErrorCode};
use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

thread_local! {
    /// One thread at a time uses a connection, so its wait can be kept there: since
    /// when it lasts, and how long it may.
    static WAITING_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    static LIMIT: Cell<Duration> = const { Cell::new(Duration::from_secs(30)) };
}

/// Makes a connection wait for others, at most so long at a time.
pub(crate) fn wait_for_others(connection: &mut Connection, at_most: Duration) -> rusqlite::Result<()> {
    wait_at_most(at_most);
    connection.busy_handler(Some(wait_a_little))
}

/// How long this thread waits from now on, which may not be the one that has opened the
/// connection.
pub(super) fn wait_at_most(limit: Duration) {
    LIMIT.set(limit);
}

/// Tries an action again while it is refused as busy without having waited:
/// SQLite does not ask the handler while another connection changes the journal mode.
pub(super) fn insist<T>(mut action: impl FnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let began = Instant::now();
    loop {
        match action() {
            Err(Trouble::Sql(error)) if is_busy(&error) && began.elapsed() < LIMIT.get() => pause(),
            result => return result,
        }
    }
}

/// The byte of the index of a log that the writer locks (sqlite.org/walformat.html).
const WRITERS_BYTE: u64 = 120;

/// Tells whether this process holds what was waited for until the deadline: another
/// thread writes, or the system has refused to take a lock back, and SQLite, which
/// does not look, would wait for it for ever.
pub(super) fn waits_for_itself(database: &Path) -> bool {
    let mut index = database.as_os_str().to_owned();
    index.push("-shm");
    machine::is_locked_by_us(Path::new(&index), WRITERS_BYTE)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Called by SQLite with the number of times it was called for this wait.
fn wait_a_little(times: i32) -> bool {
    let began = match (times, WAITING_SINCE.get()) {
        (1.., Some(began)) => began,
        _ => Instant::now(),
    };
    WAITING_SINCE.set(Some(began));
    if began.elapsed() >= LIMIT.get() {
        return false;
    }
    pause();
    true
}

/// Lets those write that wait for it: longer than any of them sleeps. For a program that
/// writes again and again, which would come before them most of the time.
#[expect(clippy::disallowed_methods, reason = "nobody is told of those that wait")]
pub(super) fn let_others_write() {
    std::thread::sleep(Duration::from_millis(2));
}

#[expect(clippy::disallowed_methods, reason = "SQLite has nothing to wait for but the time")]
pub(super) fn pause() {
    std::thread::sleep(Duration::from_micros(fastrand::u64(500..1500)));
}
