//! `queuectl queue remove`: forgets what was said of a queue.

use crate::named::{self, name};
use queuectl_cli::{Context, Failure};
use queuectl_core::Limits;
use queuectl_service::amounts::plural;
use queuectl_service::queues::Queues;
use queuectl_service::typed_option;
use queuectl_store::Access;

/// Forget the limit and the pause of a queue that has no jobs
///
/// The queue itself is a name and nothing else: it is there again with its next job.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RemoveArgs {
    /// The queue
    #[arg(value_parser = name)]
    name: String,

    /// Print JSON: whether anything was forgotten
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl queue remove old-imports";

pub(crate) fn remove(cx: &Context, args: &RemoveArgs) -> Result<(), Failure> {
    let (name, mut store) = (&args.name, cx.store(Access::Write)?);
    let Queues { queues, .. } = Queues::look(&mut *store)?;
    let queue = named::find(&queues, name)?;
    let jobs = queue.counts.total();
    if jobs > 0 {
        let list = format!("see them with `queuectl list {}`", typed_option("--queue", name));
        let has = format!("the queue {name} has {}", plural(jobs.unsigned_abs(), "job"));
        return Err(Failure::error(format!("{has}; only one without jobs can be removed")).hint(list));
    }
    let was_there = queue.pause.is_some() || !queue.limits.are_none();
    store.set_limits(name, &Limits::default())?;
    store.resume(name, cx.now())?;
    if args.json {
        return cx.output().json(&was_there);
    }
    cx.output().line(if was_there {
        format!("Forgot what was said of the queue {name}")
    } else {
        format!("Nothing was said of the queue {name}")
    })
}
