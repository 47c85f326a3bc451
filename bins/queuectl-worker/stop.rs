//! `queuectl worker stop`: stops the workers of this queue, from any terminal.
//!
//! Those of this machine, unless all are meant: whoever looks after one machine
//! need not know of the others.

use queuectl_cli::text::plural;
use queuectl_cli::{Context, Failure};
use queuectl_core::WorkerId;
use queuectl_store::{Life, Stop, Store, Worker};
use serde::Serialize;
use std::time::Duration;

/// Stop the workers on this machine; what they run is finished first
///
/// Waits until they are gone; Ctrl+C ends the wait, not the request.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct StopArgs {
    /// Stop the workers on all machines that share this queue
    #[arg(long)]
    everywhere: bool,

    /// End what they run; it is not charged and runs again later
    #[arg(long)]
    force: bool,

    /// Return at once, without waiting until they are gone
    #[arg(long)]
    no_wait: bool,

    /// Print JSON: how many were asked to stop
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl worker stop
  queuectl worker stop --force --no-wait
  queuectl worker stop --everywhere";

/// How often it looks whether they are gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Serialize)]
struct Document {
    workers: usize,
    stopped: bool,
    /// Workers that live on other machines and were not meant.
    elsewhere: usize,
}

pub(crate) fn stop(cx: &Context, args: &StopArgs) -> Result<(), Failure> {
    let Some(mut store) = cx.existing_store()? else {
        return say(cx, args, &Document { workers: 0, stopped: !args.no_wait, elsewhere: 0 });
    };
    let workers = store.workers()?;
    let (meant, others): (Vec<_>, Vec<_>) =
        workers.iter().partition(|worker| args.everywhere || worker.is_here);
    let elsewhere = alive(&others).count();
    let how = if args.force { Stop::Forced } else { Stop::Graceful };
    // Also when none lives: a manager may be about to replace one that died.
    let known: Vec<_> = meant.iter().map(|worker| worker.id).collect();
    store.request_stop(&known, how, cx.now())?;
    let mut asked: Vec<_> = alive(&meant).collect();
    // One that began between the look and the request; a later one hears of it from
    // its manager.
    let late: Vec<_> = store.workers()?;
    let late: Vec<_> = late
        .iter()
        .filter(|worker| (args.everywhere || worker.is_here) && !known.contains(&worker.id))
        .filter(|worker| meant.iter().any(|other| is_same_manager(worker, other)))
        .collect();
    if !late.is_empty() {
        let known: Vec<_> = late.iter().map(|worker| worker.id).collect();
        store.request_stop(&known, how, cx.now())?;
        asked.extend(alive(&late));
    }
    if !args.no_wait {
        wait_until_gone(cx, store.as_mut(), &asked)?;
    }
    say(cx, args, &Document { workers: asked.len(), stopped: !args.no_wait, elsewhere })
}

fn is_same_manager(one: &Worker, other: &Worker) -> bool {
    (one.manager_pid, &one.boot_id, &one.host) == (other.manager_pid, &other.boot_id, &other.host)
}

/// Those that live now; whoever starts later is not meant.
fn alive(workers: &[&Worker]) -> impl Iterator<Item = WorkerId> {
    workers.iter().filter(|worker| worker.life == Life::Alive).map(|worker| worker.id)
}

fn wait_until_gone(cx: &Context, store: &mut dyn Store, asked: &[WorkerId]) -> Result<(), Failure> {
    let mut noted = false;
    for look in 0_u32.. {
        let workers = store.workers()?;
        let left = alive(&workers.iter().collect::<Vec<_>>()).filter(|worker| asked.contains(worker)).count();
        if left == 0 {
            break;
        }
        if look == 10 && !noted {
            noted = true;
            let workers = plural(left as u64, "worker");
            cx.output()
                .note(format!("Waiting for {workers} to finish what they run; Ctrl+C ends the wait only"));
        }
        cx.output().pause(LOOK_EVERY)?;
    }
    Ok(())
}

fn say(cx: &Context, args: &StopArgs, done: &Document) -> Result<(), Failure> {
    if args.json {
        return cx.output().json(done);
    }
    let workers = plural(done.workers as u64, "worker");
    match done.workers {
        0 if args.everywhere || done.elsewhere == 0 => cx.output().line("No workers are running")?,
        0 => cx.output().line("No workers are running on this machine")?,
        _ if args.no_wait => cx.output().line(format!("Asked {workers} to stop"))?,
        _ => cx.output().line(format!("Stopped {workers}"))?,
    }
    if done.elsewhere > 0 {
        let others = done.elsewhere;
        cx.output().note(format!(
            "hint: {others} more on other machines; stop them too with `queuectl worker stop --everywhere`"
        ));
    }
    Ok(())
}
