//! What the tests stand on.

mod home;
mod processes;
mod program;
pub mod trials;
mod wait;
mod worker;

pub use home::{Home, Spelling, both, seconds};
pub use processes::{ALIVE, alive, marked};
pub use wait::{DEADLINE, wait_until};
pub use worker::Worker;
