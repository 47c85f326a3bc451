//! How the last run of a job ended, as it is asked for.

use crate::job::Job;
use crate::nearest::nearest;
use nix::sys::signal::Signal;
use std::fmt;
use std::str::FromStr;

/// The end of a run: the exit code of a command, or the signal by which it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastRun {
    /// It exited with this code.
    Exit(i32),
    /// This signal ended it.
    Signal(i32),
}

/// A text that says no end of a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLastRun {
    /// A number, and no exit code.
    #[error("exit codes are 0 to 255")]
    NoExitCode,
    /// Neither a number nor the name of a signal.
    #[error("expected an exit code or the name of a signal such as KILL{}", meant(.nearest))]
    NoSignal {
        /// The signals that may be meant.
        nearest: Vec<&'static str>,
    },
}

fn meant(nearest: &[&str]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; did you mean {}?", nearest.join(" or ")) }
}

impl LastRun {
    /// The largest number of a signal.
    const LAST_SIGNAL: i32 = 64;

    /// Tells whether the last run of a job ended so.
    pub fn is_of(self, job: &Job) -> bool {
        match self {
            Self::Exit(code) => job.exit_code == Some(code),
            Self::Signal(number) => job.signal == Some(number),
        }
    }
}

/// Reads an exit code (`1`), or a signal by its name (`KILL`, `SIGKILL`) or its number
/// (`SIG34`); small letters are as good.
impl FromStr for LastRun {
    type Err = NoLastRun;

    fn from_str(text: &str) -> Result<Self, NoLastRun> {
        if let Ok(code) = text.parse::<i64>() {
            let code = u8::try_from(code).map_err(|_| NoLastRun::NoExitCode)?;
            return Ok(Self::Exit(code.into()));
        }
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        if let Some(number) = name.parse().ok().filter(|number| (1..=Self::LAST_SIGNAL).contains(number)) {
            return Ok(Self::Signal(number));
        }
        let names = || Signal::iterator().filter_map(|signal| signal.as_str().strip_prefix("SIG"));
        match format!("SIG{name}").parse::<Signal>() {
            Ok(signal) => Ok(Self::Signal(signal as i32)),
            Err(_) => Err(NoLastRun::NoSignal { nearest: nearest(name, names()) }),
        }
    }
}

impl fmt::Display for LastRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exit(code) => code.fmt(f),
            Self::Signal(number) => match Signal::try_from(number) {
                Ok(signal) => f.write_str(signal.as_str().trim_start_matches("SIG")),
                Err(_) => write!(f, "SIG{number}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_code_and_a_name_a_signal() {
        for (text, end) in [
            ("0", LastRun::Exit(0)),
            ("255", LastRun::Exit(255)),
            ("KILL", LastRun::Signal(9)),
            ("SIGTERM", LastRun::Signal(15)),
            ("sigsegv", LastRun::Signal(11)),
            ("SIG34", LastRun::Signal(34)),
        ] {
            assert_eq!(text.parse(), Ok(end), "{text}");
            assert_eq!(end.to_string().parse(), Ok(end), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["256", "-1", "99999999999"] {
            assert_eq!(text.parse::<LastRun>(), Err(NoLastRun::NoExitCode), "{text}");
        }
        for text in ["", "SIG", "SIG0", "SIG65", "one", "1.5"] {
            assert!(matches!(text.parse::<LastRun>(), Err(NoLastRun::NoSignal { .. })), "{text}");
        }
        let said = "TREM".parse::<LastRun>().unwrap_err().to_string();
        assert!(said.ends_with("did you mean TERM?"), "{said}");
    }
}
