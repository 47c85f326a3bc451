//! Everything about one job.

use crate::document::attempt::AttemptDocument;
use crate::document::job::ShownJob;
use queuectl_core::{Attempt, Job, Lease, Outcome, State};
use queuectl_store::{Store, StoreError};

/// The end of an output that is read, and that a document has: a job's output may be
/// larger than the memory of the program that shows it.
const END_BYTES: u32 = 64 * 1024;

/// A job with what its attempts left behind.
#[derive(Debug)]
pub struct JobDetail {
    /// Its attempts, oldest first, with the one that runs now.
    pub attempts: Vec<Attempt>,
    /// The last of them.
    last: Option<Lease>,
    /// The end of what that wrote; none before the first.
    pub end: Option<OutputEnd>,
}

impl JobDetail {
    /// Reads what there is about a job.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn read(store: &mut dyn Store, job: &Job) -> Result<Self, StoreError> {
        let attempts = attempts_with_the_running(store, job)?;
        let last = last_attempt(job, &attempts);
        let end = last.map(|lease| OutputEnd::read(store, lease)).transpose()?;
        Ok(Self { attempts, last, end })
    }

    /// The same for programs.
    pub fn document<'a>(&'a self, job: &'a Job) -> ShownJob<'a> {
        let is_ended = |attempt: &&Attempt| Some(attempt.lease) == self.last && attempt.ended_at.is_some();
        let ended = self.attempts.iter().find(is_ended);
        ShownJob {
            job: job.into(),
            output_bytes: ended.map(|attempt| attempt.output_bytes),
            output_is_cut: self.end.as_ref().is_some_and(|end| end.is_cut),
            output: self.end.as_ref().map(|end| end.text.as_str()),
            attempt_history: AttemptDocument::history(&self.attempts),
        }
    }

    /// Where the worker of the last attempt has looked for programs, if a shell has not
    /// found one.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn path_without_program(&self, store: &mut dyn Store) -> Result<Option<String>, StoreError> {
        match self.attempts.last() {
            Some(Attempt { outcome: Some(Outcome::Exit(127)), worker, .. }) => {
                Ok(store.worker(*worker)?.map(|worker| worker.path))
            }
            _ => Ok(None),
        }
    }
}

/// The last attempt of a job, running or ended; none before the first.
///
/// A claim that was handed back unstarted is no attempt.
pub fn last_attempt(job: &Job, attempts: &[Attempt]) -> Option<Lease> {
    let running = (job.state == State::Processing).then(|| job.last_lease());
    running.or_else(|| attempts.last().map(|attempt| attempt.lease))
}

/// The number of an attempt among those of its job, from 1.
///
/// Leases have gaps: a claim that was handed back unstarted is no attempt. Attempts that
/// are charged begin anew after a retry from the dead letter queue; these go on.
pub fn attempt_number(attempts: &[Attempt], lease: Lease) -> usize {
    attempts.iter().filter(|attempt| attempt.lease.number < lease.number).count() + 1
}

/// The attempts of a job, oldest first, with the one that runs now: that has a record
/// only from its first output on, and is otherwise told by the job.
fn attempts_with_the_running(store: &mut dyn Store, job: &Job) -> Result<Vec<Attempt>, StoreError> {
    let mut attempts = store.attempts(job.seq)?;
    let lease = job.last_lease();
    let is_recorded = attempts.iter().any(|attempt| attempt.lease == lease);
    if let (State::Processing, Some(worker), Some(started_at), false) =
        (job.state, job.worker, job.started_at, is_recorded)
    {
        let host = store.worker(worker)?.map(|worker| worker.host).unwrap_or_default();
        let (output_bytes, dropped_bytes) = (0, 0);
        let (ended_at, outcome, error) = (None, None, None);
        attempts.push(Attempt {
            lease,
            worker,
            host,
            started_at,
            ended_at,
            outcome,
            error,
            output_bytes,
            dropped_bytes,
        });
    }
    Ok(attempts)
}

/// The end of what an attempt wrote.
#[derive(Clone, Debug)]
pub struct OutputEnd {
    /// As text; what is not UTF-8 is replaced.
    pub text: String,
    /// It wrote more than this.
    pub is_cut: bool,
}

impl OutputEnd {
    fn read(store: &mut dyn Store, lease: Lease) -> Result<Self, StoreError> {
        let parts = store.output_end(lease, END_BYTES)?;
        // A number that is missing was dropped.
        let begins_late = parts.first().is_some_and(|first| first.n > 0);
        let has_gaps = parts.windows(2).any(|pair| pair[1].n > pair[0].n + 1);
        let mut bytes: Vec<u8> = parts.into_iter().flat_map(|part| part.bytes).collect();
        let too_many = bytes.len().saturating_sub(END_BYTES as usize);
        bytes.drain(..too_many);
        let is_cut = begins_late || has_gaps || too_many > 0;
        if is_cut {
            // It may begin within a character.
            let continued = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
            bytes.drain(..continued);
        }
        Ok(Self { text: String::from_utf8_lossy(&bytes).into_owned(), is_cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;

    #[test]
    fn a_running_attempt_is_there_before_it_has_a_record() {
        let mut queue = Queue::new();
        queue.add(&["a"]);
        let job = queue.job("a");
        let detail = JobDetail::read(queue.store(), &job).unwrap();
        assert!(detail.attempts.is_empty() && detail.end.is_none());
        let claimed = queue.claim(1);
        let job = queue.job("a");
        let detail = JobDetail::read(queue.store(), &job).unwrap();
        assert_eq!((detail.attempts.len(), detail.attempts[0].outcome), (1, None));
        assert!(detail.document(&job).output_bytes.is_none());
        queue.end(claimed, 127);
        let job = queue.job("a");
        let detail = JobDetail::read(queue.store(), &job).unwrap();
        assert_eq!(detail.document(&job).output_bytes, Some(0));
        assert!(detail.path_without_program(queue.store()).unwrap().is_some());
        assert_eq!(attempt_number(&detail.attempts, job.last_lease()), 1);
    }
}
