//! What has become of the jobs, told at the end.

use crate::until::Ended;
use queuectl_cli::{Context, Exit, Failure};
use queuectl_core::Job;
use queuectl_service::amounts::{duration, plural};
use queuectl_service::explain::jobs::{of_bad_end, of_gone};
use queuectl_service::job_fields::JobDocument;
use queuectl_service::typed;
use queuectl_service::wait::jobs::{JobsEnd, JobsProgress, MOST_NAMED};

/// How the jobs are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// As words.
    Words,
    /// As documents.
    Json,
}

/// Tells how many jobs came to which end, and names those that did not complete.
///
/// # Errors
///
/// If one did not complete, or the time has passed.
pub(crate) fn tell(
    cx: &Context,
    end: &JobsEnd,
    progress: &JobsProgress,
    ended: Ended,
    as_what: As,
) -> Result<(), Failure> {
    let printed = match as_what {
        As::Words => {
            cx.output().note(summary(progress));
            Ok(())
        }
        As::Json => cx.output().json(&end.jobs.iter().map(JobDocument::from).collect::<Vec<_>>()),
    };
    let mut more = 0;
    for (told, bad) in end.jobs.iter().filter_map(of_bad_end).enumerate() {
        if told < MOST_NAMED {
            Failure::from(bad).report();
        } else {
            more += 1;
        }
    }
    if more > 0 {
        let more = plural(more, "more job");
        cx.output().note(format!("… and {more}: see each with `queuectl show ID`"));
    }
    for id in end.gone.iter().take(MOST_NAMED) {
        Failure::from(of_gone(id)).report();
    }
    match ended {
        Ended::TimedOut(timeout) => Err(timed_out(end, progress, timeout)),
        Ended::Over if progress.died + progress.cancelled > 0 => Err(Failure::said(Exit::Error)),
        Ended::Over if progress.gone > 0 => Err(Failure::said(Exit::NotFound)),
        Ended::Over => printed,
    }
}

fn summary(progress: &JobsProgress) -> String {
    let mut parts = vec![format!("{} completed", progress.completed), format!("{} died", progress.died)];
    let left = progress.all - progress.at_rest();
    for (jobs, what) in
        [(progress.cancelled, "cancelled"), (progress.gone, "not known any more"), (left, "left")]
    {
        if jobs > 0 {
            parts.push(format!("{jobs} {what}"));
        }
    }
    format!("At rest: {}", parts.join(", "))
}

fn timed_out(end: &JobsEnd, progress: &JobsProgress, timeout: std::time::Duration) -> Failure {
    let left = progress.all - progress.at_rest();
    let failure = Failure::new(
        Exit::TimedOut,
        format!(
            "{left} of {} did not come to rest within {}",
            plural(progress.all, "job"),
            duration(timeout)
        ),
    );
    match end.jobs.iter().find(|job: &&Job| !job.state.is_finished()) {
        Some(job) => failure
            .hint(format!("see what keeps it with `queuectl show {}`; it goes on", typed(job.id.as_str()))),
        None => failure,
    }
}
