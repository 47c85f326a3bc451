//! Follows a job until it has come to rest.

use crate::print::Printer;
use queuectl_cli::{Context, Failure, Times};
use queuectl_core::{Blocker, Job, JobId, Lease, State, Timestamp};
use queuectl_service::typed;
use queuectl_service::wait::follow::{Follow, Look};
use queuectl_store::Store;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(100);

/// It looks this often between two looks at whether a worker is there.
const LOOKS_BEFORE_DOUBT: u32 = 50;

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
    let mut wait = Wait::default();
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
                wait.tell(cx, store, &job, printer)?;
                cx.output().pause(PAUSE)?;
            }
        }
    }
}

/// What was said already of what is waited for.
#[derive(Default)]
struct Wait {
    due: Option<Timestamp>,
    looks: u32,
    nobody_works: bool,
    is_held: bool,
}

impl Wait {
    fn tell(
        &mut self,
        cx: &Context,
        store: &mut dyn Store,
        job: &Job,
        printer: &mut Printer,
    ) -> Result<(), Failure> {
        if job.state == State::Processing {
            return Ok(());
        }
        printer.end_line()?;
        if job.run_at.is_some() && job.run_at != self.due {
            self.due = job.run_at;
            let due = job.run_at.map(|at| Times::of(cx).due(at)).unwrap_or_default();
            cx.output().note(match &job.last_error {
                Some(error) if job.state == State::Failed => {
                    format!("Job {} failed ({error}); it is due again: {due}", job.id)
                }
                _ => format!("Job {} is due: {due}", job.id),
            });
        }
        if job.blocked_by == Some(Blocker::Hold) {
            if !std::mem::replace(&mut self.is_held, true) {
                cx.output().note(format!(
                    "Job {} is held until `queuectl release {}`",
                    job.id,
                    typed(job.id.as_str())
                ));
            }
            return Ok(());
        }
        if self.looks.is_multiple_of(LOOKS_BEFORE_DOUBT) && !self.nobody_works {
            self.nobody_works = matches!(store.has_workers(&job.queue), Ok(false));
            if self.nobody_works {
                cx.note_if_nothing_starts(store, &job.queue);
            }
        }
        self.looks = self.looks.wrapping_add(1);
        Ok(())
    }
}

fn end(cx: &Context, job: &Job) -> Result<(), Failure> {
    let id = &job.id;
    match job.state {
        State::Dead => {
            let error = job.last_error.as_deref().unwrap_or("no reason known");
            Err(Failure::error(format!("job {id} is dead: {error}")).hint(format!(
                "give it another life with `queuectl dlq retry {typed}`",
                typed = typed(id.as_str())
            )))
        }
        State::Cancelled => Err(Failure::error(format!("job {id} was cancelled"))),
        _ => {
            cx.output().note(format!("Job {id} completed"));
            Ok(())
        }
    }
}
