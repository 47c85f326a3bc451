//! What the lock file says of a worker besides its notes.
//!
//! It is enough to end a dead or hanging worker's processes without asking the store
//! that knows its row, so that a server that is away does not keep others from it. Written
//! before that row can be seen, never synced.

use super::layout::{ENTRY_BYTES, entry_offset};
use super::lock_file::LockFile;
use crate::Result;
use crate::lease::{LeaseTimes, boot_clock, millis};
use crate::renewals::{self, RENEWAL_BYTES, Renewals};
use queuectl_core::WorkerId;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;
use uuid::Uuid;

/// The longest mark of a queue.
const RUN_BYTES: usize = 64;

// Where things stand in an entry; numbers are little-endian, of 64 bits.
const CHECKSUM: usize = 0;
const NUMBERS: usize = 16;
const RUN: usize = NUMBERS + 7 * 8;
/// What follows changes while the worker lives, or after its death.
const CHANGING: usize = RUN + RUN_BYTES;
const RENEWED_AT: usize = CHANGING;
const RETIRED: usize = RENEWED_AT + RENEWAL_BYTES;
const ENDED: usize = RETIRED + 8;
const QUIET_AT: usize = ENDED + 8;
const _: () = assert!(QUIET_AT + 8 <= ENTRY_BYTES);

/// A worker that is, or was, on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub worker: WorkerId,
    /// Its process, and when that began: together never used again.
    pub pid: u32,
    /// In ticks since the boot; 0 where that cannot be told.
    pub began_at_ticks: u64,
    /// The namespace its pid is valid in.
    pub pid_namespace: u64,
    /// The process that started it and replaces it.
    pub manager_pid: u32,
    /// The random id that marks its processes.
    pub run: String,
    /// Between machines: the lease it renews.
    pub lease: Option<LeaseTimes>,
}

/// An entry as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose.
    pub entry: Entry,
    /// Where it stands.
    pub region: u32,
    /// For how long the worker has not renewed its lease; none where it has none.
    pub silence: Option<Duration>,
    /// How long ago a guard looked for its processes and found none.
    pub quiet_for: Option<Duration>,
    /// Whether it has ended well: whatever of it lives on may do so.
    pub is_retired: bool,
    /// Whether it is dead, and nothing of it is left.
    pub is_ended: bool,
}

impl Entry {
    /// The bytes of what never changes; none if the queue's mark is too long.
    fn bytes(&self, this_file: Uuid) -> Option<[u8; CHANGING]> {
        let mut bytes = [0; CHANGING];
        let lease_ms = self.lease.map_or(0, |lease| millis(lease.length()));
        let run = self.run.as_bytes();
        let numbers = [
            self.worker.0.cast_unsigned(),
            u64::from(self.pid),
            self.began_at_ticks,
            self.pid_namespace,
            u64::from(self.manager_pid),
            lease_ms,
            run.len() as u64,
        ];
        for (number, at) in numbers.into_iter().zip((NUMBERS..).step_by(8)) {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes[RUN..].get_mut(..run.len())?.copy_from_slice(run);
        let checksum = checksum(&bytes[NUMBERS..], this_file);
        bytes[CHECKSUM..NUMBERS].copy_from_slice(&checksum);
        Some(bytes)
    }

    /// Reads what [`bytes`](Self::bytes) has written into the same file; none if it was
    /// written elsewhere, or is damaged, or nothing stands there.
    fn read(bytes: &[u8; ENTRY_BYTES], this_file: Uuid) -> Option<Self> {
        if bytes[CHECKSUM..NUMBERS] != checksum(&bytes[NUMBERS..CHANGING], this_file) {
            return None;
        }
        let [worker, pid, began_at_ticks, pid_namespace, manager_pid, lease_ms, run_length] =
            [0, 1, 2, 3, 4, 5, 6].map(|index| number(bytes, NUMBERS + index * 8));
        let run = bytes[RUN..CHANGING].get(..usize::try_from(run_length).ok()?)?;
        Some(Self {
            worker: WorkerId(worker.cast_signed()),
            pid: u32::try_from(pid).ok()?,
            began_at_ticks,
            pid_namespace,
            manager_pid: u32::try_from(manager_pid).ok()?,
            run: std::str::from_utf8(run).ok()?.to_owned(),
            lease: (lease_ms > 0).then(|| LeaseTimes::of(Duration::from_millis(lease_ms))),
        })
    }
}

impl Found {
    fn read(bytes: &[u8; ENTRY_BYTES], region: u32, this_file: Uuid, now: Duration) -> Option<Self> {
        let entry = Entry::read(bytes, this_file)?;
        // What is just being written is read at the next look.
        let renewed_at = bytes[RENEWED_AT..RETIRED].try_into().ok().and_then(renewals::from_bytes);
        let silence = renewed_at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
        let own = entry.worker.0.cast_unsigned();
        Some(Self {
            silence: entry.lease.map(|_| silence),
            quiet_for: match number(bytes, QUIET_AT) {
                0 => None,
                at => now.checked_sub(Duration::from_millis(at)),
            },
            is_retired: number(bytes, RETIRED) == own,
            is_ended: number(bytes, ENDED) == own,
            entry,
            region,
        })
    }

