//! What to do about what is not well.

use crate::StoreError;
use crate::doctor::words::START_A_WORKER;
use crate::finding::Finding;
use crate::location::folder;
use queuectl_files::quoted_path;
use std::path::Path;

/// How to get around a file that is not used.
pub(super) const NAME_ANOTHER: &str = "name a queue of your own with `--database PATH`";

/// There is no file at all.
pub(super) fn missing(path: &Path) -> Finding {
    Finding::error(
        "database",
        format!("there is no queue at {}", path.display()),
        "see where it is looked for with `queuectl config list --origin`; \
         the first job makes it: `queuectl enqueue 'echo hello'`",
    )
}

/// What a refusal to open the queue means, and what to do about it.
pub(super) fn refusal(check: &'static str, error: &StoreError, path: &Path) -> Finding {
    let file = quoted_path(path);
    let advice = match error {
        StoreError::Corrupt { .. } => after_damage(path),
        StoreError::NotOurs { .. } => {
            format!("name another queue with `--database PATH`; if this was one, {}", after_damage(path))
        }
        StoreError::NewerSchema { .. } => "use the newer queuectl that wrote it".to_owned(),
        StoreError::OlderSchema { .. } => {
            format!("start a worker, which brings it there: `{START_A_WORKER}`")
        }
        StoreError::Busy { .. } => {
            format!("see who has it open with `fuser -v {file}`, and end that program")
        }
        StoreError::FileLimit { .. } => {
            "raise the limit where this was started: `ulimit -f unlimited`".to_owned()
        }
        StoreError::Full { .. } => "make room, for example with \
             `queuectl prune --state completed --older-than 7d`"
            .to_owned(),
        StoreError::Disk { .. } => "look into the disk: `dmesg | tail`; copy what can be read elsewhere \
             with `queuectl backup FILE`"
            .to_owned(),
        StoreError::ReadOnly { .. } | StoreError::ReadOnlyFileSystem { .. } => writable_again(path),
        StoreError::NetworkFileSystem { .. } => format!(
            "stop the workers, move the file to a disk of this machine and say so: \
             `queuectl config set database PATH`; it is {file}"
        ),
        StoreError::HardLinked { .. } => {
            format!("find its other names with `find / -xdev -samefile {file}`, and remove all but one")
        }
        StoreError::LockFileMissing { .. } | StoreError::LockFileReplaced { .. } => {
            "end the workers that `queuectl worker list` shows, with `kill PID`, then start one again: \
             `queuectl worker start`"
                .to_owned()
        }
        StoreError::Unfit(unfit) => unfit.hint(NAME_ANOTHER),
        _ => format!(
            "see whose it is with `ls -ld {file}`, and which is meant with `queuectl config get database`"
        ),
    };
    Finding::error(check, error.to_string(), advice)
}

/// How to get at what is left.
pub(super) fn after_damage(path: &Path) -> String {
    let file = quoted_path(path);
    format!(
        "stop the workers with `queuectl worker stop`, keep a copy with `cp -a {file}* FOLDER`, then restore \
         a file that `queuectl backup` made, or save what can be read with \
         `sqlite3 {file} .recover | sqlite3 NEW_FILE` (SQLite 3.51.3 or newer); never write over the damaged file"
    )
}

/// Why something cannot be written.
pub(super) fn writable_again(path: &Path) -> String {
    let folder = quoted_path(folder(path));
    format!(
        "see whose it is with `ls -la {folder}`, and whether its file system is mounted read-only \
         with `findmnt -T {folder}`"
    )
}

/// Something that must never be.
pub(super) fn report_it() -> &'static str {
    "keep a copy with `queuectl backup FILE` and report it, for no program of queuectl may do this"
}
