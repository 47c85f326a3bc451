//! How a worker shows that it lives.
//!
//! Beside the database lies one file, `<database>-workers`. Worker N holds an
//! open-file-description lock on byte N of it from before its row is committed
//! until it dies, and the kernel frees that lock at death, at once. No clocks,
//! no pid files. (A killed holder's lock was free after 0.4 ms; pid plus start
//! time is not unique; POSIX locks vanish when any descriptor is closed.)
//!
//! The file's contents are an entry for each worker (see [`entry`]), and notes: for
//! each of its slots, which claim it is about to start or runs, and its process. They
//! are written before each spawn and never synced: they matter when a worker dies,
//! and after a power cut nothing of it is left to matter. Locks are advisory, so that the same bytes
//! can be locked by one worker and written by another.

mod entry;

pub use entry::{Entry, Found};

use crate::identity::FileIdentity;
use crate::location::beside;
use crate::machine;
use crate::pulse::{Lapse, Neighbour, Pulse};
use crate::renewals::Renewals;
use crate::{Result, StoreError};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use queuectl_core::{Lease, Seq, WorkerId};
use queuectl_files::{Make, open_beside};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the name of a lock file adds to that of its database.
const BESIDE: &str = "-workers";

/// Bytes of one note: seq, lease, pid, each a little-endian 64-bit integer.
const NOTE_BYTES: usize = 24;

/// Most slots one worker may have; a region of notes has room for so many.
const NOTES_IN_REGION: u32 = queuectl_core::MOST_AT_A_TIME;

/// The file by which the workers of one queue show that they live.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    file: File,
}

/// What a worker notes about one of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The claim it is about to start, or runs.
    pub lease: Lease,
    /// The first process of that run; 0 until it is known.
    pub pid: u32,
}

/// A worker's life: its lock, its entry and its notes.
#[derive(Debug)]
pub struct Presence {
    lock_file: LockFile,
    worker: WorkerId,
    region: u32,
    /// The database, and which file its name led to.
    database: Option<(PathBuf, FileIdentity)>,
    /// Between machines: the lease it renews.
    lease: Option<Arc<Pulse>>,
}

/// A dead worker's place in the hand of its only rescuer, until dropped.
#[derive(Debug)]
pub struct Taken {
    notes: Notes,
}

/// Where a rescuer learns what a dead worker had started.
#[derive(Debug)]
enum Notes {
    /// In the lock file, whose lock is held.
    Here { lock_file: LockFile, region: u32 },
    /// Its notes died with its machine; this is what it must have started.
    Elsewhere { started: Vec<Lease> },
}

/// Where the lock file of a database is.
pub(crate) fn lock_file_path(database: &Path) -> PathBuf {
    beside(database, BESIDE)
}

impl LockFile {
    /// Opens the file if it is there.
    pub(crate) fn open_existing(database: &Path) -> Result<Option<Self>> {
        Self::at(&lock_file_path(database))
    }

    /// Opens the file, or makes it.
    pub(crate) fn open_or_create(database: &Path) -> Result<Self> {
        Self::open(&lock_file_path(database), OpenOptions::new().read(true).write(true), Make::Private)
    }

