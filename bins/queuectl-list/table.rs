//! Jobs as a person reads them.

use crate::Args;
use queuectl_cli::Narrow::{CutsBeginnings, CutsEnds, Goes, Stays};
use queuectl_cli::text::{escape, shorten_beginning};
use queuectl_cli::{Context, Failure, Table, Times, each_page};
use queuectl_core::{Job, State};
use queuectl_store::Access;

/// So many jobs are looked through for one that waits or runs before the table begins.
const FULL_SCREENS: usize = 999;

/// Prints the jobs, page by page.
pub(crate) fn print(cx: &Context, args: &Args) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let filter = args.which.filter(cx.now())?;
    let times = Times::of(cx);
    if let Some(place) = cx.chosen_queue()? {
        let room = cx.output().columns().map_or(usize::MAX, |columns| columns.saturating_sub("Queue ".len()));
        cx.output().note(format!("Queue {}", shorten_beginning(&escape(&place.to_string()), room)));
    }
    let mut table: Option<Table> = None;
    each_page(cx.output(), &mut *store, filter, args.limit, |jobs| {
        let table = table.get_or_insert_with(|| begin(cx, jobs));
        for job in jobs {
            add(cx, table, job, &times);
        }
        cx.output().bytes(table.page().as_bytes())
    })?;
    if table.is_none() {
        cx.note_nothing(&mut *store, &args.which.nothing())?;
    }
    Ok(())
}

/// The table that these jobs begin. On a terminal a column in which nothing stands
/// would only take room from the commands.
fn begin(cx: &Context, jobs: &[Job]) -> Table {
    if !cx.output().is_terminal() {
        return Table::new(&["ID", "Command", "State", "Retries", "Created At", "Due At"]);
    }
    let header = ["No", "ID", "Command", "State", "Retries", "Created", "When"];
    let narrow = [Stays, CutsBeginnings, CutsEnds, Stays, Goes, Goes, Stays];
    let has_time =
        |job: &Job| job.run_at.is_some() || job.blocked_by.is_some() || job.state == State::Processing;
    let has_times = jobs.len() > FULL_SCREENS || jobs.iter().any(has_time);
    let shown = if has_times { header.len() } else { header.len() - 1 };
    Table::new(&header[..shown]).fit(cx.output().columns(), &narrow[..shown])
}

fn add(cx: &Context, table: &mut Table, job: &Job, times: &Times) {
    let number = job.seq.to_string();
    let retries = format!("{}/{}", job.retries(), job.max_retries);
    let created = times.short(job.created_at);
    let is_piped = !cx.output().is_terminal();
    let when = match job.started_at {
        // In a pipe too: it says more than the time for which the job waits as well.
        _ if let Some(blocker) = job.blocked_by => blocker.in_words().to_owned(),
        // In a pipe the column has nothing but due times.
        Some(started) if job.state == State::Processing && !is_piped => times.since(started),
        _ => job.run_at.map(|at| times.due(at)).unwrap_or_default(),
    };
    let cells =
        [&number, job.id.as_str(), job.command.as_str(), job.state.as_str(), &retries, &created, &when];
    let first = usize::from(is_piped);
    table.row_of(job.state, &cells[first..]);
}
