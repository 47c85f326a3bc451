//! The rules of a job.
//!
//! Everything that decides is here and nothing that acts: which state follows
//! which ([`State::after`]), what an ended attempt means for its job
//! ([`settle`]), how long a retry waits ([`RetryPolicy`]), what may be
//! accepted at all ([`JobId`], [`CommandLine`]), what is the place of a queue
//! ([`Place`]), what units mean ([`parse_duration`]), how a program ends ([`Exit`]). No I/O, no clock, no
//! randomness: time comes in as [`Timestamp`], so every rule can be tested with
//! every value.

mod attempt;
mod command;
mod exit;
mod id;
mod job;
mod limits;
mod nearest;
mod place;
mod reference;
mod retry;
mod settle;
mod state;
mod text;
mod time;
mod units;
mod url;

pub use attempt::{Attempt, Outcome, Stream};
pub use command::{CommandLine, Environment, InvalidCommand, InvalidEnvironment};
pub use exit::Exit;
pub use id::{InvalidJobId, JobId};
pub use job::{JOB_VARIABLES, Job, Lease, NewJob, Seq, WorkerId};
pub use limits::MOST_AT_A_TIME;
pub use nearest::nearest;
pub use place::{NotAPlace, Place, names_a_server};
pub use reference::JobReference;
pub use retry::RetryPolicy;
pub use settle::{Ending, SUSPECT_AFTER_CRASHES, Standing, Verdict, settle};
pub use state::{Event, IllegalTransition, State, UnknownState};
pub use text::{is_hidden, is_obeyed};
pub use time::Timestamp;
pub use units::{InvalidAmount, LONGEST_DURATION, parse_duration, parse_size, two_units};
pub use url::{has_password, masked, without_password};
