//! What a drain has done, told at its end.

use queuectl_cli::text::plural;
use queuectl_cli::{Context, Failure, with_typed_places};
use queuectl_core::{Job, State, Timestamp};
use queuectl_runtime::Drain;
use queuectl_store::{Access, Counts, Store};

/// So many of the jobs that died are named.
const MOST_NAMED: usize = 10;

/// The queue as it was when a drain began.
pub(crate) struct Drained {
    drain: Drain,
    began: Timestamp,
    counts: Counts,
}

impl Drained {
    /// Looks at the queue before anything is run.
    pub(crate) fn begin(cx: &Context, drain: Drain) -> Result<Self, Failure> {
        let mut store = open(cx)?;
        Ok(Self { drain, began: store.clock().now(), counts: store.counts()? })
    }

    /// Logs what has become of the jobs since then, also of those that other workers ran.
    pub(crate) fn tell(&self, cx: &Context) -> Result<(), Failure> {
        let mut store = open(cx)?;
        let now = store.counts()?;
        let more = |state| (now[state] - self.counts[state]).max(0).unsigned_abs();
        let mut parts =
            vec![format!("{} completed", more(State::Completed)), format!("{} died", more(State::Dead))];
        if more(State::Cancelled) > 0 {
            parts.push(format!("{} cancelled", more(State::Cancelled)));
        }
        let left = now.unfinished().max(0).unsigned_abs();
        parts.push(format!("{left} left"));
        // What is left though it was to be run was left by a stop, or by --max-jobs.
        let may_be_left = match self.drain {
            Drain::Everything => 0,
            Drain::Ready => store.waiting(u32::MAX)?,
        };
        let how = if left > may_be_left { "Stopped" } else { "Drained" };
        tracing::info!("{how}: {}.", parts.join(", "));
        if more(State::Dead) == 0 {
            return Ok(());
        }
        let mut died = store.finished_since(State::Dead, self.began, MOST_NAMED as u32)?;
        died.sort_by_key(|job| (job.finished_at, job.seq));
        for job in &died {
            tracing::info!("Died: {}", named(job));
        }
        let others = more(State::Dead).saturating_sub(died.len() as u64);
        if others > 0 {
            let see_them = with_typed_places("see them with `queuectl dlq list`");
            tracing::info!("… and {}: {see_them}", plural(others, "more job"));
        }
        Ok(())
    }
}

fn named(job: &Job) -> String {
    let why = job.last_error.as_deref().unwrap_or("no reason known");
    format!("job {} (number {}): {why}", job.id, job.seq)
}

/// Not through the context, whose log is that of a short command.
fn open(cx: &Context) -> Result<Box<dyn Store>, Failure> {
    Ok(queuectl_store::open(&cx.location()?, &cx.open_options(Access::Read)?)?)
}
