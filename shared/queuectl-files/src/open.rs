//! How a file is opened, read and made.

use crate::owner::{Owners, check_owner, check_trusted, give, heir};
use crate::unfit::{Unfit, check_regular};
use crate::user::{Owner, is_root};
use rustix::fs::OFlags;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, lchown};
use std::path::{Path, PathBuf};

/// No text that a person writes is longer.
const LONGEST_TEXT_BYTES: u64 = 1 << 20;

/// A file that is taken away and made again more often than this is given up.
const MOST_TRIES: u32 = 100;

/// As many links as the kernel follows.
const MOST_LINKS: u32 = 40;

/// Why a file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not used.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Unfit(unfit) => Self::other(unfit),
            FileError::Io(error) => error,
        }
    }
}

/// What is to be done where there is no file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Make {
    /// Fail.
    Nothing,
    /// Make it, for its owner alone.
    Private,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A regular file.
    File(Metadata),
}

/// Looks what a path leads to, and opens nothing: a FIFO would wait for ever, and a
/// device may do anything.
///
/// # Errors
///
/// [`Unfit::NotAFile`], and what the system says.
pub fn find(path: &Path) -> Result<Found, FileError> {
    match fs::metadata(path) {
        Ok(metadata) => {
            check_regular(path, &metadata)?;
            Ok(Found::File(metadata))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// Returns what the last of a chain of links names, whether it exists or not.
///
/// # Errors
///
/// [`Unfit::Foreign`] if a link is another user's, who could lead to any file.
pub fn follow(path: &Path, owners: Owners) -> Result<PathBuf, Unfit> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(metadata) = fs::symlink_metadata(&path) else { break };
        if !metadata.is_symlink() {
            break;
        }
        if metadata.uid() != 0 {
            check_owner(&path, &metadata, owners)?;
        }
        let Ok(link) = fs::read_link(&path) else { break };
        path = path.parent().map_or_else(|| link.clone(), |folder| folder.join(&link));
    }
    Ok(path)
}

/// Reads a text of which nobody but this user and root decides what is in it.
/// `/dev/null` is an empty one.
///
/// # Errors
///
/// [`Unfit`], and what the system says; a text of more than 1 MiB is none.
pub fn read_trusted(path: &Path, owners: Owners) -> Result<Vec<u8>, FileError> {
    let metadata = fs::metadata(path)?;
    if is_null(&metadata) {
        return Ok(Vec::new());
    }
    follow(path, owners)?;
    check_text(path, &metadata, owners)?;
    let file = OpenOptions::new().read(true).custom_flags(flags(OFlags::empty())).open(path)?;
    check_text(path, &file.metadata()?, owners)?;
    let mut text = Vec::new();
    file.take(LONGEST_TEXT_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST_TEXT_BYTES {
        return Err(io::Error::other("it has more than 1 MiB").into());
    }
    Ok(text)
}

/// Reads a file of whatever owner, and nothing that never ends or waits.
///
/// # Errors
///
/// [`Unfit::NotAFile`], and what the system says; a file of more than 16 MiB is not read.
pub fn read_whole(path: &Path) -> Result<Vec<u8>, FileError> {
    const MOST_BYTES: u64 = 16 << 20;
    check_regular(path, &fs::metadata(path)?)?;
    let file = OpenOptions::new().read(true).custom_flags(flags(OFlags::empty())).open(path)?;
    check_regular(path, &file.metadata()?)?;
    let mut content = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MOST_BYTES {
        return Err(io::Error::other("it has more than 16 MiB").into());
    }
    Ok(content)
}

fn check_text(path: &Path, metadata: &Metadata, owners: Owners) -> Result<(), Unfit> {
    check_regular(path, metadata)?;
    check_trusted(path, metadata, owners)
}

fn is_null(found: &Metadata) -> bool {
    !found.is_file()
        && fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == found.rdev() && found.rdev() != 0)
}

/// Makes sure that what stands beside a queue, or in a folder, is a file of the same
/// user or of this one; that there is none is fine.
///
/// # Errors
///
/// [`Unfit`].
pub fn check_beside(main: &Path, path: &Path) -> Result<(), Unfit> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => check_companion(path, &metadata, owner_beside(main, path)),
        Err(_) => Ok(()),
    }
}

