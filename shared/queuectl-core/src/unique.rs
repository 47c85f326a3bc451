//! Unique keys: no two jobs that have not come to rest have the same one.
//!
//! A key is a row of its own beside the jobs. It is held from the acceptance of a job until
//! that has come to rest, through every retry, rescue and hand-back on the way; and it stays
//! taken until the end of a window, if one was asked for, whatever has become of the job.

use crate::text::first_hidden;
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A key: 1 to 512 bytes of visible text without white space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueKey(String);

/// Why a text cannot be a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUniqueKey {
    /// Nothing was given.
    #[error("the unique key is empty")]
    Empty,
    /// Longer than [`UniqueKey::MAX_BYTES`].
    #[error("the unique key has {bytes} bytes; at most {max} are allowed", max = UniqueKey::MAX_BYTES)]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// White space, a control character, or one that shows nothing.
    #[error(
        "the unique key {key:?} contains {character:?}; white space and invisible characters are not allowed"
    )]
    Hidden {
        /// The text that was given.
        key: String,
        /// The first character that is not allowed.
        character: char,
    },
}

impl UniqueKey {
    /// The longest key, in bytes: it stands in an index as it is, so that it can be shown.
    pub const MAX_BYTES: usize = 512;

    /// Checks a text and makes it a key.
    ///
    /// # Errors
    ///
    /// [`InvalidUniqueKey`] if it is empty, too long, or not all visible.
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidUniqueKey> {
        let key = key.into();
        if key.is_empty() {
            return Err(InvalidUniqueKey::Empty);
        }
        if key.len() > Self::MAX_BYTES {
            return Err(InvalidUniqueKey::TooLong { bytes: key.len() });
        }
        match first_hidden(&key) {
            Some(character) => Err(InvalidUniqueKey::Hidden { key, character }),
            None => Ok(Self(key)),
        }
    }

    /// Takes a text that was checked when it was stored.
    pub fn trusted(key: String) -> Self {
        Self(key)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UniqueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for UniqueKey {
    type Err = InvalidUniqueKey;

    fn from_str(text: &str) -> Result<Self, InvalidUniqueKey> {
        Self::new(text)
    }
}

/// What is to become of a job whose key is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDuplicate {
    /// It is left out: the job that has the key is the one.
    #[default]
    Keep,
    /// What it says takes the place of what the other says, if that still waits.
    Replace,
    /// Nothing is accepted.
    Fail,
}

impl OnDuplicate {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Keep, Self::Replace, Self::Fail];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Replace => "replace",
            Self::Fail => "fail",
        }
    }
}

/// A text that does not say what is to become of a duplicate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of keep, replace, fail")]
pub struct UnknownOnDuplicate(pub String);

impl FromStr for OnDuplicate {
    type Err = UnknownOnDuplicate;

    fn from_str(text: &str) -> Result<Self, UnknownOnDuplicate> {
        let named = Self::ALL.into_iter().find(|one| one.as_str() == text);
        named.ok_or_else(|| UnknownOnDuplicate(text.to_owned()))
    }
}

/// What a new job says of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// The key.
    pub key: UniqueKey,
    /// For how long after acceptance it stays taken, whatever becomes of the job.
    pub window: Option<Duration>,
    /// What is to become of the job if the key is taken.
    pub on_duplicate: OnDuplicate,
}

impl Unique {
    /// Until when the key is taken at least, if the job is accepted now.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.window.map(|window| now.after(window))
    }
}

/// How a key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHold {
    /// Its job has not come to rest.
    pub is_held: bool,
    /// When its window ends.
    pub until: Option<Timestamp>,
}

impl KeyHold {
    /// Tells whether another job may have the key. Held keys never lapse.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        !self.is_held && self.until.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(100);

    #[test]
    fn a_key_is_visible_text_of_1_to_512_bytes() {
        for key in ["a", "customer/7:report", "été", &"x".repeat(512)] {
            assert!(UniqueKey::new(key).is_ok(), "{key:?}");
        }
        assert_eq!(UniqueKey::new(""), Err(InvalidUniqueKey::Empty));
        assert_eq!(UniqueKey::new("é".repeat(257)), Err(InvalidUniqueKey::TooLong { bytes: 514 }));
        for key in ["a b", "a\n", "a\0b", "\u{1b}[31m", "\u{202e}abc"] {
            assert!(matches!(UniqueKey::new(key), Err(InvalidUniqueKey::Hidden { .. })), "{key:?}");
        }
    }

    #[test]
    fn a_key_is_free_when_its_job_is_at_rest_and_its_window_has_ended() {
        let at = |millis| Some(Timestamp::from_millis(millis));
        for (is_held, until, is_stale) in [
            (true, None, false),
            (true, at(1), false),
            (false, None, true),
            (false, at(100), true),
            (false, at(101), false),
        ] {
            assert_eq!(KeyHold { is_held, until }.is_stale(NOW), is_stale, "{is_held} {until:?}");
        }
    }

    #[test]
    fn what_becomes_of_a_duplicate_is_said_in_three_words() {
        for one in OnDuplicate::ALL {
            assert_eq!(one.as_str().parse(), Ok(one));
        }
        let said = "drop".parse::<OnDuplicate>().unwrap_err();
        assert_eq!(said.to_string(), "\"drop\" is none of keep, replace, fail");
    }
}
