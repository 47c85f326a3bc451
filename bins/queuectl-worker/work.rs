//! `queuectl-worker work`: one worker process, started by its manager.

use crate::start::log_prefix;
use queuectl_cli::{Context, Exit, Failure, begin_lines_with_times, start_log};
use queuectl_runtime::{WorkerError, worker};
use queuectl_settings::Key;
use std::io::{self, Write};

/// Be one worker; its manager tells it on standard input what to do
#[derive(clap::Args)]
pub(crate) struct WorkArgs {
    /// Begin each line of the log with its time
    #[arg(long)]
    log_times: bool,

    /// Name this queue in each line of the log
    #[arg(long)]
    log_queue: Option<String>,
}

pub(crate) fn work(cx: &Context, args: &WorkArgs) -> Result<(), Failure> {
    if args.log_times {
        begin_lines_with_times();
    }
    start_log(cx.settings()?.log_level(), log_prefix("Worker", args.log_queue.as_deref()));
    let worked = worker::run(&Key::variables_of_one_process(), |id| {
        // If the manager is gone, the end of standard input will say so.
        let mut manager = io::stdout();
        let _manager_is_gone = writeln!(manager, "ready {id}").and_then(|()| manager.flush());
    });
    worked.map_err(|error| match error {
        WorkerError::Store(error) => error.into(),
        // Its manager starts another, again and again, until one can begin.
        WorkerError::NotYet(error) => Failure::from(error).with_code(Exit::Busy),
        WorkerError::GaveUp => Failure::new(Exit::Busy, error.to_string()),
        error => Failure::error(error.to_string()),
    })
}
