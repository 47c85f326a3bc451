//! `queuectl dlq clear`: deletes the dead jobs.

use queuectl_cli::text::plural;
use queuectl_cli::{Context, Failure, delete_settled};
use queuectl_core::{State, Timestamp};
use serde::Serialize;

/// Delete all dead jobs with their output, without asking
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ClearArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl dlq clear";

const END_OF_TIME: Timestamp = Timestamp::from_millis(i64::MAX);

#[derive(Serialize)]
struct Document {
    cleared: u64,
}

pub(crate) fn clear(cx: &Context, args: &ClearArgs) -> Result<(), Failure> {
    let cleared = delete_settled(cx, &[State::Dead], || END_OF_TIME)?;
    if args.json {
        return cx.output().json(&Document { cleared });
    }
    cx.output().line(format!("Cleared {}", plural(cleared, "dead job")))
}
