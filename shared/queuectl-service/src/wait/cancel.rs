//! A running job that was cancelled is to end.

use crate::explanation::Explanation;
use crate::worker_state::WorkerState;
use queuectl_core::{JobId, Lease, State, WorkerId};
use queuectl_store::{Store, StoreError, WorkerRecord};
use std::time::{Duration, Instant};

/// So often it looks what keeps the worker from it, for the first time after as long.
const DOUBTS_EVERY: Duration = Duration::from_secs(1);

/// A living worker needs no longer, as a rule; then a person is told what is waited for.
const USUALLY_TAKES: Duration = Duration::from_secs(5);

/// A job that is to leave processing.
#[derive(Debug)]
pub struct CancelWait {
    id: JobId,
    worker: WorkerId,
    lease: Lease,
    began: Instant,
    next_doubt: Instant,
}

/// What a look at such a job tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The job is cancelled.
    Cancelled,
    /// It runs still.
    Running(Option<Delay>),
    /// Its worker died: the job runs until another process rescues it.
    WorkerDied,
}

/// What keeps a worker from ending a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Delay {
    /// It cannot be told whether the worker lives.
    #[error("nobody can tell whether worker {worker} on {host} lives; waiting")]
    Unknown {
        /// The worker.
        worker: WorkerId,
        /// Its machine.
        host: String,
    },
    /// The worker's process was stopped.
    #[error(
        "worker {worker} (PID {pid}) stands still; job {id} is ended when it goes on: `kill -CONT {pid}`"
    )]
    Stalled {
        /// The worker.
        worker: WorkerId,
        /// Its process.
        pid: u32,
        /// The job.
        id: JobId,
    },
    /// It takes longer than usual.
    #[error("waiting for worker {worker} (PID {pid} on {host}) to end job {id}")]
    Slow {
        /// The worker.
        worker: WorkerId,
        /// Its process.
        pid: u32,
        /// Its machine.
        host: String,
        /// The job.
        id: JobId,
    },
}

/// Why a job will not be cancelled any more, or cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CancelWaitError {
    /// It came to another end first.
    #[error("job {id} is {state}: it ended before it could be cancelled")]
    EndedFirst {
        /// The job.
        id: JobId,
        /// Its state.
        state: State,
    },
    /// The store refuses to look.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CancelWaitError> for Explanation {
    fn from(error: CancelWaitError) -> Self {
        match error {
            CancelWaitError::Store(error) => error.into(),
            error @ CancelWaitError::EndedFirst { .. } => Self::error(error.to_string()),
        }
    }
}

impl CancelWait {
    /// Begins to wait for the end of this attempt.
    pub fn new(id: JobId, worker: WorkerId, lease: Lease) -> Self {
        let began = Instant::now();
        Self { id, worker, lease, began, next_doubt: began + DOUBTS_EVERY }
    }

    /// Looks whether the job has ended, and now and then whether a worker is there to end it.
    ///
    /// # Errors
    ///
    /// [`CancelWaitError`].
    pub fn look(&mut self, store: &mut dyn Store) -> Result<Look, CancelWaitError> {
        let job = store.job(&self.id)?.ok_or_else(|| StoreError::NoSuchJob { id: self.id.clone() })?;
        match job.state {
            State::Cancelled => return Ok(Look::Cancelled),
            State::Processing if job.lease == self.lease.number => {}
            state => return Err(CancelWaitError::EndedFirst { id: self.id.clone(), state }),
        }
        if Instant::now() < self.next_doubt {
            return Ok(Look::Running(None));
        }
        let look = self.doubt(store)?;
        self.next_doubt = Instant::now() + DOUBTS_EVERY;
        Ok(look)
    }

    fn doubt(&self, store: &mut dyn Store) -> Result<Look, StoreError> {
        let Some(worker) = store.worker(self.worker)?.filter(|worker| worker.ended_at.is_none()) else {
            return Ok(Look::Running(None));
        };
        let state = WorkerState::of(&worker);
        let WorkerRecord { id: worker, pid, host, .. } = worker;
        let id = self.id.clone();
        Ok(Look::Running(match state {
            WorkerState::Dead => return Ok(Look::WorkerDied),
            WorkerState::Unknown => Some(Delay::Unknown { worker, host }),
            WorkerState::Stalled => Some(Delay::Stalled { worker, pid, id }),
            _ if self.began.elapsed() >= USUALLY_TAKES => Some(Delay::Slow { worker, pid, host, id }),
            _ => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;
    use crate::verbs::cancel::cancel;
    use queuectl_store::Cancelled;

    #[test]
    fn a_running_job_is_waited_for_until_its_worker_has_ended_it() {
        let mut queue = Queue::new();
        queue.add(&["a"]);
        let claimed = queue.claim(1);
        let (now, id) = (queue.now(), JobId::new("a").unwrap());
        let Cancelled::Requested { lease, worker } = cancel(queue.store(), &id, now).unwrap() else {
            panic!("it runs");
        };
        let mut wait = CancelWait::new(id, worker, lease);
        assert_eq!(wait.look(queue.store()).unwrap(), Look::Running(None));
        queue.end(claimed, 143);
        let look = wait.look(queue.store());
        assert!(matches!(look, Ok(Look::Cancelled) | Err(CancelWaitError::EndedFirst { .. })), "{look:?}");
    }
}
