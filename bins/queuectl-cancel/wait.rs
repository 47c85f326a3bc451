//! Waits until a job that runs has ended, and ends it where its worker cannot.

use queuectl_cli::{Context, Failure};
use queuectl_core::{JobId, Lease, WorkerId};
use queuectl_runtime::{RescueError, rescue};
use queuectl_service::typed;
use queuectl_service::wait::cancel::{CancelWait, CancelWaitError, Delay, Look};
use queuectl_service::wait::unseen::{UNSEEN_WAITS, Unseen};
use queuectl_store::Store;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(100);

/// How a job has left processing.
pub(crate) enum Left {
    /// As it was to.
    Cancelled,
    /// It came to another end before.
    EndedFirst(CancelWaitError),
}

/// Waits until the job has left processing. Ctrl+C ends the wait, not the request.
///
/// # Errors
///
/// If what it runs cannot be ended.
pub(crate) fn until_left(
    cx: &Context,
    store: &mut dyn Store,
    id: &JobId,
    worker: WorkerId,
    lease: Lease,
) -> Result<Left, Failure> {
    let mut wait = CancelWait::new(id.clone(), worker, lease);
    let mut unseen = Unseen::default();
    let mut said = None;
    loop {
        let look = match wait.look(store) {
            Err(error @ CancelWaitError::EndedFirst { .. }) => return Ok(Left::EndedFirst(error)),
            look => look?,
        };
        let tell = match look {
            Look::Cancelled => return Ok(Left::Cancelled),
            Look::Running(Some(delay @ Delay::Slow { .. })) => {
                Some(format!("{delay}; Ctrl+C ends the wait only"))
            }
            Look::Running(delay) => delay.map(|delay| delay.to_string()),
            Look::WorkerDied => end_for_the_dead(cx, store, id, worker, &mut unseen)?,
        };
        // Not twice in a row.
        if let Some(tell) = tell.filter(|tell| said.as_ref() != Some(tell)) {
            cx.output().note(&tell);
            said = Some(tell);
        }
        cx.output().pause(PAUSE)?;
    }
}

/// Does what the next worker would do: ends what the dead one has left, and gives its
/// jobs back. This job is cancelled by that. Gives what to tell if it cannot be done yet.
fn end_for_the_dead(
    cx: &Context,
    store: &mut dyn Store,
    id: &JobId,
    worker: WorkerId,
    unseen: &mut Unseen,
) -> Result<Option<String>, Failure> {
    let policy = cx.settings()?.retry_policy();
    match rescue(store, worker, &policy, unseen.has_waited(worker)) {
        Ok(_) => Ok(None),
        Err(RescueError::Store(error)) => Err(error.into()),
        Err(RescueError::Unseen) => {
            unseen.note(worker);
            Ok(Some(format!(
                "worker {worker} is dead, and its processes cannot be seen from here; job {id} is cancelled in {} s",
                UNSEEN_WAITS.as_secs()
            )))
        }
        Err(error @ RescueError::Stuck(_)) => Err(Failure::error(format!(
            "job {id} cannot be ended, worker {worker} is dead: {error}"
        ))
        .hint(format!(
            "end these processes as their owner, and type `queuectl cancel {typed}` again",
            typed = typed(id.as_str())
        ))),
    }
}
