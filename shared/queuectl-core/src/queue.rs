//! Names of queues, and which of them a worker serves.

use crate::text::first_hidden;
use std::fmt;

/// Why a text cannot be the name of a queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQueueName {
    /// Nothing was given.
    #[error("the name of the queue is empty")]
    Empty,
    /// Longer than [`QueueSet::MAX_CHARACTERS`].
    #[error("the name of the queue has {characters} characters; at most {max} are allowed", max = QueueSet::MAX_CHARACTERS)]
    TooLong {
        /// How many it has.
        characters: usize,
    },
    /// White space, a control character, or one that shows nothing.
    #[error(
        "the name of the queue {name:?} contains {character:?}; white space and invisible characters are not allowed"
    )]
    Hidden {
        /// The text that was given.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A `,`, with which people name several.
    #[error(
        "the name of the queue {name:?} contains `,`, which is not allowed; a job has one queue, and where several \
         can be meant each is named for itself, as in `--queue a --queue b`"
    )]
    List {
        /// The text that was given.
        name: String,
    },
    /// A `*`, which stands for any names.
    #[error(
        "the name of the queue {name:?} contains `*`, which stands for any end of a name where workers are told what to serve"
    )]
    Pattern {
        /// The text that was given.
        name: String,
    },
}

/// Checks the name that a job gives its queue.
///
/// # Errors
///
/// [`InvalidQueueName`] if it is empty, too long, not all visible, a list, or a pattern.
pub fn check_queue_name(name: &str) -> Result<(), InvalidQueueName> {
    if name.is_empty() {
        return Err(InvalidQueueName::Empty);
    }
    let characters = name.chars().count();
    if characters > QueueSet::MAX_CHARACTERS {
        return Err(InvalidQueueName::TooLong { characters });
    }
    if let Some(character) = first_hidden(name) {
        return Err(InvalidQueueName::Hidden { name: name.to_owned(), character });
    }
    if name.contains(',') {
        return Err(InvalidQueueName::List { name: name.to_owned() });
    }
    if name.contains('*') {
        return Err(InvalidQueueName::Pattern { name: name.to_owned() });
    }
    Ok(())
}

/// The queues that a worker serves: all, or those with one of these names, or with one of
/// these beginnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSet {
    /// None means all.
    some: Option<Named>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Named {
    names: Vec<String>,
    beginnings: Vec<String>,
}

impl QueueSet {
    /// The longest name of a queue, in characters.
    pub const MAX_CHARACTERS: usize = 128;

    /// Every queue, also those to come.
    pub const ALL: Self = Self { some: None };

    /// Every queue.
    pub fn all() -> Self {
        Self::ALL
    }

    /// The queues that are named, or that begin with what stands before a `*` at the end.
    /// None named means all; so does `*`.
    ///
    /// # Errors
    ///
    /// [`InvalidQueueName`] of the first text that is neither.
    pub fn of<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Result<Self, InvalidQueueName> {
        let mut named = Named::default();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            match pattern.strip_suffix('*') {
                Some("") => named.beginnings.push(String::new()),
                Some(beginning) => {
                    check_queue_name(beginning)?;
                    named.beginnings.push(beginning.to_owned());
                }
                None => {
                    check_queue_name(pattern)?;
                    named.names.push(pattern.to_owned());
                }
            }
        }
        let is_all = named.beginnings.iter().any(String::is_empty)
            || (named.names.is_empty() && named.beginnings.is_empty());
        if is_all {
            return Ok(Self::ALL);
        }
        let Named { names, beginnings } = &mut named;
        for list in [&mut *beginnings, names] {
            list.sort_unstable();
            list.dedup();
        }
        beginnings.dedup_by(|later, earlier| later.starts_with(earlier.as_str()));
        names.retain(|name| !beginnings.iter().any(|beginning| name.starts_with(beginning)));
        Ok(Self { some: Some(named) })
    }

    /// Tells whether it is all of them.
    pub fn is_all(&self) -> bool {
        self.some.is_none()
    }

    /// Tells whether a queue is one of them.
    pub fn serves(&self, queue: &str) -> bool {
        self.some.as_ref().is_none_or(|named| {
            named.names.iter().any(|name| name == queue)
                || named.beginnings.iter().any(|beginning| queue.starts_with(beginning))
        })
    }

    /// The names, if it is none but these; in their order.
    pub fn names_only(&self) -> Option<&[String]> {
        self.some.as_ref().filter(|named| named.beginnings.is_empty()).map(|named| named.names.as_slice())
    }

    /// The names that stand for themselves alone.
    pub fn names(&self) -> &[String] {
        self.some.as_ref().map_or(&[], |named| &named.names)
    }

    /// What the other names begin with.
    pub fn beginnings(&self) -> &[String] {
        self.some.as_ref().map_or(&[], |named| &named.beginnings)
    }

    /// Names and patterns, as [`of`](Self::of) takes them; empty for all.
    pub fn patterns(&self) -> Vec<String> {
        let beginnings = self.beginnings().iter().map(|beginning| format!("{beginning}*"));
        self.names().iter().cloned().chain(beginnings).collect()
    }
}

impl fmt::Display for QueueSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() { f.write_str("all queues") } else { f.write_str(&self.patterns().join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> QueueSet {
        QueueSet::of(patterns).unwrap()
    }

    #[test]
    fn a_worker_serves_what_is_named_and_what_begins_so() {
        assert!(QueueSet::ALL.serves("anything"));
        let mail = set(&["mail", "video-*"]);
        assert!(mail.serves("mail") && mail.serves("video-") && mail.serves("video-4k"));
        assert!(!mail.serves("mails") && !mail.serves("video") && !mail.serves(""));
    }

    #[test]
    fn what_another_pattern_has_already_is_left_out() {
        assert_eq!(set(&["b", "a*", "ab*", "abc", "b"]).patterns(), ["b", "a*"]);
        assert!(set(&["mail", "*"]).is_all());
        assert!(set(&[]).is_all());
        assert_eq!(set(&["b", "a"]).names_only(), Some(["a".to_owned(), "b".to_owned()].as_slice()));
        assert_eq!(set(&["b", "a*"]).names_only(), None);
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        assert_eq!(check_queue_name(""), Err(InvalidQueueName::Empty));
        assert!(matches!(check_queue_name("a b"), Err(InvalidQueueName::Hidden { .. })));
        assert!(matches!(check_queue_name("a,b"), Err(InvalidQueueName::List { .. })));
        assert!(matches!(check_queue_name("a*"), Err(InvalidQueueName::Pattern { .. })));
        assert!(matches!(QueueSet::of(["a*b"]), Err(InvalidQueueName::Pattern { .. })));
        assert!(matches!(check_queue_name(&"x".repeat(129)), Err(InvalidQueueName::TooLong { .. })));
        assert_eq!(check_queue_name("été"), Ok(()));
    }
}
