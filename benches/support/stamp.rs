//! A job that does nothing but leave the time at which it began.

use super::Result;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Makes this program leave the time and end.
pub(crate) const FLAG: &str = "--stamp";

/// Leaves the time in a file that was not there, whole or not at all.
pub(crate) fn leave(file: &str) -> Result {
    let time = now();
    let unfinished = format!("{file}.unfinished");
    std::fs::File::create(&unfinished)?.write_all(time.to_string().as_bytes())?;
    std::fs::rename(unfinished, file)?;
    Ok(())
}

/// Milliseconds since 1970, with their fractions.
#[expect(clippy::disallowed_methods, reason = "finer than the clock of a queue")]
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}
