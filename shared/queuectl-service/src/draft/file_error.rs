//! What can be wrong with a file of jobs.

use crate::draft::error::DraftError;
use crate::explanation::Explanation;
use queuectl_core::{JobId, UniqueKey};
use std::io;

/// What is wrong with a file of jobs.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {name}: {source}")]
    Unreadable {
        /// What the file is called.
        name: String,
        /// What came of it.
        source: io::Error,
    },
    /// A line of it is no job.
    #[error("{name}, line {line}: {problem}")]
    Line {
        /// What the file is called.
        name: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: Box<LineProblem>,
    },
}

/// What is wrong with a line of a file of jobs.
#[derive(Debug, thiserror::Error)]
pub enum LineProblem {
    /// The job that is written on it.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// Its length.
    #[error("this is longer than 16 MiB, and no job is")]
    TooLong,
    /// Its bytes.
    #[error("this is not UTF-8 text")]
    NotText {
        /// What it is instead, as it seems.
        is_utf16: bool,
    },
    /// Its id stands on another line too.
    #[error("job {id} is on line {first} already")]
    Twice {
        /// The id.
        id: JobId,
        /// The other line, from 1.
        first: usize,
    },
    /// Its unique key stands on another line too, and that is to fail.
    #[error("the unique key {key} is on line {first} already")]
    KeyTwice {
        /// The key.
        key: UniqueKey,
        /// The other line, from 1.
        first: usize,
    },
}

impl From<LineProblem> for Explanation {
    fn from(problem: LineProblem) -> Self {
        match problem {
            LineProblem::Draft(error) => error.into(),
            LineProblem::NotText { is_utf16: true } => Self::error(problem.to_string())
                .hint("it is UTF-16; convert it with `iconv -f UTF-16 -t UTF-8 FILE`"),
            problem => Self::error(problem.to_string()),
        }
    }
}

impl From<FileError> for Explanation {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Line { name, line, problem } => {
                Self::from(*problem).about(format_args!("{name}, line {line}"))
            }
            error @ FileError::Unreadable { .. } => Self::error(error.to_string()),
        }
    }
}
