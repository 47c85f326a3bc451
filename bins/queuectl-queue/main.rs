//! `queuectl queue`: shows and steers the queues of one place, by name.

mod drain;
mod list;
mod named;
mod pause;
mod remove;
mod resume;
mod set;
mod show;

use std::process::ExitCode;

/// See queues by name, and bound, pause, resume or drain them
#[derive(clap::Parser)]
#[command(name = "queuectl-queue", arg_required_else_help = true, after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Set(set::SetArgs),
    Pause(pause::PauseArgs),
    Resume(resume::ResumeArgs),
    Drain(drain::DrainArgs),
    Remove(remove::RemoveArgs),
}

const EXAMPLES: &str = "\
Examples:
  queuectl queue list
  queuectl queue set video --limit 2
  queuectl queue pause mail --for 1h --reason 'the relay is down'
  queuectl queue resume mail
  queuectl queue drain mail";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| match args.action {
        Action::List(args) => list::list(cx, &args),
        Action::Show(args) => show::show(cx, &args),
        Action::Pause(args) => pause::pause(cx, &args),
        Action::Resume(args) => resume::resume(cx, &args),
        Action::Drain(args) => drain::drain(cx, &args),
        Action::Set(args) => set::set(cx, &args),
        Action::Remove(args) => remove::remove(cx, &args),
    })
}
