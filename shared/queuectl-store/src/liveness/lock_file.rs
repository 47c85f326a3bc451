//! The file by which the workers of one queue show that they live, and its locks.

use crate::error::StoreError;
use crate::identity::FileIdentity;
use crate::location::beside;
use crate::{Result, machine};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use queuectl_core::WorkerId;
use queuectl_files::{Make, open_beside};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the name of a lock file adds to that of its database.
const BESIDE: &str = "-workers";

/// The file by which the workers of one queue show that they live.
#[derive(Debug)]
pub struct LockFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

/// Where the lock file of a database is.
pub(crate) fn lock_file_path(database: &Path) -> PathBuf {
    beside(database, BESIDE)
}

impl LockFile {
    /// Opens the file if it is there.
    pub(crate) fn open_existing(database: &Path) -> Result<Option<Self>> {
        Self::at(&lock_file_path(database))
    }

    /// Opens the file, or makes it.
    pub(crate) fn open_or_create(database: &Path) -> Result<Self> {
        Self::open(&lock_file_path(database), OpenOptions::new().read(true).write(true), Make::Private)
    }

    /// Opens a lock file by its own path, if it is there.
    ///
    /// # Errors
    ///
    /// If it cannot be opened for another reason.
    pub fn at(path: &Path) -> Result<Option<Self>> {
        let read_write = Self::open(path, OpenOptions::new().read(true).write(true), Make::Nothing);
        let opened = match read_write {
            // Who holds which lock can be seen through it all the same.
            Err(StoreError::Io { source, .. })
                if matches!(
                    source.kind(),
                    io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
                ) =>
            {
                Self::open(path, OpenOptions::new().read(true), Make::Nothing)
            }
            opened => opened,
        };
        match opened {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    fn open(path: &Path, how: &mut OpenOptions, make: Make) -> Result<Self> {
        let name = path.as_os_str().as_bytes();
        let database = name.strip_suffix(BESIDE.as_bytes()).unwrap_or(name);
        let file = open_beside(Path::new(OsStr::from_bytes(database)), path, how, make)
            .map_err(|error| StoreError::of_file("open the lock file", path, error))?;
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    /// Opens the same file once more: locks belong to an open file, so a second
    /// holder in one process needs one of its own.
    pub(super) fn reopen(&self) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&self.path)
            .map_err(|source| self.error("open the lock file", source))?;
        match (FileIdentity::of_open(&self.file), FileIdentity::of_open(&file)) {
            (Ok(mine), Ok(other)) if mine == other => Ok(Self { path: self.path.clone(), file }),
            _ => Err(StoreError::LockFileReplaced { path: self.path.clone() }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which file it is, told apart from those of all other machines and boots.
    pub(crate) fn identity(&self) -> Result<String> {
        let identity = FileIdentity::of_open(&self.file)
            .map_err(|source| self.error("look at the lock file", source))?;
        Ok(format!("{}/{identity}", machine::boot_id()))
    }

    /// Makes sure that the path still leads to this file.
    ///
    /// # Errors
    ///
    /// [`StoreError::LockFileReplaced`]; then a free lock proves nothing.
    pub fn verify(&self) -> Result<()> {
        match (FileIdentity::of(&self.path), FileIdentity::of_open(&self.file)) {
            (Ok(named), Ok(held)) if named == held => Ok(()),
            _ => Err(StoreError::LockFileReplaced { path: self.path.clone() }),
        }
    }

    /// Tells whether a worker lives: whether its lock is held.
    pub fn is_held(&self, worker: WorkerId) -> Result<bool> {
        let mut lock = byte_lock(worker);
        fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut lock))
            .map_err(|errno| self.error("query the lock file", errno.into()))?;
        Ok(i32::from(lock.l_type) != libc_unlocked())
    }

    /// Takes a worker's lock if no other open file has it.
    pub(super) fn try_lock(&self, worker: WorkerId) -> Result<bool> {
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&byte_lock(worker))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(self.error("lock", errno.into())),
        }
    }

    /// Why something could not be done with the file.
    pub(super) fn error(&self, action: &'static str, source: io::Error) -> StoreError {
        StoreError::Io { action, path: self.path.clone(), source }
    }
}

fn byte_lock(worker: WorkerId) -> nix::libc::flock {
    nix::libc::flock {
        l_type: nix::libc::F_WRLCK as nix::libc::c_short,
        l_whence: nix::libc::SEEK_SET as nix::libc::c_short,
        l_start: worker.0,
        l_len: 1,
        l_pid: 0,
    }
}

fn libc_unlocked() -> i32 {
    nix::libc::F_UNLCK
}
