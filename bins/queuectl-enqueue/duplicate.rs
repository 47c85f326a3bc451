//! What is said of a job whose unique key another job has.

use queuectl_cli::{Context, Failure, Times, Verbosity};
use queuectl_core::{Job, JobId, NewJob, OnDuplicate, Unique};
use queuectl_service::document::job::{AddedJob, GoneJob};
use queuectl_store::{DuplicateJob, HolderIs, Store, StoreError};

/// Prints the job that has the key, and says since when.
pub(crate) fn tell(
    cx: &Context,
    store: &mut dyn Store,
    given: &NewJob,
    duplicate: &DuplicateJob,
    json: bool,
) -> Result<(), Failure> {
    let Some(unique) = &given.unique else { return Ok(()) };
    let id = &duplicate.holder;
    let holder = store.job(id).map_err(|error| not_looked_at(id, error))?;
    cx.output().note(note(unique, duplicate, holder.as_ref(), &Times::of(cx)));
    match (&holder, json) {
        (Some(job), true) => cx.output().json(&AddedJob { job: job.into(), skipped: false, existing: true }),
        (None, true) => {
            let (id, unique) = (id.as_str(), unique.key.as_str());
            cx.output().json(&GoneJob { id, unique, skipped: false, existing: true })
        }
        // For a script that keeps it.
        (_, false) if cx.output().verbosity() == Verbosity::Quiet => cx.output().line(id),
        (_, false) => cx.output().line(match duplicate.holder_is {
            HolderIs::Kept => format!("Job kept with ID: {id}"),
            HolderIs::Replaced => format!("Job replaced with ID: {id}"),
        }),
    }
}

/// Says which job is waited for instead, since it has the key.
pub(crate) fn say_why(
    cx: &Context,
    store: &mut dyn Store,
    given: &NewJob,
    duplicate: &DuplicateJob,
) -> Result<(), Failure> {
    let Some(unique) = &given.unique else { return Ok(()) };
    let id = &duplicate.holder;
    let holder = store.job(id).map_err(|error| not_looked_at(id, error))?;
    cx.output().note(note(unique, duplicate, holder.as_ref(), &Times::of(cx)));
    cx.output().note(format!("waiting for job {id}"));
    Ok(())
}

fn not_looked_at(id: &JobId, error: StoreError) -> Failure {
    Failure::from(error).about(format!("job {id} is there already"))
}

fn note(unique: &Unique, duplicate: &DuplicateJob, holder: Option<&Job>, times: &Times) -> String {
    let (id, key) = (&duplicate.holder, &unique.key);
    let until = duplicate.until.map_or_else(String::new, |until| format!(" until {}", times.full(until)));
    let Some(job) = holder else {
        return format!("already queued: job {id}, which is deleted, keeps the key {key}{until}");
    };
    let (since, state) = (times.full(job.created_at), job.state);
    if duplicate.holder_is == HolderIs::Replaced {
        return format!("already queued: job {id} has had the key {key} since {since}, and is changed");
    }
    if state.is_finished() {
        return format!("already queued: job {id} is {state}, and has the key {key} from {since}{until}");
    }
    let unchanged = if unique.on_duplicate == OnDuplicate::Replace { ", and is not changed" } else { "" };
    format!("already queued: job {id} has had the key {key} since {since}; it is {state}{unchanged}")
}
