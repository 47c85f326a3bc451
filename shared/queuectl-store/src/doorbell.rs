//! How a sleeping worker learns that there is something to do.
//!
//! A FIFO beside the database for each worker. A lost ring only costs time: the
//! poll is the backstop, so every failure to ring is ignored. (A FIFO rang in
//! 0.02 ms where a datagram socket took 0.09 ms and failed beyond 107 bytes of
//! path.) So a worker whose bell cannot be made polls, and what is no FIFO, or is
//! another user's, is neither read, written nor removed.

use crate::location::beside;
use nix::sys::stat::Mode;
use queuectl_core::WorkerId;
use queuectl_files::Owner;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
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
    /// Hangs up the doorbell of a worker; without one, which is said once, it polls.
    pub(crate) fn hang(database: &Path, worker: WorkerId) -> Self {
        let path = doorbell_path(database, worker);
        let fifo = make(database, &path)
            .inspect_err(|reason| {
                tracing::warn!(
                    "The doorbell {} cannot be made ({reason}); the worker looks for jobs every poll-interval",
                    path.display()
                );
            })
            .ok();
        Self { path, fifo }
    }
}

/// Makes a FIFO that belongs to the owner of the database, and opens it.
fn make(database: &Path, path: &Path) -> io::Result<File> {
    match nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        // Numbers are never reused, so it is our own from a failed start, or foreign.
        Err(nix::Error::EEXIST) | Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    // Open for writing too, so that the last ringer leaving is no end of file.
    let fifo = open(path, OpenOptions::new().read(true).write(true))?;
    if fifo.metadata()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("another user has made it"));
    }
    if let Ok(database) = fs::metadata(database) {
        queuectl_files::give(&fifo, Owner::of(&database))?;
    }
    Ok(fifo)
}

/// Opens a FIFO and nothing else, without waiting and without following a link.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    if !is_fifo(&fs::symlink_metadata(path)?) {
        return Err(io::Error::other("it is no FIFO"));
    }
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    if is_fifo(&file.metadata()?) { Ok(file) } else { Err(io::Error::other("it is no FIFO")) }
}

fn is_fifo(found: &Metadata) -> bool {
    found.file_type().is_fifo()
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
        if self.fifo.is_some() {
            let _gone_is_fine = fs::remove_file(&self.path);
        }
    }
}

/// Rings a worker. That none is there is no error.
pub(crate) fn ring(database: &Path, worker: WorkerId) {
    if let Ok(mut fifo) = open(&doorbell_path(database, worker), OpenOptions::new().write(true)) {
        // Full means that it rings already.
        let _rings_already = fifo.write(&[1]);
    }
}

/// Takes down the doorbell of a dead worker.
pub(crate) fn take_down(database: &Path, worker: WorkerId) {
    let path = doorbell_path(database, worker);
    if !fs::symlink_metadata(&path).is_ok_and(|found| is_fifo(&found)) {
        return;
    }
    match fs::remove_file(path) {
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
        let mut bell = FifoDoorbell::hang(&database, WorkerId(7));
        assert!(!bell.wait(Duration::ZERO));
        ring(&database, WorkerId(7));
        ring(&database, WorkerId(7));
        assert!(bell.wait(Duration::from_secs(5)));
        assert!(!bell.wait(Duration::ZERO));
        drop(bell);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_fifo_is_neither_heard_nor_written_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("queue.db");
        let (bell, other) = (doorbell_path(&database, WorkerId(7)), folder.path().join("other"));
        fs::write(&other, "words").unwrap();
        for is_link in [false, true] {
            if is_link {
                std::os::unix::fs::symlink(&other, &bell).unwrap();
            } else {
                fs::write(&bell, "words").unwrap();
            }
            let mut hung = FifoDoorbell::hang(&database, WorkerId(7));
            ring(&database, WorkerId(7));
            assert!(!hung.wait(Duration::from_millis(1)));
            drop(hung);
            take_down(&database, WorkerId(7));
            assert_eq!(fs::read_to_string(&bell).unwrap(), "words");
            fs::remove_file(&bell).unwrap();
        }
    }

    #[test]
    fn ringing_where_nobody_is_does_nothing() {
        let folder = tempfile::tempdir().unwrap();
        ring(&folder.path().join("queue.db"), WorkerId(1));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
