//! How many jobs stand where.

use queuectl_core::State;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::iter::Sum;
use std::ops::{Index, IndexMut};

/// The number of jobs in each state, and how many of those that wait are blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    by_state: [i64; State::ALL.len()],
    /// Jobs, pending or failed, that wait for something that is not a time.
    pub blocked: i64,
}

impl Counts {
    /// All jobs.
    pub fn total(&self) -> i64 {
        self.by_state.iter().sum()
    }

    /// Jobs that have come to rest.
    pub fn finished(&self) -> i64 {
        State::ALL.into_iter().filter(|state| state.is_finished()).map(|state| self[state]).sum()
    }

    /// Jobs the queue will still do something with by itself.
    pub fn unfinished(&self) -> i64 {
        self.total() - self.finished() - self.blocked
    }

    /// Notes that a job went from one state to another.
    pub fn moved(&mut self, from: State, to: State) {
        self[from] -= 1;
        self[to] += 1;
    }

    /// Notes that all jobs that wait are blocked, whatever they wait for: their queue is
    /// paused.
    pub fn block_all(&mut self) {
        self.blocked = self[State::Pending] + self[State::Failed];
    }

    /// Tells whether every number is zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Tells whether no number is below zero.
    pub(crate) fn can_be(&self) -> bool {
        self.blocked >= 0 && State::ALL.into_iter().all(|state| self[state] >= 0)
    }

    /// Takes from each number the other's.
    pub(crate) fn subtract(&mut self, other: &Self) {
        for state in State::ALL {
            self[state] -= other[state];
        }
        self.blocked -= other.blocked;
    }

    /// Adds to each number the other's.
    pub fn add(&mut self, other: &Self) {
        for state in State::ALL {
            self[state] += other[state];
        }
        self.blocked += other.blocked;
    }
}

/// Says where the counts that are kept are not those of the jobs that are there, by the
/// name of the queue.
pub(crate) fn differences<Q: Ord + Display>(
    counted: &BTreeMap<Q, Counts>,
    kept: &BTreeMap<Q, Counts>,
) -> Vec<String> {
    let queues: BTreeSet<&Q> = counted.keys().chain(kept.keys()).collect();
    let mut problems = Vec::new();
    for queue in queues {
        let counted = counted.get(queue).copied().unwrap_or_default();
        let kept = kept.get(queue).copied().unwrap_or_default();
        for state in State::ALL.into_iter().filter(|&state| counted[state] != kept[state]) {
            problems.push(format!(
                "{} {state} jobs are there in the queue {queue} and {} are counted",
                counted[state], kept[state]
            ));
        }
        if counted.blocked != kept.blocked {
            problems.push(format!(
                "{} blocked jobs are there in the queue {queue} and {} are counted",
                counted.blocked, kept.blocked
            ));
        }
    }
    problems
}

impl<'a> Sum<&'a Counts> for Counts {
    fn sum<I: Iterator<Item = &'a Self>>(counts: I) -> Self {
        let mut sum = Self::default();
        for of_one in counts {
            sum.add(of_one);
        }
        sum
    }
}

impl Index<State> for Counts {
    type Output = i64;

    fn index(&self, state: State) -> &i64 {
        &self.by_state[state as usize]
    }
}

impl IndexMut<State> for Counts {
    fn index_mut(&mut self, state: State) -> &mut i64 {
        &mut self.by_state[state as usize]
    }
}
