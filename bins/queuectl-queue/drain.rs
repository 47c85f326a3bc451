//! `queuectl queue drain`: waits until nothing of a queue is ready or runs.

use crate::named::name;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use queuectl_cli::{Context, Failure};
use queuectl_core::{Exit, QueueSet};
use queuectl_service::amounts::{parse_duration, plural};
use queuectl_service::document::queue::DrainedDocument;
use queuectl_service::wait::drain::{DrainBegin, DrainedJobs};
use queuectl_store::Access;
use std::time::{Duration, Instant};

/// How often the counts are read.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Wait until nothing of a queue is ready or runs
///
/// Workers run its jobs, not this command. What waits for a time, is held, or is paused until
/// a person says otherwise is not waited for. Ctrl+C ends the wait and nothing else.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DrainArgs {
    /// The queue
    #[arg(value_parser = name)]
    name: String,

    /// Wait no longer than this, and exit with 124 [default: as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// Print JSON: how many completed, died, were cancelled and are left
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl queue drain mail
  queuectl queue drain mail --timeout 10m";

pub(crate) fn drain(cx: &Context, args: &DrainArgs) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let queues = QueueSet::of([&args.name]).map_err(|error| Failure::error(error.to_string()))?;
    let begin = DrainBegin::look(&mut *store, DrainedJobs::Due, queues)?;
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:14} {pos}/{len}{wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let until = args.timeout.map(|timeout| Instant::now() + timeout);
    while !begin.has_nothing_ready(&mut *store)? {
        let progress = begin.progress(&mut *store)?;
        bar.set_length(progress.all);
        bar.set_position(progress.done);
        bar.set_message(format!(", {} died", progress.died));
        bar.suspend(|| cx.note_if_nothing_starts(&mut *store, &args.name));
        if until.is_some_and(|until| Instant::now() >= until) {
            bar.finish_and_clear();
            let left = plural(begin.end(&mut *store)?.left, "job");
            return Err(Failure::new(Exit::TimedOut, format!("the queue {} has {left} left", args.name)));
        }
        cx.output().pause(LOOK_EVERY)?;
    }
    bar.finish_and_clear();
    let end = begin.end(&mut *store)?;
    if args.json {
        return cx.output().json(&DrainedDocument::from(&end));
    }
    let (completed, died, left) = (end.completed, end.died, end.left);
    let held = if end.held > 0 { format!(", {} held or paused", end.held) } else { String::new() };
    cx.output()
        .line(format!("Nothing of {} runs: {completed} completed, {died} died, {left} left{held}", args.name))
}
