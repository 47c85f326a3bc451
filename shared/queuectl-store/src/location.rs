//! Where a queue is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a queue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A SQLite database in a file of this machine.
    File(PathBuf),
    /// A server; the scheme says which.
    Url(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(&without_password(url)),
        }
    }
}

/// The file that stands beside another under its name and an ending.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// What the opener wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look, and leave everything as it is.
    Read,
    /// Change; create or migrate first if that is needed.
    Write,
}

/// How to open a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// What the opener wants to do.
    pub access: Access,
    /// How long to wait for another writer before giving up as busy.
    pub busy_timeout: Duration,
}

/// Hides the password of `scheme://user:password@host/…`.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(authority_end);
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split_once(':').map_or(user, |(name, _)| name);
            format!("{scheme}://{name}@{host}{tail}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let shown = |url: &str| Location::Url(url.into()).to_string();
        assert_eq!(shown("postgres://me:se@cret@db:5432/q"), "postgres://me@db:5432/q");
        assert_eq!(shown("postgres://me@db/q"), "postgres://me@db/q");
        assert_eq!(shown("postgres://db/q?x=a@b"), "postgres://db/q?x=a@b");
    }
}
