//! What a worker notes of its slots, for its rescuer.

use super::layout::{NOTE_BYTES, NOTES_IN_REGION, note_offset};
use super::lock_file::LockFile;
use crate::Result;
use queuectl_core::{Lease, Seq};
use std::io;
use std::os::unix::fs::FileExt;

/// What a worker notes about one of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The claim it is about to start, or runs.
    pub lease: Lease,
    /// The first process of that run; 0 until it is known.
    pub pid: u32,
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

    /// Forgets what was noted in a region.
    pub(super) fn clear_notes(&self, region: u32) -> Result<()> {
        let blank = vec![0; NOTES_IN_REGION as usize * NOTE_BYTES];
        self.file
            .write_all_at(&blank, note_offset(region, 0))
            .map_err(|source| self.error("write notes to the lock file", source))
    }

    /// Notes which claim a slot is about to start, or the process it runs as.
    pub(super) fn write_note(&self, region: u32, slot: u32, note: Note) -> Result<()> {
        let mut bytes = [0; NOTE_BYTES];
        bytes[..8].copy_from_slice(&note.lease.seq.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&note.lease.number.to_le_bytes());
        bytes[16..].copy_from_slice(&u64::from(note.pid).to_le_bytes());
        let offset = note_offset(region, slot % NOTES_IN_REGION);
        self.file
            .write_all_at(&bytes, offset)
            .map_err(|source| self.error("write notes to the lock file", source))
    }
}
