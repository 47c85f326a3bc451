//! `queuectl config check`: tells everything that is wrong.

use queuectl_cli::text::escape;
use queuectl_cli::{Context, Exit, Failure};
use queuectl_settings::Problem;
use serde::Serialize;
use std::path::Path;

/// Report everything that is wrong with the configuration
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl config check";

#[derive(Serialize)]
struct Document<'a> {
    file: &'a Path,
    problems: Vec<ProblemDocument>,
}

#[derive(Serialize)]
struct ProblemDocument {
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

pub(crate) fn check(cx: &Context, args: &CheckArgs) -> Result<(), Failure> {
    let places = cx.places()?;
    let problems = queuectl_settings::check(&places)?;
    // With nothing wrong in the file, the variables and flags are left.
    let elsewhere = if problems.is_empty() { cx.settings().err() } else { None };
    let sound = problems.is_empty() && elsewhere.is_none();
    if args.json {
        let mut documents: Vec<_> = problems.iter().map(document).collect();
        documents.extend(elsewhere.map(|failure| ProblemDocument {
            line: None,
            column: None,
            message: failure.message().to_owned(),
        }));
        cx.output().json(&Document { file: places.config_file(), problems: documents })?;
    } else {
        for problem in &problems {
            Failure::error(problem.to_string()).hint(problem.hint()).report();
        }
        if let Some(failure) = elsewhere {
            failure.report();
        }
        if sound {
            let file = places.config_file().display().to_string();
            cx.output().line(format!("{}: no problems", escape(&file)))?;
        }
    }
    if sound { Ok(()) } else { Err(Failure::said(Exit::Error)) }
}

fn document(problem: &Problem) -> ProblemDocument {
    ProblemDocument {
        line: Some(problem.line),
        column: Some(problem.column),
        message: problem.fault.to_string(),
    }
}
