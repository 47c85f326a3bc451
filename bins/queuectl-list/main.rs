//! `queuectl list`: lists jobs in the order in which they were added.

use queuectl_cli::Narrow::{CutsBeginnings, CutsEnds, Goes, Stays};
use queuectl_cli::text::{escape, shorten_beginning};
use queuectl_cli::{
    Context, Elsewhere, Failure, Leads, OthersOptions, Table, Times, each_page, elsewhere, state_parser,
};
use queuectl_core::{Job, State};
use queuectl_service::document::job::JobDocument;
use queuectl_store::Access;
use std::process::ExitCode;

/// List jobs, oldest first
#[derive(clap::Parser)]
#[command(name = "queuectl-list", after_help = EXAMPLES)]
struct Args {
    /// List only jobs in this state; can be repeated [default: all]
    #[arg(long, value_name = "STATE", value_parser = state_parser(), ignore_case = true)]
    state: Vec<State>,

    /// List only the newest N jobs [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    #[arg(hide = true, value_parser = elsewhere(
        "name a state with `--state STATE`, and see one job with `queuectl show ID`"
    ))]
    word: Option<Elsewhere>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    others: Leads<Others>,
}

/// What other programs take to list jobs.
enum Others {}

impl OthersOptions for Others {
    const TABLE: &'static [(&'static [&'static str], &'static str)] = &[
        (&["--all", "-a"], "without `--state` all jobs are listed: `queuectl list`"),
        (&["--pending", "--queued", "--waiting"], "name the state: `--state pending`"),
        (&["--running", "--active", "--processing"], "name the state: `--state processing`"),
        (&["--failed"], "name the states: `--state failed --state dead`"),
        (&["--dead"], "name the state: `--state dead`"),
        (&["--completed", "--done", "--finished"], "name the state: `--state completed`"),
        (&["-n", "--tail"], "list the newest N with `--limit N`"),
        (&["--queue"], "another queue is at another place, `--database ./NAME.db`"),
    ];
}

const EXAMPLES: &str = "\
Examples:
  queuectl list
  queuectl list --state failed --state dead
  queuectl list --json | jq -r '.[].id'";

/// So many jobs are looked through for one that waits or runs before the table begins.
const FULL_SCREENS: usize = 999;

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| if args.json { as_json(cx, &args) } else { as_table(cx, &args) })
}

fn as_json(cx: &Context, args: &Args) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let mut array = cx.output().json_array();
    each_page(cx.output(), &mut *store, &args.state, args.limit, |jobs| {
        jobs.iter().try_for_each(|job| array.push(&JobDocument::from(job)))
    })?;
    array.end()
}

fn as_table(cx: &Context, args: &Args) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let times = Times::of(cx);
    if let Some(place) = cx.chosen_queue()? {
        let room = cx.output().columns().map_or(usize::MAX, |columns| columns.saturating_sub("Queue ".len()));
        cx.output().note(format!("Queue {}", shorten_beginning(&escape(&place.to_string()), room)));
    }
    let mut table: Option<Table> = None;
    each_page(cx.output(), &mut *store, &args.state, args.limit, |jobs| {
        let table = table.get_or_insert_with(|| begin(cx, jobs));
        for job in jobs {
            add(cx, table, job, &times);
        }
        cx.output().bytes(table.page().as_bytes())
    })?;
    if table.is_none() {
        let states: Vec<&str> = args.state.iter().map(|state| state.as_str()).collect();
        let states = states.join(" or ");
        cx.note_nothing(
            &mut *store,
            &if states.is_empty() { "No jobs".to_owned() } else { format!("No {states} jobs") },
        )?;
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
    let has_time = |job: &Job| job.run_at.is_some() || job.state == State::Processing;
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
        // In a pipe the column has nothing but due times.
        Some(started) if job.state == State::Processing && !is_piped => times.since(started),
        _ => job.run_at.map(|at| times.due(at)).unwrap_or_default(),
    };
    let cells =
        [&number, job.id.as_str(), job.command.as_str(), job.state.as_str(), &retries, &created, &when];
    let first = usize::from(is_piped);
    table.row_of(job.state, &cells[first..]);
}
