//! How the queue at one moment is shown to a person.

use queuectl_cli::text::{escape, shorten, shorten_beginning};
use queuectl_cli::{Context, Failure, table};
use queuectl_core::{DEFAULT_QUEUE, State, Timestamp};
use queuectl_service::WorkerState;
use queuectl_service::amounts::{duration, plural};
use queuectl_service::status::{ActiveWorkers, Status};
use queuectl_store::{Access, Counts, WorkerRecord};
use std::time::Duration;

/// Looks at the queue; one that is not there is an empty one.
pub(crate) fn take(cx: &Context) -> Result<Status, Failure> {
    let status = Status::take(&mut *cx.store(Access::Read)?)?;
    status.doubts().for_each(|doubt| cx.output().warn(doubt));
    Ok(status)
}

/// One line a state, then the total, then the workers; without the last line break.
pub(crate) fn text(cx: &Context, status: &Status) -> Result<String, Failure> {
    let columns = cx.output().columns().unwrap_or(usize::MAX);
    let mut lines = vec![heading(cx, columns)?];
    for state in State::ALL {
        let padding = " ".repeat(10 - state.as_str().len());
        lines.push(format!("  {}{padding}: {}", table::state(state), status.counts.shown(state)));
        if state == State::Processing && status.counts.claimed > 0 {
            lines.push(format!("  claimed   : {} (in advance, not started)", status.counts.claimed));
        }
    }
    if status.counts.blocked() > 0 {
        lines.push(format!("  held      : {} (until `queuectl release`)", status.counts.blocked()));
    }
    lines.push(format!("  total     : {}", status.counts.total()));
    if status.queues.iter().any(|(queue, _)| queue != DEFAULT_QUEUE || status.paused.stops(queue)) {
        lines.push("Queues:".to_owned());
        let by_queue =
            status.queues.iter().map(|(queue, counts)| by_queue(queue, counts, status.paused.stops(queue)));
        lines.extend(by_queue.map(|line| shorten(&line, columns).into_owned()));
    }
    lines.push(format!("Active workers: {}", active(status.active())));
    for worker in &status.workers {
        lines.push(shorten(&line(worker, status.at), columns).into_owned());
    }
    Ok(lines.join("\n"))
}

/// The first line, with the queue, if it is another than the one that is meant by default;
/// of a place that is too long the end is shown, which tells more.
fn heading(cx: &Context, columns: usize) -> Result<String, Failure> {
    const HEADING: &str = "Queue status";
    let Some(place) = cx.chosen_queue()? else { return Ok(HEADING.to_owned()) };
    let room = columns.saturating_sub(HEADING.len() + " of ".len());
    Ok(format!("{HEADING} of {}", shorten_beginning(&escape(&place.to_string()), room)))
}

/// The jobs of a queue by state, without the states in which there is none.
fn by_queue(queue: &str, counts: &Counts, is_paused: bool) -> String {
    let states = State::ALL.into_iter().filter(|&state| counts[state] != 0);
    let mut parts: Vec<String> = states.map(|state| format!("{} {state}", counts[state])).collect();
    if counts.blocked > 0 {
        parts.push(format!("{} held", counts.blocked));
    }
    let jobs = if parts.is_empty() { "no jobs".to_owned() } else { parts.join(", ") };
    let paused = if is_paused { " (paused)" } else { "" };
    format!("  {}{paused}: {jobs}", escape(queue))
}

/// How many live, and on how many machines if that is not plain.
fn active(ActiveWorkers { workers, machines }: ActiveWorkers) -> String {
    match machines {
        0 | 1 => workers.to_string(),
        machines => format!("{workers} on {machines} machines"),
    }
}

fn line(worker: &WorkerRecord, now: Timestamp) -> String {
    let how = match WorkerState::of(worker) {
        WorkerState::Running => String::new(),
        WorkerState::Dead => ", dead: its jobs go to the next worker".to_owned(),
        WorkerState::Unknown => ", perhaps".to_owned(),
        WorkerState::Stalled => ", stalled, its process was stopped".to_owned(),
        state @ (WorkerState::Stopping | WorkerState::Ending) => format!(", {}", state.as_str()),
    };
    // What matters first: the end may be cut.
    let serves = if worker.queues.is_all() {
        String::new()
    } else {
        format!(", serves {}", escape(&worker.queues.to_string()))
    };
    format!(
        "  worker {}{how}: {} now, {} done, for {} (PID {} on {}){serves}",
        worker.id,
        plural(worker.jobs_running(), "job"),
        worker.jobs_done,
        duration(Duration::from_secs(now.since(worker.started_at).as_secs())),
        worker.pid,
        escape(&worker.host),
    )
}
