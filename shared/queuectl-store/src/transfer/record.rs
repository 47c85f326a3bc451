//! What is copied: rows, as both stores have them.
//!
//! The columns of both are the same and stand for the same, so nothing in between
//! needs to know what they mean.

use queuectl_core::State;

/// What a record is of. In this order they are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
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
    pub const ALL: [Self; 4] = [Self::Worker, Self::Job, Self::Attempt, Self::Output];

    /// Its name, as it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Job => "job",
            Self::Attempt => "attempt",
            Self::Output => "output",
        }
    }

    /// The name of one of its columns, in the order of `copied!`.
    pub(crate) fn column(self, index: usize) -> &'static str {
        let names = match self {
            Self::Worker => copied!(worker),
            Self::Job => copied!(job),
            Self::Attempt => copied!(attempt),
            Self::Output => copied!(output),
        };
        names.split(", ").nth(index).unwrap_or_default()
    }

    /// How many columns are its key; they are the first, and numbers.
    pub(crate) const fn key_columns(self) -> usize {
        match self {
            Self::Worker | Self::Job => 1,
            Self::Attempt => 2,
            Self::Output => 3,
        }
    }

    /// What is copied after it.
    pub(crate) const fn next(self) -> Option<Self> {
        match self {
            Self::Worker => Some(Self::Job),
            Self::Job => Some(Self::Attempt),
            Self::Attempt => Some(Self::Output),
            Self::Output => None,
        }
    }
}

/// The columns that are copied to another place: all that every store has, the key
/// first.
macro_rules! copied {
    (worker) => {
        "id, host, pid, manager_pid, boot_id, pid_namespace, run, note_region, concurrency, path, \
         started_at_ms, ended_at_ms, stop, jobs_done"
    };
    (job) => {
        "seq, id, state, queue, priority, place, ready, attempts, max_retries, crashes, lease, worker, \
         cancel_at_ms, timeout_ms, created_at_ms, updated_at_ms, run_at_ms, waits_since_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, last_error, env, cwd, command"
    };
    (attempt) => {
        "seq, lease, worker, started_at_ms, ended_at_ms, outcome, code, error, output_bytes, dropped_bytes"
    };
    (output) => {
        "seq, lease, n, stream, at_ms, bytes"
    };
}
pub(crate) use copied;

/// Where some of a worker's and of a job's columns are.
pub(crate) const WORKER_NOTE_REGION: usize = 7;
pub(crate) const WORKER_ENDED_AT: usize = 11;
const JOB_STATE: usize = 2;

/// A place between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    kind: Kind,
    /// No key has a part below 0; the parts that a kind does not have are 0.
    key: [i64; 3],
}

impl Position {
    /// Before the first record.
    pub const BEGINNING: Self = Self::before(Kind::Worker);

    /// Before the first record of a kind.
    pub(crate) const fn before(kind: Kind) -> Self {
        Self { kind, key: [-1; 3] }
    }

    /// After the record with this key.
    const fn after(kind: Kind, key: [i64; 3]) -> Self {
        Self { kind, key }
    }

    /// After the last record of each kind that has any. Of each kind its key, -1 where
    /// there is none: worker; job; attempt, two parts; output, three.
    pub(crate) fn last_of_each(keys: [i64; 7]) -> Vec<Self> {
        let [worker, job, attempt_seq, attempt_lease, output_seq, output_lease, part] = keys;
        let last = [
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
    /// In the order in which `copied!` names the columns.
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

    /// Where the job stands, of which it is, if it says so.
    pub(crate) fn job_state(&self) -> Option<State> {
        match (self.kind, &self.values[JOB_STATE]) {
            (Kind::Job, Value::Text(state)) => state.parse().ok(),
            _ => None,
        }
    }

    /// Says which record it is: `output (7, 1, 0)`.
    pub fn name(&self) -> String {
        let key: Vec<String> = self.position().key().iter().map(i64::to_string).collect();
        format!("{} ({})", self.kind.as_str(), key.join(", "))
    }
}
