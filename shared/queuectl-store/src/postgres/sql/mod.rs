//! Every statement of the PostgreSQL store, by who asks.
//!
//! They do what their twins in `sqlite/sql.rs` do, under the same names where there is one
//! for one. All differ from those in two ways, which are harmless for the same reasons: many
//! write at once, so who decides about a row locks it first; and a batch is one statement,
//! since each costs a round trip. What else differs is said at the statement. `@` stands for
//! the schema; positions come from a sequence, so one that is not used is left out.

mod clock;
mod counters;
mod exchange;
mod jobs;
mod queue;
mod reader;
mod schema;
mod stages;
mod unique;
mod wishes;
mod worker;

pub(crate) use counters::*;
pub(crate) use exchange::*;
pub(crate) use jobs::*;
pub(crate) use queue::*;
pub(crate) use reader::*;
pub(crate) use schema::*;
pub(crate) use stages::{INTO_BLOCKED, INTO_CLAIMED, INTO_FINISHED, INTO_READY, INTO_SCHEDULED};
pub(crate) use unique::*;
pub(crate) use wishes::*;
pub(crate) use worker::*;
