//! What every doctor says alike, and how it puts things into words.

use crate::Location;
use crate::inspect::Worker;
use crate::raw::CANNOT_BE_READ;
use crate::transfer::Stage;
use crate::upkeep::Finding;
use queuectl_core::{Attempt, Job};

/// Problems that are told one by one.
const PROBLEMS_SHOWN: usize = 5;

/// The first problems, and how many more there are.
pub(crate) fn listed(problems: &[String]) -> String {
    let shown = problems[..problems.len().min(PROBLEMS_SHOWN)].join("; ").replace('\n', ": ");
    match problems.len().saturating_sub(PROBLEMS_SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// Rows that cannot be read: the first of them, and how many there are.
#[derive(Default)]
pub(crate) struct UnreadableRows {
    first: Vec<String>,
    number: usize,
    /// The number of the first worker that is among them.
    worker: Option<i64>,
    any_other: bool,
}

impl UnreadableRows {
    /// Notes what is wrong with a row, if anything is.
    pub(crate) fn note(&mut self, row: impl FnOnce() -> String, problem: Option<&str>) {
        let Some(problem) = problem else { return };
        self.number += 1;
        if self.first.len() < PROBLEMS_SHOWN {
            self.first.push(format!("{}: {problem}", row()));
        }
    }

    /// Notes what is wrong with a job.
    pub(crate) fn note_job(&mut self, job: &Job) {
        self.any_other |= job.unreadable.is_some();
        self.note(|| format!("job {} (seq {})", job.id, job.seq), job.unreadable.as_deref());
    }

    /// Notes what is wrong with a worker.
    pub(crate) fn note_worker(&mut self, worker: &Worker) {
        if worker.unreadable.is_some() {
            self.worker.get_or_insert(worker.id.0);
        }
        self.note(|| format!("worker {}", worker.id), worker.unreadable.as_deref());
    }

    /// Notes what is wrong with an attempt.
    pub(crate) fn note_attempt(&mut self, attempt: &Attempt) {
        let error = attempt.error.as_deref().unwrap_or_default();
        let problem = error.strip_prefix(CANNOT_BE_READ).and_then(|rest| rest.strip_prefix(": "));
        self.any_other |= problem.is_some();
        self.note(
            || format!("attempt {} of the job of seq {}", attempt.lease.number, attempt.lease.seq),
            problem,
        );
    }

    /// What there is to be said of them; `change` is what is typed to have a statement done.
    pub(crate) fn finding(self, change: impl Fn(&str) -> String) -> Finding {
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

pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

pub(crate) fn jobs(number: u64) -> String {
    if number == 1 { "1 job".to_owned() } else { format!("{number} jobs") }
}

pub(crate) fn jobs_are(number: u64) -> String {
    if number == 1 { "1 job is".to_owned() } else { format!("{number} jobs are") }
}

/// Where a queue stands in a move; nothing of one that was never in any.
pub(crate) fn of_move(stage: &Stage, here: &Location) -> Option<Finding> {
    const CHECK: &str = "move";
    let place = &stage.moved()?.place;
    let (other, here) = (quoted(place), quoted(&here.to_string()));
    let give_up = |at: &str| format!("or give it up with `queuectl move --abort --database {at}`");
    Some(match stage {
        Stage::Settled => return None,
        Stage::Leaving(_) | Stage::Switching(_) => Finding::warning(
            CHECK,
            format!("it is being moved to {place}, and takes no jobs until it is there"),
            format!("go on with `queuectl move --to {other} --database {here}`, {}", give_up(&here)),
        ),
        Stage::Left(_) => Finding::warning(
            CHECK,
            format!("it has moved to {place}"),
            format!("use it there: `queuectl config set database {other}`"),
        ),
        Stage::Staying(_) => Finding::warning(
            CHECK,
            format!("its move to {place} is being given up, and it takes no jobs until that is done"),
            format!("go on with `queuectl move --abort --database {here}`"),
        ),
        Stage::Arriving(_) => Finding::warning(
            CHECK,
            format!("it is being moved here from {place}, and takes no jobs until all of it is here"),
            format!("go on with `queuectl move --to {here} --database {other}`, {}", give_up(&here)),
        ),
        Stage::Arrived(_) => Finding::ok(CHECK, format!("it was moved here from {place}")),
    })
}

/// A word as it is typed into a shell.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+:@%=,".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_in_a_shell() {
        for (word, typed) in [
            ("/run/q.db", "/run/q.db"),
            ("grün", "grün"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("a$b", "'a$b'"),
        ] {
            assert_eq!(quoted(word), typed, "{word}");
        }
    }

    #[test]
    fn of_many_problems_the_first_are_told() {
        let problems: Vec<String> = (1..=7).map(|number| number.to_string()).collect();
        assert_eq!(listed(&problems), "1; 2; 3; 4; 5; and 2 more");
        assert_eq!(listed(&problems[..2]), "1; 2");
    }
}
