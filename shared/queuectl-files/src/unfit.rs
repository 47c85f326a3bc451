//! Why a file is not used.

use crate::owner::{Owner, is_root};
use std::fs::{self, FileType, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Why a file is not used. Nothing has been changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// It belongs to another user.
    #[error("{} belongs to {owner}", path.display())]
    Foreign {
        /// The file, or the folder in which it would be made.
        path: PathBuf,
        /// To whom it belongs.
        owner: Owner,
    },
    /// It is something else than a file.
    #[error("{} is {kind}, and not a file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Every user of the machine can write it.
    #[error("{} can be written by every user", path.display())]
    OpenToAll {
        /// The file.
        path: PathBuf,
    },
}

impl Unfit {
    /// Which file it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Foreign { path, .. } | Self::NotAFile { path, .. } | Self::OpenToAll { path } => path,
        }
    }

    /// Says what to type next; `otherwise` is how to name another file than this.
    pub fn hint(&self, otherwise: &str) -> String {
        match self {
            Self::Foreign { owner, .. } if is_root() => format!(
                "type it as that user, `sudo -u {} {}queuectl …`; root does it all the same with `--as-root`",
                owner.typed(),
                with_our_variables(*owner)
            ),
            Self::Foreign { path, .. } if is_in_our_folder(path) => {
                format!(
                    "make it yours again with `sudo chown {} {}`",
                    Owner::us().name_or_number(),
                    quoted(path)
                )
            }
            Self::Foreign { .. } => otherwise.to_owned(),
            Self::NotAFile { path, .. } => {
                format!("see what it is with `ls -ld {}`; {otherwise}", quoted(path))
            }
            Self::OpenToAll { path } => {
                format!("take that right from them with `chmod o-w {}`", quoted(path))
            }
        }
    }
}

/// Makes sure that this is a regular file.
///
/// # Errors
///
/// [`Unfit::NotAFile`].
pub fn check_regular(path: &Path, metadata: &Metadata) -> Result<(), Unfit> {
    match kind(metadata.file_type()) {
        None => Ok(()),
        Some(kind) => Err(Unfit::NotAFile { path: path.to_owned(), kind }),
    }
}

/// What it is, if it is no regular file.
pub(crate) fn kind(found: FileType) -> Option<&'static str> {
    if found.is_file() {
        None
    } else if found.is_dir() {
        Some("a folder")
    } else if found.is_symlink() {
        Some("a symbolic link")
    } else if found.is_fifo() {
        Some("a FIFO")
    } else if found.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// What sudo takes away and says which queue is meant, as it is typed before a program;
/// not where that user has nothing.
fn with_our_variables(user: Owner) -> String {
    let is_of_user = |path: &str| fs::metadata(path).is_ok_and(|found| found.uid() == user.uid);
    let variables: Vec<String> = ["QUEUECTL_HOME", "QUEUECTL_CONFIG", "QUEUECTL_DATABASE"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var(name).ok()?)))
        // A URL, which may have a password, is no file that has an owner.
        .filter(|(_, value)| is_of_user(value))
        .map(|(name, value)| format!("{name}={} ", quoted(Path::new(&value))))
        .collect();
    if variables.is_empty() { String::new() } else { format!("env {}", variables.concat()) }
}

fn is_in_our_folder(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::metadata(folder).is_ok_and(|folder| folder.uid() == rustix::process::geteuid().as_raw())
}

/// A path as it is typed into a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+:@%=,".contains(character);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
