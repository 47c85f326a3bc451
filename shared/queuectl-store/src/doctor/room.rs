//! How much room a disk has left.

use super::words::size;
use crate::finding::Finding;
use rustix::fs::StatVfsMountFlags;
use std::path::Path;

/// Room below which a person should look.
const LITTLE_ROOM_BYTES: u64 = 100 << 20;

/// Room below which a commit may fail at any moment.
const NO_ROOM_BYTES: u64 = 1 << 20;

/// How much room the disk of a folder has.
pub(super) fn room_in(folder: &Path) -> Option<Finding> {
    const CHECK: &str = "disk";
    let system = rustix::fs::statvfs(folder).ok()?;
    if system.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return None;
    }
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let found = format!("{} free", size(free));
    let advice = "make room, for example with `queuectl prune --state completed --older-than 7d`";
    Some(if system.f_files > 0 && system.f_favail == 0 {
        Finding::error(CHECK, "no more files can be made on it", "see with `df -i`, and remove some")
    } else if free < NO_ROOM_BYTES {
        Finding::error(CHECK, found, advice)
    } else if free < LITTLE_ROOM_BYTES {
        Finding::warning(CHECK, found, advice)
    } else {
        Finding::ok(CHECK, found)
    })
}
