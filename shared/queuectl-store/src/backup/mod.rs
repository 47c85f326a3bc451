//! A copy of the queue in a file of its own, while others go on working.

mod copy;
mod postgres;
mod sqlite;
