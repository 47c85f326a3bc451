//! Becomes the program that was found.

use crate::find::ProgramFolders;
use queuectl_cli::{Exit, Failure, Variables};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

/// Replaces this process: exit code and signals are the other program's own.
///
/// What comes back is why it could not be done.
pub(crate) fn with(
    folders: &ProgramFolders,
    program: &Path,
    arguments: &[OsString],
    mut variables: Variables,
) -> Failure {
    variables.push(("QUEUECTL", folders.own_path.clone().into()));
    variables.push(("QUEUECTL_EXEC_PATH", folders.exec_path()));
    variables.push(("QUEUECTL_VERSION", env!("CARGO_PKG_VERSION").into()));
    let error = queuectl_cli::replace_process(program, arguments, &variables);
    let reason = match error.kind() {
        _ if program.is_dir() => "it is a folder".to_owned(),
        ErrorKind::NotFound if !program.exists() => "it is a link to nothing".to_owned(),
        // The file is there, so it is what its first line names that is not.
        ErrorKind::NotFound => "its interpreter does not exist".to_owned(),
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            "it is no program, and its first line names no interpreter like #!/bin/sh".to_owned()
        }
        _ => error.to_string(),
    };
    let failure = Failure::new(Exit::CannotRun, format!("cannot run {}: {reason}", program.display()));
    if error.kind() == ErrorKind::PermissionDenied && program.is_file() {
        return failure.hint(format!("make it executable with `chmod +x {}`", program.display()));
    }
    failure
}
