//! All jobs that match are cancelled.

use crate::wait::{Left, until_left};
use crate::{Args, is_this_job};
use queuectl_cli::{Context, Failure, grant_many};
use queuectl_core::Wish;
use queuectl_service::amounts::plural;
use queuectl_service::document::done::CancelledJobs;

/// Cancels them, and waits for those that run; tells how many they were.
pub(crate) fn cancel_many(cx: &Context, args: &Args) -> Result<(), Failure> {
    let (dry_run, consent) = (args.dry_run.into(), args.yes.into());
    let mut many = grant_many(cx, Wish::Cancel, dry_run, consent, |now| args.jobs.which.filter(now))?;
    let mut requested = 0;
    if let Some(store) = &mut many.store {
        for running in std::mem::take(&mut many.done.requested) {
            if args.no_wait || is_this_job(&mut **store, running.lease, running.worker)? {
                requested += 1;
                continue;
            }
            match until_left(cx, &mut **store, &running.id, running.worker, running.lease)? {
                Left::Cancelled => many.done.done += 1,
                Left::EndedFirst(_) => many.done.no_longer_fit += 1,
            }
        }
    }
    if args.json {
        let (cancelled, no_longer_fit) = (many.done.done, many.done.no_longer_fit);
        cx.output().json(&CancelledJobs { cancelled, requested, no_longer_fit, dry_run: args.dry_run })?;
    } else {
        many.tell(cx, Wish::Cancel)?;
        if requested > 0 {
            let are = if requested == 1 { "is" } else { "are" };
            cx.output().line(format!("{} {are} being cancelled", plural(requested, "job")))?;
        }
    }
    many.end()
}
