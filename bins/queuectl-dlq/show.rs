//! `queuectl dlq show`: tells everything about one dead job.

use queuectl_cli::{Context, Exit, Failure, show_job};
use queuectl_core::State;
use queuectl_service::find::find_job;
use queuectl_service::typed;
use queuectl_store::Access;

/// Show everything about a dead job
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// The job: its id, its number, a beginning or an end of its id, or @last
    id: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl dlq show job-1
  queuectl dlq show @last";

pub(crate) fn show(cx: &Context, args: &ShowArgs) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    cx.note_if_no_queue(&mut *store)?;
    let job = find_job(&mut *store, &args.id)?;
    if job.state != State::Dead {
        return Err(Failure::new(Exit::NotFound, format!("job {} is {}, not dead", job.id, job.state))
            .hint(format!("see it with `queuectl show {}`", typed(job.id.as_str()))));
    }
    show_job(cx, &mut *store, &job, args.json)
}
