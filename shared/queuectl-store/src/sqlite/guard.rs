//! What a file must be before it is opened as a queue.

use crate::location::beside;
use crate::{Result, StoreError};
use queuectl_files::{FileError, Found, Owners, Unfit, heir};
use rustix::fs::StatVfsMountFlags;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The oldest SQLite without the WAL-reset bug (3.7.0 to 3.51.2 have it).
const OLDEST_SQLITE: (&str, i32) = ("3.51.3", 3_051_003);

/// What SQLite takes for a part of the database of this name.
pub(crate) const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// Refuses a SQLite that can damage a queue.
pub(crate) fn check_sqlite() -> Result<()> {
    if rusqlite::version_number() < OLDEST_SQLITE.1 {
        return Err(StoreError::UnsafeSqlite { found: rusqlite::version(), wanted: OLDEST_SQLITE.0 });
    }
    Ok(())
}

/// Follows links, so that every program means the same file by it. Where there
/// is no file yet, its folder must be there.
pub(crate) fn real_path(path: &Path) -> Result<PathBuf> {
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
/// that no other user can read them at any instant; they are the user's in whose folder
/// they are made.
pub(super) fn create(path: &Path, owners: Owners) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    queuectl_files::check_new(path, owners)?;
    if let Some(folder) = path.parent() {
        queuectl_files::make_folders(folder).map_err(|error| refused(path, &error))?;
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made.and_then(|file| heir(path).map_or(Ok(()), |owner| queuectl_files::give(&file, owner))) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(refused(path, &error)),
    }
}

/// Looks what is there, before anything is opened: of a FIFO or a device it is not
/// known what comes of that.
pub(crate) fn find(path: &Path, owners: Owners) -> Result<Option<Metadata>> {
    match queuectl_files::find(path) {
        Ok(Found::Nothing) => Ok(None),
        Ok(Found::File(metadata)) => {
            queuectl_files::check_owner(path, &metadata, owners)?;
            queuectl_files::follow(path, owners)?;
            Ok(Some(metadata))
        }
        Err(FileError::Unfit(Unfit::NotAFile { kind, .. })) => {
            Err(cannot_open(path, &format!("it is not a file but {kind}")))
        }
        Err(error) => Err(cannot_open(path, &error.to_string())),
    }
}

/// Refuses what SQLite's locks cannot protect, and what another user has put beside it.
pub(crate) fn check_file(path: &Path, owners: Owners) -> Result<()> {
    let Some(metadata) = find(path, owners)? else {
        return Err(cannot_open(path, &io::Error::from(ErrorKind::NotFound).to_string()));
    };
    for companion in COMPANIONS {
        queuectl_files::check_beside(path, &beside(path, companion))?;
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
pub(crate) fn network_file_system(path: &Path) -> Option<&'static str> {
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
pub(super) fn network_file_system(_path: &Path) -> Option<&'static str> {
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
pub(crate) fn is_on_read_only_system(path: &Path) -> bool {
    path.parent()
        .and_then(|folder| rustix::fs::statvfs(folder).ok())
        .is_some_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// The largest file that this process may write, if there is a limit.
pub(crate) fn largest_file() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

/// Which file of a database has grown as far as this process may write, and how far
/// that is.
pub(crate) fn grown_to_limit(path: &Path) -> Option<(PathBuf, u64)> {
    /// SQLite writes no more at once; a write that does not fit leaves the file as long
    /// as it may be, or, of the index of the log, so much shorter.
    const AT_ONCE: u64 = 64 * 1024;
    let limit = largest_file()?;
    let parts = COMPANIONS.iter().map(|companion| beside(path, companion));
    std::iter::once(path.to_owned())
        .chain(parts)
        .filter_map(|file| Some((fs::metadata(&file).ok()?.len(), file)))
        .max()
        .filter(|(bytes, _)| bytes + AT_ONCE > limit)
        .map(|(_, file)| (file, limit))
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

pub(crate) fn cannot_open(path: &Path, reason: &str) -> StoreError {
    StoreError::CannotOpen { path: path.to_owned(), reason: reason.to_owned() }
}
