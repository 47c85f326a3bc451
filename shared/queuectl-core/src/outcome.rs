//! How an attempt of a job can end.

use std::fmt;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The command exited with this code; 0 is success.
    Exit(i32),
    /// This signal ended the command.
    Signal(i32),
    /// It ran longer than it may and was ended.
    Timeout,
    /// No process could be started for it.
    SpawnFailed,
    /// Its folder is not there, or cannot be entered.
    NoFolder,
    /// Its worker or machine died.
    WorkerLost,
    /// A forced stop ended it.
    Interrupted,
    /// A person cancelled the job.
    Cancelled,
}

impl Outcome {
    /// The kind of outcome as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exit(_) => "exit",
            Self::Signal(_) => "signal",
            Self::Timeout => "timeout",
            Self::SpawnFailed => "spawn-failed",
            Self::NoFolder => "no-folder",
            Self::WorkerLost => "worker-lost",
            Self::Interrupted => "interrupted",
            Self::Cancelled => "cancelled",
        }
    }

    /// The exit code or the number of the signal.
    pub const fn code(self) -> Option<i32> {
        match self {
            Self::Exit(code) | Self::Signal(code) => Some(code),
            _ => None,
        }
    }

    /// The exit code, if the command exited.
    pub const fn exit_code(self) -> Option<i32> {
        match self {
            Self::Exit(code) => Some(code),
            _ => None,
        }
    }

    /// The number of the signal that ended the command, if one did.
    pub const fn signal(self) -> Option<i32> {
        match self {
            Self::Signal(number) => Some(number),
            _ => None,
        }
    }

    /// Puts back together what [`as_str`](Self::as_str) and [`code`](Self::code) took apart.
    pub fn from_parts(kind: &str, code: Option<i32>) -> Option<Self> {
        match (kind, code) {
            ("exit", Some(code)) => Some(Self::Exit(code)),
            ("signal", Some(number)) => Some(Self::Signal(number)),
            ("timeout", _) => Some(Self::Timeout),
            ("spawn-failed", _) => Some(Self::SpawnFailed),
            ("no-folder", _) => Some(Self::NoFolder),
            ("worker-lost", _) => Some(Self::WorkerLost),
            ("interrupted", _) => Some(Self::Interrupted),
            ("cancelled", _) => Some(Self::Cancelled),
            _ => None,
        }
    }

    /// Tells whether the job is done.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Exit(0))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
            Self::Timeout => f.write_str("timeout"),
            Self::SpawnFailed => f.write_str("could not be started"),
            Self::NoFolder => f.write_str("no folder"),
            Self::WorkerLost => f.write_str("lost with its worker"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_survives_being_taken_apart() {
        for outcome in [
            Outcome::Exit(0),
            Outcome::Exit(127),
            Outcome::Signal(9),
            Outcome::Timeout,
            Outcome::SpawnFailed,
            Outcome::NoFolder,
            Outcome::WorkerLost,
            Outcome::Interrupted,
            Outcome::Cancelled,
        ] {
            assert_eq!(Outcome::from_parts(outcome.as_str(), outcome.code()), Some(outcome));
        }
        assert_eq!(Outcome::from_parts("exit", None), None);
        assert_eq!(Outcome::from_parts("vanished", None), None);
    }
}
