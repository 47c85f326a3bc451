//! The environment of a process, by which it is known.
//!
//! Read by hand: every process of the machine is asked for it at the end of an attempt
//! that failed, and the `procfs` crate opens each process's folder first and makes a map
//! of all variables, where one is looked for in a buffer that serves them all.

use crate::marker;
use std::fs::File;
use std::io::{self, Read};

/// Whether a process is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Belongs {
    Yes,
    No,
    /// It is in the middle of an exec, or has no environment at all.
    Unclear,
}

/// Reads the environment of a process into a buffer.
pub(super) fn read_environment(pid: i32, environment: &mut Vec<u8>) -> io::Result<()> {
    environment.clear();
    File::open(format!("/proc/{pid}/environ"))?.read_to_end(environment).map(drop)
}

/// The marker in an environment.
pub(super) fn run_in(environment: &[u8]) -> Option<&[u8]> {
    environment
        .split(|&byte| byte == 0)
        .find_map(|variable| variable.strip_prefix(marker::RUN.as_bytes())?.strip_prefix(b"="))
}
