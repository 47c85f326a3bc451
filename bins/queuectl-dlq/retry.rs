//! `queuectl dlq retry`: gives dead jobs another life, and hurries those that wait for a retry.

use queuectl_cli::{Conditions, Consent, Context, Failure, Many, each_named, each_tried, grant_many};
use queuectl_core::{State, Wish};
use queuectl_service::document::done::RetriedJobs;
use queuectl_service::named::as_it_is_then;
use queuectl_service::verbs::many::Done;
use queuectl_service::verbs::retry::revive_or_hurry;

/// Put dead jobs back into the queue, with all their retries
///
/// Those that are named, all dead ones that match when it begins, or every one. A failed job
/// that is named and waits for its retry need not wait any longer; what it has used up of its
/// retries stays so.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RetryArgs {
    /// The jobs: ids, numbers, beginnings or ends of ids, @last
    #[arg(value_name = "ID", required_unless_present_any = ["all", "conditions"])]
    #[arg(conflicts_with = "conditions")]
    ids: Vec<String>,

    /// Take every dead job
    #[arg(long, conflicts_with = "ids")]
    all: bool,

    #[command(flatten)]
    conditions: Conditions,

    /// Retry nothing, only say what would be retried
    #[arg(long)]
    dry_run: bool,

    /// Print JSON: the jobs as they are then, or how many they were
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl dlq retry job-1
  queuectl dlq retry --exit 3 --since 2h --dry-run
  queuectl dlq retry --all";

pub(crate) fn retry(cx: &Context, args: &RetryArgs) -> Result<(), Failure> {
    if args.ids.is_empty() {
        return retry_many(cx, args);
    }
    if args.dry_run {
        return each_tried(cx, Wish::Retry, &args.ids, args.json);
    }
    each_named(cx, &args.ids, args.json, |store, id| {
        let done = revive_or_hurry(store, id, cx.now())?;
        if !args.json {
            cx.output().line(format!("Job {id} {done}"))?;
        }
        Ok(as_it_is_then(store, id, done)?)
    })
}

fn retry_many(cx: &Context, args: &RetryArgs) -> Result<(), Failure> {
    let which = |now| args.conditions.filter(&[State::Dead], now);
    let dry_run = args.dry_run.into();
    let many = grant_many(cx, Wish::Retry, dry_run, Consent::Given, which);
    // A script that retries whatever is dead is as well served if nothing is.
    let takes_none = args.all && args.conditions.is_empty();
    let many = if takes_none { Many::if_none(many, dry_run) } else { many }?;
    if args.json {
        let Done { done: retried, key_taken, no_longer_fit, .. } = many.done;
        cx.output().json(&RetriedJobs { retried, key_taken, no_longer_fit, dry_run: args.dry_run })?;
    } else {
        many.tell(cx, Wish::Retry)?;
    }
    many.end()
}
