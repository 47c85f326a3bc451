//! What is well with a queue, and what is not.
//!
//! A doctor only looks. What would keep a program from opening the queue is a finding
//! too, and so is what cannot be found out.

pub(crate) mod postgres;
mod room;
mod rows;
pub(crate) mod sqlite;
mod words;
mod workers;
