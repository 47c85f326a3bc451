//! What is copied: rows, as both stores have them.
//!
//! The columns of both are the same and stand for the same, so nothing in between
//! needs to know what they mean.

use crate::columns::{Column, attempt, output, rules, unique_key, worker};
use crate::job_row::job;
use queuectl_core::State;

/// What a record is of. In this order they are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What people have said of a queue. First, so that nothing starts that is not to start.
    Rules,
    /// A unique key. Before the jobs, so that none is there without its own.
    UniqueKey,
    /// A worker that has ended.
    Worker,
    /// A job.
    Job,
    /// An attempt that had output or an end.
    Attempt,
    /// A piece of output.
    Output,
}

impl Kind {
    /// All, in their order.
    pub const ALL: [Self; 6] =
        [Self::Rules, Self::UniqueKey, Self::Worker, Self::Job, Self::Attempt, Self::Output];

    /// Its name, as it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::UniqueKey => "unique_key",
            Self::Worker => "worker",
            Self::Job => "job",
            Self::Attempt => "attempt",
            Self::Output => "output",
        }
    }

    /// Its columns, all of which are copied.
    pub(crate) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Rules => rules::COLUMNS,
            Self::UniqueKey => unique_key::COLUMNS,
            Self::Worker => worker::COLUMNS,
            Self::Job => job::COLUMNS,
            Self::Attempt => attempt::COLUMNS,
            Self::Output => output::COLUMNS,
        }
    }

    /// How many columns are its key; they are the first, and numbers.
    pub(crate) const fn key_columns(self) -> usize {
        match self {
            Self::Rules | Self::UniqueKey | Self::Worker | Self::Job => 1,
            Self::Attempt => 2,
            Self::Output => 3,
        }
    }

    /// What is copied after it.
    pub(crate) const fn next(self) -> Option<Self> {
        match self {
            Self::Rules => Some(Self::UniqueKey),
            Self::UniqueKey => Some(Self::Worker),
            Self::Worker => Some(Self::Job),
            Self::Job => Some(Self::Attempt),
            Self::Attempt => Some(Self::Output),
            Self::Output => None,
        }
    }
}

/// A place between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    kind: Kind,
    /// No key has a part below 0; the parts that a kind does not have are 0.
    key: [i64; 3],
}

impl Position {
    /// Before the first record.
    pub const BEGINNING: Self = Self::before(Kind::Rules);

    /// Before the first record of a kind.
    pub(crate) const fn before(kind: Kind) -> Self {
        Self { kind, key: [-1; 3] }
    }

    /// After the record with this key.
    const fn after(kind: Kind, key: [i64; 3]) -> Self {
        Self { kind, key }
    }

    /// After the last record of each kind that has any. Of each kind its key, -1 where
    /// there is none: rules; unique key; worker; job; attempt, two parts; output, three.
    pub(crate) fn last_of_each(keys: [i64; 9]) -> Vec<Self> {
        let [rules, unique_key, worker, job, attempt_seq, attempt_lease, output_seq, output_lease, part] =
            keys;
        let last = [
            Self::after(Kind::Rules, [rules, 0, 0]),
            Self::after(Kind::UniqueKey, [unique_key, 0, 0]),
            Self::after(Kind::Worker, [worker, 0, 0]),
            Self::after(Kind::Job, [job, 0, 0]),
            Self::after(Kind::Attempt, [attempt_seq, attempt_lease, 0]),
            Self::after(Kind::Output, [output_seq, output_lease, part]),
        ];
        last.into_iter().filter(|last| last.key[0] >= 0).collect()
    }

    /// Which kind of record comes before it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The key before it, in the columns of its kind.
    pub(crate) fn key(&self) -> &[i64] {
        &self.key[..self.kind.key_columns()]
    }
}

/// A value, as both stores have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Text(String),
    /// A text that is not UTF-8: not every store has a place for it.
    Spoilt(Vec<u8>),
    Bytes(Vec<u8>),
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(crate) kind: Kind,
    /// In the order of the columns of its kind.
    pub(crate) values: Vec<Value>,
}

impl Record {
    /// What it is of.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The place after it.
    pub fn position(&self) -> Position {
        let mut key = [0; 3];
        for (part, value) in key.iter_mut().zip(&self.values[..self.kind.key_columns()]) {
            if let Value::Integer(number) = value {
                *part = *number;
            }
        }
        Position::after(self.kind, key)
    }

    /// About how many bytes it has.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |value: &Value| match value {
            Value::Null | Value::Integer(_) => 8,
            Value::Text(text) => text.len() as u64,
            Value::Bytes(bytes) | Value::Spoilt(bytes) => bytes.len() as u64,
        };
        self.values.iter().map(bytes).sum()
    }

    /// Tells whether a copy has all that this has. (Not every store can keep NUL in
    /// a text; it is shown as U+FFFD there, as everywhere.)
    pub fn is_kept_in(&self, copy: &Self) -> bool {
        let is_kept = |(value, copied): (&Value, &Value)| match (value, copied) {
            (Value::Text(text), Value::Text(copied)) => {
                text == copied || text.replace('\0', "\u{fffd}") == *copied
            }
            (value, copied) => value == copied,
        };
        self.kind == copy.kind
            && self.values.len() == copy.values.len()
            && self.values.iter().zip(&copy.values).all(is_kept)
    }

    /// Whether the job, of which it is, waits for something that is not a time.
    pub(crate) fn is_blocked(&self) -> bool {
        self.kind == Kind::Job && self.values[job::blocked_by] != Value::Null
    }

    /// The queue of the job of which it is.
    pub(crate) fn job_queue(&self) -> Option<&str> {
        match self.values.get(job::queue) {
            Some(Value::Text(queue)) if self.kind == Kind::Job => Some(queue),
            _ => None,
        }
    }

    /// Where the job stands, of which it is, if it says so.
    pub(crate) fn job_state(&self) -> Option<State> {
        match self.values.get(job::state) {
            Some(Value::Text(state)) if self.kind == Kind::Job => state.parse().ok(),
            _ => None,
        }
    }

    /// Says which record it is: `output (7, 1, 0)`.
    pub fn name(&self) -> String {
        let key: Vec<String> = self.position().key().iter().map(i64::to_string).collect();
        format!("{} ({})", self.kind.as_str(), key.join(", "))
    }
}
