//! How a program ends: the one table of exit codes.

use std::process::ExitCode;

/// What the exit code of a program says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// It is done.
    Done = 0,
    /// It could not be done, or what was given cannot be taken: JSON, an id, a value.
    Error = 1,
    /// The command line itself is wrong.
    Usage = 2,
    /// What was named is not there.
    NotFound = 4,
    /// Another process is at it; the same call may succeed later.
    Busy = 75,
    /// What was waited for did not come in time.
    TimedOut = 124,
    /// The subcommand was found and cannot be run.
    CannotRun = 126,
    /// There is no such subcommand.
    UnknownCommand = 127,
}

impl Exit {
    /// What stands below every help.
    pub const IN_HELP: &str =
        "Exit codes: 0 done, 1 error, 2 the command line is wrong, 4 not found, 75 busy: try again";

    /// The number as the system is given it.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
