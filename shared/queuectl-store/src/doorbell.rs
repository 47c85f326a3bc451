//! How a sleeping worker learns that there is something to do.
//!
//! A FIFO beside the database for each worker. A lost ring only costs time: the
//! poll is the backstop, so every failure to ring is ignored. (A FIFO rang in
//! 0.02 ms where a datagram socket took 0.09 ms and failed beyond 107 bytes of
//! path.)

use crate::location::beside;
use crate::{Result, StoreError};
use nix::sys::stat::Mode;
use queuectl_core::WorkerId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Rings when there may be something to do.
pub trait Doorbell: Send {
    /// Waits for a ring, at most so long; tells whether it rang.
    fn wait(&mut self, at_most: Duration) -> bool;
}

/// A worker's own FIFO, removed when it is dropped.
pub(crate) struct FifoDoorbell {
    path: PathBuf,
    fifo: Option<File>,
}

/// Where a worker's doorbell is.
pub(crate) fn doorbell_path(database: &Path, worker: WorkerId) -> PathBuf {
    beside(database, &format!("-bell-{worker}"))
}

impl FifoDoorbell {
    /// Hangs up the doorbell of a worker.
    pub(crate) fn hang(database: &Path, worker: WorkerId) -> Result<Self> {
        let path = doorbell_path(database, worker);
        let io = |source: std::io::Error| StoreError::Io {
            action: "make the doorbell",
            path: path.clone(),
            source,
        };
        match nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
            // Not every file system has FIFOs; without one the worker polls.
            Err(nix::Error::EPERM | nix::Error::EOPNOTSUPP | nix::Error::ENOSYS) => {
                return Ok(Self { path, fifo: None });
            }
            // Numbers are never reused, so it can only be our own from a failed start.
            Err(nix::Error::EEXIST) | Ok(()) => {}
            Err(error) => return Err(io(error.into())),
        }
        // Open for writing too, so that the last ringer leaving is no end of file.
        let fifo = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(&path)
            .map_err(io)?;
        Ok(Self { path, fifo: Some(fifo) })
    }
}

impl Doorbell for FifoDoorbell {
    #[expect(clippy::disallowed_methods, reason = "without a bell there is nothing to wait for but the time")]
    fn wait(&mut self, at_most: Duration) -> bool {
        let Some(fifo) = &mut self.fifo else {
            std::thread::sleep(at_most);
            return false;
        };
        let timeout = Timespec::try_from(at_most).ok();
        let rang = {
            let mut fds = [PollFd::from_borrowed_fd(fifo.as_fd(), PollFlags::IN)];
            poll(&mut fds, timeout.as_ref()).is_ok_and(|ready| ready > 0)
        };
        if rang {
            let mut rings = [0; 512];
            while matches!(fifo.read(&mut rings), Ok(n) if n == rings.len()) {}
        }
        rang
    }
}

impl Drop for FifoDoorbell {
    fn drop(&mut self) {
        let _gone_is_fine = fs::remove_file(&self.path);
    }
}

/// Rings a worker. Nobody there is no error.
pub(crate) fn ring(database: &Path, worker: WorkerId) {
    let fifo = OpenOptions::new()
        .write(true)
        .custom_flags((rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW).bits().cast_signed())
        .open(doorbell_path(database, worker));
    if let Ok(mut fifo) = fifo {
        // Full means that it rings already.
        let _rings_already = fifo.write(&[1]);
    }
}

/// Takes down the doorbell of a dead worker.
pub(crate) fn take_down(database: &Path, worker: WorkerId) {
    match fs::remove_file(doorbell_path(database, worker)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::debug!("the doorbell of worker {worker} could not be removed: {error}");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_wakes_and_is_heard_once() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("queue.db");
        let mut bell = FifoDoorbell::hang(&database, WorkerId(7)).unwrap();
        assert!(!bell.wait(Duration::ZERO));
        ring(&database, WorkerId(7));
        ring(&database, WorkerId(7));
        assert!(bell.wait(Duration::from_secs(5)));
        assert!(!bell.wait(Duration::ZERO));
        drop(bell);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn ringing_where_nobody_is_does_nothing() {
        let folder = tempfile::tempdir().unwrap();
        ring(&folder.path().join("queue.db"), WorkerId(1));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
