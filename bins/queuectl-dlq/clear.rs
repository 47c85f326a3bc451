//! `queuectl dlq clear`: deletes the dead jobs.

use queuectl_cli::text::plural;
use queuectl_cli::{Context, Failure};
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

/// Jobs of one transaction, so that workers are not kept waiting.
const BATCH: u32 = 1000;

const END_OF_TIME: Timestamp = Timestamp::from_millis(i64::MAX);

#[derive(Serialize)]
struct Document {
    cleared: u64,
}

pub(crate) fn clear(cx: &Context, args: &ClearArgs) -> Result<(), Failure> {
    let mut cleared = 0;
    if let Some(mut store) = cx.existing_store()? {
        loop {
            let now = store.prune(&[State::Dead], END_OF_TIME, BATCH)?;
            cleared += now;
            if now < u64::from(BATCH) {
                break;
            }
        }
    }
    if args.json {
        return cx.output().json(&Document { cleared });
    }
    cx.output().line(format!("Cleared {}", plural(cleared, "dead job")))
}
