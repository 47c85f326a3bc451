//! What is said of the errors of a store.

use crate::explain::moves::of_move;
use crate::explain::server::hint_for_server;
use crate::explanation::Explanation;
use queuectl_core::{Event, Exit, IllegalTransition, JobId, State};
use queuectl_settings::RAISE_THE_LIMIT;
use queuectl_store::{Location, StoreError};
use std::fmt;
use std::io;

/// What can always be done where it is not known whether a change was made.
pub const FIND_OUT: &str =
    "see what is there with `queuectl list`, and repeat the command if it was not done";

/// What came of a change: where that is not known, it is said of which object, and how
/// to find out.
pub fn of_change(
    error: StoreError,
    object: impl fmt::Display,
    how_to_find_out: impl Into<String>,
) -> Explanation {
    match error {
        StoreError::OutcomeUnknown { .. } => Explanation::from(error).about(object).hint(how_to_find_out),
        error => error.into(),
    }
}

impl From<StoreError> for Explanation {
    fn from(error: StoreError) -> Self {
        of_store(&error)
    }
}

fn of_store(error: &StoreError) -> Explanation {
    let message = error.to_string();
    match error {
        StoreError::NoSuchJob { .. } => {
            Explanation::new(Exit::NotFound, message).hint("list them with `queuectl list`")
        }
        StoreError::Refused { id, source } => of_refusal(id, *source, message),
        StoreError::UnreadableJob { id, .. } => Explanation::error(message).hint(format!(
            "see what is left of it with `queuectl show {id}`, and all such rows with `queuectl doctor`"
        )),
        StoreError::UnreadableRecord { .. } => Explanation::error(message)
            .hint("see all such rows, and what to do about them, with `queuectl doctor`"),
        StoreError::OtherState { id, state } if state.is_settled() => {
            Explanation::error(message).hint(format!("delete it with `queuectl prune {id}`"))
        }
        StoreError::OtherState { id, .. } => {
            Explanation::error(format!("{message}; only {} jobs can be deleted", words(State::is_settled)))
                .hint(format!("end it first with `queuectl cancel {id}`"))
        }
        StoreError::DuplicateId { id, .. } => Explanation::error(message)
            .hint(format!("see it with `queuectl show {id}`, or choose another --id")),
        StoreError::NotSettled { .. } => {
            Explanation::error(message).hint("end them first with `queuectl cancel ID`")
        }
        StoreError::Busy { .. } => Explanation::new(Exit::Busy, message)
            .hint("try again, or wait longer with `queuectl config set busy-timeout 2m`"),
        StoreError::OutcomeUnknown { .. } => Explanation::new(Exit::Busy, message).hint(FIND_OUT),
        // Its manager starts another, which may work.
        StoreError::CalledDead { .. }
        | StoreError::LeaseLapsed { .. }
        | StoreError::StillAlive { .. }
        | StoreError::BusyWithItself { .. } => Explanation::new(Exit::Busy, message),
        StoreError::Moved { .. }
        | StoreError::Staying { .. }
        | StoreError::Arriving { .. }
        | StoreError::NotEmpty { .. }
        | StoreError::NotThisMove { .. } => of_move(error, message),
        StoreError::Server { problem, .. } => Explanation::error(message).hint(hint_for_server(problem)),
        StoreError::OlderSchema { .. } => Explanation::new(Exit::Busy, message)
            .hint("start a worker, which brings it there: `queuectl worker start`"),
        // What is deleted there leaves the disk as full as it was.
        StoreError::Full { queue: Location::Url(_) } => {
            Explanation::error(message).hint("make room on the disk of the server")
        }
        StoreError::Full { .. } => Explanation::error(message)
            .hint("make room, for example with `queuectl prune --state completed --older-than 7d`"),
        StoreError::FileLimit { .. } => Explanation::error(message).hint(RAISE_THE_LIMIT),
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::FileTooLarge => {
            Explanation::error(message).hint(RAISE_THE_LIMIT)
        }
        StoreError::Disk { .. } => Explanation::error(message).hint(
            "look into the disk, for example with `dmesg | tail`, then into the queue: `queuectl doctor`",
        ),
        StoreError::Corrupt { .. } => {
            Explanation::error(message).hint("see what can be done with `queuectl doctor`")
        }
        StoreError::NewerSchema { .. } => {
            Explanation::error(message).hint("use the newer queuectl that wrote it")
        }
        StoreError::ReadOnlyFileSystem { .. } => Explanation::error(message).hint(
            "look at it with `queuectl list`, or copy it to where it can be used: `queuectl backup FILE`",
        ),
        StoreError::ReadOnly { .. } | StoreError::CannotOpen { .. } => {
            Explanation::error(message).hint("see where the queue is with `queuectl config get database`")
        }
        StoreError::NotOurs { .. } | StoreError::NoStoreFor { .. } | StoreError::NetworkFileSystem { .. } => {
            Explanation::error(message).hint("name another queue with `--database PATH`")
        }
        StoreError::NumbersTaken { .. } => {
            Explanation::error(message).hint("see how to set them right with `queuectl doctor`")
        }
        StoreError::Database { .. } => {
            Explanation::error(message).hint("see what is wrong with it with `queuectl doctor`")
        }
        StoreError::Unfit(unfit) => {
            Explanation::error(message).hint(unfit.hint("name a queue of your own with `--database PATH`"))
        }
        StoreError::LockFileMissing { .. } | StoreError::LockFileReplaced { .. } => Explanation::error(
            message,
        )
        .hint("end the workers that `queuectl worker list` shows, with `kill PID`, then start one again"),
        _ => Explanation::error(message),
    }
}

