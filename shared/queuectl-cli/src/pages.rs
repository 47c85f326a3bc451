//! What is too long to be held in memory is read page by page.

use crate::failure::Failure;
use crate::output::Output;
use queuectl_core::{Job, Lease, Seq, State};
use queuectl_store::{OutputPart, Selection, Store};

const JOBS_ON_PAGE: u32 = 1000;

/// What the jobs of a page may have, and one more: a single job may have megabytes.
const BYTES_ON_PAGE: usize = 4 << 20;

/// Jobs that are read before it is known how large they are.
const FIRST_JOBS: u32 = 100;

/// At most 64 KiB each.
const PARTS_ON_PAGE: u32 = 64;

/// Hands on the jobs of these states (all, if none is named) in the order of
/// acceptance: all, or the newest `limit` of them. No page is empty.
pub fn each_page(
    out: Output,
    store: &mut dyn Store,
    states: &[State],
    limit: Option<u64>,
    mut page: impl FnMut(&[Job]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut left = limit.unwrap_or(u64::MAX);
    let first = match limit {
        Some(limit) => store.first_of_newest(states, limit)?,
        None => None,
    };
    let (mut after, mut wanted) = (Seq(first.map_or(0, |first| first.0.saturating_sub(1))), FIRST_JOBS);
    let (mut gathered, mut bytes) = (Vec::new(), 0);
    while left > 0 {
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(wanted);
        let jobs = store.jobs(&Selection { states: states.to_vec(), after, limit })?;
        let is_last = jobs.len() < limit as usize;
        left -= jobs.len() as u64;
        for job in &jobs {
            tell_if_unreadable(out, job);
        }
        after = jobs.last().map_or(after, |last| last.seq);
        bytes += jobs.iter().map(size_of_job).sum::<usize>();
        gathered.extend(jobs);
        if is_last {
            break;
        }
        if gathered.len() >= JOBS_ON_PAGE as usize || bytes >= BYTES_ON_PAGE {
            page(&gathered)?;
            wanted = fitting(gathered.len(), bytes);
            gathered.clear();
            bytes = 0;
        } else {
            wanted = fitting(gathered.len(), bytes).min(JOBS_ON_PAGE - gathered.len() as u32);
        }
    }
    if gathered.is_empty() { Ok(()) } else { page(&gathered) }
}

/// About how many bytes a job has.
fn size_of_job(job: &Job) -> usize {
    let environment: usize = job.env.variables().iter().map(|(name, value)| name.len() + value.len()).sum();
    job.command.as_str().len() + job.cwd.len() + environment + size_of::<Job>()
}

/// How many jobs have what a page may have, if the next are as large as these.
fn fitting(jobs: usize, bytes: usize) -> u32 {
    let jobs = (BYTES_ON_PAGE * jobs / bytes.max(1)).clamp(1, JOBS_ON_PAGE as usize);
    jobs as u32
}

/// Names a job that cannot be read; it is shown as far as it can be.
fn tell_if_unreadable(out: Output, job: &Job) {
    if let Some(problem) = &job.unreadable {
        out.warn(format!("the row of job {} cannot be read: {problem}", job.id));
    }
}

/// Hands on the output of an attempt from part `from` on; gives the number of
/// the part that would come next.
pub fn each_part(
    store: &mut dyn Store,
    lease: Lease,
    from: i64,
    mut part: impl FnMut(&OutputPart) -> Result<(), Failure>,
) -> Result<i64, Failure> {
    let mut next = from;
    loop {
        let parts = store.output(lease, next, PARTS_ON_PAGE)?;
        for found in &parts {
            part(found)?;
            next = found.n + 1;
        }
        if parts.len() < PARTS_ON_PAGE as usize {
            return Ok(next);
        }
    }
}
