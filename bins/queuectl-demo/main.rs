//! `queuectl demo`: shows in a few seconds what the queue does, and leaves nothing behind.

mod stage;
mod story;

use std::process::ExitCode;

/// Show the queue at work: a temporary queue, three jobs, two workers
///
/// A job that succeeds, one that fails twice and then succeeds, and one that is
/// hopeless until a person helps. Takes about ten seconds and touches no other queue.
#[derive(clap::Parser)]
#[command(name = "queuectl-demo", after_help = EXAMPLES)]
struct Args {
    /// Print JSON: the jobs as they are at the end
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl demo";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let stage = stage::Stage::set(cx, args.json)?;
        story::tell(&stage)
    })
}
