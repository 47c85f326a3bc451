//! The file that a copy is made in.
//!
//! It is made under another name in the folder it is meant for, and gets its own name
//! when it is complete and on disk.

use crate::columns::worker;
use crate::identity::FileIdentity;
use crate::location::{beside, folder};
use crate::sqlite::counters::{self, Counters};
use crate::sqlite::explain::explain;
use crate::sqlite::guard::COMPANIONS;
use crate::sqlite::trouble::Trouble;
use crate::sqlite::{busy, guard, migrate, sql};
use crate::transfer::Backup;
use crate::transfer::sqlite::{go_on_from, import};
use crate::transfer::{Kind, Numbers, Record, Stage, Value};
use crate::{Counts, Result, StoreError};
use queuectl_files::{Make, Owner, open_beside};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{CWD, FlockOperation, RenameFlags};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the name of a copy begins that is not complete. The same for all, so that
/// the next backup into a folder removes what a killed one has left there.
const PARTIAL: &str = ".queuectl-backup-";

/// Writes a copy of a queue that is somewhere else: `fill` is to put all of it in.
///
/// # Errors
///
/// Those of [`Upkeep::backup`](crate::Upkeep::backup), and those of `fill`.
pub(crate) fn write_copy<E: From<StoreError>>(
    to: &Path,
    fill: impl FnOnce(&mut Filling<'_>) -> Result<(), E>,
) -> Result<Backup, E> {
    let to = place_for(to)?;
    let partial = Partial::create(&to)?;
    let explained = |trouble| explain_filling(trouble, &partial);
    let mut filling = Filling { connection: partial.open_empty().map_err(explained)?, partial: &partial };
    fill(&mut filling)?;
    let counts = partial.make_a_queue(filling.connection).map_err(explained)?;
    let bytes = partial.publish(&to)?;
    Ok(Backup { bytes, counts })
}

/// A copy that is being filled.
pub(crate) struct Filling<'a> {
    connection: Connection,
    partial: &'a Partial,
}

impl Filling<'_> {
    /// Adds records, in their order.
    pub(crate) fn add(&mut self, mut records: Vec<Record>) -> Result<()> {
        for record in records.iter_mut().filter(|record| record.kind == Kind::Worker) {
            if record.values[worker::ended_at_ms] == Value::Null {
                // Several machines have a region of the same number; here it is one file.
                record.values[worker::note_region] = record.values[worker::id].clone();
            }
        }
        self.write(|connection, counters| import(connection, counters, &records))
    }

    /// Gives out nothing again that was given out before.
    pub(crate) fn go_on_from(&mut self, numbers: &Numbers) -> Result<()> {
        self.write(|connection, counters| Ok(go_on_from(connection, counters, numbers)?))
    }

    fn write(
        &mut self,
        action: impl FnOnce(&Connection, &mut Counters) -> Result<(), Trouble>,
    ) -> Result<()> {
        let written = || {
            let transaction = self.connection.transaction()?;
            let mut counters = Counters::open(&transaction)?;
            action(&transaction, &mut counters)?;
            counters.close(&transaction)?;
            Ok(transaction.commit()?)
        };
        written().map_err(|trouble| explain_filling(trouble, self.partial))
    }
}

fn explain_filling(trouble: Trouble, partial: &Partial) -> StoreError {
    match trouble {
        Trouble::Store(error) => error,
        Trouble::Sql(error) => {
            partial.limit_of(&error, 0).unwrap_or_else(|| explain(error, &partial.meant_for, Duration::ZERO))
        }
    }
}

/// Follows the links of the folder, and makes sure that nothing is there yet.
pub(super) fn place_for(to: &Path) -> Result<PathBuf> {
    let Some(name) = to.file_name() else {
        return Err(failed("write", to, ErrorKind::AlreadyExists.into()));
    };
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let to = fs::canonicalize(folder).map_err(|error| failed("write", to, error))?.join(name);
    let parts = COMPANIONS.iter().map(|companion| beside(&to, companion));
    for path in std::iter::once(to.clone()).chain(parts) {
        if fs::symlink_metadata(&path).is_ok() {
            return Err(failed("write", &path, ErrorKind::AlreadyExists.into()));
        }
    }
    Ok(to)
}

/// The copy before it is complete; removed when dropped.
pub(super) struct Partial {
    pub(super) path: PathBuf,
    pub(super) meant_for: PathBuf,
    /// Locked as long as a backup writes here, so that what a killed program has
    /// left can be told from what another is writing.
    file: File,
}

