//! What is too long to be held in memory is read page by page.

use crate::failure::Failure;
use queuectl_core::{Job, Lease, Seq, State};
use queuectl_store::{OutputPart, Selection, Store};

const JOBS_ON_PAGE: u32 = 1000;

/// At most 64 KiB each.
const PARTS_ON_PAGE: u32 = 64;

/// Hands on the jobs of these states (all, if none is named) in the order of
/// acceptance: all, or the newest `limit` of them. No page is empty.
pub fn each_page(
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
    let mut after = Seq(first.map_or(0, |first| first.0.saturating_sub(1)));
    while left > 0 {
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(JOBS_ON_PAGE);
        let jobs = store.jobs(&Selection { states: states.to_vec(), after, limit })?;
        let Some(last) = jobs.last() else { break };
        after = last.seq;
        left -= jobs.len() as u64;
        page(&jobs)?;
        if jobs.len() < limit as usize {
            break;
        }
    }
    Ok(())
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
