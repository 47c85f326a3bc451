//! `queuectl list`: lists jobs in the order in which they were added.

use queuectl_cli::json::JobDocument;
use queuectl_cli::{Context, Elsewhere, Failure, Table, each_page, elsewhere, state_parser, text};
use queuectl_core::{Job, State};
use queuectl_store::Access;
use std::process::ExitCode;

/// List jobs, oldest first
#[derive(clap::Parser)]
#[command(name = "queuectl-list", after_help = EXAMPLES)]
struct Args {
    /// List only jobs in this state; can be repeated
    #[arg(long, value_name = "STATE", value_parser = state_parser(), ignore_case = true)]
    state: Vec<State>,

    /// List at most N jobs
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    #[arg(hide = true, value_parser = elsewhere(
        "name a state with `--state STATE`, and see one job with `queuectl show ID`"
    ))]
    word: Option<Elsewhere>,

    #[arg(long, hide = true, value_parser = elsewhere(
        "another queue is at another place, `--database ./NAME.db`"
    ))]
    queue: Option<Elsewhere>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl list
  queuectl list --state failed --state dead
  queuectl list --json | jq -r '.[].id'";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| if args.json { as_json(cx, &args) } else { as_table(cx, &args) })
}

fn as_json(cx: &Context, args: &Args) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let mut array = cx.output().json_array();
    each_page(&mut *store, &args.state, args.limit, |jobs| {
        jobs.iter().try_for_each(|job| array.push(&JobDocument::from(job)))
    })?;
    array.end()
}

fn as_table(cx: &Context, args: &Args) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let header = ["ID", "Command", "State", "Retries", "Created At"];
    let mut table = Table::new(&header).fit(1, cx.output().columns());
    let mut listed = false;
    each_page(&mut *store, &args.state, args.limit, |jobs| {
        listed = true;
        for job in jobs {
            add(&mut table, job);
        }
        cx.output().bytes(table.page().as_bytes())
    })?;
    if !listed {
        let states: Vec<&str> = args.state.iter().map(|state| state.as_str()).collect();
        let states = states.join(" or ");
        cx.output().note(if states.is_empty() { "No jobs".to_owned() } else { format!("No {states} jobs") });
    }
    Ok(())
}

fn add(table: &mut Table, job: &Job) {
    table.row_of(
        job.state,
        [
            job.id.as_str(),
            job.command.as_str(),
            job.state.as_str(),
            &format!("{}/{}", job.retries(), job.max_retries),
            &text::time(job.created_at),
        ],
    );
}
