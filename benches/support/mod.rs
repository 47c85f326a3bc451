//! What the benchmarks stand on.

mod bench;
mod clerk;
mod home;
mod machines;
mod report;
mod series;
mod server;
pub(crate) mod stamp;
mod wait;
mod worker;

pub(crate) use bench::{Bench, Extent};
pub(crate) use clerk::Clerk;
pub(crate) use home::{Home, now, plain};
pub(crate) use machines::Machines;
pub(crate) use report::{Goal, Unit, figure, goal, note, title};
pub(crate) use series::{Series, in_turn, timed};
pub(crate) use server::start_server;
pub(crate) use wait::{pause, wait_until};
pub(crate) use worker::Worker;

/// What a benchmark gives; an error means that it could not measure.
pub(crate) type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
