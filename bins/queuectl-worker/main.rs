//! `queuectl worker`: runs jobs.

mod detach;
mod drained;
mod guard;
mod list;
mod progress;
mod start;
mod stop;
mod work;

use std::process::ExitCode;

/// Start, stop and list the workers that run jobs
#[derive(clap::Parser)]
#[command(name = "queuectl-worker", arg_required_else_help = true, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Start(start::StartArgs),
    Stop(stop::StopArgs),
    List(list::ListArgs),
    #[command(hide = true)]
    Work(work::WorkArgs),
    #[command(hide = true)]
    Guard(guard::GuardArgs),
}

const EXAMPLES: &str = "\
Examples:
  queuectl worker start --count 4
  queuectl worker start --detach
  queuectl worker list
  queuectl worker stop";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| match args.action {
        Action::Start(args) => start::start(cx, &args),
        Action::Stop(args) => stop::stop(cx, &args),
        Action::List(args) => list::list(cx, &args),
        Action::Work(args) => work::work(cx, &args),
        Action::Guard(args) => guard::guard(cx, &args),
    })
}
