//! `queuectl doctor`: says what is well with a queue and what is not.

use colored::Colorize as _;
use queuectl_cli::text::escape;
use queuectl_cli::{Context, Exit, Failure, with_typed_places};
use queuectl_service::amounts::plural;
use queuectl_service::document::said::{ExaminedQueue, is_well};
use queuectl_settings::Places;
use queuectl_store::{Access, Finding, Level};
use std::path::Path;
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
        let findings = examine(cx);
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

/// What this program knows itself, and what the store finds.
fn examine(cx: &Context) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("program", format!("queuectl {}", env!("CARGO_PKG_VERSION")))];
    let found =
        cx.settings().and_then(|settings| Ok((settings, cx.location()?, cx.open_options(Access::Read)?)));
    match found {
        Ok((settings, location, options)) => {
            let file = settings.places().config_file();
            let found = if file.exists() { "can be read" } else { "is not there: the defaults count" };
            findings.push(Finding::ok("configuration", format!("{} {found}", file.display())));
            findings.extend(beside(settings.places()));
            findings.extend(queuectl_store::diagnose(&location, &options));
        }
        // Where the queue is stands there.
        Err(failure) => {
            let mend = "mend it, and examine the queue again: `queuectl config check` says where it is wrong";
            let advice = failure.advice().unwrap_or(mend);
            findings.push(Finding::error("configuration", failure.message(), advice));
        }
    }
    findings
}

/// Whether workers in the background can write their log, and the configuration can be
/// locked while it is changed.
fn beside(places: &Places) -> Vec<Finding> {
    let (folder, file) = (places.state_folder(), places.config_file());
    let mut lock = file.as_os_str().to_owned();
    lock.push(".lock");
    let looked_at = [
        ("log-file", queuectl_files::check_beside(folder, &folder.join("worker.log"))),
        ("configuration", queuectl_files::check_beside(file, Path::new(&lock))),
    ];
    let unfit = looked_at.into_iter().filter_map(|(check, found)| Some((check, found.err()?)));
    unfit
        .map(|(check, unfit)| {
            let advice = unfit.hint("remove it, or name another folder with QUEUECTL_HOME");
            Finding::error(check, unfit.to_string(), advice)
        })
        .collect()
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
