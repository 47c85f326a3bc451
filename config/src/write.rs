//! How a file is replaced: one writer at a time, whole, durable.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::SettingsError;
use crate::file;

/// Replaces the text of a file by what `edit` makes of it, or leaves it alone.
///
/// A file that does not exist is edited as an empty one; its folders are made.
/// A link stays, and what it points to is replaced. When this returns, the
/// change survives a power cut.
pub(crate) fn replace(
    path: &Path,
    edit: impl FnOnce(&str) -> Result<String, SettingsError>,
) -> Result<(), SettingsError> {
    let target = follow_links(path);
    let unwritable = |source| SettingsError::Unwritable { file: path.to_owned(), source };
    let folder = target.parent().ok_or_else(|| SettingsError::NotAFile { file: path.to_owned() })?;
    refuse_other_than_files(&target)?;
    make_folder(folder).map_err(unwritable)?;
    let _lock = lock(&target).map_err(unwritable)?;

    // Only now: whoever held the lock may have changed it.
    refuse_other_than_files(&target)?;
    let (content, permissions) = read(&target)?;
    let text = file::text(&content, path).map_err(SettingsError::File)?;
    let edited = edit(text)?;
    if edited == text && target.exists() {
        return Ok(());
    }
    write_whole(&target, folder, edited.as_bytes(), permissions).map_err(unwritable)
}

/// Returns what the last of a chain of links names, whether it exists or not.
fn follow_links(path: &Path) -> PathBuf {
    const MOST_LINKS: u32 = 40; // as many as the kernel follows
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(link) = fs::read_link(&path) else { break };
        path = path.parent().map_or_else(|| link.clone(), |folder| folder.join(&link));
    }
    path
}

/// A folder or a device (`/dev/null`) must not be replaced by a file.
fn refuse_other_than_files(target: &Path) -> Result<(), SettingsError> {
    match fs::symlink_metadata(target) {
        Ok(metadata) if !metadata.is_file() => Err(SettingsError::NotAFile { file: target.to_owned() }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Makes a folder for the user alone, with those above it, to survive a power cut.
fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Waits until nobody else changes this file. Unlocked when dropped, or at death.
fn lock(target: &Path) -> io::Result<Flock<File>> {
    let mut beside = target.as_os_str().to_owned();
    beside.push(".lock");
    // The lock file is never removed: who waits for it would then hold another one.
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside)?;
    loop {
        match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(lock) => return Ok(lock),
            Err((same, Errno::EINTR)) => file = same,
            Err((_, errno)) => return Err(errno.into()),
        }
    }
}

fn read(target: &Path) -> Result<(Vec<u8>, Permissions), SettingsError> {
    let unreadable = |source| SettingsError::Unreadable { file: target.to_owned(), source };
    match fs::read(target) {
        Ok(content) => Ok((content, fs::metadata(target).map_err(unreadable)?.permissions())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((Vec::new(), Permissions::from_mode(0o600))),
        Err(source) => Err(unreadable(source)),
    }
}

fn write_whole(target: &Path, folder: &Path, content: &[u8], permissions: Permissions) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".queuectl-").suffix(".toml").tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
