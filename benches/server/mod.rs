//! The queue on PostgreSQL, against the targets that begin with P.
//!
//! Where no server can be started, each says what is missing.

pub(crate) mod bulk;
pub(crate) mod counts;
pub(crate) mod idle_transaction;
pub(crate) mod latency;
pub(crate) mod look;
pub(crate) mod machines;
pub(crate) mod store;
