//! `queuectl queue show`: tells everything about one queue.

use crate::named::{self, name};
use queuectl_cli::text::escape;
use queuectl_cli::{Context, Failure, Times};
use queuectl_core::{EVERY_QUEUE, State};
use queuectl_service::queues::Queues;
use queuectl_service::why::pause_in_words;
use queuectl_store::Access;

/// Show one queue: its jobs by state, who serves it, its limit, whether it is paused
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// The queue
    #[arg(value_parser = name)]
    name: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl queue show default
  queuectl queue show default --json | jq .jobs.pending";

pub(crate) fn show(cx: &Context, args: &ShowArgs) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let Queues { queues, pause_of_all } = Queues::look(&mut *store)?;
    let queue = named::find(&queues, &args.name)?;
    if args.json {
        return cx.output().json(&queue.document(pause_of_all.as_ref()));
    }
    let times = Times::of(cx);
    let mut lines = vec![format!("Queue {}", escape(&queue.name))];
    let mut add = |name: &str, value: String| lines.push(format!("  {name:<14}: {}", escape(&value)));
    for state in State::ALL {
        add(state.as_str(), queue.counts[state].to_string());
    }
    if queue.counts.blocked > 0 {
        add("held", queue.counts.blocked.to_string());
    }
    if let Some(oldest) = queue.oldest_waiting {
        add("oldest waiting", times.full(oldest));
    }
    add("workers", queue.workers.to_string());
    if let Some(limit) = queue.limits.running {
        add("limit", format!("{limit} at a time"));
    }
    for (name, pause) in [(queue.name.as_str(), &queue.pause), (EVERY_QUEUE, &pause_of_all)] {
        if let Some(pause) = pause {
            let all = if name == EVERY_QUEUE { "with all queues, " } else { "" };
            add("paused", format!("{all}{}", pause_in_words(pause, &times).trim_start()));
        }
    }
    cx.output().line(lines.join("\n"))
}
