//! `queuectl queue resume`: lets the jobs of a queue start again.

use crate::named::Named;
use queuectl_cli::{Context, Failure};
use queuectl_core::EVERY_QUEUE;
use queuectl_service::queues::pause_of;
use queuectl_service::why::queue_in_words;
use queuectl_store::{Access, Store};

/// Let the jobs of a paused queue start again
///
/// `--all` ends the pause of all queues; those that were paused by name stay so.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    queues: Named,

    /// Print JSON: the names of the queues whose pause has ended
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl queue resume mail
  queuectl queue resume --all";

pub(crate) fn resume(cx: &Context, args: &ResumeArgs) -> Result<(), Failure> {
    let mut store = cx.store(Access::Write)?;
    let mut resumed = Vec::new();
    for name in args.queues.names() {
        if store.resume(name, cx.now())? {
            resumed.push(name);
        }
        if !args.json {
            tell(cx, &mut *store, name, resumed.last() == Some(&name))?;
        }
    }
    if args.json { cx.output().json(&resumed) } else { Ok(()) }
}

/// Says what has become of a queue; one may be stopped by the pause of all queues as well.
fn tell(cx: &Context, store: &mut dyn Store, name: &str, was_paused: bool) -> Result<(), Failure> {
    let queue = queue_in_words(name);
    if was_paused {
        cx.output().line(format!("Resumed {queue}"))?;
    } else {
        cx.output().note(if name == EVERY_QUEUE {
            "There was no pause of all queues".to_owned()
        } else {
            format!("The queue {name} was not paused")
        });
    }
    if name != EVERY_QUEUE && pause_of(store, name)?.is_some() {
        cx.output().note("Every queue is paused: nothing starts until `queuectl queue resume --all`");
    } else if name != EVERY_QUEUE {
        cx.note_if_nothing_starts(store, name);
    }
    Ok(())
}
