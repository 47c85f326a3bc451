//! `queuectl queue pause`: has no job of a queue started.

use crate::named::Named;
use queuectl_cli::text::escape;
use queuectl_cli::{Context, Failure, Times};
use queuectl_core::{Exit, Pause};
use queuectl_service::amounts::parse_duration;
use queuectl_service::document::queue::PauseDocument;
use queuectl_service::queues::pauses;
use queuectl_service::why::{pause_in_words, queue_in_words, resume};
use queuectl_store::Access;
use queuectl_store::machine::person;
use std::collections::BTreeMap;
use std::time::Duration;

/// Start no job of a queue, on any machine, until it is resumed
///
/// Jobs that run go on; new ones are accepted and wait. Retries, and what was given back by
/// a worker, wait too. A queue that is paused already is paused anew.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    queues: Named,

    /// End the pause after this time [default: when `queuectl queue resume` is typed]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    lasts: Option<Duration>,

    /// Why, for those who wonder [default: nothing is said]
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Print JSON: the pauses by queue
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl queue pause mail --reason 'the relay is down'
  queuectl queue pause video --for 2h
  queuectl queue pause --all";

pub(crate) fn pause(cx: &Context, args: &PauseArgs) -> Result<(), Failure> {
    if args.lasts == Some(Duration::ZERO) {
        return Err(Failure::new(Exit::Usage, "a pause of no time is none")
            .hint("end one with `queuectl queue resume NAME`"));
    }
    let mut store = cx.store(Access::Write)?;
    let since = cx.now();
    let until = args.lasts.map(|lasts| since.after(lasts));
    let pause = Pause { since, until, by: person(), reason: args.reason.clone() };
    for name in args.queues.names() {
        store.pause(name, &pause)?;
        if !args.json {
            let words = pause_in_words(&pause, &Times::of(cx));
            cx.output().line(escape(&format!("Paused {}{words}", queue_in_words(name))))?;
        }
    }
    if args.json {
        let rules = store.rules()?;
        let pauses = pauses(&rules, cx.now());
        let documents: BTreeMap<&str, PauseDocument<'_>> =
            pauses.into_iter().map(|(name, pause)| (name, PauseDocument::of(pause, name))).collect();
        return cx.output().json(&documents);
    }
    if let [name] = args.queues.names()[..] {
        cx.output().note(format!("hint: end it with `{}`", resume(name)));
    }
    Ok(())
}
