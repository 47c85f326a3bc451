//! What the tests stand on.

mod home;
pub mod hosts;
pub mod pgbouncer;
pub mod postgres;
mod processes;
mod program;
pub mod terminal;
pub mod trials;
mod wait;
pub mod watched;
mod worker;

pub use home::{Home, Spelling, both, dispatcher, path_with_the_programs, seconds};
pub use processes::{ALIVE, alive, kill_all, marked};
pub use wait::{DEADLINE, wait_until};
pub use worker::Worker;
