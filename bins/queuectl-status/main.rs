//! `queuectl status`: tells how many jobs stand where, and who works on them.

mod picture;
mod watch;

use queuectl_cli::{Elsewhere, elsewhere};
use queuectl_service::amounts::parse_duration;
use std::process::ExitCode;
use std::time::Duration;

/// Show how many jobs there are in each state, and the active workers
#[derive(clap::Parser)]
#[command(name = "queuectl-status", after_help = EXAMPLES)]
struct Args {
    /// Keep showing it until Ctrl+C
    #[arg(long, short)]
    watch: bool,

    /// Look again after this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1s", requires = "watch")]
    interval: Duration,

    /// Print JSON; with --watch one document a line
    #[arg(long)]
    json: bool,

    #[arg(hide = true, value_parser = elsewhere("see one job with `queuectl show ID`"))]
    id: Option<Elsewhere>,
}

const EXAMPLES: &str = "\
Examples:
  queuectl status
  queuectl status --watch --interval 500ms
  queuectl status --json | jq .jobs.dead";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        if args.watch {
            return watch::watch(cx, args.interval, args.json);
        }
        let status = picture::take(cx)?;
        if !status.is_there {
            cx.note_no_queue()?;
        }
        if args.json {
            return cx.output().json(&status.document());
        }
        cx.output().line(picture::text(cx, &status)?)?;
        if status.runs_jobs() {
            cx.output().note("hint: see what runs with `queuectl list --state processing`");
        }
        Ok(())
    })
}
