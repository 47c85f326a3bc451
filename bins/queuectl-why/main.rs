//! `queuectl why`: says why a job does not run.

use queuectl_cli::text::escape;
use queuectl_cli::{Context, Failure, Times};
use queuectl_core::{Job, State};
use queuectl_service::find::find_job;
use queuectl_service::why::{Reason, WhyDocument, why};
use queuectl_store::Access;
use std::process::ExitCode;

/// Say why a job does not run: what it waits for, and what to type about it
#[derive(clap::Parser)]
#[command(name = "queuectl-why", after_help = EXAMPLES)]
struct Args {
    /// The job: its id, its number, a beginning or an end of its id, or @last
    id: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl why job-1
  queuectl why job-1 --json | jq -r '.reasons[].kind'";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let mut store = cx.store(Access::Read)?;
        cx.note_if_no_queue(&mut *store)?;
        let job = find_job(&mut *store, &args.id)?;
        let reasons = why(&mut *store, &job, &Times::of(cx))?;
        if args.json {
            cx.output().json(&WhyDocument::new(&job, &reasons))
        } else {
            print(cx, &job, &reasons)
        }
    })
}

fn print(cx: &Context, job: &Job, reasons: &[Reason]) -> Result<(), Failure> {
    let id = escape(job.id.as_str());
    let mut lines = vec![match (reasons.is_empty(), job.state) {
        (_, State::Processing) => format!("Job {id} is processing"),
        (true, _) => format!("Nothing keeps job {id}: the next worker that is free takes it"),
        (false, state) if state.is_finished() => format!("Job {id} will not run again:"),
        (false, state) => format!("Job {id} is {state} and waits:"),
    }];
    for reason in reasons {
        let hint = reason.hint.as_ref().map(|hint| format!(" (`{hint}`)")).unwrap_or_default();
        lines.push(format!("  {}{}", escape(&reason.text), escape(&hint)));
    }
    cx.output().line(lines.join("\n"))
}
