//! Where a queue is.

pub use queuectl_core::without_password;

use queuectl_files::Owners;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a queue is. Shown, also for programmers, without a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite database in a file of this machine.
    File(PathBuf),
    /// A server; the scheme says which.
    Url(String),
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Url(url) => f.debug_tuple("Url").field(&without_password(url)).finish(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(&without_password(url)),
        }
    }
}

impl Location {
    /// The same place for a process that works in another folder: relative files
    /// that its URL names start at `folder`.
    #[must_use]
    pub fn with_files_from(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            Self::Url(url) => Self::Url(queuectl_postgres::with_files_from(&url, folder)),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

/// The file that stands beside another under its name and an ending.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// What the opener wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look, and leave everything as it is.
    Read,
    /// Change what is there; where there is no queue, make none.
    Change,
    /// Change; create or migrate first if that is needed.
    Write,
    /// Bring a queue back to a place that it has left; make none.
    Return,
}

/// How to open a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// What the opener wants to do.
    pub access: Access,
    /// How long to wait for another writer before giving up as busy.
    pub busy_timeout: Duration,
    /// How long to wait for a server to answer at all.
    pub connect_timeout: Duration,
    /// Where the lock file of a queue on a server lies; the system's folder for
    /// temporary files if none is named. (That of a queue in a file lies beside it.)
    pub state_folder: Option<PathBuf>,
    /// Whose files are used.
    pub owners: Owners,
}

impl OpenOptions {
    /// Ordinary options, with ten seconds for a server to answer.
    pub const fn new(access: Access, busy_timeout: Duration) -> Self {
        Self {
            access,
            busy_timeout,
            connect_timeout: Duration::from_secs(10),
            state_folder: None,
            owners: Owners::Own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let location =
            Location::Url("postgres://me:secret@db:5432/q?password=secret&sslpassword=secret".into());
        assert_eq!(location.to_string(), "postgres://me@db:5432/q");
        assert_eq!(format!("{location:?}"), r#"Url("postgres://me@db:5432/q")"#);
    }
}
