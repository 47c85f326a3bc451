//! How much is logged.

use std::fmt;
use std::str::FromStr;

/// How much is said on stderr and in the log, least first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// And what may be a mistake.
    Warning,
    /// And what is done.
    Info,
    /// And why.
    Debug,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            LogLevel::Error => "ERROR",
            LogLevel::Warning => "WARNING",
            LogLevel::Info => "INFO",
            LogLevel::Debug => "DEBUG",
        })
    }
}

impl FromStr for LogLevel {
    type Err = ();

    /// Takes any case, and WARN.
    fn from_str(text: &str) -> Result<LogLevel, ()> {
        match text.to_ascii_uppercase().as_str() {
            "ERROR" => Ok(LogLevel::Error),
            "WARNING" | "WARN" => Ok(LogLevel::Warning),
            "INFO" => Ok(LogLevel::Info),
            "DEBUG" => Ok(LogLevel::Debug),
            _ => Err(()),
        }
    }
}