/// What is said of an event that cannot happen to a job. In which states it can, the
/// table of the core says.
fn of_refusal(id: &JobId, refused: IllegalTransition, message: String) -> Explanation {
    let IllegalTransition { state, event } = refused;
    let only = |verb, events: &[Event]| {
        format!("job {id} is {state}; only {} jobs can be {verb}", states_before(events))
    };
    match event {
        Event::Revived => {
            // To a person it is one thing: a failed job is hurried.
            let message = only("retried", &[Event::Revived, Event::Hurried]);
            Explanation::new(Exit::NotFound, message).hint(if state.is_settled() {
                format!("run it anew: free its id with `queuectl prune {id}`, and enqueue it again")
            } else {
                format!("see it with `queuectl show {id}`")
            })
        }
        Event::Hurried => Explanation::new(Exit::NotFound, message)
            .hint(format!("see what became of it with `queuectl show {id}`")),
        Event::Cancelled => Explanation::error(only("cancelled", &[Event::Cancelled]))
            .hint(format!("see it with `queuectl show {id}`")),
        _ => Explanation::error(message),
    }
}

/// The states in which one of these events can happen, in the order of the events.
fn states_before(events: &[Event]) -> String {
    let states = |event: &Event| {
        let event = *event;
        State::ALL.into_iter().filter(move |state| state.after(event).is_ok())
    };
    listed(events.iter().flat_map(states))
}

/// The states of which this holds: `completed, dead and cancelled`.
fn words(holds: impl Fn(State) -> bool) -> String {
    listed(State::ALL.into_iter().filter(|state| holds(*state)))
}

fn listed(states: impl Iterator<Item = State>) -> String {
    let names: Vec<&str> = states.map(State::as_str).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "no".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::WorkerId;

    fn refused(state: State, event: Event) -> Explanation {
        let id = JobId::trusted("7f3a".into());
        StoreError::Refused { id, source: IllegalTransition { state, event } }.into()
    }

    #[test]
    fn a_retry_of_a_job_that_is_not_dead_says_which_are() {
        let said = refused(State::Completed, Event::Revived);
        assert_eq!(said.exit, Exit::NotFound);
        assert_eq!(said.message, "job 7f3a is completed; only dead and failed jobs can be retried");
        assert_eq!(
            said.hint.as_deref(),
            Some("run it anew: free its id with `queuectl prune 7f3a`, and enqueue it again")
        );
    }

    #[test]
    fn which_jobs_can_be_cancelled_or_deleted_comes_from_the_table_of_states() {
        let said = refused(State::Dead, Event::Cancelled);
        assert_eq!(
            said.message,
            format!("job 7f3a is dead; only {} jobs can be cancelled", states_before(&[Event::Cancelled]))
        );
        let unsettled = words(|state| !state.is_settled());
        assert_eq!(states_before(&[Event::Cancelled]), unsettled);
        assert_eq!(words(State::is_settled), "completed, dead and cancelled");
    }

    #[test]
    fn each_store_error_has_its_exit_code() {
        let queue = queuectl_store::Location::File("queue.db".into());
        let code = |error: StoreError| Explanation::from(error).exit;
        assert_eq!(code(StoreError::NoSuchJob { id: JobId::trusted("x".into()) }), Exit::NotFound);
        assert_eq!(code(StoreError::Busy { queue: queue.clone(), waited_s: 30 }), Exit::Busy);
        assert_eq!(code(StoreError::OlderSchema { queue: queue.clone(), found: 1, known: 2 }), Exit::Busy);
        assert_eq!(code(StoreError::NewerSchema { queue: queue.clone(), found: 3, known: 2 }), Exit::Error);
        assert_eq!(code(StoreError::Full { queue: queue.clone() }), Exit::Error);
        assert_eq!(code(StoreError::Disk { path: "queue.db".into(), reason: String::new() }), Exit::Error);
        assert_eq!(code(StoreError::Corrupt { queue: queue.clone(), reason: String::new() }), Exit::Error);
        assert_eq!(code(StoreError::CalledDead { worker: WorkerId(1) }), Exit::Busy);
        assert_eq!(code(StoreError::BusyWithItself { path: "queue.db".into(), waited_s: 30 }), Exit::Busy);
        assert_eq!(code(StoreError::LeaseLapsed { worker: WorkerId(1), silent_s: 29 }), Exit::Busy);
        assert_eq!(code(StoreError::StillAlive { worker: WorkerId(1) }), Exit::Busy);
        assert_eq!(code(StoreError::Moved { queue: queue.clone(), to: "there".into() }), Exit::Busy);
        assert_eq!(code(StoreError::Staying { queue: queue.clone(), to: "there".into() }), Exit::Busy);
        assert_eq!(code(StoreError::Arriving { queue: queue.clone(), from: "there".into() }), Exit::Busy);
        assert_eq!(code(StoreError::NotEmpty { queue: queue.clone() }), Exit::Error);
        let reason = String::new();
        assert_eq!(code(StoreError::OutcomeUnknown { queue: queue.clone(), reason }), Exit::Busy);
        assert_eq!(code(StoreError::NotThisMove { queue }), Exit::Error);
        assert_eq!(refused(State::Dead, Event::Cancelled).exit, Exit::Error);
    }

    #[test]
    fn a_failing_disk_and_a_damaged_queue_lead_to_the_doctor() {
        let queue = queuectl_store::Location::File("queue.db".into());
        let disk = StoreError::Disk { path: "queue.db".into(), reason: "disk I/O error".into() };
        let damaged = StoreError::Corrupt { queue, reason: "malformed".into() };
        for (error, word) in [(disk, "dmesg"), (damaged, "damaged")] {
            let Explanation { message, hint, .. } = error.into();
            let said = format!("{message} {}", hint.unwrap());
            assert!(said.contains("`queuectl doctor`"), "{said}");
            assert!(said.contains(word), "{said}");
        }
    }
}
