//! `queuectl logs`: prints what a job wrote.

mod follow;
mod print;

use print::{As, Printer};
use queuectl_cli::{Exit, Failure, Leads, OthersOptions};
use queuectl_core::{Attempt, Job, Lease, Stream};
use queuectl_service::detail::{attempt_number, last_attempt};
use queuectl_service::find::find_job;
use queuectl_service::typed;
use queuectl_store::Access;
use std::process::ExitCode;

/// Print what a job wrote, byte for byte
///
/// On a terminal, what the terminal would obey is shown escaped; lines, tabs and
/// colours stay. What a job wrote to one stream stands in its order. Between standard
/// output and standard error only the order is known in which the worker has read them.
#[derive(clap::Parser)]
#[command(name = "queuectl-logs", after_help = EXAMPLES)]
struct Args {
    /// The job: its id, its number, a beginning or an end of its id, or @last
    id: String,

    /// Go on until the job has come to rest, through its retries
    #[arg(long, short)]
    follow: bool,

    /// Print only what was written there [default: both, in the order of writing]
    #[arg(long, value_name = "STREAM")]
    stream: Option<StreamName>,

    /// Print this attempt, counted from 1; `queuectl show` lists them [default: the last]
    #[arg(long, value_name = "N")]
    attempt: Option<usize>,

    /// Print byte for byte on a terminal too, which obeys whatever the job wrote
    #[arg(long, conflicts_with = "json")]
    raw: bool,

    /// Print JSON; with --follow one document a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    others: Leads<Others>,
}

/// What other programs take to print a log.
enum Others {}

impl OthersOptions for Others {
    const TABLE: &'static [(&'static [&'static str], &'static str)] = &[(
        &["--tail", "--lines", "-n"],
        "cut it with tail, as in `queuectl logs ID | tail -n 20`; go on with `--follow`",
    )];
}

/// One of the two places a program writes to.
#[derive(Clone, Copy, clap::ValueEnum)]
enum StreamName {
    Stdout,
    Stderr,
}

const EXAMPLES: &str = "\
Examples:
  queuectl logs job-1
  queuectl logs -f job-1 --stream stderr
  queuectl logs job-1 --attempt 2

Exit codes: 0 done, 1 error, 2 the command line is wrong, 4 not found, 75 busy: try again;
with --follow 0 the job completed, 1 it is dead or was cancelled";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let mut store = cx.store(Access::Read)?;
        cx.note_if_no_queue(&mut *store)?;
        let job = find_job(&mut *store, &args.id)?;
        let attempts = store.attempts(job.seq)?;
        let lease = match args.attempt {
            None => last_attempt(&job, &attempts),
            Some(number) => Some(chosen(&job, &attempts, number).ok_or_else(|| {
                Failure::new(Exit::NotFound, format!("job {} has no attempt {number}", job.id))
                    .hint(format!("list them with `queuectl show {}`", typed(job.id.as_str())))
            })?),
        };
        let stream = args.stream.map(|name| match name {
            StreamName::Stdout => Stream::Stdout,
            StreamName::Stderr => Stream::Stderr,
        });
        let as_what = match (args.json, args.raw) {
            (true, _) => As::Json,
            (false, true) => As::Raw,
            (false, false) => As::Text,
        };
        if args.follow {
            let mut printer = Printer::lines(cx, stream, as_what);
            printer.begin(lease.map_or(1, |lease| attempt_number(&attempts, lease)));
            return follow::follow(cx, &mut *store, &job.id, lease, &mut printer);
        }
        let mut printer = Printer::all(cx, stream, as_what);
        if let Some(lease) = lease {
            printer.begin(attempt_number(&attempts, lease));
            printer.print_from(&mut *store, lease, 0)?;
        }
        printer.end()
    })
}

/// The attempt of this number, ended or running.
fn chosen(job: &Job, attempts: &[Attempt], number: usize) -> Option<Lease> {
    let ended = number.checked_sub(1).and_then(|index| attempts.get(index)).map(|attempt| attempt.lease);
    ended.or_else(|| last_attempt(job, attempts).filter(|&lease| attempt_number(attempts, lease) == number))
}
