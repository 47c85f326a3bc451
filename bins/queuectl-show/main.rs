//! `queuectl show`: tells everything about one job.

use queuectl_cli::show_job;
use queuectl_service::find::find_job;
use queuectl_store::Access;
use std::process::ExitCode;

/// Show everything about a job: fields, attempts, the end of its output
#[derive(clap::Parser)]
#[command(name = "queuectl-show", after_help = EXAMPLES)]
struct Args {
    /// The job: its id, its number, a beginning or an end of its id, or @last
    id: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl show job-1
  queuectl show job-1 --json | jq -r .output";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let mut store = cx.store(Access::Read)?;
        cx.note_if_no_queue(&mut *store)?;
        let job = find_job(&mut *store, &args.id)?;
        show_job(cx, &mut *store, &job, args.json)
    })
}
