//! `queuectl queue list`: shows the queues.

use queuectl_cli::Narrow::{CutsEnds, CutsEndsLast, Goes, Stays};
use queuectl_cli::{Context, Failure, Table, Times};
use queuectl_core::{EVERY_QUEUE, State};
use queuectl_service::queues::{QueuePicture, Queues};
use queuectl_service::why::{pause_in_words, resume};
use queuectl_store::Access;

/// Show the queues: what waits and runs there, who serves them, which are paused
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl queue list
  queuectl queue list --json | jq -r '.[] | select(.paused) | .queue'";

pub(crate) fn list(cx: &Context, args: &ListArgs) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let Queues { queues, pause_of_all } = Queues::look(&mut *store)?;
    if args.json {
        let documents: Vec<_> = queues.iter().map(|queue| queue.document(pause_of_all.as_ref())).collect();
        return cx.output().json(&documents);
    }
    let times = Times::of(cx);
    if let Some(pause) = &pause_of_all {
        let (words, resume) = (pause_in_words(pause, &times), resume(EVERY_QUEUE));
        cx.output().note(format!("Every queue is paused{words}; resume with `{resume}`"));
    }
    if queues.is_empty() {
        return cx.note_nothing(&mut *store, "No queues");
    }
    let header = ["Queue", "Waiting", "Held", "Running", "Dead", "Oldest", "Workers", "Limit", "Paused"];
    let narrow = [CutsEnds, Stays, Goes, Stays, Stays, Goes, Stays, Stays, CutsEndsLast];
    let (is_any_paused, is_any_limited) = (
        queues.iter().any(|queue| queue.pause.is_some()),
        queues.iter().any(|queue| !queue.limits.are_none()),
    );
    let shown = if is_any_paused { header.len() } else { header.len() - 1 - usize::from(!is_any_limited) };
    let mut table = Table::new(&header[..shown]).fit(cx.output().columns(), &narrow[..shown]);
    for queue in &queues {
        table.row(&cells(queue, &times).each_ref().map(String::as_str)[..shown]);
    }
    cx.output().table(&table)
}

fn cells(queue: &QueuePicture, times: &Times) -> [String; 9] {
    let paused = queue.pause.as_ref().map(|pause| pause_in_words(pause, times).trim_start().to_owned());
    [
        queue.name.clone(),
        queue.waiting().to_string(),
        queue.counts.blocked.to_string(),
        queue.counts[State::Processing].to_string(),
        queue.counts[State::Dead].to_string(),
        queue.oldest_waiting.map(|at| times.short(at)).unwrap_or_default(),
        queue.workers.to_string(),
        queue.limits.running.map(|limit| limit.to_string()).unwrap_or_default(),
        paused.unwrap_or_default(),
    ]
}
