//! `queuectl doctor`: says what is well with a queue and what is not.

use colored::Colorize as _;
use queuectl_cli::text::escape;
use queuectl_cli::{Context, Exit, Failure, with_typed_places};
use queuectl_service::amounts::plural;
use queuectl_service::doctor::examine;
use queuectl_service::document::said::{ExaminedQueue, is_well};
use queuectl_store::{Finding, Level};
use std::process::ExitCode;

/// Examine a queue, and say what to do about each thing that is not well
///
/// Works on a damaged, missing or foreign queue too, and changes nothing.
/// Reading all of a large queue takes a while; workers go on meanwhile.
#[derive(clap::Parser)]
#[command(name = "queuectl-doctor", after_help = EXAMPLES)]
struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Ends with exit code 1 if anything is an error; warnings alone are none.

Examples:
  queuectl doctor
  queuectl doctor --database /backups/queue.db
  queuectl doctor --json | jq '.findings[] | select(.level != \"ok\")'";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let settings = cx.settings().map_err(Failure::into_explanation);
        if settings.is_ok() {
            cx.warn_of_unknown_variables();
        }
        let findings = examine(env!("CARGO_PKG_VERSION"), settings, cx.global().owners());
        if args.json {
            cx.output().json(&ExaminedQueue::new(&findings, with_typed_places))?;
        } else {
            for finding in &findings {
                print(cx, finding)?;
            }
            cx.output().line(summary(&findings))?;
        }
        if is_well(&findings) { Ok(()) } else { Err(Failure::said(Exit::Error)) }
    })
}

fn print(cx: &Context, finding: &Finding) -> Result<(), Failure> {
    let level = format!("{:<8}", finding.level.as_str());
    let level = match finding.level {
        Level::Ok => level.green(),
        Level::Warning => level.yellow(),
        Level::Error => level.red(),
    };
    cx.output().line(format!("{level} {}: {}", finding.check, escape(&finding.found)))?;
    match &finding.advice {
        Some(advice) => cx.output().line(format!("         hint: {}", escape(&with_typed_places(advice)))),
        None => Ok(()),
    }
}

fn summary(findings: &[Finding]) -> String {
    let number = |level| findings.iter().filter(|finding| finding.level == level).count() as u64;
    match (number(Level::Error), number(Level::Warning)) {
        (0, 0) => "All is well".to_owned(),
        (0, warnings) => plural(warnings, "warning"),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    }
}
