//! How a job is called.

use crate::text::first_hidden;
use std::fmt;
use std::str::FromStr;

/// The name of a job: 1 to 128 visible characters without white space.
///
/// Chosen by the user, or made by the program. It is data only: it never
/// becomes part of a path, a command or a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(String);

/// Why a text cannot be the id of a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJobId {
    /// Nothing was given.
    #[error("the id is empty")]
    Empty,
    /// Longer than [`JobId::MAX_CHARACTERS`].
    #[error("the id has {characters} characters; at most {max} are allowed", max = JobId::MAX_CHARACTERS)]
    TooLong {
        /// How many it has.
        characters: usize,
    },
    /// White space, a control character, or one that shows nothing.
    #[error("the id {id:?} contains {character:?}; white space and invisible characters are not allowed")]
    Hidden {
        /// The text that was given.
        id: String,
        /// The first character that is not allowed.
        character: char,
    },
}

impl JobId {
    /// The longest id, in characters.
    pub const MAX_CHARACTERS: usize = 128;

    /// Checks a text and makes it an id.
    ///
    /// # Errors
    ///
    /// [`InvalidJobId`] if it is empty, too long, or not all visible.
    pub fn new(id: impl Into<String>) -> Result<Self, InvalidJobId> {
        let id = id.into();
        if id.is_empty() {
            return Err(InvalidJobId::Empty);
        }
        let characters = id.chars().count();
        if characters > Self::MAX_CHARACTERS {
            return Err(InvalidJobId::TooLong { characters });
        }
        match first_hidden(&id) {
            Some(character) => Err(InvalidJobId::Hidden { id, character }),
            None => Ok(Self(id)),
        }
    }

    /// Takes a text that was checked when it was stored.
    pub fn trusted(id: String) -> Self {
        Self(id)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_ids_are_accepted() {
        for id in [
            "job-1",
            "a",
            "../../etc/passwd",
            "{x}",
            "été",
            "'; DROP TABLE jobs;--".replace(' ', "_").as_str(),
        ] {
            assert!(JobId::new(id).is_ok(), "{id:?}");
        }
        assert!(JobId::new("x".repeat(128)).is_ok());
    }

    #[test]
    fn ids_that_cannot_be_seen_are_refused() {
        assert_eq!(JobId::new(""), Err(InvalidJobId::Empty));
        assert_eq!(JobId::new("x".repeat(129)), Err(InvalidJobId::TooLong { characters: 129 }));
        for id in [" ", "a b", "a\n", "\t", "a\0b", "\u{1b}[31m", "\u{202e}abc", "a\u{a0}b"] {
            assert!(matches!(JobId::new(id), Err(InvalidJobId::Hidden { .. })), "{id:?}");
        }
    }
}
