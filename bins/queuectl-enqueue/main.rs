//! `queuectl enqueue`: adds a job, or many, and prints the ids.

mod args;
mod duplicate;
mod file;
mod given;
mod notes;
mod one;
mod wait;

use args::Args;
use queuectl_cli::{Exit, Failure};
use std::process::ExitCode;

fn main() -> ExitCode {
    queuectl_cli::run_with_command(|args: Args, cx| match &args.file {
        Some(_) if args.wait => Err(not_for_many()),
        Some(path) => file::add(cx, path, &args),
        None => one::add(cx, &args),
    })
}

fn not_for_many() -> Failure {
    Failure::new(Exit::Usage, "`--wait` goes with one job, not with a file of jobs")
        .hint("add them, and wait with `queuectl wait ID…`")
}
