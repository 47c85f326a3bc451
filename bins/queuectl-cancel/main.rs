//! `queuectl cancel`: ends jobs before they complete.

mod wait;

use queuectl_cli::json::JobDocument;
use queuectl_cli::{Context, Exit, Failure, Leads, OthersOptions, find_one_of};
use queuectl_core::{Job, JobId, Lease, WorkerId};
use queuectl_runtime::Surrounding;
use queuectl_store::{Cancelled, Store, StoreError};
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
        let typed = args.ids.iter().map(JobId::new).collect::<Result<Vec<_>, _>>()?;
        let mut store = cx.existing_store()?;
        let mut worst = None;
        let mut cancelled = Vec::new();
        for typed in typed {
            match cancel(cx, store.as_mut(), &typed, &args) {
                Ok(job) => cancelled.push(job),
                Err(failure) => {
                    failure.report();
                    worst.get_or_insert(failure.code());
                }
            }
        }
        if args.json {
            cx.output().json(&cancelled.iter().map(JobDocument::from).collect::<Vec<_>>())?;
        }
        worst.map_or(Ok(()), |code: Exit| Err(Failure::said(code)))
    })
}

/// Cancels one job; gives it as it is then.
fn cancel(
    cx: &Context,
    store: Option<&mut Box<dyn Store>>,
    typed: &JobId,
    args: &Args,
) -> Result<Job, Failure> {
    let store = store.ok_or_else(|| StoreError::NoSuchJob { id: typed.clone() })?;
    let id = find_one_of(&mut **store, typed.as_str())?.id;
    let cancelled = store.cancel(&id, cx.now()).map_err(|error| {
        Failure::of_change(error, format!("job {id}"), format!("see it with `queuectl show {id}`"))
    })?;
    let said = match cancelled {
        Cancelled::Done => format!("Job {id} cancelled"),
        Cancelled::Requested { lease, worker }
            if args.no_wait || is_this_job(&mut **store, lease, worker)? =>
        {
            format!("Job {id} is being cancelled")
        }
        Cancelled::Requested { lease, worker } => {
            wait::Wait::new(cx, &id, worker).until_left(&mut **store, lease)?;
            format!("Job {id} cancelled")
        }
    };
    if !args.json {
        cx.output().line(said)?;
    }
    // From here on it has happened, whatever is said of the job as it is then.
    let found =
        store.job(&id).map_err(|error| Failure::from(error).about(format!("job {id} was cancelled")))?;
    Ok(found.ok_or(StoreError::NoSuchJob { id })?)
}

/// Tells whether this program was started by the job itself: then nobody may wait
/// for its end here.
fn is_this_job(store: &mut dyn Store, lease: Lease, worker: WorkerId) -> Result<bool, Failure> {
    let Some(surrounding) = Surrounding::of_this_process().filter(|job| job.lease == lease) else {
        return Ok(false);
    };
    Ok(store.worker(worker)?.is_some_and(|worker| worker.run == surrounding.run))
}
