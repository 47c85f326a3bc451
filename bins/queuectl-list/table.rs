//! Jobs as a person reads them.

use crate::Args;
use queuectl_cli::Narrow::{CutsBeginnings, CutsEnds, Goes, Stays};
use queuectl_cli::text::{escape, shorten_beginning};
use queuectl_cli::{Context, Failure, Table, Times, each_page};
use queuectl_core::{DEFAULT_QUEUE, Job, PausedQueues, State};
use queuectl_store::Access;

/// So many jobs are looked through for one that waits or runs before the table begins.
const FULL_SCREENS: usize = 999;

/// Prints the jobs, page by page.
pub(crate) fn print(cx: &Context, args: &Args) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let filter = args.filter(cx)?;
    let times = Times::of(cx);
    let paused = PausedQueues::of(&store.rules()?, cx.now());
    if let Some(place) = cx.chosen_queue()? {
        let room = cx.output().columns().map_or(usize::MAX, |columns| columns.saturating_sub("Queue ".len()));
        cx.output().note(format!("Queue {}", shorten_beginning(&escape(&place.to_string()), room)));
    }
    let mut table: Option<(Table, Columns)> = None;
    each_page(cx.output(), &mut *store, filter, args.limit, |jobs| {
        let (table, columns) = table.get_or_insert_with(|| begin(cx, jobs, &paused));
        for job in jobs {
            add(table, *columns, job, &when(job, *columns, &paused, &times), &times);
        }
        cx.output().bytes(table.page().as_bytes())
    })?;
    if table.is_none() {
        cx.note_nothing(&mut *store, &args.which.nothing())?;
    }
    Ok(())
}

/// Which columns a table has, beside those that each has.
#[derive(Clone, Copy)]
enum Columns {
    /// Those of a pipe, always the same.
    OfAPipe,
    /// On a terminal a column in which nothing stands, or the same everywhere, would only
    /// take room from the commands.
    OfATerminal { queue: bool, when: bool },
}

/// The table that these jobs begin.
fn begin(cx: &Context, jobs: &[Job], paused: &PausedQueues) -> (Table, Columns) {
    if !cx.output().is_terminal() {
        let table = Table::new(&["ID", "Command", "State", "Retries", "Created At", "Due At"]);
        return (table, Columns::OfAPipe);
    }
    let has_time = |job: &Job| {
        job.run_at.is_some()
            || job.blocked_by.is_some()
            || job.state == State::Processing
            || is_paused(job, paused)
    };
    let when = jobs.len() > FULL_SCREENS || jobs.iter().any(has_time);
    let queue = jobs.iter().any(|job| job.queue != DEFAULT_QUEUE);
    let mut columns = vec![("No", Stays), ("ID", CutsBeginnings), ("Command", CutsEnds)];
    columns.extend(queue.then_some(("Queue", CutsEnds)));
    columns.extend([("State", Stays), ("Retries", Goes), ("Created", Goes)]);
    columns.extend(when.then_some(("When", Stays)));
    let (header, narrow): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    (Table::new(&header).fit(cx.output().columns(), &narrow), Columns::OfATerminal { queue, when })
}

/// Whether a job waits, and nothing of its queue is started.
fn is_paused(job: &Job, paused: &PausedQueues) -> bool {
    matches!(job.state, State::Pending | State::Failed) && paused.stops(&job.queue)
}

/// What a job waits for, or since when it runs.
fn when(job: &Job, columns: Columns, paused: &PausedQueues, times: &Times) -> String {
    let is_piped = matches!(columns, Columns::OfAPipe);
    match job.started_at {
        // In a pipe too: it says more than the time for which the job waits as well.
        _ if let Some(blocker) = job.blocked_by => blocker.in_words().to_owned(),
        _ if is_paused(job, paused) => "paused".to_owned(),
        // In a pipe the column has nothing but due times.
        Some(started) if job.state == State::Processing && !is_piped => times.since(started),
        _ => job.run_at.map(|at| times.due(at)).unwrap_or_default(),
    }
}

fn add(table: &mut Table, columns: Columns, job: &Job, when: &str, times: &Times) {
    let number = job.seq.to_string();
    let retries = format!("{}/{}", job.retries(), job.max_retries);
    let created = times.short(job.created_at);
    let (id, command, state) = (job.id.as_str(), job.command.as_str(), job.state.as_str());
    let cells = match columns {
        Columns::OfAPipe => vec![id, command, state, &retries, &created, when],
        Columns::OfATerminal { queue, when: has_when } => {
            let mut cells = vec![&number, id, command];
            cells.extend(queue.then_some(job.queue.as_str()));
            cells.extend([state, &retries, &created]);
            cells.extend(has_when.then_some(when));
            cells
        }
    };
    table.row_of(job.state, &cells);
}
