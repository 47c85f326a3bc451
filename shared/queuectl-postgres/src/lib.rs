//! How to reach a PostgreSQL server: which one is meant, how to get in, and one
//! session with it, whose requests have an end.
//!
//! It knows of no queue: what is asked for there is its caller's. It stands on the driver,
//! which speaks the protocol, and adds what that leaves open: addresses as `libpq`
//! completes them, TLS as `libpq` checks it, a time for every request, settings that a role
//! or a server may have changed, and what errors mean.

mod address;
mod connect;
mod connection;
mod meaning;
mod problem;
mod query;
pub mod session;
pub mod settings;
mod tls;
pub mod value;

pub use address::{Address, Password, Server, with_files_from};
pub use connect::in_seconds;
pub use connection::Connection;
pub use meaning::{Meaning, meaning};
pub use problem::ServerProblem;
pub use query::{Named, Query};
