//! Whose a file is, and who may use it.

use crate::unfit::Unfit;
use crate::user::{Owner, is_root};
use rustix::process::{Gid, Uid as RawUid};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The right to write that every user has.
const WRITABLE_BY_ALL: u32 = 0o002;

/// The variable that says what `--as-root` says, for the programs that one starts.
pub const AS_ROOT_VARIABLE: &str = "QUEUECTL_AS_ROOT";

/// Whose files a program uses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Owners {
    /// Those of the user who runs it.
    #[default]
    Own,
    /// Those of every user, if root runs it.
    AnyForRoot,
}

/// Gives an open file the group of another; tells whether it has it now.
pub fn give_group(file: &File, like: Owner) -> bool {
    let has = || file.metadata().is_ok_and(|file| file.gid() == like.gid);
    has() || (rustix::fs::fchown(file, None, Some(Gid::from_raw(like.gid))).is_ok() && has())
}

/// Makes sure that a file is this user's own, or that root was told to use it.
///
/// # Errors
///
/// [`Unfit::Foreign`].
pub fn check_owner(path: &Path, metadata: &Metadata, owners: Owners) -> Result<(), Unfit> {
    let owner = Owner::of(metadata);
    if owner.is_us() || (is_root() && owners == Owners::AnyForRoot) {
        return Ok(());
    }
    Err(Unfit::Foreign { path: path.to_owned(), owner })
}

/// Makes sure that nobody but this user and root decides what is in a file.
///
/// # Errors
///
/// [`Unfit::Foreign`], and [`Unfit::OpenToAll`] for what is root's or read by root.
pub fn check_trusted(path: &Path, metadata: &Metadata, owners: Owners) -> Result<(), Unfit> {
    let is_roots = metadata.uid() == 0;
    if !is_roots {
        check_owner(path, metadata, owners)?;
    }
    let told = is_root() && owners == Owners::AnyForRoot;
    if (is_roots || is_root()) && !told && metadata.mode() & WRITABLE_BY_ALL != 0 {
        return Err(Unfit::OpenToAll { path: path.to_owned() });
    }
    Ok(())
}

/// Tells whether a file belongs to whom the program that runs belongs.
pub fn is_of_this_programs_owner(metadata: &Metadata) -> bool {
    let program = std::env::current_exe().and_then(fs::metadata);
    program.is_ok_and(|program| program.uid() == metadata.uid())
}

/// The user to whom belongs what is made at this path: where root makes it in a folder
/// of another user, that user.
pub fn heir(path: &Path) -> Option<Owner> {
    if !is_root() {
        return None;
    }
    let folder = path.ancestors().skip(1).find_map(|folder| {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        fs::metadata(folder).ok()
    });
    folder.map(|folder| Owner::of(&folder)).filter(|owner| !owner.is_us())
}

/// Makes sure that root makes nothing among the files of another user without being
/// told to.
///
/// # Errors
///
/// [`Unfit::Foreign`], which names the folder.
pub fn check_new(path: &Path, owners: Owners) -> Result<(), Unfit> {
    match heir(path) {
        Some(owner) if owners == Owners::Own => {
            let folder = path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(path);
            Err(Unfit::Foreign { path: folder.to_owned(), owner })
        }
        _ => Ok(()),
    }
}

/// Gives an open file that this program has just made to its owner; to nobody else than
/// root's files are given.
///
/// # Errors
///
/// What the system says.
pub fn give(file: &File, owner: Owner) -> io::Result<()> {
    if !is_root() || owner.is_us() {
        return Ok(());
    }
    let (uid, gid) = (RawUid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    Ok(rustix::fs::fchown(file, Some(uid), Some(gid))?)
}
