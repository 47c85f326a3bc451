//! `queuectl prune`: deletes jobs that have come to rest.

use queuectl_cli::{Conditions, Failure, delete_named, delete_settled, settled_state_parser};
use queuectl_core::{Filter, State, TimeRange, Timestamp};
use queuectl_service::amounts::{parse_duration, plural};
use queuectl_service::document::done::DeletedJobs;
use std::process::ExitCode;
use std::time::Duration;

/// Delete jobs that have come to rest, with their output
///
/// Those that did so long ago, or those that are named. Their ids are free again.
/// Their room is given back to the disk, in steps, while workers go on. It works on a
/// full disk too: room for that is kept back beside the queue. On a terminal it asks before
/// it deletes those that are not named.
#[derive(clap::Parser)]
#[command(name = "queuectl-prune", after_help = EXAMPLES)]
struct Args {
    /// Delete these jobs: completed, dead or cancelled ones
    #[arg(value_name = "ID", conflicts_with = "conditions")]
    ids: Vec<String>,

    /// Delete jobs in this state; can be repeated
    #[arg(long, required_unless_present = "ids", conflicts_with = "ids", value_name = "STATE")]
    #[arg(value_parser = settled_state_parser(), ignore_case = true)]
    state: Vec<State>,

    /// Delete only jobs that came to rest so long ago
    #[arg(long, required_unless_present = "ids", conflicts_with = "ids", value_name = "TIME")]
    #[arg(value_parser = parse_duration)]
    older_than: Option<Duration>,

    #[command(flatten)]
    conditions: Conditions,

    /// Delete nothing, only count
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl prune --state completed --older-than 7d
  queuectl prune --state completed --state cancelled --older-than 12h --dry-run
  queuectl prune --state dead --older-than 0 --queue mail --exit 3 --yes
  queuectl prune job-1";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let (deleted, worst) = match args.older_than {
            None => delete_named(cx, &args.ids, &finished(), args.dry_run.into(), Failure::from)?,
            Some(older_than) => {
                let old = |now: Timestamp| {
                    let finished = TimeRange { from: None, until: Some(now.before(older_than)) };
                    Ok(Filter { finished, ..args.conditions.filter(&args.state, now)? })
                };
                (delete_settled(cx, args.dry_run.into(), args.yes.into(), "job", old)?, None)
            }
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
fn finished() -> Vec<State> {
    State::ALL.into_iter().filter(|state| state.is_finished()).collect()
}
