//! What is too long to be held in memory is read page by page.

use queuectl_core::{Filter, Job, Lease, Order, Seq};
use queuectl_store::{OutputPart, Store, StoreError};

const JOBS_ON_PAGE: u32 = 1000;

/// What the jobs of a page may have, and one more: a single job may have megabytes.
const BYTES_ON_PAGE: usize = 4 << 20;

/// Jobs that are read before it is known how large they are.
const FIRST_JOBS: u32 = 100;

/// At most 64 KiB each.
const PARTS_ON_PAGE: u32 = 64;

/// Jobs in the order of acceptance, or the other way round, page by page.
#[derive(Clone, Debug)]
pub struct JobPages {
    filter: Filter,
    left: u64,
    /// How many jobs to read next.
    wanted: u32,
}

impl JobPages {
    /// The jobs that a filter means: all, or the newest `limit` of them.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn new(store: &mut dyn Store, filter: Filter, limit: Option<u64>) -> Result<Self, StoreError> {
        let first = match (limit, filter.order) {
            (Some(limit), Order::OldestFirst { .. }) => store.first_of_newest(&filter, limit)?,
            _ => None,
        };
        let before_first = first.map(|first| Seq(first.0.saturating_sub(1)));
        let order = before_first.map_or(filter.order, |seq| filter.order.behind(seq));
        Ok(Self { filter: Filter { order, ..filter }, left: limit.unwrap_or(u64::MAX), wanted: FIRST_JOBS })
    }

    /// Reads the next page; none is empty, and after the last there is none.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn next(&mut self, store: &mut dyn Store) -> Result<Option<Vec<Job>>, StoreError> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        while self.left > 0 {
            let limit = u32::try_from(self.left).unwrap_or(u32::MAX).min(self.wanted);
            self.filter.limit = limit;
            let jobs = store.jobs(&self.filter)?;
            let is_last = jobs.len() < limit as usize;
            self.left = if is_last { 0 } else { self.left - jobs.len() as u64 };
            if let Some(last) = jobs.last() {
                self.filter.order = self.filter.order.behind(last.seq);
            }
            bytes += jobs.iter().map(size_of_job).sum::<usize>();
            page.extend(jobs);
            if is_last {
                break;
            }
            self.wanted = fitting(page.len(), bytes);
            if page.len() >= JOBS_ON_PAGE as usize || bytes >= BYTES_ON_PAGE {
                break;
            }
            self.wanted = self.wanted.min(JOBS_ON_PAGE - page.len() as u32);
        }
        Ok((!page.is_empty()).then_some(page))
    }
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

/// Hands on the output of an attempt from part `from` on; gives the number of
/// the part that would come next.
///
/// # Errors
///
/// Those of the store, and the first of the caller.
pub fn each_part<E: From<StoreError>>(
    store: &mut dyn Store,
    lease: Lease,
    from: i64,
    mut part: impl FnMut(&OutputPart) -> Result<(), E>,
) -> Result<i64, E> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;
    use queuectl_core::State;

    fn read(queue: &mut Queue, filter: Filter, limit: Option<u64>) -> Vec<Vec<i64>> {
        let mut pages = JobPages::new(queue.store(), filter, limit).unwrap();
        let mut read = Vec::new();
        while let Some(page) = pages.next(queue.store()).unwrap() {
            read.push(page.iter().map(|job| job.seq.0).collect());
        }
        read
    }

    #[test]
    fn pages_have_every_job_once_and_in_order() {
        let mut queue = Queue::new();
        assert!(read(&mut queue, Filter::default(), None).is_empty());
        let ids: Vec<String> = (1..=2100).map(|number| format!("job-{number}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        queue.add(&ids);
        let pages = read(&mut queue, Filter::default(), None);
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 100]);
        assert_eq!(pages.concat(), (1..=2100).collect::<Vec<_>>());
        assert_eq!(read(&mut queue, Filter::default(), Some(3)), [[2098, 2099, 2100]]);
        let newest = Filter { order: Order::NewestFirst { before: None }, ..Filter::default() };
        assert_eq!(read(&mut queue, newest.clone(), None).concat(), (1..=2100).rev().collect::<Vec<_>>());
        assert_eq!(read(&mut queue, newest, Some(3)), [[2100, 2099, 2098]]);
        assert!(read(&mut queue, Filter::of_states(&[State::Dead]), None).is_empty());
    }
}
