//! Which job is meant by what was typed.

use crate::failure::Failure;
use crate::text::shorten;
use queuectl_core::{Exit, Job, JobId, JobReference};
use queuectl_store::{Store, StoreError};

/// So many jobs are named where a reference means several.
const MOST_NAMED: usize = 3;

/// Finds a job by what was typed as its id: the id itself, else `@last`, its number,
/// or a beginning or an end that no other id has.
///
/// # Errors
///
/// [`Exit::Error`] if it cannot be an id, or means several jobs;
/// [`Exit::NotFound`] if it means none.
pub fn find_job(store: &mut dyn Store, typed: &str) -> Result<Job, Failure> {
    find(store, typed, Failure::from)
}

/// The same where several were typed: also what the store refuses is said of this one.
///
/// # Errors
///
/// As [`find_job`].
pub fn find_one_of(store: &mut dyn Store, typed: &str) -> Result<Job, Failure> {
    find(store, typed, |error| match error {
        StoreError::UnreadableJob { .. } => error.into(),
        error => Failure::from(error).about(format_args!("job {typed}")),
    })
}

fn find(store: &mut dyn Store, typed: &str, refused: impl Fn(StoreError) -> Failure) -> Result<Job, Failure> {
    let id = JobId::new(typed)?;
    if let Some(job) = store.job(&id).map_err(&refused)? {
        return Ok(job);
    }
    for reference in JobReference::meanings(typed) {
        let mut jobs = store.jobs_meant(&reference, MOST_NAMED as u32 + 1).map_err(&refused)?;
        match jobs.len() {
            0 => {}
            1 => return Ok(jobs.remove(0)),
            _ => return ambiguous(store, typed, &jobs),
        }
    }
    Err(StoreError::NoSuchJob { id }.into())
}

fn ambiguous(store: &mut dyn Store, typed: &str, jobs: &[Job]) -> Result<Job, Failure> {
    let more = if jobs.len() > MOST_NAMED { ", …" } else { "" };
    let jobs = &jobs[..jobs.len().min(MOST_NAMED)];
    let named: Vec<String> =
        jobs.iter().map(|job| format!("{} (number {})", shorten(job.id.as_str(), 40), job.seq)).collect();
    let first = &jobs[0];
    let number = first.seq.to_string();
    // Another job may have the number as its id, and would be the one that is meant.
    let whole = match store.job(&JobId::new(&number)?)? {
        None => format!("its number: {number}"),
        Some(_) => format!("all of it: {}", shell_words::quote(first.id.as_str())),
    };
    Err(Failure::new(Exit::Error, format!("{typed} means several jobs: {}{more}", named.join(", ")))
        .hint(format!("type more of the id, or {whole}")))
}
