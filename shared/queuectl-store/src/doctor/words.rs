//! What every doctor says alike, and how it puts things into words.

use crate::finding::Finding;
use crate::location::Location;
use crate::transfer::Stage;
use queuectl_files::quoted;

/// What is typed to have jobs run.
pub(super) const START_A_WORKER: &str = "queuectl worker start";

/// Problems that are told one by one.
pub(super) const PROBLEMS_SHOWN: usize = 5;

/// The first problems, and how many more there are.
pub(super) fn listed(problems: &[String]) -> String {
    let shown = problems[..problems.len().min(PROBLEMS_SHOWN)].join("; ").replace('\n', ": ");
    match problems.len().saturating_sub(PROBLEMS_SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

pub(super) fn jobs(number: u64) -> String {
    if number == 1 { "1 job".to_owned() } else { format!("{number} jobs") }
}

pub(super) fn jobs_are(number: u64) -> String {
    if number == 1 { "1 job is".to_owned() } else { format!("{number} jobs are") }
}

/// Whether the unique keys are held by the jobs that have them.
pub(super) fn of_keys(problems: &[String], report_it: &str) -> Finding {
    const CHECK: &str = "keys";
    match problems {
        [] => Finding::ok(CHECK, "the unique keys are those of the jobs that have them"),
        problems => Finding::error(CHECK, listed(problems), report_it),
    }
}

/// Where a queue stands in a move; nothing of one that was never in any.
pub(super) fn of_move(stage: &Stage, here: &Location) -> Option<Finding> {
    const CHECK: &str = "move";
    let place = &stage.moved()?.place;
    let (other, here) = (quoted(place), quoted(&here.to_string()));
    let give_up = |at: &str| format!("or give it up with `queuectl move --abort --database {at}`");
    Some(match stage {
        Stage::Idle => return None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_problems_the_first_are_told() {
        let problems: Vec<String> = (1..=7).map(|number| number.to_string()).collect();
        assert_eq!(listed(&problems), "1; 2; 3; 4; 5; and 2 more");
        assert_eq!(listed(&problems[..2]), "1; 2");
    }
}
