//! How many jobs stand where.

use queuectl_core::State;
use std::ops::{Index, IndexMut};

/// The number of jobs in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([i64; State::ALL.len()]);

impl Counts {
    /// All jobs.
    pub fn total(&self) -> i64 {
        self.0.iter().sum()
    }

    /// Jobs the queue will still do something with by itself.
    pub fn unsettled(&self) -> i64 {
        State::ALL.into_iter().filter(|state| !state.is_settled()).map(|state| self[state]).sum()
    }

    /// Notes that a job went from one state to another.
    pub fn moved(&mut self, from: State, to: State) {
        self[from] -= 1;
        self[to] += 1;
    }

    /// Tells whether every number is zero.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|&count| count == 0)
    }
}

impl Index<State> for Counts {
    type Output = i64;

    fn index(&self, state: State) -> &i64 {
        &self.0[state as usize]
    }
}

impl IndexMut<State> for Counts {
    fn index_mut(&mut self, state: State) -> &mut i64 {
        &mut self.0[state as usize]
    }
}
