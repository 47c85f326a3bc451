//! How a process becomes another program.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Replaces this process by another program, with its own environment and these
/// variables; comes back only with the reason why not.
pub fn replace_process(program: &Path, arguments: &[OsString], variables: &[(&str, OsString)]) -> io::Error {
    if cfg!(target_os = "linux") && is_no_program(program) {
        return rustix::io::Errno::NOEXEC.into();
    }
    let variables = variables.iter().map(|(name, value)| (name, value));
    Command::new(program).args(arguments).envs(variables).exec()
}

/// Tells whether the kernel would refuse a file that the C library then runs as
/// a shell script (execvp(3)): nothing says that it is one.
fn is_no_program(program: &Path) -> bool {
    let mut beginning = [0; 4];
    // What cannot be read may still be run.
    let read = File::open(program).and_then(|mut file| file.read(&mut beginning)).unwrap_or(0);
    let beginning = &beginning[..read];
    read > 0 && !beginning.starts_with(b"#!") && beginning != b"\x7fELF"
}
