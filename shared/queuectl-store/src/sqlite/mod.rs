//! The queue in one SQLite file.
//!
//! WAL with `synchronous=FULL`: what was committed survives a power cut (NORMAL
//! lost acknowledged commits in the same cuts, FULL lost none). Its price is paid
//! by batching: one commit carries many results and claims. Every verb that
//! writes is one `BEGIN IMMEDIATE` transaction, since a deferred one that turns
//! into a writer fails whatever the time-out.

pub(crate) mod busy;
pub(crate) mod connection;
pub(crate) mod counters;
mod duplicates;
mod ends;
pub(crate) mod explain;
mod filter;
pub(crate) mod guard;
mod reader;

pub(crate) mod migrate;
pub(crate) mod move_stage;
mod open;
mod queue;
mod queues;
mod ready;
pub(crate) mod reserve;
mod room;
pub(crate) mod roster;
pub(crate) mod row;
mod set_aside;
pub(crate) mod soundness;
pub(crate) mod sql;
mod stages;
mod standing;
pub(crate) mod trouble;
mod unique;
pub(crate) mod unwritable;
mod wishes;
mod worker;

#[cfg(test)]
mod plan_tests;

pub use connection::SqliteStore;
