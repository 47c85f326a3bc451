//! What a program says when it cannot do what it was asked to.
//!
//! Each library has its own errors; each becomes a [`Failure`] in one function
//! here, with the exit code and the hint that go with it.

use crate::exit::Exit;
use crate::text::escape;
use queuectl_core::{Event, InvalidCommand, InvalidEnvironment, InvalidJobId};
use queuectl_settings::SettingsError;
use queuectl_store::StoreError;
use std::fmt;
use std::io::{self, Write as _};

/// Why a program ends without having done what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// Makes a failure: one line, lower case, the object and the obstacle.
    pub fn new(code: Exit, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
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
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::closed_pipe(),
            _ => Self::error(format!("cannot write to standard output: {error}")),
        }
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what the failure is about, before its message: `line 3: …`.
    #[must_use]
    pub fn about(mut self, object: impl fmt::Display) -> Self {
        self.message = format!("{object}: {}", self.message);
        self
    }

    /// Ends the program with another exit code.
    #[must_use]
    pub fn with_code(mut self, code: Exit) -> Self {
        self.code = code;
        self
    }

    /// The exit code it leads to.
    pub fn code(&self) -> Exit {
        self.code
    }

    /// Its message, as it was made.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Writes it to standard error, if there is something to say and somebody
    /// to read it.
    pub fn report(&self) {
        if !self.message.is_empty() {
            let _ = io::stderr().write_all(format!("{self}\n").as_bytes());
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "queuectl: error: {}", escape(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {}", escape(hint)),
            None => Ok(()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        of_store(&error)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        of_settings(&error)
    }
}

impl From<InvalidJobId> for Failure {
    fn from(error: InvalidJobId) -> Self {
        Self::error(error.to_string())
    }
}

impl From<InvalidCommand> for Failure {
    fn from(error: InvalidCommand) -> Self {
        of_command(&error)
    }
}

impl From<InvalidEnvironment> for Failure {
    fn from(error: InvalidEnvironment) -> Self {
        Self::error(error.to_string())
    }
}

fn of_store(error: &StoreError) -> Failure {
    let message = error.to_string();
    match error {
        StoreError::NoSuchJob { .. } => {
            Failure::new(Exit::NotFound, message).hint("list them with `queuectl list`")
        }
        StoreError::Refused { id, source } => {
            let state = source.state;
            match source.event {
                Event::Revived => {
                    let message = format!("job {id} is {state}; only dead jobs can be retried");
                    Failure::new(Exit::NotFound, message).hint("list them with `queuectl dlq list`")
                }
                Event::Cancelled => Failure::error(format!(
                    "job {id} is {state}; only pending, processing and failed jobs can be cancelled"
                ))
                .hint(format!("see it with `queuectl show {id}`")),
                _ => Failure::error(message),
            }
        }
        StoreError::DuplicateId { id, .. } => {
            Failure::error(message).hint(format!("see it with `queuectl show {id}`, or choose another --id"))
        }
        StoreError::NotSettled { .. } => {
            Failure::error(message).hint("end them first with `queuectl cancel ID`")
        }
        StoreError::Busy { .. } => Failure::new(Exit::Busy, message)
            .hint("try again, or wait longer with `queuectl config set busy-timeout 2m`"),
        // Its manager starts another, which may work.
        StoreError::CalledDead { .. } => Failure::new(Exit::Busy, message),
        StoreError::OlderSchema { .. } => Failure::new(Exit::Busy, message)
            .hint("start a worker, which brings it there: `queuectl worker start`"),
        StoreError::Full { .. } => Failure::error(message)
            .hint("make room, for example with `queuectl prune --state completed --older-than 7d`"),
        StoreError::Disk { .. } => Failure::error(message).hint(
            "look into the disk, for example with `dmesg | tail`, then into the queue: `queuectl doctor`",
        ),
        StoreError::Corrupt { .. } => {
            Failure::error(message).hint("see what can be done with `queuectl doctor`")
        }
        StoreError::NewerSchema { .. } => {
            Failure::error(message).hint("use the newer queuectl that wrote it")
        }
        StoreError::ReadOnly { .. } | StoreError::CannotOpen { .. } => {
            Failure::error(message).hint("see where the queue is with `queuectl config get database`")
        }
        StoreError::NotOurs { .. } | StoreError::NoStoreFor { .. } | StoreError::NetworkFileSystem { .. } => {
            Failure::error(message).hint("name another queue with `--database PATH`")
        }
        StoreError::LockFileMissing { .. } | StoreError::LockFileReplaced { .. } => Failure::error(message)
            .hint("end the workers that `queuectl worker list` shows, with `kill PID`, then start one again"),
        _ => Failure::error(message),
    }
}

fn of_settings(error: &SettingsError) -> Failure {
    let failure = Failure::error(error.to_string());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn of_command(error: &InvalidCommand) -> Failure {
    let failure = Failure::error(error.to_string());
    match error {
        InvalidCommand::Empty => failure.hint("name one, for example `queuectl enqueue 'make all'`"),
        InvalidCommand::TooLong { .. } => failure.hint("put it into a file and enqueue `sh FILE`"),
        InvalidCommand::Nul => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::{IllegalTransition, JobId, State, WorkerId};

    fn refused(state: State, event: Event) -> Failure {
        let id = JobId::trusted("7f3a".into());
        StoreError::Refused { id, source: IllegalTransition { state, event } }.into()
    }

    #[test]
    fn a_retry_of_a_job_that_is_not_dead_says_which_are() {
        let failure = refused(State::Completed, Event::Revived);
        assert_eq!(failure.code(), Exit::NotFound);
        assert_eq!(
            failure.to_string(),
            "queuectl: error: job 7f3a is completed; only dead jobs can be retried\n\
             hint: list them with `queuectl dlq list`"
        );
    }

    #[test]
    fn each_store_error_has_its_exit_code() {
        let path = std::path::PathBuf::from("queue.db");
        let code = |error: StoreError| Failure::from(error).code();
        assert_eq!(code(StoreError::NoSuchJob { id: JobId::trusted("x".into()) }), Exit::NotFound);
        assert_eq!(code(StoreError::Busy { path: path.clone(), waited_s: 30 }), Exit::Busy);
        assert_eq!(code(StoreError::OlderSchema { path: path.clone(), found: 1, known: 2 }), Exit::Busy);
        assert_eq!(code(StoreError::NewerSchema { path: path.clone(), found: 3, known: 2 }), Exit::Error);
        assert_eq!(code(StoreError::Full { path: path.clone() }), Exit::Error);
        assert_eq!(code(StoreError::Disk { path: path.clone(), reason: String::new() }), Exit::Error);
        assert_eq!(code(StoreError::Corrupt { path, reason: String::new() }), Exit::Error);
        assert_eq!(code(StoreError::CalledDead { worker: WorkerId(1) }), Exit::Busy);
        assert_eq!(refused(State::Dead, Event::Cancelled).code(), Exit::Error);
    }

    #[test]
    fn a_failing_disk_and_a_damaged_queue_lead_to_the_doctor() {
        let path = std::path::PathBuf::from("queue.db");
        let disk = StoreError::Disk { path: path.clone(), reason: "disk I/O error".into() };
        let damaged = StoreError::Corrupt { path, reason: "malformed".into() };
        for (error, word) in [(disk, "dmesg"), (damaged, "damaged")] {
            let said = Failure::from(error).to_string();
            assert!(said.contains("\nhint: ") && said.contains("`queuectl doctor`"), "{said}");
            assert!(said.contains(word), "{said}");
        }
    }

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
