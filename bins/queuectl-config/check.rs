//! `queuectl config check`: tells everything that is wrong.

use crate::aliases;
use queuectl_cli::text::escape;
use queuectl_cli::{Context, Exit, Failure};
use queuectl_service::document::setting::{CheckedSettings, ProblemDocument};

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

pub(crate) fn check(cx: &Context, args: &CheckArgs) -> Result<(), Failure> {
    let places = cx.places()?;
    let problems = queuectl_settings::check(&places)?;
    // With nothing wrong in the file, what is beside it is left.
    let elsewhere = if problems.is_empty() { beside_the_file(cx) } else { Vec::new() };
    let unknown = cx.warn_of_unknown_variables();
    let sound = problems.is_empty() && elsewhere.is_empty();
    if args.json {
        let mut documents: Vec<_> = problems.iter().map(ProblemDocument::from).collect();
        documents.extend(elsewhere.iter().map(|failure| ProblemDocument::beside_the_file(failure.message())));
        let unknown_variables = unknown.into_iter().map(|variable| variable.name).collect();
        cx.output().json(&CheckedSettings {
            file: places.config_file(),
            problems: documents,
            unknown_variables,
        })?;
    } else {
        for problem in &problems {
            Failure::error(problem.to_string()).hint(problem.hint()).report();
        }
        elsewhere.iter().for_each(Failure::report);
        if sound {
            let file = places.config_file().display().to_string();
            cx.output().line(format!("{}: no problems", escape(&file)))?;
        }
    }
    if sound { Ok(()) } else { Err(Failure::said(Exit::Error)) }
}

/// What is wrong with variables and flags, and which aliases can never work.
fn beside_the_file(cx: &Context) -> Vec<Failure> {
    match cx.settings() {
        Err(failure) => vec![failure],
        Ok(settings) => {
            settings.aliases().keys().filter_map(|name| aliases::fault(name, settings.aliases())).collect()
        }
    }
}
