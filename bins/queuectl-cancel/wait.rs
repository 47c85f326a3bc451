//! Waits until a job that runs has ended, and ends it where its worker cannot.

use queuectl_cli::{Context, Failure};
use queuectl_core::{JobId, Lease, State, WorkerId};
use queuectl_runtime::{RescueError, rescue};
use queuectl_store::{Life, Store, StoreError, Worker};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(100);

/// So often it looks what keeps the worker from it, for the first time after as long.
const DOUBTS_EVERY: Duration = Duration::from_secs(1);

/// A living worker needs no longer, as a rule; then a person is told what is waited for.
const USUALLY_TAKES: Duration = Duration::from_secs(5);

/// Processes of a worker that cannot be seen from here are given so long.
const UNSEEN_WAITS: Duration = Duration::from_secs(10);

/// A job that is to leave processing.
pub(crate) struct Wait<'a> {
    cx: &'a Context,
    id: &'a JobId,
    worker: WorkerId,
    began: Instant,
    unseen_since: Option<Instant>,
    said: Option<String>,
}

impl<'a> Wait<'a> {
    pub(crate) fn new(cx: &'a Context, id: &'a JobId, worker: WorkerId) -> Self {
        Self { cx, id, worker, began: Instant::now(), unseen_since: None, said: None }
    }

    /// Waits until the job has left processing. Ctrl+C ends the wait, not the request.
    ///
    /// # Errors
    ///
    /// If the job came to another end first, or what it runs cannot be ended.
    pub(crate) fn until_left(&mut self, store: &mut dyn Store, lease: Lease) -> Result<(), Failure> {
        let mut next_doubt = self.began + DOUBTS_EVERY;
        loop {
            let job = store.job(self.id)?.ok_or_else(|| StoreError::NoSuchJob { id: self.id.clone() })?;
            match job.state {
                State::Cancelled => return Ok(()),
                State::Processing if job.lease == lease.number => {}
                state => {
                    return Err(Failure::error(format!(
                        "job {} is {state}: it ended before it could be cancelled",
                        self.id
                    )));
                }
            }
            if next_doubt <= Instant::now() {
                self.doubt(store)?;
                next_doubt = Instant::now() + DOUBTS_EVERY;
            }
            self.cx.output().pause(PAUSE)?;
        }
    }

    /// Looks whether a worker is there to end the job.
    fn doubt(&mut self, store: &mut dyn Store) -> Result<(), Failure> {
        let Some(worker) = store.worker(self.worker)?.filter(|worker| worker.ended_at.is_none()) else {
            return Ok(());
        };
        let Worker { id, pid, host, .. } = &worker;
        let about = match worker.life {
            Life::Dead => return self.end_for_the_dead(store),
            Life::Unknown => format!("nobody can tell whether worker {id} on {host} lives; waiting"),
            Life::Alive if worker.is_stalled => format!(
                "worker {id} (PID {pid}) stands still; job {} is ended when it goes on: `kill -CONT {pid}`",
                self.id
            ),
            Life::Alive if self.began.elapsed() >= USUALLY_TAKES => format!(
                "waiting for worker {id} (PID {pid} on {host}) to end job {}; Ctrl+C ends the wait only",
                self.id
            ),
            Life::Alive => return Ok(()),
        };
        self.say(about);
        Ok(())
    }

    /// Does what the next worker would do: ends what the dead one has left, and gives
    /// its jobs back. This job is cancelled by that.
    fn end_for_the_dead(&mut self, store: &mut dyn Store) -> Result<(), Failure> {
        let has_waited = self.unseen_since.is_some_and(|since| since.elapsed() >= UNSEEN_WAITS);
        let policy = self.cx.settings()?.retry_policy();
        match rescue(store, self.worker, &policy, has_waited) {
            Ok(_) => Ok(()),
            Err(RescueError::Store(error)) => Err(error.into()),
            Err(RescueError::Unseen) => {
                self.unseen_since.get_or_insert_with(Instant::now);
                self.say(format!(
                    "worker {} is dead, and its processes cannot be seen from here; job {} is cancelled in {} s",
                    self.worker,
                    self.id,
                    UNSEEN_WAITS.as_secs()
                ));
                Ok(())
            }
            Err(error @ RescueError::Stuck(_)) => Err(Failure::error(format!(
                "job {} cannot be ended, worker {} is dead: {error}",
                self.id, self.worker
            ))
            .hint(format!(
                "end these processes as their owner, and type `queuectl cancel {}` again",
                self.id
            ))),
        }
    }

    /// Says something, but not twice in a row.
    fn say(&mut self, text: String) {
        if self.said.as_ref() != Some(&text) {
            self.cx.output().note(&text);
            self.said = Some(text);
        }
    }
}
