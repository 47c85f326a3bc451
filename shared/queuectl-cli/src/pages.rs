//! Jobs that are too long a list to be held in memory are shown page by page.

use crate::failure::Failure;
use crate::output::Output;
use queuectl_core::{Filter, Job};
use queuectl_service::pages::JobPages;
use queuectl_store::Store;

/// Hands on the jobs that a filter means, in its order: all, or the newest `limit` of
/// them. No page is empty.
pub fn each_page(
    out: Output,
    store: &mut dyn Store,
    filter: Filter,
    limit: Option<u64>,
    mut show: impl FnMut(&[Job]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut pages = JobPages::new(store, filter, limit)?;
    while let Some(page) = pages.next(store)? {
        for job in &page {
            tell_if_unreadable(out, job);
        }
        show(&page)?;
    }
    Ok(())
}

/// Names a job that cannot be read; it is shown as far as it can be.
fn tell_if_unreadable(out: Output, job: &Job) {
    if let Some(problem) = &job.unreadable {
        out.warn(format!("the row of job {} cannot be read: {problem}", job.id));
    }
}
