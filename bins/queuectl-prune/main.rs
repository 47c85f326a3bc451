//! `queuectl prune`: deletes jobs that have come to rest.

use queuectl_cli::{Context, Failure, delete_named, delete_settled, each_page, settled_state_parser};
use queuectl_core::State;
use queuectl_service::amounts::{parse_duration, plural};
use queuectl_service::document::done::DeletedJobs;
use queuectl_store::Access;
use std::process::ExitCode;
use std::time::Duration;

/// Delete jobs that have come to rest, with their output
///
/// Those that did so long ago, or those that are named. Their ids are free again.
/// Their room is given back to the disk, in steps, while workers go on. It works on a
/// full disk too: room for that is kept back beside the queue.
#[derive(clap::Parser)]
#[command(name = "queuectl-prune", after_help = EXAMPLES)]
struct Args {
    /// Delete these jobs: completed, dead or cancelled ones
    #[arg(value_name = "ID")]
    ids: Vec<String>,

    /// Delete jobs in this state; can be repeated
    #[arg(long, required_unless_present = "ids", conflicts_with = "ids", value_name = "STATE")]
    #[arg(value_parser = settled_state_parser(), ignore_case = true)]
    state: Vec<State>,

    /// Delete only jobs that came to rest so long ago
    #[arg(long, required_unless_present = "ids", conflicts_with = "ids", value_name = "TIME")]
    #[arg(value_parser = parse_duration)]
    older_than: Option<Duration>,

    /// Delete nothing, only count
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl prune --state completed --older-than 7d
  queuectl prune --state completed --state cancelled --older-than 12h --dry-run
  queuectl prune job-1";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let (deleted, worst) = match args.older_than {
            None => delete_named(cx, &args.ids, &settled(), args.dry_run.into(), Failure::from)?,
            Some(older_than) if args.dry_run => (count(cx, &args.state, older_than)?, None),
            Some(older_than) => (delete_settled(cx, &args.state, || cx.now().before(older_than))?, None),
        };
        if args.json {
            cx.output().json(&DeletedJobs { deleted, dry_run: args.dry_run })?;
        } else {
            let verb = if args.dry_run { "Would delete" } else { "Deleted" };
            cx.output().line(format!("{verb} {}", plural(deleted, "job")))?;
        }
        worst.map_or(Ok(()), |code| Err(Failure::said(code)))
    })
}

/// The states in which jobs have come to rest.
fn settled() -> Vec<State> {
    State::ALL.into_iter().filter(|state| state.is_finished()).collect()
}

fn count(cx: &Context, states: &[State], older_than: Duration) -> Result<u64, Failure> {
    let mut found = 0;
    let mut store = cx.store(Access::Read)?;
    let finished_before = cx.now().before(older_than);
    each_page(cx.output(), &mut *store, states, None, |jobs| {
        let old = jobs.iter().filter(|job| job.finished_at.is_some_and(|at| at < finished_before));
        found += old.count() as u64;
        Ok(())
    })?;
    Ok(found)
}
