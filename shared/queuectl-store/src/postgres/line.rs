//! How jobs that wait for a time get into the line.

use super::session::{Session, values};
use super::{Trouble, sql};
use queuectl_core::Timestamp;

/// Most jobs that join the line in one transaction, so that a flood of retries
/// stalls nobody.
const MOST_PROMOTED: i64 = 200;

/// Where the line is never empty, every eighth time (by the clock) jobs that are due
/// join it all the same, so that they come to their turn.
pub(super) fn is_their_turn(now: Timestamp) -> bool {
    now.as_millis() % 8 == 0
}

/// Puts due jobs in line, as many as are wanted.
///
/// So a flood of retries waits outside, and a new job stands behind few.
pub(super) fn promote(session: &mut Session, wanted: u32, now: Timestamp) -> Result<(), Trouble> {
    let mut left = i64::from(wanted).min(MOST_PROMOTED);
    let other_clock = now.after(crate::FURTHER_THAN_A_TURN);
    for (statement, since) in
        [(sql::PUT_DUE_IN_LINE, now), (sql::PUT_DUE_BY_ANOTHER_CLOCK_IN_LINE, other_clock)]
    {
        left -= session.rows(statement, values![since.as_millis(), left])?.len() as i64;
    }
    Ok(())
}