    /// Tells whether nothing is left to be done about the worker's processes.
    pub fn is_closed(&self) -> bool {
        self.is_retired || self.is_ended
    }
}

impl LockFile {
    /// The workers that were entered here, on this machine and since its boot.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn entries(&self) -> Result<Vec<Found>> {
        let length =
            self.file.metadata().map_err(|source| self.error("look at the lock file", source))?.len();
        let this_file = self.this_file()?;
        let mut found = Vec::new();
        for region in (0..).take_while(|&region| entry_offset(region) < length) {
            found.extend(self.read_entry(region, this_file)?);
        }
        Ok(found)
    }

    /// The worker that was entered in a region, if one was.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn entry(&self, region: u32) -> Result<Option<Found>> {
        self.read_entry(region, self.this_file()?)
    }

    fn read_entry(&self, region: u32, this_file: Uuid) -> Result<Option<Found>> {
        let mut bytes = [0; ENTRY_BYTES];
        match self.file.read_exact_at(&mut bytes, entry_offset(region)) {
            Ok(()) => Ok(Found::read(&bytes, region, this_file, boot_clock())),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(source) => Err(self.error("read the lock file", source)),
        }
    }

    /// Tells whether a region may be given to a newcomer: no guard has to look there for
    /// what a dead worker has left.
    pub(crate) fn has_room_at(&self, region: u32) -> Result<bool> {
        Ok(self.entry(region)?.is_none_or(|found| found.is_closed()))
    }

    /// Notes that nothing is left of a dead worker.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn note_ended(&self, worker: WorkerId, region: u32) -> Result<()> {
        self.write_number(region, ENDED, worker.0.cast_unsigned())
    }

    /// Notes that no process of a worker was there at a moment of the boot clock, so that
    /// others need not look too.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn note_quiet(&self, region: u32, looked_at: Duration) -> Result<()> {
        self.write_number(region, QUIET_AT, millis(looked_at))
    }

    /// Notes that a worker has ended well, or that it goes on after all.
    pub(super) fn note_retired(&self, worker: Option<WorkerId>, region: u32) -> Result<()> {
        self.write_number(region, RETIRED, worker.map_or(0, |worker| worker.0.cast_unsigned()))
    }

    /// Enters a worker whose lock is held.
    pub(super) fn enter(&self, entry: &Entry, region: u32, renewed_at: Duration) -> Result<()> {
        let mut bytes = [0; ENTRY_BYTES];
        let fixed = entry.bytes(self.this_file()?).ok_or_else(|| {
            self.error("enter a worker into the lock file", io::Error::other("the queue's mark is too long"))
        })?;
        bytes[..CHANGING].copy_from_slice(&fixed);
        bytes[RENEWED_AT..RETIRED].copy_from_slice(&renewals::to_bytes(renewed_at));
        self.file
            .write_all_at(&bytes, entry_offset(region))
            .map_err(|source| self.error("enter a worker into the lock file", source))
    }

    /// Where the worker of a region notes its renewals.
    pub(super) fn renewals(&self, region: u32) -> Result<Renewals> {
        // Opened anew: a copy of the same open file would keep the lock when that is let go.
        let Self { file, path } = self.reopen()?;
        Ok(Renewals::at(file, path, entry_offset(region) + RENEWED_AT as u64))
    }

    /// This file, on this machine and boot: what stands in a copy of it names workers of
    /// the original, who may live.
    fn this_file(&self) -> Result<Uuid> {
        Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, self.identity()?.as_bytes()))
    }

    fn write_number(&self, region: u32, at: usize, number: u64) -> Result<()> {
        self.file
            .write_all_at(&number.to_le_bytes(), entry_offset(region) + at as u64)
            .map_err(|source| self.error("write to the lock file", source))
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn checksum(bytes: &[u8], this_file: Uuid) -> [u8; 16] {
    Uuid::new_v5(&this_file, bytes).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::presence::tests::{entered, lock_file};
    use super::*;
    use crate::machine;
    use std::fs::{self, File};

    fn found(folder: &std::path::Path) -> Vec<Found> {
        lock_file(folder).entries().unwrap()
    }

    #[test]
    fn an_entry_says_what_was_entered_and_how_long_ago_the_lease_was_renewed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(found(folder.path()), []);
        let lease = Some(LeaseTimes::of(Duration::from_secs(12)));
        let presence = entered(folder.path(), WorkerId(7), 3, lease);
        let [seen] = &found(folder.path())[..] else { panic!("one worker") };
        assert_eq!((seen.entry.worker, seen.entry.lease, seen.region), (WorkerId(7), lease, 3));
        assert_eq!((seen.entry.pid, seen.entry.run.as_str()), (std::process::id(), "run"));
        assert_eq!(Some(seen.entry.began_at_ticks), machine::began_at_ticks(std::process::id()));
        assert!(!seen.is_closed());
        let renewals = presence.renewals().unwrap();
        for silence in [5, 1] {
            let silence = Duration::from_secs(silence);
            renewals.note(boot_clock().checked_sub(silence).unwrap()).unwrap();
            let shown = found(folder.path())[0].silence.unwrap();
            assert!(shown >= silence && shown < silence * 2 + Duration::from_secs(2), "{shown:?}");
        }
    }

    #[test]
    fn an_entry_is_settled_by_its_worker_or_by_the_guard_that_ended_it_and_not_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let is_closed = || found(folder.path())[0].is_closed();
        let first = entered(folder.path(), WorkerId(1), 0, None);
        assert!(!lock_file(folder.path()).has_room_at(0).unwrap());
        first.retire().unwrap();
        assert!(is_closed());
        first.stay().unwrap();
        assert!(!is_closed());
        lock_file(folder.path()).note_ended(WorkerId(1), 0).unwrap();
        assert!(is_closed() && lock_file(folder.path()).has_room_at(0).unwrap());
        let _second = entered(folder.path(), WorkerId(2), 0, None);
        assert!(!is_closed());
        lock_file(folder.path()).note_ended(WorkerId(1), 0).unwrap();
        assert!(!is_closed(), "that was another");
    }

    #[test]
    fn what_was_damaged_or_copied_is_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let _presence = entered(folder.path(), WorkerId(1), 0, None);
        let path = folder.path().join("queue.db-workers");
        let copied = tempfile::tempdir().unwrap();
        fs::copy(&path, copied.path().join("queue.db-workers")).unwrap();
        assert_eq!(found(copied.path()), [], "the workers of the original");
        assert!(lock_file(copied.path()).has_room_at(0).unwrap());
        assert_eq!(found(folder.path()).len(), 1);
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[0xff], 20).unwrap();
        assert_eq!(found(folder.path()), []);
    }
}
