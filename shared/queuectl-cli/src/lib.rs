//! What every queuectl program does the same way.
//!
//! A program hands its arguments' type and one function to [`run`]; the function
//! gets a [`Context`] and gives `Ok` or a [`Failure`]. Everything a person reads
//! goes through [`Output`] and [`Failure`]; how a program can end is [`Exit`],
//! and nothing else ends it.
//!
//! | Module | What it knows |
//! |---|---|
//! | `arguments`, `usage` | the global flags, how a command line is read, and what is wrong with it |
//! | `context` | settings, queue, time |
//! | `exit`, `failure` | exit codes; which error leads to which, with which hint |
//! | `pages`, `find`, `detail` | how jobs are read from the store: all of them, the one that is meant, all about it |
//! | `deletion` | how jobs are deleted, and their room given back |
//! | `output`, [`table`], [`json`], [`text`], `times`, `visible` | how things are printed |
//! | `logging` | the log of the worker |
//! | `replace` | how a process becomes another program |
//! | `signals` | signals that would end a program without a word |

mod arguments;
mod context;
mod deletion;
mod detail;
mod exit;
mod failure;
mod find;
pub mod json;
mod logging;
mod output;
mod pages;
mod replace;
mod signals;
pub mod table;
pub mod text;
mod times;
mod usage;
mod variables;
mod visible;

pub use arguments::{
    GlobalArgs, LOG_LEVEL_VARIABLE, check_place, command, settled_state_parser, state_parser,
};
pub use context::Context;
pub use deletion::delete_settled;
pub use detail::{attempt_number, last_attempt, show_job};
pub use exit::Exit;
pub use failure::Failure;
pub use find::find_job;
pub use logging::{begin_lines_with_times, start_log, start_log_through};
pub use output::{JsonArray, Output, Verbosity};
pub use pages::{each_page, each_part};
pub use replace::replace_process;
pub use table::{Narrow, Table};
pub use times::Times;
pub use variables::{Variables, variables};
pub use visible::{Coloring, Visible};

use std::io::{self, Write as _};
use std::process::ExitCode;

/// Runs a program: reads its command line, does what it does, says what went wrong.
///
/// The name of `A`'s command must be the program's own, `queuectl-<name>`.
pub fn run<A: clap::Parser>(program: impl FnOnce(A, &Context) -> Result<(), Failure>) -> ExitCode {
    signals::outlive_large_files();
    let outcome = arguments::parse::<A>(std::env::args_os())
        .and_then(|(arguments, global)| program(arguments, &Context::new(global)));
    let outcome = outcome.and_then(|()| io::stdout().flush().map_err(|error| Failure::of_output(&error)));
    match outcome {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            failure.report();
            failure.code().into()
        }
    }
}
