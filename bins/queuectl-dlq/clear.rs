//! `queuectl dlq clear`: deletes dead jobs.

use queuectl_cli::{Conditions, Context, Exit, Failure, delete_named, delete_settled};
use queuectl_core::State;
use queuectl_service::amounts::plural;
use queuectl_service::document::done::ClearedJobs;
use queuectl_service::find::FindError;
use queuectl_store::StoreError;

/// Delete dead jobs with their output
///
/// Those that are named, all that match when it begins, or every one. On a terminal it asks
/// before it deletes those that are not named.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ClearArgs {
    /// The jobs; all dead ones that match if none is named
    #[arg(value_name = "ID", conflicts_with = "conditions")]
    ids: Vec<String>,

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
  queuectl dlq clear --dry-run
  queuectl dlq clear --queue default --until 30d --yes
  queuectl dlq clear job-1";

pub(crate) fn clear(cx: &Context, args: &ClearArgs) -> Result<(), Failure> {
    let dry_run = args.dry_run.into();
    let (cleared, worst) = if args.ids.is_empty() {
        let dead = |now| args.conditions.filter(&[State::Dead], now);
        (delete_settled(cx, dry_run, args.yes.into(), "dead job", dead)?, None)
    } else {
        delete_named(cx, &args.ids, &[State::Dead], dry_run, refused)?
    };
    if args.json {
        cx.output().json(&ClearedJobs { cleared, dry_run: args.dry_run })?;
    } else {
        let verb = if args.dry_run { "Would clear" } else { "Cleared" };
        cx.output().line(format!("{verb} {}", plural(cleared, "dead job")))?;
    }
    worst.map_or(Ok(()), |code| Err(Failure::said(code)))
}

fn refused(error: FindError) -> Failure {
    match error {
        FindError::Store(StoreError::OtherState { id, state }) => {
            Failure::new(Exit::NotFound, format!("job {id} is {state}, not dead"))
                .hint("list the dead ones with `queuectl dlq list`")
        }
        error => error.into(),
    }
}
