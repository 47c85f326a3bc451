//! `queuectl backup`: writes a consistent copy of a queue while it is in use.

use queuectl_cli::text::escape;
use queuectl_cli::{Failure, check_place};
use queuectl_core::{Location, masked};
use queuectl_service::amounts::{plural, size};
use queuectl_service::document::counts::CountsDocument;
use queuectl_service::document::done::WrittenBackup;
use queuectl_store::{Access, StoreError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write a consistent copy of the queue into a new file, while workers go on
///
/// The copy has every job that was accepted before, with its records and its
/// output, and is a queue of its own: what is running is pending there.
#[derive(clap::Parser)]
#[command(name = "queuectl-backup", after_help = EXAMPLES)]
struct Args {
    /// Where to write it; a file that is there is never overwritten
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  queuectl backup /backups/queue-$(date +%F).db
  queuectl list --database /backups/queue-2026-11-22.db

To go back to a copy, stop the workers, move the queue's files away, and copy the
backup to where the queue was (`queuectl config get database`).";

fn main() -> ExitCode {
    queuectl_cli::run(|args: Args, cx| {
        let file = &args.file;
        check_target(file)?;
        let backup = cx.store(Access::Read)?.backup(file).map_err(|error| failure(error, file))?;
        let name = file.display().to_string();
        if args.json {
            let jobs = CountsDocument(backup.counts);
            return cx.output().json(&WrittenBackup { file: name, bytes: backup.bytes, jobs });
        }
        let jobs = plural(backup.counts.total().unsigned_abs(), "job");
        cx.output().line(format!("Wrote {}: {jobs}, {}", escape(&name), size(backup.bytes)))
    })
}

/// Refuses what is no path, as an address is, before anything is written.
fn check_target(file: &Path) -> Result<(), Failure> {
    check_place("FILE", file.as_os_str())?;
    match file.to_str().map(|text| Location::read(text, |_| true)) {
        Some(Ok(Location::Url(url))) => {
            Err(Failure::error(format!("a backup is a file, and {} is a server", masked(&url)))
                .hint("bring the queue there with `queuectl move --to URL`, or name a file"))
        }
        _ => Ok(()),
    }
}

/// Says what is in the way of this file; what is wrong with the queue, every
/// program says alike.
fn failure(error: StoreError, file: &Path) -> Failure {
    match error {
        StoreError::Io { path, source, .. } if source.kind() == ErrorKind::AlreadyExists => {
            let is_folder = path.is_dir();
            let failure = Failure::error(format!("{} exists already", path.display()));
            if is_folder {
                let inside = file.join("queue-backup.db");
                failure.hint(format!("name a file in it: `queuectl backup {}`", inside.display()))
            } else {
                failure.hint("choose another name; a backup overwrites nothing")
            }
        }
        StoreError::Io { ref source, .. } if source.kind() == ErrorKind::NotFound => {
            Failure::error(format!("the folder of {} is not there", file.display()))
                .hint("make it first, with `mkdir -p`")
        }
        StoreError::Io { ref source, .. } => {
            Failure::error(format!("cannot write {}: {source}", file.display()))
                .hint("name a file in a folder you may write to")
        }
        StoreError::Full { .. } => {
            Failure::error(format!("the disk is full, so {} was not written", file.display()))
                .hint("name a file on another disk")
        }
        error => error.into(),
    }
}
