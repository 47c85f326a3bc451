//! Which programs are of the family: those that stand beside this one.

use std::env;
use std::path::{Path, PathBuf};

/// What the file of a program begins with.
pub const PROGRAM_PREFIX: &str = "queuectl-";

/// What stands in a folder of programs under this name, whether it can be run or not.
pub fn program_in(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(format!("{PROGRAM_PREFIX}{name}"));
    path.symlink_metadata().is_ok().then_some(path)
}

/// Tells whether `queuectl NAME` means a program, whatever the aliases say.
pub fn is_program(name: &str) -> bool {
    let here = env::current_exe().ok();
    let folder = here.as_deref().and_then(Path::parent);
    name == "help" || folder.is_some_and(|folder| program_in(folder, name).is_some())
}
