//! What a drain has done, told at its end.

use queuectl_cli::{Context, Exit, Failure, with_typed_places};
use queuectl_core::{Job, QueueSet};
use queuectl_runtime::Drain;
use queuectl_service::amounts::plural;
use queuectl_service::wait::drain::{DrainBegin, DrainedJobs};
use queuectl_store::{Access, Store};

/// Which jobs a drain is to run.
pub(crate) fn jobs_of(drain: Drain) -> DrainedJobs {
    match drain {
        Drain::Everything => DrainedJobs::All,
        Drain::Ready => DrainedJobs::Due,
    }
}

/// Looks at the queue before anything is run, as far as workers of these queues run it.
pub(crate) fn begin(cx: &Context, drain: Drain, queues: QueueSet) -> Result<DrainBegin, Failure> {
    Ok(DrainBegin::look(&mut *open(cx)?, jobs_of(drain), queues)?)
}

/// What a drain during which jobs died comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDead {
    /// It fails: a script is to hear of it.
    Fail,
    /// It is done all the same.
    Succeed,
}

/// Logs what has become of the jobs since then, also of those that other workers ran.
///
/// # Errors
///
/// If jobs died, and they are to be heard of.
pub(crate) fn tell(cx: &Context, begin: &DrainBegin, on_dead: OnDead) -> Result<(), Failure> {
    let end = match open(cx).and_then(|mut store| Ok(begin.end(&mut *store)?)) {
        Ok(end) => end,
        // Whether jobs died is not known then, and a script must not take it for a "no".
        Err(error) if on_dead == OnDead::Fail => {
            return Err(error.about("what was drained cannot be told"));
        }
        // The jobs are done, whether it can be told or not.
        Err(error) => {
            tracing::warn!("What was drained cannot be told: {}", error.message());
            return Ok(());
        }
    };
    let mut parts = vec![format!("{} completed", end.completed), format!("{} died", end.died)];
    if end.cancelled > 0 {
        parts.push(format!("{} cancelled", end.cancelled));
    }
    parts.push(format!("{} left", end.left));
    if end.held > 0 {
        parts.push(format!("{} held or paused", end.held));
    }
    let how = if end.was_stopped { "Stopped" } else { "Drained" };
    tracing::info!("{how}: {}.", parts.join(", "));
    for job in &end.dead_jobs {
        tracing::info!("Died: {}", named(job));
    }
    if end.more_dead() > 0 {
        let see_them = with_typed_places("see them with `queuectl dlq list`");
        tracing::info!("… and {}: {see_them}", plural(end.more_dead(), "more job"));
    }
    if end.died == 0 || on_dead == OnDead::Succeed {
        return Ok(());
    }
    // No program fails without a word, however little its log is to say.
    if !tracing::enabled!(tracing::Level::INFO) {
        let see_them = with_typed_places("see which and why with `queuectl dlq list`");
        tracing::error!("{} died: {see_them}", plural(end.died, "job"));
    }
    Err(Failure::said(Exit::Error))
}

fn named(job: &Job) -> String {
    let why = job.last_error.as_deref().unwrap_or("no reason known");
    format!("job {} (number {}): {why}", job.id, job.seq)
}

/// Not through the context, whose log is that of a short command.
fn open(cx: &Context) -> Result<Box<dyn Store>, Failure> {
    Ok(queuectl_store::open(&cx.location()?, &cx.open_options(Access::Read)?)?)
}
