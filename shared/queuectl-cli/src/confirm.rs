//! A question before what cannot be undone.

use crate::failure::Failure;
use queuectl_core::Exit;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Whether a person has agreed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// With `--yes`.
    Given,
    /// A person is asked, if one is there.
    Asked,
}

impl From<bool> for Consent {
    fn from(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Asked }
    }
}

/// What is done where nobody can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unasked {
    /// It goes on: a script has always done it so.
    GoesOn,
    /// It is refused.
    IsRefused,
}

/// Tells whether a person is there who sees a question and can answer it.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, unless that was agreed to; goes on after `y` and `yes` alone.
///
/// # Errors
///
/// [`Exit::Usage`] where nobody can be asked and that is refused; [`Exit::Error`] after
/// another answer, or none.
pub(crate) fn confirm(question: &str, consent: Consent, unasked: Unasked) -> Result<(), Failure> {
    match (consent, can_ask()) {
        (Consent::Given, _) => return Ok(()),
        (Consent::Asked, true) => {}
        (Consent::Asked, false) if unasked == Unasked::GoesOn => return Ok(()),
        (Consent::Asked, false) => {
            let failure = Failure::new(Exit::Usage, format!("nobody is there to answer: {question}"));
            return Err(failure.hint("agree with `--yes`, or see how many they are with `--dry-run`"));
        }
    }
    // That standard error is closed is told by nothing; then no answer comes.
    let _ = write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stderr().flush());
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    let agrees = ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str());
    if read.is_ok() && agrees { Ok(()) } else { Err(Failure::error("nothing was changed")) }
}
