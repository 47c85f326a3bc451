//! What every queuectl program does the same way.
//!
//! A program hands its arguments' type and one function to [`run`]; the function
//! gets a [`Context`] and gives `Ok` or a [`Failure`]. Everything a person reads
//! goes through [`Output`] and [`Failure`]; how a program can end is [`Exit`],
//! and nothing else ends it.
//!
//! | Module | What it knows |
//! |---|---|
//! | `global`, `arguments`, `usage` | the global flags, how a command line is read, and what is wrong with it |
//! | `command_words` | which words are ours, and which are those of a command we are given |
//! | `context` | settings, queue, time |
//! | `elsewhere`, `habits` | options and words of others, and where they lead |
//! | `failure` | how is shown what was not done |
//! | `pages`, `detail` | how many jobs are shown, and one |
//! | `which` | the flags by which many jobs are meant |
//! | `named`, `many`, `deletion` | what is done to jobs, and how that is told |
//! | `confirm` | a question before what cannot be undone |
//! | `output`, `verbosity`, [`table`], [`text`], `times`, `visible` | how things are printed |
//! | `logging` | the log of the worker |
//! | `programs` | which programs are of the family |
//! | `replace` | how a process becomes another program |
//! | `states` | the names of states, and what others call them |
//! | `typed_places` | how a hint leads to the queue that was named |
//! | `waiting` | what keeps a job waiting |
//! | `signals` | signals that would end a program without a word |

mod arguments;
mod command_words;
mod confirm;
mod context;
mod deletion;
mod detail;
mod elsewhere;
mod failure;
mod global;
mod habits;
mod logging;
mod many;
mod named;
mod notes;
mod output;
mod pages;
mod programs;
mod queues;
mod replace;
mod signals;
mod states;
pub mod table;
pub mod text;
mod times;
mod typed_places;
mod usage;
mod variables;
mod verbosity;
mod visible;
mod waiting;
mod which;

pub use arguments::{check_place, command, report_as_they_ask};
pub use confirm::Consent;
pub use context::Context;
pub use deletion::{delete_named, delete_settled};
pub use detail::show_job;
pub use elsewhere::{Elsewhere, Leads, OthersOptions, elsewhere};
pub use failure::Failure;
pub use global::{GlobalArgs, LOG_LEVEL_VARIABLE};
pub use habits::habit;
pub use logging::{begin_lines_with_times, start_log, start_log_through};
pub use many::{Many, grant_many};
pub use named::{each_named, each_tried, find_named};
pub use output::{JsonArray, Output};
pub use pages::each_page;
pub use programs::{PROGRAM_PREFIX, is_program, program_in};
pub use queuectl_core::Exit;
pub use queues::queue_pattern;
pub use replace::replace_process;
pub use states::{settled_state_parser, state_parser};
pub use table::{Narrow, Table};
pub use times::Times;
pub use typed_places::with_typed_places;
pub use variables::{Variables, inherited_variables, variables};
pub use verbosity::Verbosity;
pub use visible::{Coloring, Visible};
pub use waiting::Waiting;
pub use which::{AnyState, Cancellable, Conditions, NamedOrMeant, StatesTaken, Waits, Which};

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Runs a program: reads its command line, does what it does, says what went wrong.
///
/// The name of `A`'s command must be the program's own, `queuectl-<name>`.
pub fn run<A: clap::Parser>(program: impl FnOnce(A, &Context) -> Result<(), Failure>) -> ExitCode {
    signals::outlive_large_files();
    end(read_and_do(std::env::args_os().collect(), program))
}

/// Runs a program whose only positional argument is a command that is
/// to be run; what cannot stand beside it conflicts with that argument.
pub fn run_with_command<A: clap::Parser>(
    program: impl FnOnce(A, &Context) -> Result<(), Failure>,
) -> ExitCode {
    signals::outlive_large_files();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    arguments::report_as_they_ask(&arguments);
    let arranged = command_words::arrange(arguments::command::<A>, arguments);
    end(arranged.and_then(|arranged| {
        read_and_do(arranged.arguments, |arguments, cx| {
            program(arguments, cx)?;
            arranged.remark.iter().for_each(|remark| cx.output().note_as_it_is(remark));
            Ok(())
        })
    }))
}

fn read_and_do<A: clap::Parser>(
    arguments: Vec<OsString>,
    program: impl FnOnce(A, &Context) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (arguments, global) = arguments::parse::<A>(arguments)?;
    program(arguments, &Context::new(global))?;
    io::stdout().flush().map_err(|error| Failure::of_output(&error))
}

fn end(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            failure.report();
            failure.code().into()
        }
    }
}
