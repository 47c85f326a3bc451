//! Where things stand in a lock file: a region for each worker.

/// Bytes of an entry, which stands before a worker's notes.
pub(super) const ENTRY_BYTES: usize = 256;

/// Bytes of one note: seq, lease, pid, each a little-endian 64-bit integer.
pub(super) const NOTE_BYTES: usize = 24;

/// Most slots one worker may have; a region of notes has room for so many.
pub(super) const NOTES_IN_REGION: u32 = 1024;

/// Bytes of a region: a worker's entry, then its notes.
const REGION_BYTES: u64 = ENTRY_BYTES as u64 + NOTES_IN_REGION as u64 * NOTE_BYTES as u64;

/// Where the entry of a region begins.
pub(super) fn entry_offset(region: u32) -> u64 {
    u64::from(region) * REGION_BYTES
}

/// Where the note of a slot begins.
pub(super) fn note_offset(region: u32, slot: u32) -> u64 {
    entry_offset(region) + ENTRY_BYTES as u64 + u64::from(slot) * NOTE_BYTES as u64
}
