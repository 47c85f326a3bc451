//! What is wanted of all jobs that a filter means, in steps.
//!
//! Which they are is found out once, at the beginning: what comes to match later is not
//! touched. Each step is a transaction of its own, so that others go on in between; a program
//! that is ended leaves what is done, and the same call goes on with the rest.

use crate::amounts::{grouped, plural};
use crate::explain::store::of_change;
use crate::explanation::Explanation;
use queuectl_core::{Exit, Filter, JobId, Seq, Timestamp, Wish};
use queuectl_store::{Requested, Store, StoreError};

/// Most jobs of one transaction, so that workers are not kept waiting.
const BATCH: usize = 1000;

/// The jobs of which something is wanted, as they are found at the beginning.
#[derive(Debug)]
pub struct Meant {
    wish: Wish,
    filter: Filter,
    jobs: Vec<Seq>,
}

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How many are as they are wanted.
    pub done: u64,
    /// Those that run, and whose workers were asked to end them.
    pub requested: Vec<Requested>,
    /// How many stay dead since other jobs have their unique keys.
    pub key_taken: u64,
    /// How many were claimed, came to rest or were deleted before it came to them.
    pub no_longer_fit: u64,
}

/// Why it was not done to all of them.
#[derive(Debug, thiserror::Error)]
pub enum ManyError {
    /// No job matches.
    #[error("no jobs match")]
    Nothing {
        /// What was wanted of them.
        wish: Wish,
    },
    /// The queue cannot be looked at; nothing was done.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A step failed; those before are done.
    #[error("{}, and some more may be: {source}", told(*wish, *done))]
    Step {
        /// What was wanted of them.
        wish: Wish,
        /// To how many it was done.
        done: u64,
        /// What came of the step.
        source: StoreError,
    },
    /// One stays as it is, since it could not be run.
    #[error("the row of job {id} cannot be read: {reason}")]
    Unreadable {
        /// Its number.
        seq: Seq,
        /// Its id, as far as it can be read.
        id: JobId,
        /// Which column, and what is wrong with it.
        reason: String,
    },
}

impl From<ManyError> for Explanation {
    fn from(error: ManyError) -> Self {
        match error {
            ManyError::Nothing { wish } => Self::new(Exit::NotFound, "no jobs match").hint(match wish {
                Wish::Cancel => {
                    "only pending, failed and processing jobs can be cancelled: see all with `queuectl list`"
                }
                Wish::Hold => {
                    "only pending and failed jobs that are not held can be: see all with `queuectl list`"
                }
                Wish::Release => "see which jobs are held with `queuectl list --held`",
                Wish::Retry => "see the dead jobs with `queuectl dlq list`",
            }),
            ManyError::Store(error) => error.into(),
            ManyError::Step { wish, done, source } => of_change(
                source,
                format_args!("{}, and some more may be", told(wish, done)),
                "run it again: what is done already is not in its way",
            ),
            ManyError::Unreadable { seq, id, reason } => {
                // An id that is no text cannot be typed; the number always finds it.
                Self::from(StoreError::UnreadableJob { id, reason }).hint(format!(
                    "see what is left of it with `queuectl show {seq}`, and all such rows with `queuectl doctor`"
                ))
            }
        }
    }
}

impl Meant {
    /// Finds the jobs that a filter means and for which a wish can come true.
    ///
    /// # Errors
    ///
    /// [`ManyError::Nothing`], and those of the store.
    pub fn find(store: &mut dyn Store, wish: Wish, filter: Filter) -> Result<Self, ManyError> {
        let filter = wish.narrowed(filter).ok_or(ManyError::Nothing { wish })?;
        let jobs = store.seqs(&filter)?;
        if jobs.is_empty() {
            return Err(ManyError::Nothing { wish });
        }
        Ok(Self { wish, filter, jobs })
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.jobs.len() as u64
    }

    /// Does what is wanted of them, step by step; tells of each that cannot be run.
    ///
    /// # Errors
    ///
    /// [`ManyError::Step`], with what is done already.
    pub fn grant(
        &self,
        store: &mut dyn Store,
        now: impl Fn() -> Timestamp,
        mut refused: impl FnMut(ManyError),
    ) -> Result<Done, ManyError> {
        let (mut all, mut left) = (Done::default(), self.jobs.as_slice());
        while !left.is_empty() {
            let batch = &left[..left.len().min(BATCH)];
            let step = store.grant_some(self.wish, &self.filter, batch, now()).map_err(|source| {
                ManyError::Step { wish: self.wish, done: all.done + all.requested.len() as u64, source }
            })?;
            left = &left[step.looked_at..];
            all.done += step.done;
            all.key_taken += step.key_taken;
            all.no_longer_fit += step.no_longer_fit();
            all.requested.extend(step.requested);
            for (seq, id, reason) in step.unreadable {
                refused(ManyError::Unreadable { seq, id, reason });
            }
        }
        Ok(all)
    }
}

