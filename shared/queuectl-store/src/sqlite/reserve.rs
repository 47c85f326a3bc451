//! Room that is kept back on the disk, so that jobs can be deleted when it is full.
//!
//! A deletion too is first written to the log: on a disk without any room, what would
//! make room could not be said. So a file that holds nothing stands beside the queue. Who
//! deletes removes it if need be, deletes bit by bit, and makes it again.
//!
//! What a full disk finds in the log has to go to the database first, and the database may
//! grow by it; only then is the log begun anew. So the reserve is about as large as a log
//! becomes, or as large as the disk allows.

use crate::location::beside;
use queuectl_files::{Make, open_beside};
use rustix::fs::FallocateFlags;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// What the name of the file ends in, behind that of the queue.
pub(crate) const ENDING: &str = "-reserve";

/// What a log has at most that could not be written to the database: the 4 MiB at which
/// SQLite begins to write it there, and what was added while there was no room for that.
const MOST_BYTES: u64 = 8 << 20;

/// Several times what deleting a few jobs and giving back their pages writes.
const LEAST_BYTES: u64 = 512 << 10;

/// The rest of what is free is for jobs.
const PART_OF_FREE: u64 = 4;

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
        make(&self.0, |free| free.min(LEAST_BYTES).max(free / PART_OF_FREE));
    }
}

/// Makes the reserve of a queue, or a larger one where there is more room than there was.
/// That it cannot be made is no reason not to use the queue.
pub(super) fn keep(database: &Path) {
    make(database, |free| free / PART_OF_FREE);
}

fn make(database: &Path, part_of: impl FnOnce(u64) -> u64) {
    let path = beside(database, ENDING);
    let there = match fs::symlink_metadata(&path) {
        Ok(file) if file.is_file() => file.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        _ => return,
    };
    if there >= MOST_BYTES {
        // Nearly always: nothing else need be asked.
        return;
    }
    let bytes = part_of(free_bytes(database)).min(MOST_BYTES);
    // One that a killed program has not filled is filled.
    if bytes < LEAST_BYTES || there > bytes / 2 {
        return;
    }
    let mut how = OpenOptions::new();
    how.write(true);
    let opened = open_beside(database, &path, &how, Make::Private).map_err(io::Error::other);
    let made = opened.and_then(|file| Ok(rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes)?));
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

/// How much room the disk of a queue has.
pub(super) fn free_bytes(database: &Path) -> u64 {
    database
        .parent()
        .and_then(|folder| rustix::fs::statvfs(folder).ok())
        .map_or(0, |system| system.f_bavail.saturating_mul(system.f_frsize))
}
