//! `queuectl prune`: deletes jobs that came to rest long ago.

use queuectl_cli::text::{parse_duration, plural};
use queuectl_cli::{Context, Failure, delete_settled, each_page, settled_state_parser};
use queuectl_core::State;
use queuectl_store::Access;
use serde::Serialize;
use std::process::ExitCode;
use std::time::Duration;

/// Delete jobs that came to rest long ago, with their output
///
/// Their room is given back to the disk, in steps, while workers go on. It works on a
/// full disk too: room for that is kept back beside the queue.
#[derive(clap::Parser)]
#[command(name = "queuectl-prune", after_help = EXAMPLES)]
struct Args {
    /// Delete jobs in this state; can be repeated
    #[arg(long, required = true, value_name = "STATE", value_parser = settled_state_parser(), ignore_case = true)]
    state: Vec<State>,

    /// Delete only jobs that came to rest so long ago
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    older_than: Duration,

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
  queuectl prune --state completed --state cancelled --older-than 12h --dry-run";

#[derive(Serialize)]
struct Document {
    deleted: u64,
    dry_run: bool,
}

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let deleted = if args.dry_run {
            count(cx, &args.state, args.older_than)?
        } else {
            delete_settled(cx, &args.state, || cx.now().before(args.older_than))?
        };
        if args.json {
            return cx.output().json(&Document { deleted, dry_run: args.dry_run });
        }
        let verb = if args.dry_run { "Would delete" } else { "Deleted" };
        cx.output().line(format!("{verb} {}", plural(deleted, "job")))
    })
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
