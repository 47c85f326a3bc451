//! Follows a job until it has come to rest.

use crate::print::Printer;
use queuectl_cli::{Context, Failure, last_attempt};
use queuectl_core::{JobId, Lease};
use queuectl_store::{Store, StoreError};
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(100);

/// Prints an attempt's output while it is written, then that of the next attempt.
pub(crate) fn follow(
    cx: &Context,
    store: &mut dyn Store,
    id: &JobId,
    first: Option<Lease>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut current = first;
    let mut next = 0;
    loop {
        // Before the output: what an ended attempt wrote is there when its end is.
        let job = store.job(id)?.ok_or_else(|| StoreError::NoSuchJob { id: id.clone() })?;
        if let Some(lease) = current {
            next = printer.print_from(store, lease, next)?;
        }
        let attempts = store.attempts(job.seq)?;
        let later = |lease: &Lease| current.is_none_or(|current| lease.number > current.number);
        let ended = attempts.iter().map(|attempt| attempt.lease).find(later);
        match ended.or_else(|| last_attempt(&job, &attempts).filter(later)) {
            Some(lease) => {
                if current.is_some() {
                    cx.output().note(format!("… attempt {}", lease.number));
                }
                (current, next) = (Some(lease), 0);
            }
            None if job.state.is_settled() => return Ok(()),
            None => cx.output().pause(PAUSE)?,
        }
    }
}
