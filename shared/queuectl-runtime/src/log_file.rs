//! The file that a process in the background writes its log to.

use queuectl_files::{FileError, Make};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a log to write at its end; makes it, for the owner of its folder.
///
/// # Errors
///
/// What the system says, and whatever makes it no file of the folder's owner.
pub fn open_log(path: &Path) -> Result<File, FileError> {
    let folder = path.parent().unwrap_or(path);
    queuectl_files::open_beside(folder, path, OpenOptions::new().append(true), Make::Private)
}

/// Makes a file this process's standard error.
pub(crate) fn write_log_to(path: &str) -> io::Result<()> {
    let file = open_log(Path::new(path))?;
    Ok(rustix::stdio::dup2_stderr(&file)?)
}
