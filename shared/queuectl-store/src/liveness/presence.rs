//! A worker's presence, and what its rescuer holds once it is dead.

use super::entry::Entry;
use super::lock_file::LockFile;
use super::notes::Note;
use crate::Result;
use crate::error::StoreError;
use crate::identity::FileIdentity;
use crate::lease_clock::{Lapse, LeaseClock, Neighbour};
use crate::renewals::Renewals;
use queuectl_core::{Lease, WorkerId};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A worker's life: its lock, its entry and its notes.
#[derive(Debug)]
pub struct Presence {
    lock_file: LockFile,
    worker: WorkerId,
    region: u32,
    /// The database, and which file its name led to.
    database: Option<(PathBuf, FileIdentity)>,
    /// Between machines: the lease it renews.
    lease: Option<Arc<LeaseClock>>,
}

/// A dead worker in the hand of its only rescuer, until dropped.
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

impl LockFile {
    /// Takes a worker's lock if it is free, and keeps it until dropped.
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
            let source = io::Error::other(format!("another process holds the lock of worker {worker}"));
            return Err(self.error("lock", source));
        }
        self.clear_notes(region)?;
        self.enter(entry, region, renewed_at)?;
        Ok(Presence { lock_file: self, worker, region, database: None, lease: None })
    }
}

impl Presence {
    /// Notes which claim a slot is about to start, or the process it runs as.
    pub fn note(&self, slot: u32, note: Note) -> Result<()> {
        self.lock_file.write_note(self.region, slot, note)
    }

    /// Tells whether a neighbour lives, as far as can be seen from here: whether
    /// its lock is held, or its lease renewed.
    pub fn lives(&self, neighbour: WorkerId) -> Result<bool> {
        match &self.lease {
            None => self.lock_file.is_held(neighbour),
            Some(lease_clock) => match lease_clock.neighbour(neighbour) {
                Some(Neighbour::Here) => self.lock_file.is_held(neighbour),
                Some(Neighbour::Silent) => Ok(false),
                // One of whom nothing is known yet has just begun.
                Some(Neighbour::Elsewhere) | None => Ok(true),
            },
        }
    }

    /// Neighbours that have been seen here apart from exchanges: newcomers.
    pub fn neighbours(&self) -> Vec<WorkerId> {
        self.lease.as_ref().map_or_else(Vec::new, |lease_clock| {
            lease_clock.neighbours().into_iter().filter(|&neighbour| neighbour != self.worker).collect()
        })
    }

    /// How long jobs may still be given to end; none if nothing presses.
    pub fn time_left(&self) -> Option<Duration> {
        self.lease.as_ref().map(|lease_clock| lease_clock.time_left())
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
    pub(crate) fn with_lease(mut self, lease_clock: Arc<LeaseClock>) -> Self {
        self.lease = Some(lease_clock);
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

    /// Makes sure that no lease has run out. Asks no server, so that it never waits.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLapsed`] or [`StoreError::CalledDead`]; the worker must stop.
    pub fn verify_lease(&self) -> Result<()> {
        let Some(lease_clock) = &self.lease else { return Ok(()) };
        let worker = self.worker;
        match lease_clock.lapse() {
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
    /// A worker whose machine is silent; these claims it must have started.
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

    /// Notes that nothing is left of the worker.
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lease::{LeaseTimes, boot_clock};
    use crate::worker::NewWorker;
    use queuectl_core::Seq;
    use std::fs;

    /// A worker of this process that is entered in a region.
    pub(in crate::liveness) fn entered(
        folder: &Path,
        worker: WorkerId,
        region: u32,
        lease: Option<LeaseTimes>,
    ) -> Presence {
        let entry = NewWorker::of_this_process(1).entry(worker, "run", lease);
        lock_file(folder).hold(&entry, region, boot_clock()).unwrap()
    }

    pub(in crate::liveness) fn lock_file(folder: &Path) -> LockFile {
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
