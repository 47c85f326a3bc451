//! What can be wrong with a job that is to be added.

use crate::explanation::Explanation;
use queuectl_core::{InvalidAmount, InvalidCommand, InvalidEnvironment, InvalidJobId, InvalidUniqueKey};
use std::io;
use std::path::PathBuf;

/// Where a job was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// On a command line, where quoting goes wrong.
    Typed,
    /// On a line of a file.
    InFile,
}

/// What is wrong with a job that is to be added.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// It says not what to run.
    #[error("the job has no command")]
    NoCommand,
    /// Its command cannot be run.
    #[error(transparent)]
    Command(#[from] InvalidCommand),
    /// Its id cannot be one.
    #[error(transparent)]
    Id(#[from] InvalidJobId),
    /// Its variables cannot be.
    #[error(transparent)]
    Environment(#[from] InvalidEnvironment),
    /// Its folder has no name.
    #[error("the path of the job's folder is empty")]
    EmptyFolder,
    /// The folder that is meant where none is named.
    #[error("cannot find the current folder: {0}")]
    NoCurrentFolder(io::Error),
    /// Its folder cannot be written down.
    #[error("the name of the folder {} is not valid UTF-8", .0.display())]
    FolderNotText(PathBuf),
    /// It was meant as JSON.
    #[error("this is not a JSON job: {reason} (column {column})")]
    NotJson {
        /// What is wrong with it.
        reason: String,
        /// Where, from 1.
        column: usize,
        /// What to do about it.
        hint: &'static str,
    },
    /// It is JSON, and no object.
    #[error(r#"a job is a JSON object, for example {{"command":"sleep 2"}}"#)]
    NotAnObject {
        /// What to do about it.
        hint: &'static str,
    },
    /// It looks like JSON, and a shell would take it for a strange command.
    #[error("{reason}")]
    Lookalike {
        /// By what it was noticed.
        reason: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// It has a field that no job has.
    #[error("there is no field {name:?} in a job")]
    UnknownField {
        /// The field.
        name: String,
        /// What was probably meant, or which there are.
        hint: String,
    },
    /// A field cannot have this value.
    #[error("the field {name}: {problem}")]
    Field {
        /// The field.
        name: String,
        /// What is wrong with its value.
        problem: FieldProblem,
    },
    /// Two fields that exclude each other.
    #[error("the fields {one} and {other} say the same thing; give one")]
    SaidTwice {
        /// The one.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// It says something of a unique key and has none.
    #[error("the job says {name} and has no unique key")]
    NoKey {
        /// What it says.
        name: &'static str,
    },
    /// A line of shell that is a job as JSON.
    #[error("this is a JSON job, and with --lines each line is shell")]
    JsonAmongLines,
    /// A line of shell with which JSON begins that has several.
    #[error("this is JSON over several lines or a list, and with --lines each line is shell")]
    LongJsonAmongLines {
        /// What to do about it.
        hint: &'static str,
    },
    /// A line of shell that goes on in the next.
    #[error("the line ends with a backslash, and a job is one line")]
    ContinuedLine,
    /// A line that is several to some programs.
    #[error("there is a carriage return inside the line, as if it were several")]
    CarriageReturn,
}

/// What is wrong with the value of a field.
#[derive(Debug, thiserror::Error)]
pub enum FieldProblem {
    /// It cannot be an id.
    #[error(transparent)]
    Id(#[from] InvalidJobId),
    /// It cannot be a command.
    #[error(transparent)]
    Command(#[from] InvalidCommand),
    /// It cannot be a unique key.
    #[error(transparent)]
    Key(#[from] InvalidUniqueKey),
    /// It is of another kind.
    #[error("expected {what}, not {found}")]
    Expected {
        /// What it is to be.
        what: String,
        /// What it is, cut.
        found: String,
    },
    /// It is no span of time.
    #[error("{reason}, not {found}")]
    NoDuration {
        /// Why.
        reason: InvalidAmount,
        /// What it is.
        found: String,
    },
    /// It is a number of milliseconds that is too large or too small.
    #[error(transparent)]
    Amount(#[from] InvalidAmount),
    /// It is no point in time.
    #[error("{expected}, not {found}")]
    NoTime {
        /// What is expected.
        expected: String,
        /// What it is.
        found: String,
    },
    /// One of several variables.
    #[error("{name}: {problem}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong with its value.
        problem: Box<FieldProblem>,
    },
}

impl DraftError {
    /// What to do about it, where that is more than its parts say.
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoCommand => r#"give it one: {"command":"sleep 2"}"#,
            Self::NoKey { .. } => "give it one with `--unique KEY`, or with the field unique",
            Self::EmptyFolder => "name one, or leave it out for the current folder",
            Self::NoCurrentFolder(_) => "name one with `--cwd /PATH`, or go to one that exists",
            Self::NotJson { hint, .. }
            | Self::NotAnObject { hint }
            | Self::Lookalike { hint, .. }
            | Self::LongJsonAmongLines { hint } => hint,
            Self::UnknownField { hint, .. } => hint,
            Self::JsonAmongLines => "leave --lines out; a file has one kind of lines",
            Self::ContinuedLine => "put the whole command on one line, or into a script",
            Self::CarriageReturn => {
                "make lines of it: `tr '\\r' '\\n' < FILE | queuectl enqueue --file -`, with the same options"
            }
            Self::Command(_)
            | Self::Id(_)
            | Self::Environment(_)
            | Self::FolderNotText(_)
            | Self::Field { .. }
            | Self::SaidTwice { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<DraftError> for Explanation {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Command(error) => error.into(),
            DraftError::Id(error) => error.into(),
            DraftError::Environment(error) => error.into(),
            DraftError::Field { name, problem: FieldProblem::Command(error) } => {
                Self::from(error).about(format_args!("the field {name}"))
            }
            error => Self::error(error.to_string()).hint_if_known(error.hint()),
        }
    }
}
