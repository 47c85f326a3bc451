//! Workers are asked to stop by way of the queue, and are to be gone.

use crate::amounts::plural;
use crate::worker_state::WorkerState;
use queuectl_core::{Timestamp, WorkerId};
use queuectl_store::{Life, Stop, Store, StoreError, WorkerRecord};
use std::collections::HashSet;

/// After so many looks a person wants to know what is waited for.
pub const LOOKS_IN_SILENCE: u32 = 10;

/// Whose workers are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machines {
    /// Those of this machine: what looks after one machine need not know of the others.
    This,
    /// Those of all machines that share the queue.
    All,
}

impl Machines {
    fn has(self, worker: &WorkerRecord) -> bool {
        self == Self::All || worker.is_here
    }
}

/// Workers that were asked to stop.
#[derive(Debug)]
pub struct AskedWorkers {
    /// All that are meant, also those that have died.
    pub meant: Vec<WorkerRecord>,
    /// Those of them that lived.
    pub alive: Vec<WorkerId>,
    /// How many others live.
    pub elsewhere: usize,
}

/// Asks workers to stop.
///
/// # Errors
///
/// Those of the store.
pub fn ask_to_stop(
    store: &mut dyn Store,
    machines: Machines,
    how: Stop,
    now: Timestamp,
) -> Result<AskedWorkers, StoreError> {
    let (mut meant, others): (Vec<_>, Vec<_>) =
        store.workers()?.into_iter().partition(|worker| machines.has(worker));
    let elsewhere = alive(&others).count();
    // Also when none lives: a manager may be about to replace one that died.
    let known: Vec<_> = meant.iter().map(|worker| worker.id).collect();
    store.request_stop(&known, how, now)?;
    // One that began between the look and the request; a later one hears of it from
    // its manager.
    let mut late = store.workers()?;
    late.retain(|worker| {
        machines.has(worker)
            && !known.contains(&worker.id)
            && meant.iter().any(|other| is_same_manager(worker, other))
    });
    if !late.is_empty() {
        let known: Vec<_> = late.iter().map(|worker| worker.id).collect();
        store.request_stop(&known, how, now)?;
        meant.extend(late);
    }
    let alive = alive(&meant).collect();
    Ok(AskedWorkers { meant, alive, elsewhere })
}

fn is_same_manager(one: &WorkerRecord, other: &WorkerRecord) -> bool {
    (one.manager_pid, &one.boot_id, &one.host) == (other.manager_pid, &other.boot_id, &other.host)
}

/// Those that live now; what starts later is not meant.
fn alive(workers: &[WorkerRecord]) -> impl Iterator<Item = WorkerId> {
    workers.iter().filter(|worker| worker.life == Life::Alive).map(|worker| worker.id)
}

/// Workers that are to be gone.
#[derive(Debug)]
pub struct StopWait {
    asked: Vec<WorkerId>,
    looks: u32,
    told: HashSet<WorkerId>,
}

/// What a look at such workers tells; each thing once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Delay {
    /// So many of them finish what they run.
    #[error("Waiting for {} to finish what they run", plural(*.0, "worker"))]
    Working(u64),
    /// The process of one was stopped.
    #[error("Worker {worker} (PID {pid}) stands still, and stops when it goes on: `kill -CONT {pid}`")]
    Stalled {
        /// The worker.
        worker: WorkerId,
        /// Its process.
        pid: u32,
    },
}

impl StopWait {
    /// Begins to wait for these workers.
    pub fn new(asked: &[WorkerId]) -> Self {
        Self { asked: asked.to_vec(), looks: 0, told: HashSet::new() }
    }

    /// Looks which are left; none if they are gone, else what delays them.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn look(&mut self, store: &mut dyn Store) -> Result<Option<Vec<Delay>>, StoreError> {
        let workers = store.workers()?;
        let left = alive(&workers).filter(|worker| self.asked.contains(worker)).count();
        if left == 0 {
            return Ok(None);
        }
        let mut delays = Vec::new();
        if self.looks == LOOKS_IN_SILENCE {
            delays.push(Delay::Working(left as u64));
        }
        if self.looks >= LOOKS_IN_SILENCE {
            for worker in workers.iter().filter(|worker| self.asked.contains(&worker.id)) {
                if WorkerState::of(worker) == WorkerState::Stalled && self.told.insert(worker.id) {
                    delays.push(Delay::Stalled { worker: worker.id, pid: worker.pid });
                }
            }
        }
        self.looks = self.looks.saturating_add(1);
        Ok(Some(delays))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;

    #[test]
    fn workers_are_asked_and_waited_for_until_they_are_gone() {
        let mut queue = Queue::new();
        let claimed = queue.claim(0);
        let now = queue.now();
        let asked = ask_to_stop(queue.store(), Machines::This, Stop::Graceful, now).unwrap();
        assert_eq!((asked.alive.len(), asked.elsewhere), (1, 0));
        assert_eq!(queue.store().workers().unwrap()[0].stop, Some(Stop::Graceful));
        let mut wait = StopWait::new(&asked.alive);
        for _ in 0..LOOKS_IN_SILENCE {
            assert_eq!(wait.look(queue.store()).unwrap(), Some(vec![]));
        }
        let told = wait.look(queue.store()).unwrap().unwrap();
        assert!(told[0].to_string().starts_with("Waiting for 1 worker to finish"), "{told:?}");
        assert_eq!(wait.look(queue.store()).unwrap(), Some(vec![]), "once");
        queue.end(claimed, 0);
        assert_eq!(wait.look(queue.store()).unwrap(), None);
    }
}
