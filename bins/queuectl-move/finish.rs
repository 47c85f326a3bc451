//! Opens the new location, gives the old one up, and says so.

use crate::Args;
use crate::begin::Ends;
use queuectl_cli::text::escape;
use queuectl_cli::{Context, Failure};
use queuectl_service::amounts::{plural, size};
use queuectl_service::document::counts::CountsDocument;
use queuectl_service::document::done::MovedQueue;

/// The old location is closed since the beginning, so that at no moment both are open.
pub(crate) fn finish(cx: &Context, args: &Args, ends: &mut Ends) -> Result<(), Failure> {
    ends.old.switch(&ends.id)?;
    ends.new.arrive(&ends.id, &ends.old.numbers()?)?;
    ends.old.close(&ends.id)?;

    let moved = ends.old.inventory()?;
    let (from, to) = (ends.from.to_string(), ends.to.to_string());
    if args.json {
        return cx.output().json(&MovedQueue {
            from,
            to,
            jobs: CountsDocument(moved.jobs),
            workers: moved.workers,
            attempts: moved.attempts,
            output_bytes: moved.output_bytes,
            verified: args.verify && !ends.is_open_there,
        });
    }
    cx.output().line(format!(
        "Moved {} with {} and {} of output to {}",
        plural(moved.jobs.total().unsigned_abs(), "job"),
        plural(moved.attempts, "attempt"),
        size(moved.output_bytes),
        escape(&to),
    ))?;
    cx.output().note(format!(
        "hint: say where the queue is now with `queuectl config set database {}`, then start workers there",
        shell_words::quote(&to)
    ));
    Ok(())
}
