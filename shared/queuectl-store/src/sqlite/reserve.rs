//! Room that is kept back on the disk, so that jobs can be deleted when it is full.
//!
//! A deletion too is first written to the log: on a disk without any room, what would
//! make room could not be said. So a file that holds nothing stands beside the queue. Who
//! deletes removes it if need be, deletes bit by bit, and makes it again.

use crate::location::beside;
use queuectl_files::{Make, open_beside};
use rustix::fs::FallocateFlags;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// What the name of the file ends in, behind that of the queue.
pub(super) const ENDING: &str = "-reserve";

/// Several times what deleting a few jobs and giving back their pages writes.
const BYTES: u64 = 512 << 10;

/// Where less is free, all of it is for jobs.
const FREE_BYTES: u64 = 8 * BYTES;

/// What the opener of a queue may do with its reserve.
pub(super) enum Reserve {
    /// It is for others.
    Kept,
    /// It may be used to delete jobs.
    ForDeleting,
    /// It is in use.
    Used(#[expect(dead_code, reason = "the reserve is made again with its end")] MadeAgain),
}

/// Makes the reserve again when it is dropped.
pub(super) struct MadeAgain(PathBuf);

impl MadeAgain {
    /// The reserve of this queue.
    pub(super) fn for_queue(database: &Path) -> Self {
        Self(database.to_owned())
    }
}

impl Drop for MadeAgain {
    fn drop(&mut self) {
        // What was deleted has made room for this; only what is more is for jobs.
        keep_if_free(&self.0, BYTES);
    }
}

/// Makes the reserve of a queue, if it is not there and there is room for it. That it
/// cannot be made is no reason not to use the queue.
pub(super) fn keep(database: &Path) {
    keep_if_free(database, FREE_BYTES);
}

fn keep_if_free(database: &Path, free: u64) {
    let path = beside(database, ENDING);
    let is_free = match fs::symlink_metadata(&path) {
        // One that a killed program has not filled is filled.
        Ok(file) => file.is_file() && file.len() < BYTES,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !is_free || free_bytes(&path) < free {
        return;
    }
    let mut how = OpenOptions::new();
    how.write(true);
    let opened = open_beside(database, &path, &how, Make::Private).map_err(io::Error::other);
    let made = opened.and_then(|file| Ok(rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, BYTES)?));
    if let Err(error) = made {
        tracing::debug!("no room is kept back for deleting: {error}");
        let _ = fs::remove_file(&path);
    }
}

/// Gives the room of a queue's reserve to the disk; tells whether there was any.
pub(super) fn release(database: &Path) -> bool {
    let path = beside(database, ENDING);
    let is_there = fs::symlink_metadata(&path).is_ok_and(|file| file.is_file() && file.len() > 0);
    is_there && fs::remove_file(&path).is_ok()
}

fn free_bytes(path: &Path) -> u64 {
    path.parent()
        .and_then(|folder| rustix::fs::statvfs(folder).ok())
        .map_or(0, |system| system.f_bavail.saturating_mul(system.f_frsize))
}
