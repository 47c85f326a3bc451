//! `queuectl cancel`: ends jobs before they complete.

mod many;
mod wait;

use queuectl_cli::{
    Cancellable, Context, Failure, Leads, NamedOrMeant, OthersOptions, each_named, each_tried,
};
use queuectl_core::{Job, JobId, Lease, Wish, WorkerId};
use queuectl_runtime::Surrounding;
use queuectl_service::named::as_it_is_then;
use queuectl_service::verbs::cancel::{DONE, cancel};
use queuectl_store::{Cancelled, Store};
use std::process::ExitCode;
use wait::Left;

/// Cancel jobs; what they run is ended with everything it started
///
/// Those that are named, or all that match when it begins. Those that match are cancelled in
/// steps, while workers go on; the rest can be cancelled by the same command if it is ended.
#[derive(clap::Parser)]
#[command(name = "queuectl-cancel", after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
struct Args {
    #[command(flatten)]
    jobs: NamedOrMeant<Cancellable>,

    /// Do not wait until a running job has ended
    #[arg(long)]
    no_wait: bool,

    /// Cancel nothing, only say what would be cancelled
    #[arg(long)]
    dry_run: bool,

    /// Do not ask before all jobs that match are cancelled
    #[arg(short, long)]
    yes: bool,

    /// Print JSON: the jobs as they are then, or how many they were
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    others: Leads<Others>,
}

/// What other programs take to end jobs.
enum Others {}

impl OthersOptions for Others {
    const TABLE: &'static [(&'static [&'static str], &'static str)] = &[
        (
            &["--all", "-a"],
            "say which: `queuectl cancel --state pending`, or `--queue '*'` for all that are left",
        ),
        (&["--force", "-f", "-9"], "leave it out: what ignores SIGTERM is killed after `kill-grace`"),
    ];
}

const EXAMPLES: &str = "\
Examples:
  queuectl cancel job-1
  queuectl cancel job-1 job-2 --no-wait
  queuectl cancel --queue mail --state pending --dry-run
  queuectl cancel --command 'make *' --since 1h --yes";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let ids = &args.jobs.ids;
        match (ids.is_empty(), args.dry_run) {
            (true, _) => many::cancel_many(cx, &args),
            (false, true) => each_tried(cx, Wish::Cancel, ids, args.json),
            (false, false) => each_named(cx, ids, args.json, |store, id| cancel_one(cx, store, id, &args)),
        }
    })
}

/// Cancels one job; gives it as it is then.
fn cancel_one(cx: &Context, store: &mut dyn Store, id: &JobId, args: &Args) -> Result<Job, Failure> {
    let said = match cancel(store, id, cx.now())? {
        Cancelled::Done => format!("Job {id} cancelled"),
        Cancelled::Requested { lease, worker } if args.no_wait || is_this_job(store, lease, worker)? => {
            format!("Job {id} is being cancelled")
        }
        Cancelled::Requested { lease, worker } => match wait::until_left(cx, store, id, worker, lease)? {
            Left::Cancelled => format!("Job {id} cancelled"),
            Left::EndedFirst(error) => return Err(error.into()),
        },
    };
    if !args.json {
        cx.output().line(said)?;
    }
    Ok(as_it_is_then(store, id, DONE)?)
}

/// Tells whether this program was started by the job itself: then its end
/// cannot be waited for here.
fn is_this_job(store: &mut dyn Store, lease: Lease, worker: WorkerId) -> Result<bool, Failure> {
    let Some(surrounding) = Surrounding::of_this_process().filter(|job| job.lease == lease) else {
        return Ok(false);
    };
    Ok(store.worker(worker)?.is_some_and(|worker| worker.run == surrounding.run))
}
