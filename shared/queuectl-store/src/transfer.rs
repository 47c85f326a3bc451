//! How a queue is brought to another location.
//!
//! The old location is closed before anything is copied, and given up for good only
//! when the new one is open. So no two locations are ever open for the same jobs, and
//! a move that is killed on the way goes on with the same calls:
//!
//! ```text
//! old location     ── leave ──► Leaving ─────────────── switch ──► Switching ─ ─ ─ close ──► Left
//!             ▲                  │ workers end; all is copied       │                     ▲
//!             └─ stay ─ Staying ◄┴─────────── turn back ────────────┘ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ┘
//!
//! new location     ── receive ──► Arriving ── import … ─ ─ ─ ─ ─ ─ arrive ──► Arrived: open
//!             ▲                      │
//!             └─────── withdraw ─────┘
//! ```
//!
//! From the first mark on nothing but the move changes anything at the old location,
//! once its workers have ended. Records are copied in one order, each batch in one
//! transaction, so what is there says how far the copy has come.

pub(crate) mod postgres;
mod record;
pub(crate) mod sqlite;
mod stage;

pub(crate) use record::Value;
pub use record::{Kind, Position, Record};
pub(crate) use stage::Step;
pub use stage::{Move, MoveId, Stage};

use crate::Result;
use crate::counts::Counts;
use std::path::Path;

/// Which queue a location has, and where it stands in a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Random; another for each queue, also for a copy of a file that was used.
    pub queue: String,
    /// Where it stands.
    pub stage: Stage,
}

/// How much is read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records at most.
    pub records: u32,
    /// No further record once so many bytes were read.
    pub bytes: u64,
}

impl Limits {
    /// What one transaction of a copy takes.
    pub const BATCH: Self = Self { records: 2000, bytes: 4 << 20 };
}

/// What has ever been given out; nothing of it is given out again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The highest number of a job.
    pub last_job: i64,
    /// The highest number of a worker.
    pub last_worker: i64,
    /// The next position among the ready.
    pub next_position: i64,
}

/// How much there is of each kind. What was copied completely has the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Jobs by state, counted one by one.
    pub jobs: Counts,
    /// Workers, also those that have ended.
    pub workers: u64,
    /// Attempts with a record.
    pub attempts: u64,
    /// Pieces of output.
    pub output_parts: u64,
    /// What is in them.
    pub output_bytes: u64,
    /// Queues of which people have said something.
    pub rules: u64,
    /// Unique keys that are taken.
    pub unique_keys: u64,
    /// The last record of each kind that has any.
    pub last: Vec<Position>,
}

impl Inventory {
    /// All records.
    pub fn records(&self) -> u64 {
        let jobs = self.jobs.total().unsigned_abs();
        jobs + self.workers + self.attempts + self.output_parts + self.rules + self.unique_keys
    }
}

/// A copy of a queue that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// How large it is.
    pub bytes: u64,
    /// How many jobs stand where in it.
    pub counts: Counts,
}

/// Being brought to another location, or receiving what another location had.
///
/// Every verb that names a move does nothing if it was done before, so that a
/// whole move can be repeated from its beginning. If the location is in another move,
/// or in none, it is refused with [`StoreError::NotThisMove`](crate::StoreError::NotThisMove).
pub trait Transfer {
    /// Which queue this is, and where it stands; none where no queue is.
    fn whereabouts(&mut self) -> Result<Option<Whereabouts>>;

    /// Makes sure that jobs are accepted and claimed here.
    ///
    /// # Errors
    ///
    /// [`StoreError::Moved`](crate::StoreError::Moved) or
    /// [`StoreError::Arriving`](crate::StoreError::Arriving).
    fn insist_open(&mut self) -> Result<()>;

    /// How much there is.
    fn inventory(&mut self) -> Result<Inventory>;

    /// What has ever been given out.
    fn numbers(&mut self) -> Result<Numbers>;

    /// Reads records that come after a position, of one kind; none at the end.
    fn export(&mut self, after: Position, limits: Limits) -> Result<Vec<Record>>;

    /// Closes the old location: from now on nothing is accepted, claimed, retried,
    /// cancelled or pruned here, and no worker begins. All workers, on all machines,
    /// are asked to stop when they have finished what they run.
    ///
    /// # Errors
    ///
    /// [`StoreError::Moved`](crate::StoreError::Moved) if it is in another move.
    fn leave(&mut self, moved: &Move) -> Result<()>;

    /// Notes that all is at the new location, which is about to be opened.
    fn switch(&mut self, id: &MoveId) -> Result<()>;

    /// Gives the old location up: a program that opens it to change something is sent on. Call
    /// it only if the new location is open.
    fn close(&mut self, id: &MoveId) -> Result<()>;

    /// Gives the move up: from now on it cannot switch. Tells where it stood: while
    /// it was only leaving, the new location is not open, and never will be.
    fn turn_back(&mut self, id: &MoveId) -> Result<Stage>;

    /// Opens the old location again. Call it only after turning back, and only if the
    /// new location is not open.
    fn stay(&mut self, id: &MoveId) -> Result<()>;

    /// Makes the new location ready for records; it stays closed. A location that the queue
    /// has left forgets what was left there, if the move is a return
    /// ([`MoveId::of_return`]).
    ///
    /// # Errors
    ///
    /// [`StoreError::NotEmpty`](crate::StoreError::NotEmpty) if there is a job, was a
    /// worker, or a queue has rules; [`StoreError::Moved`](crate::StoreError::Moved) or
    /// [`StoreError::Arriving`](crate::StoreError::Arriving) if it is in another move.
    fn receive(&mut self, moved: &Move) -> Result<()>;

    /// Adds records that come after a position, and tells the last one that is there.
    ///
    /// If that is another, another command is at the same move: then it adds nothing.
    fn import(&mut self, id: &MoveId, after: Position, records: &[Record]) -> Result<Position>;

    /// The last record that is there.
    fn last_imported(&mut self) -> Result<Position>;

    /// Opens the new location. What was given out at the old one is never given out here.
    fn arrive(&mut self, id: &MoveId, numbers: &Numbers) -> Result<()>;

    /// Empties the new location and leaves the move. A location that was to get its queue
    /// back sends all programs on again.
    fn withdraw(&mut self, id: &MoveId) -> Result<()>;

    /// Writes a consistent copy of the whole queue into a new file, while others
    /// go on working.
    ///
    /// The copy is a queue of its own: what was running is pending there. It has
    /// every change that was committed before the call, is on disk when this
    /// returns, and can be read by its owner alone. A crash leaves nothing under
    /// its name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`](crate::StoreError::Io) of the kind `AlreadyExists` if
    /// the file, or one that SQLite would take for a part of it, is there.
    fn backup(&mut self, to: &Path) -> Result<Backup>;
}