    /// Opens a lock file by its own path, if it is there.
    ///
    /// # Errors
    ///
    /// If it cannot be opened for another reason.
    pub fn at(path: &Path) -> Result<Option<Self>> {
        let read_write = Self::open(path, OpenOptions::new().read(true).write(true), Make::Nothing);
        let opened = match read_write {
            // Who holds which lock can be seen through it all the same.
            Err(StoreError::Io { source, .. })
                if matches!(
                    source.kind(),
                    io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
                ) =>
            {
                Self::open(path, OpenOptions::new().read(true), Make::Nothing)
            }
            opened => opened,
        };
        match opened {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    fn open(path: &Path, how: &mut OpenOptions, make: Make) -> Result<Self> {
        let name = path.as_os_str().as_bytes();
        let database = name.strip_suffix(BESIDE.as_bytes()).unwrap_or(name);
        let file = open_beside(Path::new(OsStr::from_bytes(database)), path, how, make)
            .map_err(|error| StoreError::of_file("open the lock file", path, error))?;
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    /// Opens the same file once more: locks belong to an open file, so a second
    /// holder in one process needs one of its own.
    fn reopen(&self) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&self.path)
            .map_err(|source| self.error("open the lock file", source))?;
        match (FileIdentity::of_open(&self.file), FileIdentity::of_open(&file)) {
            (Ok(mine), Ok(other)) if mine == other => Ok(Self { path: self.path.clone(), file }),
            _ => Err(StoreError::LockFileReplaced { path: self.path.clone() }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which file it is, told apart from those of all other machines and boots.
    pub(crate) fn identity(&self) -> Result<String> {
        let identity = FileIdentity::of_open(&self.file)
            .map_err(|source| self.error("look at the lock file", source))?;
        Ok(format!("{}/{identity}", machine::boot_id()))
    }

    /// Makes sure that the path still leads to this file.
    ///
    /// # Errors
    ///
    /// [`StoreError::LockFileReplaced`]; then a free lock proves nothing.
    pub fn verify(&self) -> Result<()> {
        match (FileIdentity::of(&self.path), FileIdentity::of_open(&self.file)) {
            (Ok(named), Ok(held)) if named == held => Ok(()),
            _ => Err(StoreError::LockFileReplaced { path: self.path.clone() }),
        }
    }

    /// Tells whether a worker lives: whether anybody holds its lock.
    pub fn is_held(&self, worker: WorkerId) -> Result<bool> {
        let mut lock = byte_lock(worker);
        fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut lock))
            .map_err(|errno| self.error("query the lock file", errno.into()))?;
        Ok(i32::from(lock.l_type) != libc_unlocked())
    }

    /// Takes a worker's lock if nobody holds it, and keeps it until dropped.
    pub fn take(&self, worker: WorkerId, region: u32) -> Result<Option<Taken>> {
        let lock_file = self.reopen()?;
        if !lock_file.try_lock(worker)? {
            return Ok(None);
        }
        lock_file.verify()?;
        Ok(Some(Taken { notes: Notes::Here { lock_file, region } }))
    }

    /// Shows a worker as living, for as long as the result is kept.
    ///
    /// # Errors
    ///
    /// If another holds its lock, or the file cannot be written.
    pub fn hold(self, entry: &Entry, region: u32, renewed_at: Duration) -> Result<Presence> {
        let worker = entry.worker;
        if !self.try_lock(worker)? {
            let source = io::Error::other(format!("somebody else holds the lock of worker {worker}"));
            return Err(self.error("lock", source));
        }
        self.clear_notes(region)?;
        self.enter(entry, region, renewed_at)?;
        Ok(Presence { lock_file: self, worker, region, database: None, lease: None })
    }

    fn clear_notes(&self, region: u32) -> Result<()> {
        let blank = vec![0; NOTES_IN_REGION as usize * NOTE_BYTES];
        self.file
            .write_all_at(&blank, note_offset(region, 0))
            .map_err(|source| self.error("write notes to the lock file", source))
    }

    fn try_lock(&self, worker: WorkerId) -> Result<bool> {
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&byte_lock(worker))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(self.error("lock", errno.into())),
        }
    }

    fn error(&self, action: &'static str, source: io::Error) -> StoreError {
        StoreError::Io { action, path: self.path.clone(), source }
    }
}

impl Presence {
    /// Notes which claim a slot is about to start, or the process it runs as.
    pub fn note(&self, slot: u32, note: Note) -> Result<()> {
        let mut bytes = [0; NOTE_BYTES];
        bytes[..8].copy_from_slice(&note.lease.seq.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&note.lease.number.to_le_bytes());
        bytes[16..].copy_from_slice(&u64::from(note.pid).to_le_bytes());
        let offset = note_offset(self.region, slot % NOTES_IN_REGION);
        self.lock_file
            .file
            .write_all_at(&bytes, offset)
            .map_err(|source| self.lock_file.error("write notes to the lock file", source))
    }

    /// Tells whether a neighbour lives, as far as can be seen from here: whether
    /// anybody holds its lock, or renews its lease.
    pub fn lives(&self, neighbour: WorkerId) -> Result<bool> {
        match &self.lease {
            None => self.lock_file.is_held(neighbour),
            Some(pulse) => match pulse.neighbour(neighbour) {
                Some(Neighbour::Here) => self.lock_file.is_held(neighbour),
                Some(Neighbour::Silent) => Ok(false),
                // One of whom nothing is known yet has just begun.
                Some(Neighbour::Elsewhere) | None => Ok(true),
            },
        }
    }

