//! How a file is replaced: one writer at a time, whole, durable, and its owner's as before.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use queuectl_files::{FileError, Found, Make, Owner, Owners, heir};

use crate::error::SettingsError;
use crate::file;

/// The rights of the group of a file.
const RIGHTS_OF_THE_GROUP: u32 = 0o070;

/// Replaces the text of a file by what `edit` makes of it, or leaves it alone.
///
/// A file that does not exist is edited as an empty one; its folders are made. What is
/// made belongs to whom the file belonged, or to the user in whose folder it is.
/// A link stays, and what it points to is replaced. When this returns, the
/// change survives a power cut.
pub(crate) fn replace(
    path: &Path,
    owners: Owners,
    edit: impl FnOnce(&str) -> Result<String, SettingsError>,
) -> Result<(), SettingsError> {
    let target = queuectl_files::follow(path, owners).map_err(SettingsError::Unfit)?;
    let unwritable = |source| SettingsError::Unwritable { file: path.to_owned(), source };
    let folder = target.parent().ok_or_else(|| SettingsError::NotAFile { file: path.to_owned() })?;
    refuse_unfit(&target, owners)?;
    make_folder(folder).map_err(unwritable)?;
    let _lock = lock(&target).map_err(|error| match error {
        FileError::Unfit(unfit) => SettingsError::Unfit(unfit),
        FileError::Io(source) => unwritable(source),
    })?;

    // Only now: another process may have changed it while it held the lock.
    refuse_unfit(&target, owners)?;
    let (content, form) = read(&target)?;
    let text = file::text(&content, path).map_err(SettingsError::File)?;
    let edited = edit(text)?;
    if edited == text && target.exists() {
        return Ok(());
    }
    write_whole(&target, folder, edited.as_bytes(), &form).map_err(unwritable)
}

/// A folder or a device (`/dev/null`) must not be replaced by a file, and the file of
/// another user by nobody but root who was told to.
fn refuse_unfit(target: &Path, owners: Owners) -> Result<(), SettingsError> {
    match queuectl_files::find(target) {
        Ok(Found::File(metadata)) => queuectl_files::check_owner(target, &metadata, owners),
        Ok(Found::Nothing) => queuectl_files::check_new(target, owners),
        Err(FileError::Unfit(_)) => return Err(SettingsError::NotAFile { file: target.to_owned() }),
        // What the system says, it says again at the next read or write.
        Err(FileError::Io(_)) => Ok(()),
    }
    .map_err(SettingsError::Unfit)
}

/// Makes a folder for its owner alone, with those above it, to survive a power cut.
fn make_folder(folder: &Path) -> io::Result<()> {
    let made = queuectl_files::make_folders(folder)?;
    for parent in made.iter().filter_map(|folder| folder.parent()) {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Waits until nobody else changes this file. Unlocked when dropped, or at death.
fn lock(target: &Path) -> Result<Flock<File>, FileError> {
    let mut beside = target.as_os_str().to_owned();
    beside.push(".lock");
    // The lock file is never removed: who waits for it would then hold another one.
    let beside = PathBuf::from(beside);
    let mut file =
        queuectl_files::open_beside(target, &beside, OpenOptions::new().write(true), Make::Private)?;
    loop {
        match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(lock) => return Ok(lock),
            Err((same, Errno::EINTR)) => file = same,
            Err((_, errno)) => return Err(io::Error::from(errno).into()),
        }
    }
}

/// Whose a file is, and who may do what with it.
struct Form {
    owner: Owner,
    mode: u32,
}

fn read(target: &Path) -> Result<(Vec<u8>, Form), SettingsError> {
    let unreadable = |source| SettingsError::Unreadable { file: target.to_owned(), source };
    match fs::read(target) {
        Ok(content) => {
            let metadata = fs::metadata(target).map_err(unreadable)?;
            Ok((content, Form { owner: Owner::of(&metadata), mode: metadata.mode() & 0o7777 }))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok((Vec::new(), Form { owner: heir(target).unwrap_or_else(Owner::us), mode: 0o600 }))
        }
        Err(source) => Err(unreadable(source)),
    }
}

fn write_whole(target: &Path, folder: &Path, content: &[u8], form: &Form) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".queuectl-").suffix(".toml").tempfile_in(folder)?;
    queuectl_files::give(file.as_file(), form.owner)?;
    // A group that is not this user's cannot be kept, and another gets no rights instead.
    let keeps_group = queuectl_files::give_group(file.as_file(), form.owner);
    let mode = if keeps_group { form.mode } else { form.mode & !RIGHTS_OF_THE_GROUP };
    file.write_all(content)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
