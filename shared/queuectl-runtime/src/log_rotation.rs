//! How a manager in the background follows, and begins anew, the log that it writes.

use crate::limits;
use crate::log_file::write_log_to;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The log of workers in the background is renamed when it has so many bytes.
const LOG_BYTES: u64 = 10 * 1024 * 1024;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A log that is looked after by this process, which writes it.
pub(crate) struct LogRotation {
    path: PathBuf,
    next_look: Instant,
    /// It cannot be begun anew, and that has been said.
    is_stuck: bool,
}

impl LogRotation {
    /// Looks after a log from now on.
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, next_look: Instant::now() + LOOK_EVERY, is_stuck: false }
    }

    /// When to look again.
    pub(crate) fn next_look(&self) -> Instant {
        self.next_look
    }

    /// Goes on in the log that is in place: a new one where the log was renamed or
    /// removed (by logrotate, or by another manager), or where it has grown. Then it is
    /// named, so that others can go on there too.
    pub(crate) fn follow(&mut self, now: Instant) -> Option<String> {
        if self.next_look > now {
            return None;
        }
        self.next_look = now + LOOK_EVERY;
        // Before it is as large as this process may write, and no line gets in any more.
        let most = LOG_BYTES.min(limits::largest_file() / 2);
        let name = self.path.display().to_string();
        let grown = match fs::metadata(&self.path) {
            Ok(log) if is_written_here(&log) && log.len() < most => return None,
            Ok(log) => is_written_here(&log),
            Err(_) => false,
        };
        // One that another manager has just put there is not renamed again.
        let renamed = if grown { fs::rename(&self.path, format!("{name}.1")) } else { Ok(()) };
        if let Err(error) = renamed.and_then(|()| write_log_to(&name)) {
            if !std::mem::replace(&mut self.is_stuck, true) {
                tracing::warn!("The log {name} cannot be begun anew: {error}");
            }
            return None;
        }
        self.is_stuck = false;
        Some(name)
    }
}

/// Tells whether this process writes its log to a file.
fn is_written_here(log: &fs::Metadata) -> bool {
    rustix::fs::fstat(rustix::stdio::stderr())
        .is_ok_and(|written| (written.st_dev, written.st_ino) == (log.dev(), log.ino()))
}
