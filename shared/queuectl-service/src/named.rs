//! What is done to each of several jobs that are named.

use crate::explain::store::of_change;
use crate::explanation::Explanation;
use crate::find::{FindError, find_job};
use crate::words::typed;
use queuectl_core::{Job, JobId, State};
use queuectl_store::{Store, StoreError};
use std::collections::HashSet;

/// Why something was not done to one of the jobs that are named, or cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum NamedError {
    /// Which job is meant cannot be found out.
    #[error("job {given}: {source}")]
    Find {
        /// What was given.
        given: JobId,
        /// Why.
        source: Box<FindError>,
    },
    /// The change was not made, or it is not known whether it was.
    #[error("{source}")]
    Change {
        /// The job.
        id: JobId,
        /// Why.
        source: Box<StoreError>,
    },
    /// It was done, and the job as it is then cannot be read.
    #[error("job {id} {done}: {source}")]
    Afterwards {
        /// The job.
        id: JobId,
        /// What was done: `was cancelled`.
        done: &'static str,
        /// Why.
        source: Box<StoreError>,
    },
}

impl From<NamedError> for Explanation {
    fn from(error: NamedError) -> Self {
        match error {
            NamedError::Find { given, source } => match *source {
                // These name the job.
                source @ (FindError::Store(
                    StoreError::NoSuchJob { .. } | StoreError::UnreadableJob { .. },
                )
                | FindError::Ambiguous(_)
                | FindError::Invalid(_)) => source.into(),
                FindError::Store(source) => Self::from(source).about(format_args!("job {given}")),
            },
            NamedError::Change { id, source } => of_change(
                *source,
                format_args!("job {id}"),
                format!("see it with `queuectl show {typed}`", typed = typed(id.as_str())),
            ),
            NamedError::Afterwards { id, done, source } => {
                Self::from(*source).about(format_args!("job {id} {done}"))
            }
        }
    }
}

impl NamedError {
    /// What came of a change to this job.
    pub(crate) fn of_change(id: &JobId, source: StoreError) -> Self {
        Self::Change { id: id.clone(), source: Box::new(source) }
    }
}

/// Does something to each job that is named, and goes on after what is refused; gives
/// the jobs to which it was done. Where no queue is, there is no job either.
pub fn each_named<T, E: From<NamedError>>(
    mut store: Option<&mut dyn Store>,
    given: &[JobId],
    mut verb: impl FnMut(&mut dyn Store, &JobId) -> Result<T, E>,
    mut refused: impl FnMut(E),
) -> Vec<T> {
    let mut done = Vec::new();
    for given in given {
        let found = match &mut store {
            Some(store) => find_job(*store, given.as_str()).map(|job| (&mut **store, job.id)),
            None => Err(StoreError::NoSuchJob { id: given.clone() }.into()),
        };
        let ended = match found {
            Ok((store, id)) => verb(store, &id),
            Err(source) => Err(NamedError::Find { given: given.clone(), source: Box::new(source) }.into()),
        };
        match ended {
            Ok(ended) => done.push(ended),
            Err(error) => refused(error),
        }
    }
    done
}

/// The job after something was done to it: from here on that has happened, whatever is
/// said of the job.
///
/// # Errors
///
/// [`NamedError::Afterwards`].
pub fn as_it_is_then(store: &mut dyn Store, id: &JobId, done: &'static str) -> Result<Job, NamedError> {
    let afterwards = |source| NamedError::Afterwards { id: id.clone(), done, source: Box::new(source) };
    let found = store.job(id).map_err(afterwards)?;
    found.ok_or_else(|| {
        let source = FindError::Store(StoreError::NoSuchJob { id: id.clone() });
        NamedError::Find { given: id.clone(), source: Box::new(source) }
    })
}

/// Finds all jobs that are named before anything is done to one of them: what names a job
/// twice would name none, or another, after that. A job that is named twice is one job.
pub fn find_each(store: &mut dyn Store, given: &[String]) -> Vec<Result<(JobId, State), FindError>> {
    find_once(store, given).map(|found| found.map(|job| (job.id, job.state))).collect()
}

/// The same, with all that is known of the jobs; tells of each that is not found.
pub fn find_jobs(store: &mut dyn Store, given: &[String], mut refused: impl FnMut(FindError)) -> Vec<Job> {
    find_once(store, given).filter_map(|found| found.map_err(&mut refused).ok()).collect()
}

fn find_once(store: &mut dyn Store, given: &[String]) -> impl Iterator<Item = Result<Job, FindError>> {
    let mut seen = HashSet::new();
    let found = given.iter().map(|given| find_job(store, given));
    found.filter(move |found| found.as_ref().map_or(true, |job| seen.insert(job.seq)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;
    use crate::verbs::cancel::{DONE, cancel};
    use queuectl_core::Exit;

    fn ids(given: &[&str]) -> Vec<JobId> {
        given.iter().map(|id| JobId::new(*id).unwrap()).collect()
    }

    #[test]
    fn what_is_refused_for_one_job_is_done_to_the_others() {
        let mut queue = Queue::new();
        queue.add_dead(&["dead"]);
        queue.add(&["a", "b"]);
        let now = queue.now();
        let mut refused = Vec::new();
        let done = each_named(
            Some(queue.store()),
            &ids(&["a", "dead", "none", "@last"]),
            |store, id| {
                cancel(store, id, now)?;
                as_it_is_then(store, id, DONE)
            },
            |error: NamedError| refused.push(Explanation::from(error)),
        );
        assert_eq!(done.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(done.iter().all(|job| job.state == State::Cancelled));
        assert_eq!(
            refused[0].message,
            "job dead is dead; only pending, processing and failed jobs can be cancelled"
        );
        assert_eq!((refused[1].exit, refused[1].message.as_str()), (Exit::NotFound, "there is no job none"));
    }

    #[test]
    fn where_no_queue_is_no_job_is_found() {
        let mut refused = 0;
        let verb = |_: &mut dyn Store, _: &JobId| Ok::<(), NamedError>(());
        let done = each_named(None, &ids(&["a", "b"]), verb, |_| refused += 1);
        assert_eq!((done.len(), refused), (0, 2));
    }
}