/// How many jobs a wish would be about, if it were done now.
///
/// # Errors
///
/// [`ManyError::Nothing`], and those of the store.
pub fn count(store: &mut dyn Store, wish: Wish, filter: Filter) -> Result<u64, ManyError> {
    let filter = wish.narrowed(filter).ok_or(ManyError::Nothing { wish })?;
    match store.count(&filter, u32::MAX)? {
        0 => Err(ManyError::Nothing { wish }),
        count => Ok(count),
    }
}

/// What was done, in words: `2 jobs are cancelled`.
pub fn told(wish: Wish, done: u64) -> String {
    let are = if done == 1 { "is" } else { "are" };
    format!("{} {are} {}", plural(done, "job"), participle(wish))
}

/// What is said beside that of jobs that stay dead, since other jobs have their unique keys;
/// nothing if there are none.
pub fn told_of_keys(key_taken: u64) -> String {
    match key_taken {
        0 => String::new(),
        1 => "; 1 stays dead, since another job has its unique key".to_owned(),
        _ => format!("; {} stay dead, since other jobs have their unique keys", grouped(key_taken)),
    }
}

/// What would be done, in words: `2 jobs would be cancelled`.
pub fn would_be(wish: Wish, count: u64) -> String {
    format!("{} would be {}", plural(count, "job"), participle(wish))
}

/// What is asked before what cannot be undone: `Cancel 1,234 jobs?`
pub fn question(verb: &str, count: u64, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{verb} {} {thing}{ending}?", grouped(count))
}

/// What is said of jobs that were meant and to which it was not done; nothing if there are
/// none.
pub fn told_of_others(no_longer_fit: u64) -> Option<String> {
    let (were, them) = if no_longer_fit == 1 { ("was", "it") } else { ("were", "them") };
    let said = || {
        format!(
            "{} {were} claimed, came to rest or changed before it came to {them}",
            plural(no_longer_fit, "job")
        )
    };
    (no_longer_fit > 0).then(said)
}

pub(crate) fn participle(wish: Wish) -> &'static str {
    match wish {
        Wish::Cancel => "cancelled",
        Wish::Hold => "held",
        Wish::Release => "released",
        Wish::Retry => "pending again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;
    use queuectl_core::State;

    fn grant(queue: &mut Queue, meant: &Meant) -> Done {
        let now = queue.now();
        meant.grant(queue.store(), || now, |error| panic!("{error}")).unwrap()
    }

    #[test]
    fn every_dead_job_is_revived_and_no_other() {
        let mut queue = Queue::new();
        queue.add_dead(&["a", "b", "c"]);
        queue.add(&["d"]);
        let dead = Filter::of_states(&[State::Dead]);
        let meant = Meant::find(queue.store(), Wish::Retry, dead.clone()).unwrap();
        assert_eq!((count(queue.store(), Wish::Retry, dead.clone()).unwrap(), meant.count()), (3, 3));
        let done = grant(&mut queue, &meant);
        assert_eq!(told(Wish::Retry, done.done), "3 jobs are pending again");
        assert_eq!(queue.store().counts().unwrap()[State::Pending], 4);
        assert!(matches!(Meant::find(queue.store(), Wish::Retry, dead), Err(ManyError::Nothing { .. })));
    }

    #[test]
    fn what_matches_later_is_not_touched_and_what_no_longer_does_is_counted() {
        let mut queue = Queue::new();
        let ids: Vec<String> = (0..2500).map(|number| format!("job-{number}")).collect();
        queue.add(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        let pending = Filter::of_states(&[State::Pending]);
        let meant = Meant::find(queue.store(), Wish::Cancel, pending).unwrap();
        queue.add(&["later"]);
        let _claimed = queue.claim(3);
        let done = grant(&mut queue, &meant);
        assert_eq!(done, Done { done: 2497, no_longer_fit: 3, ..Done::default() });
        assert_eq!(queue.job("later").state, State::Pending);
        let rest = Meant::find(queue.store(), Wish::Cancel, Filter::default()).unwrap();
        let done = grant(&mut queue, &rest);
        assert_eq!((done.done, done.requested.len(), done.no_longer_fit), (1, 3, 0));
    }

    #[test]
    fn numbers_are_told_as_people_write_them() {
        assert_eq!(question("Cancel", 1_234, "job"), "Cancel 1,234 jobs?");
        assert_eq!(question("Delete", 1, "dead job"), "Delete 1 dead job?");
        assert_eq!(would_be(Wish::Hold, 1), "1 job would be held");
        assert_eq!(told_of_others(0), None);
        assert_eq!(told_of_keys(0), "");
        assert_eq!(told_of_keys(2), "; 2 stay dead, since other jobs have their unique keys");
    }
}
