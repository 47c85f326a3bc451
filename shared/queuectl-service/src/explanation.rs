//! What is said of something that was not done.

use queuectl_core::Exit;
use std::fmt;

/// What every face says of something that was not done: the object and the obstacle in
/// one line, what to type about it, and the exit code that it leads to.
///
/// Each error of this crate and of those below becomes one by `From`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// How a program ends because of it; from the one table.
    pub exit: Exit,
    /// One line, lower case, the object and the obstacle.
    pub message: String,
    /// What to do about it, if that can be said.
    pub hint: Option<String>,
}

impl Explanation {
    /// Says what went wrong, with another exit code than [`Exit::Error`].
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Says what went wrong.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Exit::Error, message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do about it, if that can be said.
    #[must_use]
    pub fn hint_if_known(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Says what it is about, before its message: `line 3: …`.
    #[must_use]
    pub fn about(mut self, object: impl fmt::Display) -> Self {
        self.message = format!("{object}: {}", self.message);
        self
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
