//! `queuectl wait`: waits until jobs have come to rest.

mod bar;
mod end;
mod until;

use bar::Show;
use end::As;
use queuectl_cli::{Leads, OthersOptions, find_named};
use queuectl_service::amounts::parse_duration;
use queuectl_service::wait::jobs::{JobsWait, Until};
use queuectl_store::Access;
use std::process::ExitCode;
use std::time::Duration;

/// Wait until jobs have come to rest: until they are completed, dead or cancelled
///
/// What is dead or was cancelled is named, with its reason. Ctrl+C ends the wait only.
#[derive(clap::Parser)]
#[command(name = "queuectl-wait", after_help = EXAMPLES)]
struct Args {
    /// The jobs: ids, numbers, beginnings or ends of ids, @last
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,

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
        let jobs = find_named(&mut *store, &args.ids)?;
        let until = if args.any { Until::OneRests } else { Until::AllRest };
        let mut wait = JobsWait::new(until, &jobs);
        let (show, as_what) =
            if args.json { (Show::Nothing, As::Json) } else { (Show::OnTerminal, As::Words) };
        let ended = until::over(cx, &mut *store, &mut wait, args.timeout, show)?;
        end::tell(cx, &wait.end(&mut *store)?, &wait.progress(), ended, as_what)
    })
}
