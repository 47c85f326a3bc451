//! What the files of a queue show from outside.

use super::advice::{self, refusal, writable_again};
use crate::Result;
use crate::doctor::room::room_in;
use crate::doctor::words::{START_A_WORKER, size};
use crate::finding::{Finding, Level};
use crate::liveness::lock_file_path;
use crate::location::{beside, folder};
use crate::sqlite::{guard, reserve};
use queuectl_files::{Owners, quoted_path};
use rustix::fs::Access as Right;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A write-ahead log that is larger was not begun anew for long: SQLite does that
/// every 4 MiB, if no program reads meanwhile.
const LARGE_LOG_BYTES: u64 = 64 << 20;

/// Where the file is; what is wrong if there is none.
pub(super) fn find(path: &Path, owners: Owners) -> Result<(PathBuf, Metadata), Finding> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(advice::missing(path)),
        metadata => metadata.map_err(|error| guard::cannot_open(path, &error.to_string())),
    };
    let found = metadata.and_then(|metadata| Ok((guard::real_path(path)?, metadata)));
    let (path, metadata) = found.map_err(|error| refusal("database", &error, path))?;
    if let (false, Err(error)) = (metadata.is_file(), guard::find(&path, owners)) {
        return Err(refusal("database", &error, &path));
    }
    if metadata.len() == 0 {
        return Err(Finding::error(
            "database",
            format!("{} is an empty file", path.display()),
            "if a queue was there, restore it from a file that `queuectl backup` made; \
             else add a job, which makes it one: `queuectl enqueue 'echo hello'`",
        ));
    }
    Ok((path, metadata))
}

/// Which file system it lies on; nothing where that is not known.
#[cfg(target_os = "linux")]
pub(super) fn file_system(path: &Path) -> Option<Finding> {
    const CHECK: &str = "file-system";
    // Is a finding already.
    if guard::network_file_system(path).is_some() {
        return None;
    }
    // The magic numbers of statfs(2).
    let kind = rustix::fs::statfs(path).ok()?.f_type;
    let name = match u32::try_from(kind & 0xffff_ffff).unwrap_or(0) {
        0x0102_1994 | 0x8584_58f6 => {
            return Some(Finding::warning(
                CHECK,
                "it lies in memory (tmpfs): nothing of it survives a reboot",
                "stop the workers, copy it to a disk with `queuectl backup FILE`, and say so: \
                 `queuectl config set database FILE`",
            ));
        }
        0x6573_5546 => {
            return Some(Finding::warning(
                CHECK,
                "it lies on a FUSE file system, whose locks may not be what they seem",
                "if another machine is behind it, stop the workers, copy it to a disk of this one with \
                 `queuectl backup FILE`, and say so: `queuectl config set database FILE`",
            ));
        }
        0xef53 => "ext4",
        0x5846_5342 => "XFS",
        0x9123_683e => "Btrfs",
        0xf2f5_2010 => "F2FS",
        0x2fc1_2fc1 => "ZFS",
        0x794c_7630 => "overlay, as in a container, with which it goes",
        other => return Some(Finding::ok(CHECK, format!("a local one (type {other:#x})"))),
    };
    Some(Finding::ok(CHECK, name))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn file_system(_path: &Path) -> Option<Finding> {
    None
}

/// Whether other users can read or write the files.
pub(super) fn permissions(path: &Path) -> Vec<Finding> {
    const CHECK: &str = "permissions";
    let open_to_others = |path: &Path| {
        let found = fs::symlink_metadata(path).ok()?;
        // The rights of a link mean nothing, and what is no file is a finding of its own.
        let mode = Some(found).filter(|found| found.is_file() || found.is_dir())?.mode() & 0o7777;
        (mode & 0o077 != 0).then_some(mode)
    };
    let companions = ["-wal", "-shm"].map(|ending| beside(path, ending));
    let files = [path.to_owned(), lock_file_path(path)].into_iter().chain(companions);
    let mut findings: Vec<Finding> = files
        .filter_map(|file| {
            let mode = open_to_others(&file)?;
            let found = format!("{} is open to other users (mode {mode:04o})", file.display());
            Some(Finding::warning(
                CHECK,
                found,
                format!("make it yours alone: `chmod 600 {}`", quoted_path(&file)),
            ))
        })
        .collect();
    let folder = folder(path);
    if let Some(mode) = open_to_others(folder) {
        let found = format!("the folder {} is open to other users (mode {mode:04o})", folder.display());
        let mine = fs::metadata(folder)
            .is_ok_and(|found| found.uid() == rustix::process::geteuid().as_raw() && mode & 0o1000 == 0);
        findings.push(if mine {
            Finding::warning(
                CHECK,
                found,
                format!("make it yours alone: `chmod 700 {}`", quoted_path(folder)),
            )
        } else {
            Finding::warning(
                CHECK,
                found,
                "it is not for you alone: stop the workers, move the queue into a folder of your own \
                 and say so: `queuectl config set database PATH`",
            )
        });
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "nobody else can open the files"));
    }
    findings
}

/// Whether this user can write.
pub(super) fn access(path: &Path) -> Finding {
    const CHECK: &str = "access";
    let both = Right::READ_OK | Right::WRITE_OK;
    match [path, folder(path)].into_iter().find(|path| rustix::fs::access(*path, both).is_err()) {
        None => Finding::ok(CHECK, "the file and its folder can be read and written"),
        // It is a copy that is kept safe, or a disk that the system has found faulty.
        Some(_) if guard::is_on_read_only_system(path) => Finding::error(
            CHECK,
            "its file system is mounted read-only: the queue can be looked at and copied, and nothing else",
            writable_again(path),
        ),
        Some(refused) => {
            let found = format!("{} cannot be both read and written", refused.display());
            Finding::error(CHECK, found, writable_again(path))
        }
    }
}

/// Free room on the disk.
pub(super) fn room(path: &Path) -> Option<Finding> {
    let has_reserve = fs::metadata(beside(path, reserve::ENDING)).is_ok_and(|file| file.len() > 0);
    let found = room_in(folder(path))?;
    Some(match found.level {
        // Deleting jobs needs some room itself.
        Level::Error if !has_reserve => Finding {
            found: format!("{}, and no room is kept back to delete jobs in", found.found),
            advice: Some(format!(
                "remove something else on it: `df {}` says which it is",
                quoted_path(folder(path))
            )),
            ..found
        },
        _ => found,
    })
}

/// How large the write-ahead log is.
pub(super) fn log(path: &Path) -> Finding {
    const CHECK: &str = "log";
    let bytes = log_bytes(path);
    if bytes < LARGE_LOG_BYTES {
        return Finding::ok(CHECK, format!("the write-ahead log has {}", size(bytes)));
    }
    let found = format!(
        "the write-ahead log has {}: it grows while a program reads without an end, \
         and after very large changes",
        size(bytes)
    );
    let advice = format!(
        "see who has it open with `fuser -v {}`, and end what is no worker; \
         it goes when the last program closes it: `queuectl worker stop`, then `{START_A_WORKER}`",
        quoted_path(path)
    );
    Finding::warning(CHECK, found, advice)
}

pub(super) fn log_bytes(path: &Path) -> u64 {
    fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len())
}
