//! What a process finds around it.

use std::ffi::OsString;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Variables, the user, and the sockets of servers on this machine.
///
/// Handed in, so that a test can have a world of its own.
pub(super) struct Surroundings<'a> {
    /// Looks a variable up.
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The user's home folder.
    pub(super) home: Option<PathBuf>,
    /// The user's name for the system.
    pub(super) user: Option<String>,
    /// The name of this program.
    pub(super) program: Option<String>,
    /// Tells whether there is a socket of this name.
    pub(super) has_socket: &'a dyn Fn(&Path) -> bool,
}

impl Surroundings<'static> {
    /// Returns those of this process.
    pub(super) fn of_this_process() -> Self {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        let program = std::env::args_os().next().map(PathBuf::from);
        let named = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Surroundings {
            variable: &|name| std::env::var_os(name),
            home: named.or_else(|| user.as_ref().map(|user| user.dir.clone())),
            user: user.map(|user| user.name),
            program: program.and_then(|path| Some(path.file_name()?.to_str()?.to_owned())),
            has_socket: &|path| path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket()),
        }
    }
}

impl Surroundings<'_> {
    /// Looks a variable up; an empty one counts as unset.
    pub(super) fn variable(&self, name: &str) -> Result<Option<String>, String> {
        match (self.variable)(name).map(OsString::into_string) {
            Some(Ok(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(Err(_)) => Err(format!("the variable {name} is no UTF-8 text")),
            None => Ok(None),
        }
    }
}