    /// Neighbours that have been seen here apart from exchanges: newcomers.
    pub fn neighbours(&self) -> Vec<WorkerId> {
        self.lease.as_ref().map_or_else(Vec::new, |pulse| {
            pulse.neighbours().into_iter().filter(|&neighbour| neighbour != self.worker).collect()
        })
    }

    /// How long jobs may still be given to end; none if nothing presses.
    pub fn time_left(&self) -> Option<Duration> {
        self.lease.as_ref().map(|pulse| pulse.time_left())
    }

    /// Where the lock file is.
    pub fn lock_file(&self) -> &Path {
        &self.lock_file.path
    }

    /// Where the renewals of a lease are noted.
    pub(crate) fn renewals(&self) -> Result<Renewals> {
        self.lock_file.renewals(self.region)
    }

    /// Notes that the worker is about to end well: what completed jobs have left in the
    /// background may live on.
    ///
    /// # Errors
    ///
    /// If that cannot be written.
    pub fn retire(&self) -> Result<()> {
        self.lock_file.note_retired(Some(self.worker), self.region)
    }

    /// Notes that it goes on after all.
    ///
    /// # Errors
    ///
    /// If that cannot be written.
    pub fn stay(&self) -> Result<()> {
        self.lock_file.note_retired(None, self.region)
    }

    /// Has [`verify`](Self::verify) look at a lease too.
    pub(crate) fn with_lease(mut self, pulse: Arc<Pulse>) -> Self {
        self.lease = Some(pulse);
        self
    }

    /// Has [`verify`](Self::verify) look at the database too.
    pub(crate) fn guard(mut self, database: &Path) -> Self {
        self.database = FileIdentity::of(database).ok().map(|identity| (database.to_owned(), identity));
        self
    }

    /// Forgets what was noted: nothing of it runs any more.
    pub fn clear_notes(&self) -> Result<()> {
        self.lock_file.clear_notes(self.region)
    }

    /// Makes sure that no lease has run out. Asks nobody, so that it never waits.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLapsed`] or [`StoreError::CalledDead`]; the worker must stop.
    pub fn verify_lease(&self) -> Result<()> {
        let Some(pulse) = &self.lease else { return Ok(()) };
        let worker = self.worker;
        match pulse.lapse() {
            None => Ok(()),
            Some(Lapse::CalledDead) => Err(StoreError::CalledDead { worker }),
            Some(Lapse::Silent(silence)) => {
                Err(StoreError::LeaseLapsed { worker, silent_s: silence.as_secs() })
            }
        }
    }

    /// Makes sure that the lock that was taken is still the one others ask for,
    /// that the database is still the one others open, and that no lease has run out.
    ///
    /// # Errors
    ///
    /// [`StoreError::LockFileReplaced`], [`StoreError::DatabaseReplaced`],
    /// [`StoreError::LeaseLapsed`] or [`StoreError::CalledDead`]; the worker must stop.
    pub fn verify(&self) -> Result<()> {
        self.verify_lease()?;
        self.lock_file.verify()?;
        match &self.database {
            Some((path, identity)) if FileIdentity::of(path).ok() != Some(*identity) => {
                Err(StoreError::DatabaseReplaced { path: path.clone() })
            }
            _ => Ok(()),
        }
    }
}

impl Taken {
    /// The place of a worker whose machine is silent; these claims it must have started.
    pub(crate) fn elsewhere(started: Vec<Lease>) -> Self {
        Self { notes: Notes::Elsewhere { started } }
    }

    /// What the dead worker had started, as far as is known.
    pub fn notes(&self) -> Result<Vec<Note>> {
        match &self.notes {
            Notes::Here { lock_file, region } => lock_file.notes(*region),
            Notes::Elsewhere { started } => Ok(started.iter().map(|&lease| Note { lease, pid: 0 }).collect()),
        }
    }

    /// Notes that nothing is left of the worker whose place this is.
    ///
    /// # Errors
    ///
    /// If that cannot be written.
    pub fn note_ended(&self, worker: WorkerId) -> Result<()> {
        match &self.notes {
            Notes::Here { lock_file, region } => lock_file.note_ended(worker, *region),
            Notes::Elsewhere { .. } => Ok(()),
        }
    }
}

