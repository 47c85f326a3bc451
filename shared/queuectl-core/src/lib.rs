//! The rules of a job.
//!
//! Everything that decides is here and nothing that acts: which state follows
//! which ([`State::after`]), what an event makes of a job, stage and numbers included
//! ([`effect`]), how jobs that are due become ready ([`Promotion`]), which queues a worker
//! serves ([`QueueSet`]), which queues are paused ([`PausedQueues`]), what becomes of a job whose key is taken
//! ([`duplicate`](fn@duplicate)), why a job does not run ([`obstacles`]), which jobs are meant ([`Filter`]), what a person wants of them ([`Wish`]), how long a retry waits ([`RetryPolicy`]), what may be
//! accepted at all ([`JobId`], [`CommandLine`]), where a queue can be
//! ([`Location`]), what units mean ([`parse_duration`]), how a program ends ([`Exit`]). No I/O, no clock, no
//! randomness: time comes in as [`Timestamp`], so every rule can be tested with
//! every value.

mod attempt;
mod bounds;
mod command;
mod duplicate;
pub mod effect;
mod exit;
mod filter;
mod id;
mod job;
mod lease;
mod limits;
mod location;
mod nearest;
mod obstacle;
mod outcome;
mod pause;
mod promotion;
mod queue;
mod reference;
mod retry;
mod stage;
mod state;
mod text;
mod time;
mod unique;
mod units;
mod url;
mod wish;

pub use attempt::{Attempt, Stream};
pub use bounds::{MOST_JOBS_AT_ONCE, MOST_WORKERS};
pub use command::{CommandLine, Environment, InvalidCommand, InvalidEnvironment};
pub use duplicate::{Duplicate, duplicate};
pub use effect::{Cancellation, Effect, Ending, Standing, Waiting};
pub use exit::Exit;
pub use filter::{Filter, Glob, GlobPart, InvalidGlob, LastRun, NoLastRun, Order, TimeRange};
pub use id::{InvalidJobId, JobId};
pub use job::{DEFAULT_QUEUE, JOB_VARIABLES, Job, NewJob, SUSPECT_AFTER_CRASHES};
pub use lease::{Lease, Seq, WorkerId};
pub use limits::Limits;
pub use location::{Location, NotALocation, names_a_server};
pub use nearest::nearest;
pub use obstacle::{Facts, Obstacle, Server, obstacles};
pub use outcome::Outcome;
pub use pause::{EVERY_QUEUE, Pause, PausedQueues, QueueRules};
pub use promotion::Promotion;
pub use queue::{InvalidQueueName, QueueSet, check_queue_name};
pub use reference::JobReference;
pub use retry::RetryPolicy;
pub use stage::{Blocker, Next, Position, Stage, UnknownBlocker, UnknownStage, Wait};
pub use state::{Event, IllegalTransition, State, UnknownState};
pub use text::{is_hidden, is_obeyed};
pub use time::Timestamp;
pub use unique::{InvalidUniqueKey, KeyHold, OnDuplicate, Unique, UniqueKey, UnknownOnDuplicate};
pub use units::{
    InvalidAmount, LONGEST_DURATION, duration_of_seconds, parse_duration, parse_size, two_units,
};
pub use url::{has_password, masked, shown_in_one_line, without_password};
pub use wish::{Granted, Refusal, Wish};
