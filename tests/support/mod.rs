//! What the tests stand on.

mod home;
pub mod hosts;
mod observed;
pub mod pgbouncer;
pub mod postgres;
mod processes;
pub mod program;
pub mod proxy;
mod scenes;
pub mod terminal;
pub mod trials;
mod wait;
pub mod watched;
mod worker;

pub use home::{Home, NO_WORKER, Spelling, both, dispatcher, path_with_the_programs, seconds};
#[allow(unused_imports, reason = "the two test programs need different ones")]
pub use processes::Role;
pub use processes::{ALIVE, alive, kill_all, marked, role, send};
pub use program::write_script;
pub use scenes::HELD;
pub use terminal::on_a_terminal;
pub use wait::{DEADLINE, wait_until};
pub use worker::Worker;
