//! Whose the files of a queue are, and of which type.

use super::advice::NAME_ANOTHER;
use crate::StoreError;
use crate::finding::Finding;
use crate::liveness::lock_file_path;
use crate::location::beside;
use crate::sqlite::guard::COMPANIONS;
use crate::sqlite::reserve;
use queuectl_files::quoted_path;
use queuectl_files::{Owner, Unfit};
use std::fs::{self, Metadata};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const CHECK: &str = "owner";

/// Names every file of the queue that is another user's, or is of another type.
pub(super) fn beside_the_queue(path: &Path, queue: &Metadata, refused: Option<&StoreError>) -> Vec<Finding> {
    let told = match refused {
        Some(StoreError::Unfit(unfit)) => Some(unfit.path().to_owned()),
        _ => None,
    };
    let files = COMPANIONS.iter().map(|ending| beside(path, ending)).chain([lock_file_path(path)]);
    let mut findings: Vec<Finding> = files
        .filter(|file| told.as_ref() != Some(file))
        .filter_map(|file| queuectl_files::check_beside(path, &file).err())
        .map(|unfit| Finding::error(CHECK, unfit.to_string(), unfit.hint(NAME_ANOTHER)))
        .collect();
    findings.extend(trouble_with_the_reserve(path));
    findings.extend(trouble_with_bells(path, queue));
    if findings.is_empty() && told.is_none() {
        findings.push(Finding::ok(CHECK, format!("all of it belongs to {}", Owner::of(queue))));
    }
    findings
}

/// Without its reserve a queue goes on, until the disk is full.
fn trouble_with_the_reserve(path: &Path) -> Option<Finding> {
    let reserve = beside(path, reserve::ENDING);
    let unfit = queuectl_files::check_beside(path, &reserve).err()?;
    Some(Finding::warning(
        CHECK,
        format!("{unfit}: no room is kept back to delete jobs in when the disk is full"),
        format!("remove it, and the next program makes it again: `rm -r {}`", quoted_path(&reserve)),
    ))
}

/// Names the first that is wrong, and how many there are.
fn trouble_with_bells(path: &Path, queue: &Metadata) -> Option<Finding> {
    let mut troubles = bells(path).into_iter().filter_map(|bell| trouble_with_bell(&bell, queue));
    let mut first = troubles.next()?;
    let others = troubles.count();
    if others > 0 {
        first.found = format!("{}; {others} more of {}-bell-* are wrong too", first.found, path.display());
    }
    Some(first)
}

/// What stands where workers have their doorbells.
fn bells(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let start = format!("{}-bell-", name.to_string_lossy());
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut bells: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_prefix(&start).is_some_and(|number| number.parse::<i64>().is_ok())
        })
        .map(|entry| entry.path())
        .collect();
    bells.sort();
    bells
}

/// A worker without its doorbell polls; that costs time and nothing else.
fn trouble_with_bell(bell: &Path, queue: &Metadata) -> Option<Finding> {
    let found = fs::symlink_metadata(bell).ok()?;
    let us = rustix::process::geteuid().as_raw();
    let why = if !found.file_type().is_fifo() {
        "is no FIFO, so the worker of this number is not woken and looks for jobs every poll-interval"
            .to_owned()
    } else if found.uid() != queue.uid() && found.uid() != us {
        let unfit = Unfit::Foreign { path: bell.to_owned(), owner: Owner::of(&found) };
        let said = unfit.to_string();
        return Some(Finding::warning(CHECK, said, format!("remove it: `rm {}`", quoted_path(bell))));
    } else {
        return None;
    };
    let found = format!("{} {why}", bell.display());
    Some(Finding::warning(
        CHECK,
        found,
        format!("see what it is with `ls -ld {0}`, and remove it", quoted_path(bell)),
    ))
}