impl LockFile {
    /// What was noted in a region.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn notes(&self, region: u32) -> Result<Vec<Note>> {
        let mut bytes = vec![0; NOTES_IN_REGION as usize * NOTE_BYTES];
        let mut filled = 0;
        while filled < bytes.len() {
            let offset = note_offset(region, 0) + filled as u64;
            match self.file.read_at(&mut bytes[filled..], offset) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.error("read notes from the lock file", source)),
            }
        }
        let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap_or_default());
        Ok(bytes[..filled]
            .chunks_exact(NOTE_BYTES)
            .map(|note| Note {
                lease: Lease { seq: Seq(number(&note[..8])), number: number(&note[8..16]) },
                pid: u32::try_from(number(&note[16..])).unwrap_or(0),
            })
            .filter(|note| note.lease.seq.0 > 0)
            .collect())
    }
}

/// Bytes of a region: a worker's entry, then its notes.
const REGION_BYTES: u64 = entry::ENTRY_BYTES as u64 + NOTES_IN_REGION as u64 * NOTE_BYTES as u64;

fn entry_offset(region: u32) -> u64 {
    u64::from(region) * REGION_BYTES
}

fn note_offset(region: u32, slot: u32) -> u64 {
    entry_offset(region) + entry::ENTRY_BYTES as u64 + u64::from(slot) * NOTE_BYTES as u64
}

fn byte_lock(worker: WorkerId) -> nix::libc::flock {
    nix::libc::flock {
        l_type: nix::libc::F_WRLCK as nix::libc::c_short,
        l_whence: nix::libc::SEEK_SET as nix::libc::c_short,
        l_start: worker.0,
        l_len: 1,
        l_pid: 0,
    }
}

fn libc_unlocked() -> i32 {
    nix::libc::F_UNLCK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::{LeaseTimes, boot_clock};
    use crate::work::NewWorker;
    use std::fs;

    /// A worker of this process that is entered in a region.
    pub(super) fn entered(
        folder: &Path,
        worker: WorkerId,
        region: u32,
        lease: Option<LeaseTimes>,
    ) -> Presence {
        let entry = NewWorker::of_this_process(1).entry(worker, "run", lease);
        lock_file(folder).hold(&entry, region, boot_clock()).unwrap()
    }

    pub(super) fn lock_file(folder: &Path) -> LockFile {
        LockFile::open_or_create(&folder.join("queue.db")).unwrap()
    }

    #[test]
    fn a_lock_shows_its_holder_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let presence = entered(folder.path(), WorkerId(3), 0, None);
        let other = lock_file(folder.path());
        assert!(other.is_held(WorkerId(3)).unwrap());
        assert!(!other.is_held(WorkerId(2)).unwrap());
        assert!(other.take(WorkerId(3), 0).unwrap().is_none());
        drop(presence);
        assert!(!other.is_held(WorkerId(3)).unwrap());
    }

    #[test]
    fn only_one_rescuer_gets_a_dead_workers_lock_and_reads_its_notes() {
        let folder = tempfile::tempdir().unwrap();
        let presence = entered(folder.path(), WorkerId(1), 2, None);
        let note = Note { lease: Lease { seq: Seq(9), number: 4 }, pid: 77 };
        presence.note(5, note).unwrap();
        drop(presence);
        let rescuer = lock_file(folder.path());
        let taken = rescuer.take(WorkerId(1), 2).unwrap().unwrap();
        assert!(rescuer.take(WorkerId(1), 2).unwrap().is_none());
        assert_eq!(taken.notes().unwrap(), [note]);
    }

    #[test]
    fn a_replaced_lock_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mine = lock_file(folder.path());
        mine.verify().unwrap();
        fs::remove_file(folder.path().join("queue.db-workers")).unwrap();
        assert!(matches!(mine.verify(), Err(StoreError::LockFileReplaced { .. })));
        let _another = lock_file(folder.path());
        assert!(matches!(mine.verify(), Err(StoreError::LockFileReplaced { .. })));
        assert!(mine.take(WorkerId(1), 0).is_err());
    }
}
