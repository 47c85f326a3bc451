//! `queuectl release`: lets jobs go on that were held.

use queuectl_cli::{
    Consent, Context, Failure, Leads, NamedOrMeant, OthersOptions, Waits, each_named, each_tried, grant_many,
};
use queuectl_core::{Job, JobId, Wish};
use queuectl_service::document::done::ReleasedJobs;
use queuectl_service::named::as_it_is_then;
use queuectl_service::verbs::release::{DONE, release};
use queuectl_store::Store;
use std::process::ExitCode;

/// Let jobs go on that were held with `queuectl hold` or `queuectl enqueue --hold`
///
/// A job that has a time waits for it; any other is ready, behind all others of its queue
/// and priority.
#[derive(clap::Parser)]
#[command(name = "queuectl-release", after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    jobs: NamedOrMeant<Waits>,

    /// Release nothing, only say what would be released
    #[arg(long)]
    dry_run: bool,

    /// Print JSON: the jobs as they are then, or how many they were
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    others: Leads<Others>,
}

/// What other programs take to let jobs go on.
enum Others {}

impl OthersOptions for Others {
    const TABLE: &'static [(&'static [&'static str], &'static str)] =
        &[(&["--all", "-a"], "release every job that is held with `queuectl release --held`")];
}

const EXAMPLES: &str = "\
Examples:
  queuectl release deploy
  queuectl release job-1 job-2 --json
  queuectl release --queue default --dry-run
  queuectl release --held";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let ids = &args.jobs.ids;
        match (ids.is_empty(), args.dry_run) {
            (true, _) => release_many(cx, &args),
            (false, true) => each_tried(cx, Wish::Release, ids, args.json),
            (false, false) => {
                each_named(cx, ids, args.json, |store, id| release_one(cx, store, id, args.json))
            }
        }
    })
}

fn release_many(cx: &Context, args: &Args) -> Result<(), Failure> {
    let which = |now| args.jobs.which.filter(now);
    let many = grant_many(cx, Wish::Release, args.dry_run.into(), Consent::Given, which)?;
    if args.json {
        let (released, no_longer_fit) = (many.done.done, many.done.no_longer_fit);
        cx.output().json(&ReleasedJobs { released, no_longer_fit, dry_run: args.dry_run })?;
    } else {
        many.tell(cx, Wish::Release)?;
    }
    many.end()
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
