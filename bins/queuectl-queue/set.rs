//! `queuectl queue set`: bounds the jobs of a queue.

use crate::named::name;
use queuectl_cli::{Context, Failure};
use queuectl_core::Limits;
use queuectl_service::amounts::plural;
use queuectl_service::queues::{QueuePicture, Queues};
use queuectl_store::Access;

/// Bound how many jobs of a queue run at a time, over all workers and machines
///
/// A limit that is lowered ends nothing: nothing more is started until fewer run.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, group = clap::ArgGroup::new("rule").required(true).multiple(true))]
pub(crate) struct SetArgs {
    /// The queue; any name may be used, also of one that has no jobs yet
    #[arg(value_parser = name)]
    name: String,

    /// Run at most N of its jobs at a time [default: as many as the workers have slots]
    #[arg(long, value_name = "N", group = "rule", conflicts_with = "no_limit",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(Limits::MOST_RUNNING)))]
    limit: Option<u32>,

    /// Run as many as the workers have slots
    #[arg(long, group = "rule")]
    no_limit: bool,

    /// Print JSON: the queue as it is then
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl queue set video --limit 2
  queuectl queue set video --no-limit";

pub(crate) fn set(cx: &Context, args: &SetArgs) -> Result<(), Failure> {
    let mut store = cx.store(Access::Write)?;
    store.set_limits(&args.name, &Limits { running: args.limit })?;
    if args.json {
        let Queues { queues, pause_of_all } = Queues::look(&mut *store)?;
        let queue = queues.into_iter().find(|queue| queue.name == args.name);
        let queue = queue.unwrap_or_else(|| QueuePicture::empty(&args.name));
        return cx.output().json(&queue.document(pause_of_all.as_ref()));
    }
    let name = &args.name;
    cx.output().line(match args.limit {
        Some(limit) => format!("The queue {name} runs at most {} at a time", plural(limit.into(), "job")),
        None => format!("The queue {name} has no limit"),
    })
}