fn check_companion(path: &Path, metadata: &Metadata, owner: Owner) -> Result<(), Unfit> {
    check_regular(path, metadata)?;
    let found = Owner::of(metadata);
    if found.uid == owner.uid || found.is_us() {
        return Ok(());
    }
    Err(Unfit::Foreign { path: path.to_owned(), owner: found })
}

/// To whom belongs what stands beside `main`.
fn owner_beside(main: &Path, path: &Path) -> Owner {
    match fs::metadata(main) {
        Ok(main) => Owner::of(&main),
        Err(_) => heir(path).unwrap_or_else(Owner::us),
    }
}

/// Opens what stands beside a queue, or in a folder, `main`: a file of the same user or
/// of this one, and never through a link.
///
/// What is made belongs to the owner of `main`, if root makes it.
///
/// # Errors
///
/// [`Unfit`], and what the system says.
pub fn open_beside(main: &Path, path: &Path, options: &OpenOptions, make: Make) -> Result<File, FileError> {
    let owner = owner_beside(main, path);
    for _ in 0..MOST_TRIES {
        match fs::symlink_metadata(path) {
            Ok(metadata) => check_companion(path, &metadata, owner)?,
            Err(error) if error.kind() == ErrorKind::NotFound && make == Make::Private => {
                let mut options = options.clone();
                options.write(true).create_new(true).mode(0o600).custom_flags(flags(OFlags::NOFOLLOW));
                match options.open(path) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                    file => {
                        let file = file?;
                        give(&file, owner)?;
                        return Ok(file);
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        match options.clone().custom_flags(flags(OFlags::NOFOLLOW)).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && make == Make::Private => {}
            file => {
                let file = file?;
                check_companion(path, &file.metadata()?, owner)?;
                return Ok(file);
            }
        }
    }
    Err(io::Error::other("it is taken away and made again all the time").into())
}

/// Nothing waits for the other end of a FIFO, and no terminal becomes this process's own.
fn flags(more: OFlags) -> i32 {
    (OFlags::NONBLOCK | OFlags::NOCTTY | more).bits().cast_signed()
}

/// Makes a folder for its owner alone, with those above it; returns those that were
/// missing, the innermost first.
///
/// # Errors
///
/// What the system says.
pub fn make_folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let missing: Vec<PathBuf> = folder
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Path::to_owned)
        .collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    let owner = heir(missing.last().map_or(folder, PathBuf::as_path)).filter(|_| is_root());
    for folder in missing.iter().rev() {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(error) => return Err(error),
            Ok(()) => {
                if let Some(owner) = owner {
                    lchown(folder, Some(owner.uid), Some(owner.gid))?;
                }
            }
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn read_write() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options
    }

    #[test]
    fn what_is_no_file_is_never_opened_beside_a_queue() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("queue.db");
        let path = folder.path().join("queue.db-workers");
        let open = || open_beside(&main, &path, &read_write(), Make::Private);
        symlink("/dev/zero", &path).unwrap();
        assert!(matches!(open(), Err(FileError::Unfit(Unfit::NotAFile { kind: "a symbolic link", .. }))));
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(open(), Err(FileError::Unfit(Unfit::NotAFile { kind: "a FIFO", .. }))));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(open(), Err(FileError::Unfit(Unfit::NotAFile { kind: "a folder", .. }))));
        fs::remove_dir(&path).unwrap();
        open().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        open_beside(&main, &path, &read_write(), Make::Nothing).unwrap();
    }

    #[test]
    fn a_text_is_read_from_a_file_and_from_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [fifo.as_path(), Path::new("/dev/zero"), folder.path()] {
            assert!(
                matches!(read_trusted(path, Owners::Own), Err(FileError::Unfit(_))),
                "{}",
                path.display()
            );
        }
        assert_eq!(read_trusted(Path::new("/dev/null"), Owners::Own).unwrap(), b"");
        let large = folder.path().join("large");
        File::create(&large).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(read_trusted(&large, Owners::Own), Err(FileError::Io(_))));
    }

    #[test]
    fn folders_are_made_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        assert_eq!(make_folders(&inner).unwrap(), [inner.clone(), folder.path().join("a")]);
        assert_eq!(fs::metadata(&inner).unwrap().mode() & 0o777, 0o700);
        assert!(make_folders(&inner).unwrap().is_empty());
    }
}
