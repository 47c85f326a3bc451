//! What a program says when it cannot do what it was asked to.
//!
//! Which error leads to which words, which hint and which exit code, the service knows;
//! here is how they are shown.

use crate::logging::beginning_of_line;
use crate::text::escape;
use crate::typed_places::with_typed_places;
use queuectl_core::Exit;
use queuectl_service::Explanation;
use queuectl_service::document::said::ErrorDocument;
use queuectl_service::document::write::to_string;
use queuectl_service::explain::store::FIND_OUT;
use queuectl_settings::RAISE_THE_LIMIT;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a program ends without having done what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Explanation);

impl<E: Into<Explanation>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl Failure {
    /// Makes a failure: one line, lower case, the object and the obstacle.
    pub fn new(code: Exit, message: impl Into<String>) -> Self {
        Self(Explanation::new(code, message))
    }

    /// An [`Exit::Error`].
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Exit::Error, message)
    }

    /// Everything has been said already; only the exit code is left to give.
    pub fn said(code: Exit) -> Self {
        Self::new(code, "")
    }

    /// The reader of standard output has left: nothing to say, and no error.
    pub fn closed_pipe() -> Self {
        Self::said(Exit::Done)
    }

    /// What came of a write to standard output.
    pub fn of_output(error: &io::Error) -> Self {
        let failure = Self::error(format!("cannot write to standard output: {error}"));
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::closed_pipe(),
            io::ErrorKind::FileTooLarge => failure.hint(RAISE_THE_LIMIT),
            _ => failure,
        }
    }

    /// A document that could not be written.
    pub(crate) fn of_document(error: &serde_json::Error) -> Self {
        Self::error(format!("cannot be written as JSON: {error}"))
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self(self.0.hint(hint))
    }

    /// Says otherwise how to find out, where it is not known whether a change was made.
    #[must_use]
    pub fn hint_if_unknown(self, hint: &str) -> Self {
        if self.advice() == Some(FIND_OUT) { self.hint(hint) } else { self }
    }

    /// Says what the failure is about, before its message: `line 3: …`.
    #[must_use]
    pub fn about(self, object: impl fmt::Display) -> Self {
        Self(self.0.about(object))
    }

    /// Ends the program with another exit code.
    #[must_use]
    pub fn with_code(self, code: Exit) -> Self {
        Self(Explanation { exit: code, ..self.0 })
    }

    /// The exit code it leads to.
    pub fn code(&self) -> Exit {
        self.0.exit
    }

    /// The same, for what is shown in another way.
    pub fn into_explanation(self) -> Explanation {
        self.0
    }

    /// Its message, as it was made.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to type next, if that can be said.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Has every failure of this program written as JSON, or as text.
    pub(crate) fn report_as_json(json: bool) {
        AS_JSON.store(json, Ordering::Relaxed);
    }

    /// Tells whether failures are written as JSON.
    pub(crate) fn is_json() -> bool {
        AS_JSON.load(Ordering::Relaxed)
    }

    /// Writes it to standard error, if there is something to say.
    pub fn report(&self) {
        if self.message().is_empty() {
            return;
        }
        let hint = self.advice().map(with_typed_places);
        let said = Self(Explanation { hint, ..self.0.clone() });
        let document = ErrorDocument::new(said.message(), said.advice(), said.code());
        let line = match to_string(&document) {
            Ok(document) if Self::is_json() => document,
            _ => {
                let beginning = beginning_of_line();
                format!("{beginning}{}", said.to_string().replace('\n', &format!("\n{beginning}")))
            }
        };
        // That standard error is closed can be told nowhere.
        let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
    }
}

/// Whether `--json` was given: failures are written in more places than one.
static AS_JSON: AtomicBool = AtomicBool::new(false);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "queuectl: error: {}", escape(self.message()))?;
        match self.advice() {
            Some(hint) => write!(f, "\nhint: {}", escape(hint)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_on_its_line() {
        let failure = Failure::error("a\nb\u{1b}[2J").about("line 3").hint("c\rd");
        assert_eq!(failure.to_string(), "queuectl: error: line 3: a\\nb\\x1b[2J\nhint: c\\rd");
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        let failure = Failure::of_output(&io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.code(), failure.message()), (Exit::Done, ""));
        let failure = Failure::of_output(&io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(failure.code(), Exit::Error);
    }
}
