//! Follows a job until it has come to rest.

use crate::print::Printer;
use queuectl_cli::{Context, Failure, Waiting};
use queuectl_core::{Job, JobId, Lease, State};
use queuectl_service::explain::jobs::of_bad_end;
use queuectl_service::wait::follow::{Follow, Look};
use queuectl_store::Store;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(100);

/// Prints an attempt's output while it is written, then that of the next attempt; says
/// what is waited for.
///
/// # Errors
///
/// If the job comes to another end than that it completes.
pub(crate) fn follow(
    cx: &Context,
    store: &mut dyn Store,
    id: &JobId,
    first: Option<Lease>,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut follow = Follow::new(id.clone(), first);
    let mut waiting = Waiting::default();
    loop {
        match follow.look(store, |store, lease, from| printer.print_from(store, lease, from))? {
            Look::Attempt { number, is_first } => {
                if !is_first {
                    printer.end_line()?;
                    cx.output().note(format!("… attempt {number}"));
                }
                printer.begin(number);
            }
            Look::AtRest(job) => {
                printer.end_line()?;
                return end(cx, &job);
            }
            Look::Waiting(job) => {
                if job.state != State::Processing {
                    printer.end_line()?;
                    waiting.tell_all(cx, store, &job);
                }
                cx.output().pause(PAUSE)?;
            }
        }
    }
}

fn end(cx: &Context, job: &Job) -> Result<(), Failure> {
    if let Some(bad) = of_bad_end(job) {
        return Err(bad.into());
    }
    cx.output().note(format!("Job {} completed", job.id));
    Ok(())
}