impl Partial {
    /// Makes an empty file that no other user can read, in the same folder.
    pub(super) fn create(to: &Path) -> Result<Self> {
        remove_abandoned(folder(to));
        loop {
            let path = folder(to).join(format!("{PARTIAL}{}-{:08x}", std::process::id(), fastrand::u32(..)));
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(|error| failed("write", to, error))?;
            let partial = Self { path, meant_for: to.to_owned(), file };
            if partial.is_ours() {
                return Ok(partial);
            }
        }
    }

    /// Opens what is there. No other program knows of it, so it needs no shared memory,
    /// which not every file system has, and nothing to take a change back with.
    pub(super) fn open(&self) -> Result<Connection, Trouble> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        busy::wait_for_others(&mut connection, Duration::ZERO)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "MEMORY")?;
        Ok(connection)
    }

    /// Makes a queue without jobs, whose workers would work on another file.
    fn open_empty(&self) -> Result<Connection, Trouble> {
        let mut connection = self.open()?;
        // All of it is synced at the end.
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        migrate::create_unshared(&mut connection)?;
        connection.execute(sql::NEW_FILE, ("elsewhere", ""))?;
        Ok(connection)
    }

    /// Makes it a queue of its own, as the first program would that writes to it,
    /// so that it can be looked at before.
    pub(super) fn make_a_queue(&self, mut connection: Connection) -> Result<Counts, Trouble> {
        let identity = FileIdentity::of(&self.path)
            .map_err(|error| failed("look at", &self.meant_for, error))?
            .to_string();
        migrate::adopt_copy(&mut connection, &self.path, &identity)?;
        // Wherever the jobs are being moved, these are not.
        connection.execute(sql::SET_MOVE_STAGE, Stage::Idle.columns())?;
        let counts = counters::counts_by_queue(&connection)?.iter().map(|(_, counts)| counts).sum();
        // Last, so that nothing is left in a log, which has another name.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.flush_prepared_statement_cache();
        connection.close().map_err(|(_, error)| error)?;
        Ok(counts)
    }

    /// What an error means, if the copy, of so many bytes or of what it has now, is as
    /// large as this process may write.
    pub(super) fn limit_of(&self, error: &rusqlite::Error, bytes: u64) -> Option<StoreError> {
        if error.sqlite_error_code() != Some(ErrorCode::SystemIoFailure) {
            return None;
        }
        let limit_bytes = guard::largest_file()?;
        let is_reached = bytes > limit_bytes || guard::grown_to_limit(&self.path).is_some();
        is_reached.then(|| StoreError::FileLimit { path: self.meant_for.clone(), limit_bytes })
    }

    /// Gives the copy to the user whose queue it is, if root makes it.
    pub(super) fn give_to_the_owner_of(&self, queue: &Path) -> Result<()> {
        fs::metadata(queue)
            .and_then(|queue| queuectl_files::give(&self.file, Owner::of(&queue)))
            .map_err(|error| failed("write", &self.meant_for, error))
    }

    /// Tells whether no other backup has taken it for abandoned before it was locked.
    fn is_ours(&self) -> bool {
        match rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => false,
            // Where there are no such locks, nothing is ever taken for abandoned.
            Ok(()) | Err(_) => FileIdentity::of(&self.path).ok() == FileIdentity::of_open(&self.file).ok(),
        }
    }

    /// Gives it its name when all of it is on disk; says how large it is.
    pub(super) fn publish(self, to: &Path) -> Result<u64> {
        let written = self.file.sync_all().and_then(|()| {
            rename_to_nothing(&self.path, to)?;
            if let Err(error) = File::open(folder(to)).and_then(|folder| folder.sync_all()) {
                // Its name may not survive a power cut, so it was not written.
                fs::remove_file(to)?;
                return Err(error);
            }
            self.file.metadata()
        });
        Ok(written.map_err(|error| failed("write", to, error))?.len())
    }
}

/// Says which file could not be written, and why.
fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full { queue: path.into() },
        _ => StoreError::Io { action, path: path.to_owned(), source },
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes a copy that was not completed. That it is not there is fine: then it
/// has its name.
fn remove(partial: &Path) {
    for companion in COMPANIONS {
        let _ = fs::remove_file(beside(partial, companion));
    }
    let _ = fs::remove_file(partial);
}

/// Removes what killed programs have left of copies in a folder.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_companion = COMPANIONS.iter().any(|companion| name.as_bytes().ends_with(companion.as_bytes()));
        if is_companion || !name.as_bytes().starts_with(PARTIAL.as_bytes()) {
            continue;
        }
        let options = OpenOptions::new().read(true).write(true).clone();
        let Ok(file) = open_beside(folder, &entry.path(), &options, Make::Nothing) else { continue };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove(&entry.path());
        }
    }
}

/// Renames a file, and fails if the new name is taken.
fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}
