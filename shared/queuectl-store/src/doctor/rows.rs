//! Rows that do not say what they should, and what to do about them.

use super::words::PROBLEMS_SHOWN;
use crate::finding::Finding;
use crate::raw::CANNOT_BE_READ;
use crate::worker_record::WorkerRecord;
use queuectl_core::{Attempt, Job};

/// Rows that cannot be read: the first of them, and how many there are.
#[derive(Default)]
pub(super) struct UnreadableRows {
    first: Vec<String>,
    number: usize,
    /// The number of the first worker that is among them.
    worker: Option<i64>,
    any_other: bool,
}

impl UnreadableRows {
    /// Notes what is wrong with a row, if anything is.
    pub(super) fn note(&mut self, row: impl FnOnce() -> String, problem: Option<&str>) {
        let Some(problem) = problem else { return };
        self.number += 1;
        if self.first.len() < PROBLEMS_SHOWN {
            self.first.push(format!("{}: {problem}", row()));
        }
    }

    /// Notes what is wrong with a job.
    pub(super) fn note_job(&mut self, job: &Job) {
        self.any_other |= job.unreadable.is_some();
        self.note(|| format!("job {} (seq {})", job.id, job.seq), job.unreadable.as_deref());
    }

    /// Notes what is wrong with a worker.
    pub(super) fn note_worker(&mut self, worker: &WorkerRecord) {
        if worker.unreadable.is_some() {
            self.worker.get_or_insert(worker.id.0);
        }
        self.note(|| format!("worker {}", worker.id), worker.unreadable.as_deref());
    }

    /// Notes what is wrong with an attempt.
    pub(super) fn note_attempt(&mut self, attempt: &Attempt) {
        let error = attempt.error.as_deref().unwrap_or_default();
        let problem = error.strip_prefix(CANNOT_BE_READ).and_then(|rest| rest.strip_prefix(": "));
        self.any_other |= problem.is_some();
        self.note(
            || format!("attempt {} of the job of seq {}", attempt.lease.number, attempt.lease.seq),
            problem,
        );
    }

    /// What there is to be said of them; `change` is what is typed to have a statement done.
    pub(super) fn finding(self, change: impl Fn(&str) -> String) -> Finding {
        const CHECK: &str = "rows";
        if self.number == 0 {
            return Finding::ok(CHECK, "all can be read");
        }
        let more = self.number - self.first.len();
        let first = self.first.join("; ").replace('\n', ": ");
        let rest = if more == 0 { String::new() } else { format!("; and {more} more") };
        let of_jobs = format!(
            "jobs are set aside as dead when their turn comes, and the others run: delete them with \
             `queuectl dlq clear`, or mend the row with `{}` and then `queuectl dlq retry ID`; attempts go \
             with their job",
            change("UPDATE @job SET … WHERE seq = …")
        );
        let of_workers = |worker| {
            format!(
                "mend the row of a worker with `{}`",
                change(&format!("UPDATE @worker SET … WHERE id = {worker}"))
            )
        };
        let advice = match self.worker.map(of_workers) {
            Some(of_workers) if self.any_other => format!("{of_jobs}; {of_workers}"),
            Some(of_workers) => of_workers,
            None => of_jobs,
        };
        Finding::error(CHECK, format!("{} cannot be read: {first}{rest}", rows(self.number)), advice)
    }
}

fn rows(number: usize) -> String {
    if number == 1 { "1 row".to_owned() } else { format!("{number} rows") }
}
