//! Waits until a worker has ended a job.

use queuectl_cli::{Context, Failure};
use queuectl_core::{JobId, Lease, State, WorkerId};
use queuectl_store::{Life, Store, StoreError};
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(100);

/// Looks this often before it wonders whether the worker lives.
const LOOKS_BEFORE_DOUBT: u32 = 20;

/// Waits until the job has left processing. Ctrl+C ends the wait, not the request.
///
/// # Errors
///
/// If the job came to another end first.
pub(crate) fn until_left(
    cx: &Context,
    store: &mut dyn Store,
    id: &JobId,
    lease: Lease,
    worker: WorkerId,
) -> Result<(), Failure> {
    for look in 0_u32.. {
        let job = store.job(id)?.ok_or_else(|| StoreError::NoSuchJob { id: id.clone() })?;
        match job.state {
            State::Cancelled => return Ok(()),
            State::Processing if job.lease == lease.number => {}
            state => {
                return Err(Failure::error(format!(
                    "job {id} is {state}: it ended before it could be cancelled"
                )));
            }
        }
        if look == LOOKS_BEFORE_DOUBT {
            doubt(cx, store, id, worker)?;
        }
        cx.output().pause(PAUSE)?;
    }
    Ok(())
}

/// Says so if nobody is there to end the job.
fn doubt(cx: &Context, store: &mut dyn Store, id: &JobId, worker: WorkerId) -> Result<(), Failure> {
    let lives = store.worker(worker)?.is_some_and(|worker| worker.life != Life::Dead);
    if !lives {
        cx.output().note(format!(
            "worker {worker} is dead; job {id} is cancelled when the next worker starts: `queuectl worker start`"
        ));
    }
    Ok(())
}
