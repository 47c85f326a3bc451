//! Every step of every program, cut off by SIGKILL or refused by the system.
//!
//! A tracer stops the program at the N-th call of a kind, N = 1, 2, … until
//! there is no N-th one. It counts in each thread. What a program starts is let
//! go at its `execve`: a worker's jobs run undisturbed.

mod commands;
mod tracer;
mod workers;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    // Workers first, since they mostly wait.
    [workers::trials(), commands::trials()].into_iter().flatten().collect()
}
