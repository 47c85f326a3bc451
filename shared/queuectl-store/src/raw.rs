//! Rows that do not say what they should: what can be read of them is read.
//!
//! A program that looks at the queue is shown a row as far as it can be read, and told what
//! is wrong with it; only who would run the job needs all of it.

use crate::columns::Column;
use crate::stored;
use queuectl_core::{CommandLine, Environment, QueueSet, State, Timestamp};
use std::str::FromStr;

/// A value as it lies in a row, whatever it should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Raw<'a> {
    Null,
    Integer(i64),
    /// Not always UTF-8.
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    /// Of a type that no column has.
    Other,
}

/// What begins the last error of a job that was set aside.
pub(crate) const CANNOT_BE_READ: &str = "its row cannot be read";

/// A row, and the first thing that is wrong with it.
pub(crate) struct RowReader<R> {
    columns: &'static [Column],
    read: R,
    pub(crate) problem: Option<String>,
}

impl<'a, R: Fn(usize) -> Raw<'a>> RowReader<R> {
    pub(crate) fn new(columns: &'static [Column], read: R) -> Self {
        Self { columns, read, problem: None }
    }

    pub(crate) fn complain(&mut self, column: usize, problem: &str) {
        let name = self.columns[column].name;
        self.problem.get_or_insert_with(|| format!("column {name} {problem}"));
    }

    pub(crate) fn number<T: Whole>(&mut self, column: usize) -> T {
        self.optional(column).unwrap_or_else(|| {
            self.complain(column, "is NULL");
            T::default()
        })
    }

    /// The number that is there, or the nearest that can be.
    pub(crate) fn optional<T: Whole>(&mut self, column: usize) -> Option<T> {
        match (self.read)(column) {
            Raw::Null => None,
            Raw::Integer(number) => {
                if !(T::LEAST..=T::MOST).contains(&number) {
                    self.complain(column, &format!("has the number {number}, which is out of range"));
                }
                Some(nearest(number))
            }
            Raw::Text(_) | Raw::Bytes(_) | Raw::Other => {
                self.complain(column, "has no whole number");
                Some(T::default())
            }
        }
    }

    pub(crate) fn time(&mut self, column: usize) -> Option<Timestamp> {
        let is_optional = !matches!(self.columns[column].name, "created_at_ms" | "updated_at_ms" | "at_ms");
        let found = self.optional(column).map(Timestamp::from_millis);
        if found.is_none() && !is_optional {
            self.complain(column, "is NULL");
        }
        found
    }

    pub(crate) fn text(&mut self, column: usize) -> String {
        self.optional_text(column).unwrap_or_else(|| {
            self.complain(column, "is NULL");
            String::new()
        })
    }

    /// The text that is there, with U+FFFD for what is none.
    pub(crate) fn optional_text(&mut self, column: usize) -> Option<String> {
        match (self.read)(column) {
            Raw::Null => None,
            Raw::Text(bytes) => {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    return Some(text.to_owned());
                }
                self.complain(column, "is not UTF-8");
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
            Raw::Bytes(bytes) => {
                self.complain(column, "has no text");
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
            Raw::Integer(number) => {
                self.complain(column, "has no text");
                Some(number.to_string())
            }
            Raw::Other => {
                self.complain(column, "has no text");
                Some(String::new())
            }
        }
    }

    pub(crate) fn bytes(&mut self, column: usize) -> Vec<u8> {
        match (self.read)(column) {
            Raw::Bytes(bytes) => bytes.to_owned(),
            Raw::Text(bytes) => {
                self.complain(column, "has no bytes");
                bytes.to_owned()
            }
            Raw::Null | Raw::Integer(_) | Raw::Other => {
                self.complain(column, "has no bytes");
                Vec::new()
            }
        }
    }

    pub(crate) fn state(&mut self, column: usize) -> Option<State> {
        let text = self.text(column);
        let state = text.parse().ok();
        if state.is_none() {
            self.complain(column, &format!("has {text:?}, which is no state"));
        }
        state
    }

    pub(crate) fn optional_parsed<T: FromStr>(&mut self, column: usize) -> Option<T> {
        let text = self.optional_text(column)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.complain(column, &format!("has {text:?}, which is not known"));
        }
        parsed
    }

    pub(crate) fn queues(&mut self, column: usize) -> QueueSet {
        let text = self.optional_text(column);
        stored::queues(text.as_deref()).unwrap_or_else(|problem| {
            self.complain(column, &format!("has no names of queues: {problem}"));
            QueueSet::ALL
        })
    }

    /// Not all that is stored as a text can be given to a program.
    pub(crate) fn folder(&mut self, column: usize) -> String {
        let text = self.text(column);
        if text.contains('\0') {
            self.complain(column, "has a NUL character");
        }
        text
    }

    pub(crate) fn command(&mut self, column: usize) -> CommandLine {
        let text = self.text(column);
        if let Err(error) = CommandLine::check(&text) {
            self.complain(column, &format!("cannot be run: {error}"));
        }
        CommandLine::trusted(text)
    }

    pub(crate) fn environment(&mut self, column: usize) -> Environment {
        let text = self.optional_text(column);
        stored::environment(text.as_deref()).unwrap_or_else(|problem| {
            self.complain(column, &format!("has no variables: {problem}"));
            Environment::default()
        })
    }
}

/// A whole number that is stored as a wider one.
pub(crate) trait Whole: TryFrom<i64> + Default {
    /// The smallest that can be stored.
    const LEAST: i64;
    /// The largest.
    const MOST: i64;
}

macro_rules! whole {
    ($($kind:ty => $least:expr, $most:expr;)+) => {
        $(impl Whole for $kind {
            const LEAST: i64 = $least;
            const MOST: i64 = $most;
        })+
    };
}

whole! {
    i64 => i64::MIN, i64::MAX;
    u64 => 0, i64::MAX;
    i32 => i32::MIN as i64, i32::MAX as i64;
    u32 => 0, u32::MAX as i64;
}

/// The number of this kind that is nearest to one that was stored.
pub(crate) fn nearest<T: Whole>(stored: i64) -> T {
    T::try_from(stored.clamp(T::LEAST, T::MOST)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_does_not_fit_is_the_nearest() {
        assert_eq!((nearest::<u32>(-1), nearest::<u32>(i64::MAX)), (0, u32::MAX));
        assert_eq!((nearest::<i32>(i64::MIN), nearest::<u64>(-7)), (i32::MIN, 0));
    }
}
