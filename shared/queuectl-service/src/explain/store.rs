//! What is said of the errors of a store.

use crate::explain::jobs::of_job;
use crate::explain::moves::of_move;
use crate::explain::server::hint_for_server;
use crate::explanation::Explanation;
use queuectl_core::Exit;
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
        StoreError::NoSuchJob { .. }
        | StoreError::Refused { .. }
        | StoreError::UnreadableJob { .. }
        | StoreError::OtherState { .. }
        | StoreError::DuplicateId { .. }
        | StoreError::DuplicateKey { .. }
        | StoreError::KeyTaken { .. }
        | StoreError::NotHeld { .. }
        | StoreError::NotFinished { .. } => of_job(error, message),
        StoreError::UnreadableRecord { .. } => Explanation::error(message)
            .hint("see all such rows, and what to do about them, with `queuectl doctor`"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::{JobId, WorkerId};

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
