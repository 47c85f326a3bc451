//! `queuectl dlq`: looks after the dead letter queue.

mod clear;
mod list;
mod retry;
mod show;

use std::process::ExitCode;

/// See, retry and delete dead jobs: those that are out of retries
#[derive(clap::Parser)]
#[command(name = "queuectl-dlq", arg_required_else_help = true, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Retry(retry::RetryArgs),
    Clear(clear::ClearArgs),
}

const EXAMPLES: &str = "\
Examples:
  queuectl dlq list
  queuectl dlq show job-1
  queuectl dlq retry job-1
  queuectl dlq clear --dry-run";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| match args.action {
        Action::List(args) => list::list(cx, &args),
        Action::Show(args) => show::show(cx, &args),
        Action::Retry(args) => retry::retry(cx, &args),
        Action::Clear(args) => clear::clear(cx, &args),
    })
}
