//! What a file must be before it is opened as a queue.

use crate::{Result, StoreError};
use rustix::fs::StatVfsMountFlags;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The oldest SQLite without the WAL-reset bug (3.7.0 to 3.51.2 have it).
const OLDEST_SQLITE: (&str, i32) = ("3.51.3", 3_051_003);

/// Refuses a SQLite that can damage a queue.
pub(super) fn check_sqlite() -> Result<()> {
    if rusqlite::version_number() < OLDEST_SQLITE.1 {
        return Err(StoreError::UnsafeSqlite { found: rusqlite::version(), wanted: OLDEST_SQLITE.0 });
    }
    Ok(())
}

/// Follows links, so that every program means the same file by it. Where there
/// is no file yet, its folder must be there.
pub(super) fn real_path(path: &Path) -> Result<PathBuf> {
    let resolved = match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder =
                path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = path.file_name().ok_or_else(|| cannot_open(path, "it names no file"))?;
            fs::canonicalize(folder).map(|folder| folder.join(name))
        }
        resolved => resolved,
    };
    resolved.map_err(|error| cannot_open(path, &error.to_string()))
}

/// Makes the folder (0700) and an empty file (0600) if they are not there, so
/// that nobody else can read them at any instant.
pub(super) fn create(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| refused(path, &error))?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(refused(path, &error)),
    }
}

/// Refuses what SQLite's locks cannot protect.
pub(super) fn check_file(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).map_err(|error| cannot_open(path, &error.to_string()))?;
    if !metadata.is_file() {
        return Err(cannot_open(path, "it is not a file"));
    }
    if metadata.nlink() > 1 {
        return Err(StoreError::HardLinked { path: path.to_owned(), links: metadata.nlink() });
    }
    match network_file_system(path) {
        Some(kind) => Err(StoreError::NetworkFileSystem { path: path.to_owned(), kind }),
        None => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn network_file_system(path: &Path) -> Option<&'static str> {
    // The magic numbers of statfs(2).
    let kind = rustix::fs::statfs(path).ok()?.f_type;
    match u32::try_from(kind & 0xffff_ffff).unwrap_or(0) {
        0x6969 => Some("NFS"),
        0x517b => Some("SMB"),
        0xff53_4d42 => Some("CIFS"),
        0xfe53_4d42 => Some("SMB2"),
        0x5346_414f => Some("AFS"),
        0x7375_7245 => Some("Coda"),
        0x00c3_6400 => Some("Ceph"),
        0x0102_1997 => Some("9P"),
        0x564c => Some("NCP"),
        _ => None,
    }
}

// Other systems tell by name or not at all; nothing is refused there.
#[cfg(not(target_os = "linux"))]
fn network_file_system(_path: &Path) -> Option<&'static str> {
    None
}

/// Tells whether the folder of a file cannot be written.
pub(super) fn is_read_only(path: &Path) -> bool {
    path.parent().is_some_and(|folder| rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_err())
}

/// Says why a file cannot be written.
pub(super) fn read_only(path: &Path) -> StoreError {
    let queue = path.into();
    if is_on_read_only_system(path) {
        StoreError::ReadOnlyFileSystem { queue }
    } else {
        StoreError::ReadOnly { queue }
    }
}

/// Tells whether the file system of a file is mounted read-only.
pub(super) fn is_on_read_only_system(path: &Path) -> bool {
    path.parent()
        .and_then(|folder| rustix::fs::statvfs(folder).ok())
        .is_some_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Tells whether the file system of a file has no room left.
pub(super) fn is_full(path: &Path) -> bool {
    path.parent()
        .and_then(|folder| rustix::fs::statvfs(folder).ok())
        .is_some_and(|system| system.f_bavail == 0)
}

fn refused(path: &Path, error: &std::io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnlyFileSystem { queue: path.into() },
        ErrorKind::PermissionDenied => StoreError::ReadOnly { queue: path.into() },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { queue: path.into() },
        _ => cannot_open(path, &error.to_string()),
    }
}

pub(super) fn cannot_open(path: &Path, reason: &str) -> StoreError {
    StoreError::CannotOpen { path: path.to_owned(), reason: reason.to_owned() }
}
