//! `queuectl worker stop`: stops the workers of this queue, from any terminal.

use queuectl_cli::text::plural;
use queuectl_cli::{Context, Failure};
use queuectl_core::WorkerId;
use queuectl_store::{Life, Stop, Store};
use serde::Serialize;
use std::time::Duration;

/// Stop the workers; what they run is finished first
///
/// Waits until they are gone; Ctrl+C ends the wait, not the request.
#[derive(clap::Args)]
pub(crate) struct StopArgs {
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

/// How often it looks whether they are gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Serialize)]
struct Document {
    workers: usize,
    stopped: bool,
}

pub(crate) fn stop(cx: &Context, args: &StopArgs) -> Result<(), Failure> {
    let Some(mut store) = cx.existing_store()? else { return say(cx, args, 0) };
    let alive = alive(store.as_mut())?;
    let how = if args.force { Stop::Forced } else { Stop::Graceful };
    // Also when none lives: a manager may be about to replace one that died.
    let known: Vec<_> = store.workers()?.iter().map(|worker| worker.id).collect();
    store.request_stop(&known, how, cx.now())?;
    if !args.no_wait {
        wait_until_gone(cx, store.as_mut(), &alive)?;
    }
    say(cx, args, alive.len())
}

/// Workers that live now; those that start later are not meant.
fn alive(store: &mut dyn Store) -> Result<Vec<WorkerId>, Failure> {
    let workers = store.workers()?;
    Ok(workers.into_iter().filter(|worker| worker.life == Life::Alive).map(|worker| worker.id).collect())
}

fn wait_until_gone(cx: &Context, store: &mut dyn Store, asked: &[WorkerId]) -> Result<(), Failure> {
    let mut noted = false;
    for look in 0_u32.. {
        let alive = alive(store)?;
        let left = asked.iter().filter(|worker| alive.contains(worker)).count();
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

fn say(cx: &Context, args: &StopArgs, workers: usize) -> Result<(), Failure> {
    if args.json {
        return cx.output().json(&Document { workers, stopped: !args.no_wait });
    }
    match workers {
        0 => cx.output().line("No workers are running"),
        _ if args.no_wait => cx.output().line(format!("Asked {} to stop", plural(workers as u64, "worker"))),
        _ => cx.output().line(format!("Stopped {}", plural(workers as u64, "worker"))),
    }
}
