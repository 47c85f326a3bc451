//! Jobs of a file are added, in steps.

use crate::draft::file::JobFile;
use crate::explanation::Explanation;
use queuectl_core::{JobId, NewJob, OnDuplicate, Timestamp, UniqueKey};
use queuectl_store::{DuplicateJob, Enqueued, OnTaken, Store, StoreError};

/// Jobs of one transaction.
pub const BATCH: usize = 5000;

/// Why not all jobs of a file were added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The id of one is taken; nothing was added.
    #[error("{name}, line {line}: job {id} exists already")]
    Taken {
        /// What the file is called.
        name: String,
        /// The line of the job, from 1.
        line: usize,
        /// Its id.
        id: JobId,
    },
    /// The unique key of one that is to fail then is taken; nothing was added.
    #[error("{name}, line {line}: job {holder} has the unique key {key} already")]
    KeyTaken {
        /// What the file is called.
        name: String,
        /// The line of the job, from 1.
        line: usize,
        /// The key.
        key: UniqueKey,
        /// The job that has it.
        holder: JobId,
    },
    /// A step failed; those before are done.
    #[error("{}: {source}", .step.place())]
    Step {
        /// Which.
        step: Box<Step>,
        /// What came of it.
        source: StoreError,
    },
    /// The queue cannot be looked at; nothing was added.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which jobs of a file a step was to add.
#[derive(Debug)]
pub struct Step {
    /// What the file is called.
    name: String,
    /// The line of its first job, and the lines that the error is about.
    first: usize,
    about: (usize, usize),
    /// Jobs of the steps before that are in the queue.
    pub done: u64,
}

impl Step {
    fn place(&self) -> String {
        match self.about {
            (first, last) if first == last => format!("{}, line {first}", self.name),
            (first, last) => format!("{}, lines {first} to {last}", self.name),
        }
    }
}

impl AddError {
    /// What to say, with what repeats the call: what is there already is found by its ids.
    pub fn explain(self, again: &str) -> Explanation {
        match self {
            Self::Store(error) => error.into(),
            Self::Taken { name, line, id } => Explanation::from(StoreError::DuplicateId { id, index: 0 })
                .about(format_args!("{name}, line {line}"))
                .hint("leave out what is there already with `--skip-existing`"),
            Self::KeyTaken { name, line, key, holder } => {
                Explanation::from(StoreError::DuplicateKey { key, holder, index: 0 })
                    .about(format_args!("{name}, line {line}"))
            }
            Self::Step { step, source } => {
                let is_known = !matches!(source, StoreError::OutcomeUnknown { .. });
                let said = Explanation::from(source).about(step.place());
                match step.done {
                    0 if is_known => said,
                    0 => said.hint(again),
                    done => said.hint(format!("{done} jobs before line {} are there; {again}", step.first)),
                }
            }
        }
    }
}

/// Whether what is there already may come from an earlier call for the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repetition {
    /// It may: a job that is there as its line says is no obstacle.
    Possible,
    /// It may not.
    Excluded,
}

/// Makes sure that no id that stands on a line is taken, before anything is added.
///
/// # Errors
///
/// [`AddError::Taken`].
pub fn refuse_taken(store: &mut dyn Store, file: &JobFile, repetition: Repetition) -> Result<(), AddError> {
    for places in file.chosen.chunks(BATCH) {
        let ids: Vec<&JobId> = places.iter().map(|&place| &file.jobs[place].id).collect();
        for taken in store.taken_ids(&ids)? {
            let place = places.iter().copied().find(|&place| file.jobs[place].id == taken).unwrap_or(0);
            if repetition == Repetition::Possible && is_there(store, &file.jobs[place])? {
                continue;
            }
            return Err(AddError::Taken { name: file.name.clone(), line: file.lines[place], id: taken });
        }
    }
    Ok(())
}

