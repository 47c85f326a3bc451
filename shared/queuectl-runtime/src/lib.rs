//! Turns claimed jobs into finished ones.
//!
//! A [`Manager`] keeps a number of worker processes alive; each runs
//! [`worker::run`]. In a worker, one thread owns the store and does one
//! transaction again and again ([`coordinator`](self)), some run jobs, one monitors
//! rings and neighbours that may die, one listens to the manager and to signals, and
//! where a lease must be renewed, one ends everything when that does not succeed, and
//! one ends what other workers of this machine should have ended themselves.
//! Nothing here prints: what happens is told to the log.

mod ahead;
mod attempt;
mod background;
mod child;
mod coordinator;
#[cfg(test)]
mod fixture;
pub mod guardian;
mod here;
mod launch;
mod lease_guard;
mod limits;
mod listener;
mod lock;
mod log_file;
mod log_rotation;
mod managed_worker;
mod manager;
mod manager_command;
mod manager_error;
mod managing;
mod marker;
mod messages;
mod monitor;
mod options;
mod order;
mod orphans;
mod outbox;
mod output;
mod outside;
mod path_as_json;
mod prefetched;
mod processes;
mod rescue;
mod runner;
mod shared;
mod slot;
mod stamp;
mod stop_signals;
mod supervisor;
pub mod worker;
mod worker_error;

pub use here::{WorkerHere, ask_to_stop, is_inside_worker, workers_here};
pub use launch::WorkerLog;
pub use limits::hand_on_no_open_files;
pub use log_file::open_log;
pub use manager::Manager;
pub use manager_error::ManagerError;
pub use marker::{Surrounding, is_inside_a_job, worker_environment};
pub use options::{Drain, WorkerOptions};
pub use rescue::{RescueError, rescue};
pub use worker_error::WorkerError;
