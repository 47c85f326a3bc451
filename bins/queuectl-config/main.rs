//! `queuectl config`: looks at the configuration and changes it.

mod aliases;
mod check;
mod get;
mod list;
mod path;
mod set;
mod unset;

use std::process::ExitCode;

/// See and change how the programs behave
#[derive(clap::Parser)]
#[command(name = "queuectl-config", arg_required_else_help = true, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Get(get::GetArgs),
    Set(set::SetArgs),
    Unset(unset::UnsetArgs),
    List(list::ListArgs),
    Path(path::PathArgs),
    Check(check::CheckArgs),
}

const EXAMPLES: &str = "\
Examples:
  queuectl config set max-retries 5
  queuectl config get backoff-base
  queuectl config list --origin";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| match args.action {
        Action::Get(args) => get::get(cx, &args),
        Action::Set(args) => set::set(cx, &args),
        Action::Unset(args) => unset::unset(cx, &args),
        Action::List(args) => list::list(cx, &args),
        Action::Path(args) => path::path(cx, &args),
        Action::Check(args) => check::check(cx, &args),
    })
}
