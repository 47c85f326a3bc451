//! Where a queue is.

pub use queuectl_core::{Location, without_password};

use queuectl_files::Owners;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The same location for a process that works in another folder: relative files
/// that its URL names start at `folder`.
#[must_use]
pub fn with_files_from(location: Location, folder: &Path) -> Location {
    match location {
        Location::File(path) => Location::File(folder.join(path)),
        Location::Url(url) => Location::Url(queuectl_postgres::with_files_from(&url, folder)),
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
    /// Bring a queue back to a location that it has left; make none.
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
