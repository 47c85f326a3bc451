//! Turns claimed jobs into finished ones.
//!
//! A [`Manager`] keeps a number of worker processes alive; each runs
//! [`worker::run`]. In a worker, one thread owns the store and does one
//! transaction again and again ([`desk`](self)), some run jobs, one watches for
//! rings and for dead neighbours, one listens to the manager and to signals, and
//! where a lease must be renewed, one ends everything when that does not succeed, and
//! one ends what other workers of this machine should have ended themselves.
//! Nothing here prints: what happens is told to the log.

mod ahead;
mod attempt;
mod background;
mod caretaker;
mod child;
mod desk;
#[cfg(test)]
mod fixture;
mod floor;
mod guard;
pub mod guardian;
mod here;
mod launch;
mod limits;
mod listener;
mod manager;
mod marker;
mod orphans;
mod output;
mod outside;
mod path_as_json;
mod processes;
mod rescue;
mod slot;
mod stamp;
mod watch;
pub mod worker;

pub use here::{WorkerHere, ask_to_stop, is_inside_worker, workers_here};
pub use launch::WorkerLog;
pub use limits::hand_on_no_open_files;
pub use listener::open_log;
pub use manager::{Manager, ManagerError};
pub use marker::{Surrounding, is_inside_a_job, worker_environment};
pub use rescue::{RescueError, rescue};
pub use worker::{Drain, WorkerError, WorkerOptions};
