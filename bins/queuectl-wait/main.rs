//! `queuectl wait`: waits until jobs have come to rest.

mod bar;
mod end;
mod until;

use bar::Show;
use end::As;
use queuectl_cli::{Cancellable, Context, Failure, Leads, NamedOrMeant, OthersOptions, find_named};
use queuectl_core::{Exit, Filter, Wish};
use queuectl_service::amounts::parse_duration;
use queuectl_service::wait::jobs::{JobsWait, Until};
use queuectl_store::{Access, Store};
use std::process::ExitCode;
use std::time::Duration;

/// Wait until jobs have come to rest: until they are completed, dead or cancelled
///
/// Those that are named, or all that match when it begins and are not at rest. What is dead
/// or was cancelled is named, with its reason. Ctrl+C ends the wait only.
#[derive(clap::Parser)]
#[command(name = "queuectl-wait", after_help = EXAMPLES)]
struct Args {
    #[command(flatten)]
    jobs: NamedOrMeant<Cancellable>,

    /// Wait only until one of them has come to rest
    #[arg(long)]
    any: bool,

    /// Wait no longer than this; the jobs go on [default: as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// Print JSON: the jobs as they are then
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    others: Leads<Others>,
}

/// What other programs take to wait.
enum Others {}

impl OthersOptions for Others {
    const TABLE: &'static [(&'static [&'static str], &'static str)] = &[
        (
            &["--all", "-a"],
            "run everything that is left, and wait for it, with `queuectl worker start --drain`",
        ),
        (&["--first", "--one"], "wait until one has come to rest with `--any`"),
        (&["--max-time", "-t"], "say how long with `--timeout TIME`"),
    ];
}

const EXAMPLES: &str = "\
Examples:
  queuectl wait job-1
  queuectl wait job-1 job-2 --timeout 10m
  queuectl wait job-1 job-2 --any --json

Exit codes: 0 all completed, 1 one is dead or was cancelled, or an error, 2 the command line
is wrong, 4 not found, 75 busy: try again, 124 the time has passed";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let mut store = cx.store(Access::Read)?;
        cx.note_if_no_queue(&mut *store)?;
        let until = if args.any { Until::OneRests } else { Until::AllRest };
        let mut wait = if args.jobs.ids.is_empty() {
            all_that_match(cx, &mut *store, &args, until)?
        } else {
            JobsWait::new(until, &find_named(&mut *store, &args.jobs.ids)?)
        };
        let (show, as_what) =
            if args.json { (Show::Nothing, As::Json) } else { (Show::OnTerminal, As::Words) };
        let ended = until::over(cx, &mut *store, &mut wait, args.timeout, show)?;
        end::tell(cx, &wait.end(&mut *store)?, &wait.progress(), ended, as_what)
    })
}

/// Begins to wait for those that match and are not at rest.
fn all_that_match(
    cx: &Context,
    store: &mut dyn Store,
    args: &Args,
    until: Until,
) -> Result<JobsWait, Failure> {
    let mut filter = args.jobs.which.filter(cx.now())?;
    if filter.states.is_empty() {
        filter = Filter { states: Wish::Cancel.states(), ..filter };
    }
    let wait = JobsWait::for_all(until, store, filter)?;
    if wait.is_empty() {
        return Err(Failure::new(Exit::NotFound, "no jobs match that are not at rest")
            .hint("see all with `queuectl list`"));
    }
    Ok(wait)
}
