//! `queuectl worker list`: shows the workers of this queue, on all machines.

use queuectl_cli::Narrow::{CutsEnds, Goes, Stays};
use queuectl_cli::{Context, Failure, Table};
use queuectl_core::Timestamp;
use queuectl_service::WorkerState;
use queuectl_service::amounts::duration;
use queuectl_service::document::worker::WorkerDocument;
use queuectl_store::Access;
use std::time::Duration;

/// Show the workers: where they run, for how long, and what they do
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl worker list
  queuectl worker list --json | jq '.[].jobs_now'";

pub(crate) fn list(cx: &Context, args: &ListArgs) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let workers = store.workers()?;
    if args.json {
        return cx.output().json(&workers.iter().map(WorkerDocument::from).collect::<Vec<_>>());
    }
    if workers.is_empty() {
        return cx.note_nothing(&mut *store, "No workers");
    }
    let now = cx.now();
    let header = [
        "Worker",
        "Host",
        "PID",
        "State",
        "Uptime",
        "Jobs now",
        "Jobs done",
        "Heartbeat",
        "Given up",
        "Queues",
    ];
    let narrow = [Stays, CutsEnds, Stays, Stays, Goes, Stays, Goes, Goes, Goes, CutsEnds];
    // Mostly all workers serve all queues.
    let shown = header.len() - usize::from(workers.iter().all(|worker| worker.queues.is_all()));
    let mut table = Table::new(&header[..shown]).fit(cx.output().columns(), &narrow[..shown]);
    for worker in &workers {
        if let Some(problem) = &worker.unreadable {
            cx.output().warn(format!("the row of worker {} cannot be read: {problem}", worker.id));
        }
        let cells: [&str; 10] = [
            &worker.id.to_string(),
            &worker.host,
            &worker.pid.to_string(),
            WorkerState::of(worker).as_str(),
            &duration(now.since(worker.started_at)),
            &format!("{}/{}", worker.jobs_running(), worker.concurrency),
            &worker.jobs_done.to_string(),
            &heartbeat(worker.heartbeat_at, now),
            &given_up(worker.given_up_at(), now),
            &worker.queues.to_string(),
        ];
        table.row(&cells[..shown]);
    }
    cx.output().table(&table)
}

/// When it last told the server that it lives; where no server is told, nothing.
fn heartbeat(at: Option<Timestamp>, now: Timestamp) -> String {
    match at.map(|at| now.since(at)) {
        None => "-".to_owned(),
        Some(span) if span < Duration::from_mins(1) => format!("{} s ago", span.as_secs()),
        Some(span) => format!("{} ago", duration(span)),
    }
}

/// When others take its jobs over, if nothing more is heard of it.
fn given_up(at: Option<Timestamp>, now: Timestamp) -> String {
    match at.map(|at| at.since(now)) {
        None => "-".to_owned(),
        Some(Duration::ZERO) => "now".to_owned(),
        Some(span) => format!("in {} s", span.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_as_old_as_people_would_say() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let shown = |span: Duration| heartbeat(Some(now.before(span)), now);
        assert_eq!(heartbeat(None, now), "-");
        assert_eq!(shown(Duration::from_millis(3999)), "3 s ago");
        assert_eq!(shown(Duration::from_secs(59)), "59 s ago");
        assert_eq!(shown(Duration::from_secs(125)), "2m 5s ago");
        let given_up = |span: Duration| given_up(Some(now.after(span)), now);
        assert_eq!(given_up(Duration::from_millis(31_900)), "in 31 s");
        assert_eq!(given_up(Duration::ZERO), "now");
        // A reading of the clock may be a little behind.
        assert_eq!(heartbeat(Some(now.after(Duration::from_secs(1))), now), "0 s ago");
    }
}
