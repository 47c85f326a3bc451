//! `queuectl hold`: has jobs wait until they are released.

use queuectl_cli::{
    Consent, Context, Failure, Leads, NamedOrMeant, OthersOptions, Waits, each_named, each_tried, grant_many,
};
use queuectl_core::{Job, JobId, Wish};
use queuectl_service::document::done::HeldJobs;
use queuectl_service::named::as_it_is_then;
use queuectl_service::verbs::hold::{DONE, hold};
use queuectl_store::Store;
use std::process::ExitCode;

/// Have jobs that wait do so until they are released
///
/// Those that are named, or all that match when it begins. A job keeps its time, and its
/// retries; `queuectl release` lets it go on. What a worker holds already is not held back.
#[derive(clap::Parser)]
#[command(name = "queuectl-hold", after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    jobs: NamedOrMeant<Waits>,

    /// Hold nothing, only say what would be held
    #[arg(long)]
    dry_run: bool,

    /// Print JSON: the jobs as they are then, or how many they were
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    others: Leads<Others>,
}

/// What other programs take to hold jobs.
enum Others {}

impl OthersOptions for Others {
    const TABLE: &'static [(&'static [&'static str], &'static str)] =
        &[(&["--all", "-a"], "say which: `queuectl hold --state pending --state failed`")];
}

const EXAMPLES: &str = "\
Examples:
  queuectl hold job-1
  queuectl hold --queue default --dry-run
  queuectl hold --state pending --command 'make *' --json";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let ids = &args.jobs.ids;
        match (ids.is_empty(), args.dry_run) {
            (true, _) => hold_many(cx, &args),
            (false, true) => each_tried(cx, Wish::Hold, ids, args.json),
            (false, false) => each_named(cx, ids, args.json, |store, id| hold_one(cx, store, id, args.json)),
        }
    })
}

/// Holds one job; gives it as it is then.
fn hold_one(cx: &Context, store: &mut dyn Store, id: &JobId, json: bool) -> Result<Job, Failure> {
    hold(store, id, cx.now())?;
    if !json {
        cx.output().line(format!("Job {id} held"))?;
    }
    Ok(as_it_is_then(store, id, DONE)?)
}

fn hold_many(cx: &Context, args: &Args) -> Result<(), Failure> {
    let which = |now| args.jobs.which.filter(now);
    let many = grant_many(cx, Wish::Hold, args.dry_run.into(), Consent::Given, which)?;
    if args.json {
        let (held, no_longer_fit) = (many.done.done, many.done.no_longer_fit);
        cx.output().json(&HeldJobs { held, no_longer_fit, dry_run: args.dry_run })?;
    } else {
        many.tell(cx, Wish::Hold)?;
    }
    many.end()
}
