//! Users of the system.

use nix::unistd::{Uid, User};
use rustix::process::geteuid;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// A user, shown by name where there is one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Owner {
    /// Whose a file is.
    pub fn of(metadata: &Metadata) -> Self {
        Self { uid: metadata.uid(), gid: metadata.gid() }
    }

    /// The user who runs this program.
    pub fn us() -> Self {
        Self { uid: geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }

    pub(crate) fn is_us(self) -> bool {
        self.uid == geteuid().as_raw()
    }

    /// As `sudo -u` takes it.
    pub(crate) fn typed(self) -> String {
        self.name().unwrap_or_else(|| format!("'#{}'", self.uid))
    }

    /// As `chown` takes it.
    pub(crate) fn name_or_number(self) -> String {
        self.name().unwrap_or_else(|| self.uid.to_string())
    }

    fn name(self) -> Option<String> {
        User::from_uid(Uid::from_raw(self.uid)).ok().flatten().map(|user| user.name)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(&name),
            None => write!(f, "the user number {}", self.uid),
        }
    }
}

/// Tells whether root runs this program.
pub fn is_root() -> bool {
    geteuid().is_root()
}
