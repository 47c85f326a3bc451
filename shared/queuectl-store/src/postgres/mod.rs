//! The queue on a PostgreSQL server, shared by many machines.
//!
//! What one writer at a time gives SQLite, row locks give here: a verb that decides
//! about a job locks its row first, and a claim skips what others have locked.
//! Every verb is one transaction at READ COMMITTED. Only the server's clock counts
//! between machines; see [`lease_clock`](crate::lease_clock). A connection that is lost is made
//! anew inside the verb, and a commit that was sent and never answered is asked
//! for by its number, so that no verb happens twice.
//!
//! What people and programs do to jobs is in [`queue`], what a worker does in [`worker`] and
//! [`exchange`], looking in [`reader`]; below them lie [`transaction`] and [`store`].

mod arrays;
mod cache;
pub(crate) mod counters;
mod enter;
mod exchange;
mod filter;
mod gates;
pub(crate) mod heartbeat;
mod intake;
mod known;
pub(crate) mod migrate;
pub(crate) mod migrations;
mod open;
mod output;
mod plan;
mod promotion;
mod queue;
mod reader;
mod reply;
mod request;
pub(crate) mod row;
mod set_aside;
mod soundness;
pub(crate) mod sql;
mod standings;
pub(crate) mod store;
mod transaction;
pub(crate) mod trouble;
mod unique;
mod wishes;
mod worker;

pub(crate) use arrays::Arrays;
pub(crate) use enter::address;
pub(crate) use open::lock_file_here;
pub(crate) use soundness::{count, wrong_counts, wrong_keys};
pub use store::PostgresStore;
