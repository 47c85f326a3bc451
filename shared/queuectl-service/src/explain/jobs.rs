//! What is said of a job that is not there, or not as it would have to be.

use crate::explanation::Explanation;
use crate::words::typed;
use queuectl_core::{Event, Exit, IllegalTransition, Job, JobId, State};
use queuectl_store::StoreError;

/// What is said of one job.
pub(crate) fn of_job(error: &StoreError, message: String) -> Explanation {
    match error {
        StoreError::NoSuchJob { .. } => {
            Explanation::new(Exit::NotFound, message).hint("list them with `queuectl list`")
        }
        StoreError::Refused { id, source } => of_refusal(id, *source, message),
        StoreError::UnreadableJob { id, .. } => Explanation::error(message).hint(format!(
            "see what is left of it with `queuectl show {typed}`, and all such rows with `queuectl doctor`",
            typed = typed(id.as_str())
        )),
        StoreError::OtherState { id, state } if state.is_finished() => Explanation::error(message)
            .hint(format!("delete it with `queuectl prune {typed}`", typed = typed(id.as_str()))),
        StoreError::OtherState { id, .. } => {
            Explanation::error(format!("{message}; only {} jobs can be deleted", words(State::is_finished)))
                .hint(format!("end it first with `queuectl cancel {typed}`", typed = typed(id.as_str())))
        }
        StoreError::DuplicateId { id, .. } => Explanation::error(message).hint(format!(
            "see it with `queuectl show {typed}`, or choose another --id",
            typed = typed(id.as_str())
        )),
        StoreError::DuplicateKey { holder, .. } | StoreError::KeyTaken { holder, .. } => {
            Explanation::error(message).hint(format!(
                "see it with `queuectl show {typed}`; its key is free when it has come to rest and its time has passed",
                typed = typed(holder.as_str())
            ))
        }
        StoreError::NotFinished { .. } => {
            Explanation::error(message).hint("end them first with `queuectl cancel ID`")
        }
        StoreError::NotHeld { id, state } => {
            let held = Explanation::error(format!("{message}; only held jobs can be released"));
            let waits = matches!(state, State::Pending | State::Failed);
            if waits {
                held.hint(format!(
                    "see what it waits for with `queuectl show {typed}`",
                    typed = typed(id.as_str())
                ))
            } else {
                held
            }
        }
        _ => Explanation::error(message),
    }
}

/// What is said of a job that was waited for and did not complete; nothing of any other.
pub fn of_bad_end(job: &Job) -> Option<Explanation> {
    let id = &job.id;
    match job.state {
        State::Dead => {
            let error = job.last_error.as_deref().unwrap_or("no reason known");
            Some(Explanation::error(format!("job {id} is dead: {error}")).hint(format!(
                "give it another life with `queuectl dlq retry {typed}`",
                typed = typed(id.as_str())
            )))
        }
        State::Cancelled => Some(Explanation::error(format!("job {id} was cancelled"))),
        _ => None,
    }
}

/// What is said of a job that was deleted before it was seen how it ended.
pub fn of_gone(id: &JobId) -> Explanation {
    Explanation::new(Exit::NotFound, format!("job {id} is not known any more: it was deleted"))
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
            Explanation::new(Exit::NotFound, message).hint(if state.is_finished() {
                format!(
                    "run it again as a new job: `queuectl show {typed} --json | jq -c 'del(.id)' | queuectl enqueue --file -`",
                    typed = typed(id.as_str())
                )
            } else {
                format!("see it with `queuectl show {typed}`", typed = typed(id.as_str()))
            })
        }
        Event::Hurried => Explanation::new(Exit::NotFound, message)
            .hint(format!("see what became of it with `queuectl show {typed}`", typed = typed(id.as_str()))),
        Event::Cancelled => Explanation::error(only("cancelled", &[Event::Cancelled]))
            .hint(format!("see it with `queuectl show {typed}`", typed = typed(id.as_str()))),
        Event::Held => Explanation::error(only("held", &[Event::Held]))
            .hint(format!("see it with `queuectl show {typed}`", typed = typed(id.as_str()))),
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
            Some(
                "run it again as a new job: `queuectl show 7f3a --json | jq -c 'del(.id)' | queuectl enqueue --file -`"
            )
        );
    }

    #[test]
    fn which_jobs_can_be_cancelled_or_deleted_comes_from_the_table_of_states() {
        let said = refused(State::Dead, Event::Cancelled);
        assert_eq!(said.exit, Exit::Error);
        assert_eq!(
            said.message,
            format!("job 7f3a is dead; only {} jobs can be cancelled", states_before(&[Event::Cancelled]))
        );
        let unfinished = words(|state| !state.is_finished());
        assert_eq!(states_before(&[Event::Cancelled]), unfinished);
        assert_eq!(words(State::is_finished), "completed, dead and cancelled");
    }
}
