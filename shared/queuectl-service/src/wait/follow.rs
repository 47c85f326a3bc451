//! A job is followed until it has come to rest, through its retries.

use crate::detail::{attempt_number, last_attempt};
use queuectl_core::{Exit, Job, JobId, Lease, State};
use queuectl_store::{Store, StoreError};

/// A job that is followed, and how far its output was read.
#[derive(Debug)]
pub struct Follow {
    id: JobId,
    current: Option<Lease>,
    /// The part of the current attempt's output that comes next.
    next: i64,
}

/// What a look at such a job tells.
#[derive(Debug)]
pub enum Look {
    /// What is read from now on is that of another attempt.
    Attempt {
        /// Its number among those of its job, from 1.
        number: usize,
        /// No attempt was followed before.
        is_first: bool,
    },
    /// It has come to rest, and all of its output was read.
    AtRest(Job),
    /// There is nothing new yet.
    Waiting(Job),
}

impl Follow {
    /// Begins with this attempt, from its first part on; with the first that comes, if
    /// there is none yet.
    pub fn new(id: JobId, first: Option<Lease>) -> Self {
        Self { id, current: first, next: 0 }
    }

    /// Has `read` read the output of an attempt from a part on, and give the part that
    /// comes next; then looks what has become of the job.
    ///
    /// # Errors
    ///
    /// Those of the store, and the first of `read`.
    pub fn look<E: From<StoreError>>(
        &mut self,
        store: &mut dyn Store,
        read: impl FnOnce(&mut dyn Store, Lease, i64) -> Result<i64, E>,
    ) -> Result<Look, E> {
        // Before the output: what an ended attempt wrote is there when its end is.
        let job = store.job(&self.id)?.ok_or_else(|| StoreError::NoSuchJob { id: self.id.clone() })?;
        if let Some(lease) = self.current {
            self.next = read(store, lease, self.next)?;
        }
        let attempts = store.attempts(job.seq)?;
        let later = |lease: &Lease| self.current.is_none_or(|current| lease.number > current.number);
        let recorded = attempts.iter().map(|attempt| attempt.lease).find(later);
        Ok(match recorded.or_else(|| last_attempt(&job, &attempts).filter(later)) {
            Some(lease) => {
                let is_first = self.current.replace(lease).is_none();
                self.next = 0;
                Look::Attempt { number: attempt_number(&attempts, lease), is_first }
            }
            None if job.state.is_finished() => Look::AtRest(job),
            None => Look::Waiting(job),
        })
    }
}

/// How a program ends that stands for a job which has come to rest: as the shell would
/// tell of its command, if that is known.
pub fn exit_of(job: &Job) -> Exit {
    let code = match (job.state, job.exit_code, job.signal) {
        (State::Completed, ..) => return Exit::Done,
        (State::Dead, Some(code), _) => Some(code),
        (State::Dead, None, Some(signal)) => Some(signal.saturating_add(AFTER_SIGNALS)),
        _ => None,
    };
    match code.and_then(|code| u8::try_from(code).ok()) {
        None | Some(0) => Exit::Error,
        Some(code) => Exit::OfJob(code),
    }
}

/// What a shell adds to the number of the signal by which a command was ended.
const AFTER_SIGNALS: i32 = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;

    fn look(follow: &mut Follow, queue: &mut Queue) -> Look {
        follow.look(queue.store(), |_, _, next| Ok::<_, StoreError>(next)).unwrap()
    }

    #[test]
    fn a_program_ends_as_the_job_for_which_it_stands() {
        let mut queue = Queue::new();
        queue.add_dead(&["a"]);
        let dead = queue.job("a");
        assert_eq!(exit_of(&dead), Exit::OfJob(7));
        let ended = |state, exit_code, signal| exit_of(&Job { state, exit_code, signal, ..dead.clone() });
        assert_eq!(ended(State::Completed, Some(0), None), Exit::Done);
        assert_eq!(ended(State::Dead, None, Some(9)), Exit::OfJob(137));
        for (state, exit_code) in [(State::Dead, None), (State::Dead, Some(0)), (State::Cancelled, Some(3))] {
            assert_eq!(ended(state, exit_code, None), Exit::Error, "{state} {exit_code:?}");
        }
    }

    #[test]
    fn a_job_is_followed_from_its_wait_to_its_rest() {
        let mut queue = Queue::new();
        queue.add(&["a"]);
        let mut follow = Follow::new(JobId::new("a").unwrap(), None);
        assert!(matches!(look(&mut follow, &mut queue), Look::Waiting(_)));
        let claimed = queue.claim(1);
        assert!(matches!(look(&mut follow, &mut queue), Look::Attempt { number: 1, is_first: true }));
        assert!(matches!(look(&mut follow, &mut queue), Look::Waiting(_)));
        queue.end(claimed, 0);
        assert!(matches!(look(&mut follow, &mut queue), Look::AtRest(job) if job.state.is_finished()));
    }
}
