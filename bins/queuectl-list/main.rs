//! `queuectl list`: lists jobs in the order in which they were added.

mod table;

use queuectl_cli::{
    AnyState, Context, Elsewhere, Failure, Leads, OthersOptions, Which, each_page, elsewhere,
};
use queuectl_core::{Filter, Order};
use queuectl_service::job_fields::JobDocument;
use queuectl_store::Access;
use std::process::ExitCode;

/// List jobs, oldest first
#[derive(clap::Parser)]
#[command(name = "queuectl-list", after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    which: Which<AnyState>,

    /// List the newest first
    #[arg(long)]
    reverse: bool,

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
        (&["--after", "--from"], "list those added since then with `--since TIME`"),
        (&["--before", "--to"], "list those added before then with `--until TIME`"),
        (&["--grep", "--search", "--name"], "list those with a text in their command with `--command TEXT`"),
        (&["-r", "--newest", "--desc"], "list the newest first with `--reverse`"),
    ];
}

const EXAMPLES: &str = "\
Examples:
  queuectl list
  queuectl list --state failed --state dead --queue mail
  queuectl list --command '*report*' --exit 1 --since 2h
  queuectl list --reverse --limit 20
  queuectl list --json | jq -r '.[].id'";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| if args.json { as_json(cx, &args) } else { table::print(cx, &args) })
}

impl Args {
    /// Which jobs are listed, and in which order.
    fn filter(&self, cx: &Context) -> Result<Filter, Failure> {
        let filter = self.which.filter(cx.now())?;
        let order = if self.reverse { Order::NewestFirst { before: None } } else { filter.order };
        Ok(Filter { order, ..filter })
    }
}

fn as_json(cx: &Context, args: &Args) -> Result<(), Failure> {
    let mut store = cx.store(Access::Read)?;
    let filter = args.filter(cx)?;
    let mut array = cx.output().json_array();
    each_page(cx.output(), &mut *store, filter, args.limit, |jobs| {
        jobs.iter().try_for_each(|job| array.push(&JobDocument::from(job)))
    })?;
    array.end()
}
