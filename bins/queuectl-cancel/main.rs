//! `queuectl cancel`: ends jobs before they complete.

mod wait;

use queuectl_cli::{Context, Failure, Leads, OthersOptions, each_named};
use queuectl_core::{Job, JobId, Lease, WorkerId};
use queuectl_runtime::Surrounding;
use queuectl_service::named::as_it_is_then;
use queuectl_service::verbs::cancel::{DONE, cancel};
use queuectl_store::{Cancelled, Store};
use std::process::ExitCode;

/// Cancel jobs; what they run is ended with everything it started
#[derive(clap::Parser)]
#[command(name = "queuectl-cancel", after_help = EXAMPLES)]
struct Args {
    /// The jobs: ids, numbers, beginnings or ends of ids, @last
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,

    /// Do not wait until a running job has ended
    #[arg(long)]
    no_wait: bool,

    /// Print JSON: the jobs as they are then
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
            "name them: `queuectl list --state pending --json | jq -r '.[].id' | xargs -r queuectl cancel`",
        ),
        (&["--force", "-f", "-9"], "leave it out: what ignores SIGTERM is killed after `kill-grace`"),
    ];
}

const EXAMPLES: &str = "\
Examples:
  queuectl cancel job-1
  queuectl cancel job-1 job-2 --no-wait";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        each_named(cx, &args.ids, args.json, |store, id| cancel_one(cx, store, id, &args))
    })
}

/// Cancels one job; gives it as it is then.
fn cancel_one(cx: &Context, store: &mut dyn Store, id: &JobId, args: &Args) -> Result<Job, Failure> {
    let said = match cancel(store, id, cx.now())? {
        Cancelled::Done => format!("Job {id} cancelled"),
        Cancelled::Requested { lease, worker } if args.no_wait || is_this_job(store, lease, worker)? => {
            format!("Job {id} is being cancelled")
        }
        Cancelled::Requested { lease, worker } => {
            wait::until_left(cx, store, id, worker, lease)?;
            format!("Job {id} cancelled")
        }
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
