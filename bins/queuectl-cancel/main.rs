//! `queuectl cancel`: ends jobs before they complete.

mod wait;

use queuectl_cli::json::JobDocument;
use queuectl_cli::{Context, Exit, Failure, find_job};
use queuectl_core::{Job, JobId};
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
    let id = find_job(&mut **store, typed.as_str())?.id;
    let said = match store.cancel(&id, cx.now())? {
        Cancelled::Done => format!("Job {id} cancelled"),
        Cancelled::Requested { .. } if args.no_wait => format!("Job {id} is being cancelled"),
        Cancelled::Requested { lease, worker } => {
            wait::until_left(cx, &mut **store, &id, lease, worker)?;
            format!("Job {id} cancelled")
        }
    };
    if !args.json {
        cx.output().line(said)?;
    }
    Ok(store.job(&id)?.ok_or(StoreError::NoSuchJob { id })?)
}
