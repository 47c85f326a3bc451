//! `queuectl dlq retry`: gives dead jobs another life, and hurries those that wait for a retry.

use queuectl_cli::{Context, Failure, each_named};
use queuectl_service::document::done::RetriedJobs;
use queuectl_service::named::as_it_is_then;
use queuectl_service::verbs::retry::{retry_all, revive_or_hurry, told};

/// Put dead jobs back into the queue, with all their retries
///
/// A failed job that waits for its retry need not wait any longer; what it has used up
/// of its retries stays so.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RetryArgs {
    /// The jobs: ids, numbers, beginnings or ends of ids, @last
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,

    /// Take every dead job
    #[arg(long, conflicts_with = "ids")]
    all: bool,

    /// Print JSON: the jobs as they are then, or how many they were
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl dlq retry job-1
  queuectl dlq retry --all";

pub(crate) fn retry(cx: &Context, args: &RetryArgs) -> Result<(), Failure> {
    if args.all {
        return retry_every(cx, args.json);
    }
    each_named(cx, &args.ids, args.json, |store, id| {
        let done = revive_or_hurry(store, id, cx.now())?;
        if !args.json {
            cx.output().line(format!("Job {id} {done}"))?;
        }
        Ok(as_it_is_then(store, id, done)?)
    })
}

fn retry_every(cx: &Context, json: bool) -> Result<(), Failure> {
    let mut refused = None;
    let retried = match cx.existing_store()? {
        Some(mut store) => retry_all(
            &mut *store,
            || cx.now(),
            |error| {
                let failure = Failure::from(error);
                failure.report();
                refused = Some(failure.code());
            },
        )?,
        None => 0,
    };
    if json {
        cx.output().json(&RetriedJobs { retried })?;
    } else {
        cx.output().line(told(retried))?;
    }
    refused.map_or(Ok(()), |code| Err(Failure::said(code)))
}