/// Makes sure that no unique key is taken of a job that is to fail then, before anything is
/// added.
///
/// # Errors
///
/// [`AddError::KeyTaken`].
pub fn refuse_taken_keys(
    store: &mut dyn Store,
    file: &JobFile,
    repetition: Repetition,
    now: Timestamp,
) -> Result<(), AddError> {
    let unique =
        |job: &'_ NewJob| job.unique.clone().filter(|unique| unique.on_duplicate == OnDuplicate::Fail);
    let fails: Vec<(usize, UniqueKey)> =
        (0..file.jobs.len()).filter_map(|place| Some((place, unique(&file.jobs[place])?.key))).collect();
    for step in fails.chunks(BATCH) {
        let keys: Vec<&UniqueKey> = step.iter().map(|(_, key)| key).collect();
        for (key, holder) in store.taken_keys(&keys, now)? {
            let place = step.iter().find(|(_, one)| *one == key).map_or(0, |(place, _)| *place);
            if repetition == Repetition::Excluded || file.jobs[place].id != holder {
                return Err(AddError::KeyTaken {
                    name: file.name.clone(),
                    line: file.lines[place],
                    key,
                    holder,
                });
            }
        }
    }
    Ok(())
}

/// Tells whether a job was added as this line says.
fn is_there(store: &mut dyn Store, job: &NewJob) -> Result<bool, StoreError> {
    let found = store.job(&job.id)?;
    Ok(found.is_some_and(|found| {
        (&found.command, &found.cwd, &found.queue, found.priority)
            == (&job.command, &job.cwd, &job.queue, job.priority)
    }))
}

/// Adds the jobs of a file, step by step; says after each how many jobs it has dealt with.
///
/// # Errors
///
/// [`AddError::Step`].
pub fn add_jobs(
    store: &mut dyn Store,
    file: &JobFile,
    on_taken: OnTaken,
    now: impl Fn() -> Timestamp,
    mut progress: impl FnMut(usize),
) -> Result<Enqueued, AddError> {
    let mut total = Enqueued::default();
    let mut before = 0;
    for (jobs, lines) in file.jobs.chunks(BATCH).zip(file.lines.chunks(BATCH)) {
        let enqueued = store.enqueue(jobs, on_taken, now()).map_err(|source| {
            let first = lines[0];
            let about = match &source {
                StoreError::DuplicateId { index, .. } | StoreError::DuplicateKey { index, .. } => {
                    (lines[*index], lines[*index])
                }
                StoreError::OutcomeUnknown { .. } => (first, lines[lines.len() - 1]),
                _ => (first, first),
            };
            let done = total.added + (total.skipped.len() + total.duplicates.len()) as u64;
            let step = Step { name: file.name.clone(), first, about, done };
            AddError::Step { step: Box::new(step), source }
        })?;
        total.added += enqueued.added;
        total.skipped.extend(enqueued.skipped.into_iter().map(|index| before + index));
        let placed = |duplicate: DuplicateJob| DuplicateJob { index: before + duplicate.index, ..duplicate };
        total.duplicates.extend(enqueued.duplicates.into_iter().map(placed));
        before += jobs.len();
        progress(jobs.len());
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Queue, job};

    fn file(ids: &[&str]) -> JobFile {
        JobFile {
            name: "jobs".into(),
            jobs: ids.iter().map(|id| job(id)).collect(),
            lines: (1..=ids.len()).map(|line| line * 2).collect(),
            chosen: (0..ids.len()).collect(),
            repeated: 0,
        }
    }

    #[test]
    fn jobs_are_added_and_told_and_those_that_are_there_are_left_out() {
        let mut queue = Queue::new();
        queue.add(&["b"]);
        let (now, mut told) = (queue.now(), 0);
        let file = file(&["a", "b", "c"]);
        let added = add_jobs(queue.store(), &file, OnTaken::Skip, || now, |jobs| told += jobs).unwrap();
        assert_eq!((added.added, added.skipped, told), (2, vec![1], 3));
    }

    #[test]
    fn a_taken_id_is_named_with_its_line_unless_it_may_be_the_same_job() {
        let mut queue = Queue::new();
        queue.add(&["b"]);
        let refused = refuse_taken(queue.store(), &file(&["a", "b"]), Repetition::Excluded).unwrap_err();
        let said = refused.explain("again");
        assert_eq!(said.message, "jobs, line 4: job b exists already");
        assert!(said.hint.unwrap().contains("--skip-existing"));
        assert!(refuse_taken(queue.store(), &file(&["a", "b"]), Repetition::Possible).is_ok());
    }

    #[test]
    fn a_step_that_fails_leads_to_what_repeats_the_call() {
        let mut queue = Queue::new();
        queue.add(&["b"]);
        let now = queue.now();
        let failed =
            add_jobs(queue.store(), &file(&["a", "b"]), OnTaken::Refuse, || now, |_| ()).unwrap_err();
        let said = failed.explain("again");
        assert_eq!(said.message, "jobs, line 4: job b exists already");
    }
}
