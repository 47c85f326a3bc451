//! How a program ends: the one table of exit codes.

use std::process::ExitCode;

/// What the exit code of a program says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It is done.
    Done,
    /// It could not be done, or what was given cannot be taken: JSON, an id, a value.
    Error,
    /// The command line itself is wrong.
    Usage,
    /// What was named is not there.
    NotFound,
    /// Another process is at it; the same call may succeed later.
    Busy,
    /// What was waited for has not come in the time that was given.
    TimedOut,
    /// The subcommand was found and cannot be run.
    CannotRun,
    /// There is no such subcommand.
    UnknownCommand,
    /// The job that was waited for has ended with this code.
    OfJob(u8),
}

impl Exit {
    /// What stands below every help.
    pub const IN_HELP: &str =
        "Exit codes: 0 done, 1 error, 2 the command line is wrong, 4 not found, 75 busy: try again";

    /// The number as the system is given it.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::NotFound => 4,
            Self::Busy => 75,
            Self::TimedOut => 124,
            Self::CannotRun => 126,
            Self::UnknownCommand => 127,
            Self::OfJob(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
