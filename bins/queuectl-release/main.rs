//! `queuectl release`: lets jobs go on that were held.

use queuectl_cli::{Context, Failure, Leads, OthersOptions, each_named};
use queuectl_core::{Job, JobId};
use queuectl_service::named::as_it_is_then;
use queuectl_service::verbs::release::{DONE, release};
use queuectl_store::Store;
use std::process::ExitCode;

/// Let jobs go on that were held with `queuectl enqueue --hold`
///
/// A job that has a time waits for it; any other is ready, behind all others of its queue
/// and priority.
#[derive(clap::Parser)]
#[command(name = "queuectl-release", after_help = EXAMPLES)]
struct Args {
    /// The jobs: ids, numbers, beginnings or ends of ids, @last
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,

    /// Print JSON: the jobs as they are then
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    others: Leads<Others>,
}

/// What other programs take to let jobs go on.
enum Others {}

impl OthersOptions for Others {
    const TABLE: &'static [(&'static [&'static str], &'static str)] = &[(
        &["--all", "-a"],
        "name them: `queuectl list --state pending --json | jq -r '.[] | select(.blocked_by) | .id' | xargs -r \
         queuectl release`",
    )];
}

const EXAMPLES: &str = "\
Examples:
  queuectl release deploy
  queuectl release job-1 job-2 --json";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        each_named(cx, &args.ids, args.json, |store, id| release_one(cx, store, id, args.json))
    })
}

/// Releases one job; gives it as it is then.
fn release_one(cx: &Context, store: &mut dyn Store, id: &JobId, json: bool) -> Result<Job, Failure> {
    release(store, id, cx.now())?;
    let job = as_it_is_then(store, id, DONE)?;
    if !json {
        cx.output().line(format!("Job {id} released"))?;
        cx.note_if_nothing_starts(store, &job.queue);
    }
    Ok(job)
}
