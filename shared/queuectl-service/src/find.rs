//! Which job is meant by what was given as its id.

use crate::explanation::Explanation;
use crate::words::cut;
use queuectl_core::{InvalidJobId, Job, JobId, JobReference, Seq};
use queuectl_store::{Store, StoreError};
use std::fmt;

/// So many jobs are named where a reference means several.
const MOST_NAMED: usize = 3;

/// So much of their ids.
const MOST_CHARACTERS: usize = 40;

/// Why no job is meant, or not one.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// It cannot be an id.
    #[error(transparent)]
    Invalid(#[from] InvalidJobId),
    /// It means several jobs.
    #[error(transparent)]
    Ambiguous(Box<Ambiguous>),
    /// It means none, or the store refuses to look.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A reference that means several jobs.
#[derive(Debug)]
pub struct Ambiguous {
    /// What was given.
    pub given: String,
    /// The first of the jobs it means.
    pub jobs: Vec<(JobId, Seq)>,
    /// Whether it means more than these.
    pub more: bool,
    /// Whether the number of the first of them is the id of another, which would be meant.
    number_is_an_id: bool,
}

impl std::error::Error for Ambiguous {}

impl fmt::Display for Ambiguous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<String> = self
            .jobs
            .iter()
            .map(|(id, seq)| format!("{} (number {seq})", cut(id.as_str(), MOST_CHARACTERS)))
            .collect();
        let more = if self.more { ", …" } else { "" };
        write!(f, "{} means several jobs: {}{more}", self.given, named.join(", "))
    }
}

impl Ambiguous {
    fn hint(&self) -> Option<String> {
        let (id, seq) = self.jobs.first()?;
        let whole = if self.number_is_an_id {
            format!("all of it: {}", shell_words::quote(id.as_str()))
        } else {
            format!("its number: {seq}")
        };
        Some(format!("type more of the id, or {whole}"))
    }
}

impl From<FindError> for Explanation {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Invalid(error) => error.into(),
            FindError::Store(error) => error.into(),
            FindError::Ambiguous(ambiguous) => {
                Self::error(ambiguous.to_string()).hint_if_known(ambiguous.hint())
            }
        }
    }
}

/// Finds a job by what was given as its id: the id itself, else `@last`, its number,
/// or a beginning or an end that no other id has.
///
/// # Errors
///
/// [`FindError`]; of a job that is not there it has [`StoreError::NoSuchJob`].
pub fn find_job(store: &mut dyn Store, given: &str) -> Result<Job, FindError> {
    let id = JobId::new(given)?;
    if let Some(job) = store.job(&id)? {
        return Ok(job);
    }
    for reference in JobReference::meanings(given) {
        let mut jobs = store.jobs_meant(&reference, MOST_NAMED as u32 + 1)?;
        match jobs.len() {
            0 => {}
            1 => return Ok(jobs.remove(0)),
            _ => return Err(ambiguous(store, given, &jobs)?),
        }
    }
    Err(StoreError::NoSuchJob { id }.into())
}

fn ambiguous(store: &mut dyn Store, given: &str, jobs: &[Job]) -> Result<FindError, FindError> {
    let number = JobId::new(jobs[0].seq.to_string())?;
    Ok(FindError::Ambiguous(Box::new(Ambiguous {
        given: given.to_owned(),
        jobs: jobs.iter().take(MOST_NAMED).map(|job| (job.id.clone(), job.seq)).collect(),
        more: jobs.len() > MOST_NAMED,
        number_is_an_id: store.job(&number)?.is_some(),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Queue;
    use queuectl_core::Exit;

    #[test]
    fn a_job_is_meant_by_its_id_its_number_a_part_or_as_the_last() {
        let mut queue = Queue::new();
        queue.add(&["backup-monday", "backup-tuesday", "mail"]);
        for (given, id) in [
            ("mail", "mail"),
            ("2", "backup-tuesday"),
            ("backup-m", "backup-monday"),
            ("…tuesday", "backup-tuesday"),
            ("@last", "mail"),
        ] {
            assert_eq!(find_job(queue.store(), given).unwrap().id.as_str(), id, "{given}");
        }
    }

    #[test]
    fn what_means_several_jobs_names_them_and_leads_to_one() {
        let mut queue = Queue::new();
        queue.add(&["backup-monday", "backup-tuesday"]);
        let said = Explanation::from(find_job(queue.store(), "backup").unwrap_err());
        assert_eq!(
            said.message,
            "backup means several jobs: backup-monday (number 1), backup-tuesday (number 2)"
        );
        assert_eq!(said.hint.as_deref(), Some("type more of the id, or its number: 1"));
        queue.add(&["1"]);
        let said = Explanation::from(find_job(queue.store(), "backup").unwrap_err());
        assert_eq!(said.hint.as_deref(), Some("type more of the id, or all of it: backup-monday"));
    }

    #[test]
    fn what_means_no_job_is_not_found() {
        let mut queue = Queue::new();
        let said = Explanation::from(find_job(queue.store(), "none").unwrap_err());
        assert_eq!((said.exit, said.message.as_str()), (Exit::NotFound, "there is no job none"));
        assert!(matches!(find_job(queue.store(), "a b"), Err(FindError::Invalid(_))));
    }
}
