//! What is done to each of several jobs that are named, and how that is told.

use crate::context::Context;
use crate::failure::Failure;
use queuectl_core::{Exit, Job, JobId, Wish};
use queuectl_service::job_fields::JobDocument;
use queuectl_service::named::{self, find_jobs};
use queuectl_service::verbs::would_be;
use queuectl_store::{Access, Store};

/// Does something to each job that is named, and goes on after what is refused; with
/// `json` prints the jobs as they are then. Ends with the first exit code that is not 0.
pub fn each_named(
    cx: &Context,
    given: &[String],
    json: bool,
    verb: impl FnMut(&mut dyn Store, &JobId) -> Result<Job, Failure>,
) -> Result<(), Failure> {
    let store = cx.existing_store()?;
    of_each(cx, store, given, json, verb)
}

/// Says of each job that is named what would become of it; changes nothing.
pub fn each_tried(cx: &Context, wish: Wish, given: &[String], json: bool) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    cx.note_if_no_queue(&mut *store)?;
    of_each(cx, Some(store), given, json, |store, id| {
        let (job, said) = would_be::of_job(store, wish, id, cx.now())?;
        if !json {
            cx.output().line(said)?;
        }
        Ok(job)
    })
}

fn of_each(
    cx: &Context,
    mut store: Option<Box<dyn Store>>,
    given: &[String],
    json: bool,
    verb: impl FnMut(&mut dyn Store, &JobId) -> Result<Job, Failure>,
) -> Result<(), Failure> {
    let given = given.iter().map(JobId::new).collect::<Result<Vec<_>, _>>()?;
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
