//! `queuectl move`: brings a queue to another place, between files and servers.
//!
//! Every step can be repeated, so the same command goes on after a kill.

mod abort;
mod begin;
mod compare;
mod copy;
mod finish;
mod wait;

use queuectl_cli::{Context, Failure};
use std::ffi::OsString;
use std::process::ExitCode;

/// Move the queue to another place, between SQLite and PostgreSQL
///
/// From the first moment on nothing is accepted or started at the old place; who
/// tries is told the new one (exit code 75). The workers, on all machines, finish
/// what they run and end. Then every job is copied, with its attempts and its output,
/// and the new place is opened. If it is interrupted, the same command goes on.
#[derive(clap::Parser)]
#[command(name = "queuectl-move", after_help = EXAMPLES)]
struct Args {
    /// Where to; no queue may be there
    #[arg(long, value_name = "URL|PATH", required_unless_present = "abort", conflicts_with = "abort")]
    to: Option<OsString>,

    /// Compare every job, attempt and byte of output before the new place is opened
    #[arg(long, conflicts_with = "abort")]
    verify: bool,

    /// Give up a move that was not finished: the queue is open again where it was
    #[arg(long)]
    abort: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl move --to postgres://queue@db.example/jobs --verify
  queuectl move --to '/var/lib/queue.db' --database 'postgres://queue@db.example/jobs'
  queuectl move --abort

A password belongs into ~/.pgpass or PGPASSWORD. Afterwards say where the queue is:
  queuectl config set database postgres://queue@db.example/jobs";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| match &args.to {
        Some(to) => go(cx, &args, to).map_err(|failure| {
            failure.hint_if_unknown(
                "type the same command again, it goes on; or give the move up with `queuectl move --abort`",
            )
        }),
        None => abort::abort(cx, args.json)
            .map_err(|failure| failure.hint_if_unknown("type the same command again, it goes on")),
    })
}

fn go(cx: &Context, args: &Args, to: &OsString) -> Result<(), Failure> {
    let mut ends = begin::begin(cx, to)?;
    if !ends.is_open_there {
        wait::wait(cx, ends.old.as_mut())?;
        copy::copy(cx, &mut ends)?;
        compare::compare(&mut ends)?;
        if args.verify {
            compare::compare_each(cx, &mut ends)?;
        }
    }
    finish::finish(cx, args, &mut ends)
}
