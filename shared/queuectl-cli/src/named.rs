//! What is done to each of several jobs that are named, and how that is told.

use crate::context::Context;
use crate::failure::Failure;
use queuectl_core::{Exit, Job, JobId};
use queuectl_service::job_fields::JobDocument;
use queuectl_service::named::{self, find_jobs};
use queuectl_store::Store;

/// Does something to each job that is named, and goes on after what is refused; with
/// `json` prints the jobs as they are then. Ends with the first exit code that is not 0.
pub fn each_named(
    cx: &Context,
    given: &[String],
    json: bool,
    verb: impl FnMut(&mut dyn Store, &JobId) -> Result<Job, Failure>,
) -> Result<(), Failure> {
    let given = given.iter().map(JobId::new).collect::<Result<Vec<_>, _>>()?;
    let mut store = cx.existing_store()?;
    let mut worst: Option<Exit> = None;
    let jobs = named::each_named(store.as_deref_mut().map(|store| store as _), &given, verb, |failure| {
        failure.report();
        worst.get_or_insert(failure.code());
    });
    if json {
        cx.output().json(&jobs.iter().map(JobDocument::from).collect::<Vec<_>>())?;
    }
    worst.map_or(Ok(()), |code| Err(Failure::said(code)))
}

/// Finds all jobs that are named, one that is named twice once; if one is not there, says
/// so of each that is not, and gives none.
pub fn find_named(store: &mut dyn Store, given: &[String]) -> Result<Vec<Job>, Failure> {
    let mut worst: Option<Exit> = None;
    let jobs = find_jobs(store, given, |error| {
        let failure = Failure::from(error);
        failure.report();
        worst.get_or_insert(failure.code());
    });
    worst.map_or(Ok(jobs), |code| Err(Failure::said(code)))
}
