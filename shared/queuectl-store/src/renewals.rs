//! Where a worker notes that it has renewed its lease, for the others on its machine.

use crate::lease::millis;
use crate::{Result, StoreError};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of a renewal.
pub(crate) const RENEWAL_BYTES: usize = 16;

/// Where in a lock file the last renewal of one lease is noted.
#[derive(Debug)]
pub(crate) struct Renewals {
    file: File,
    path: PathBuf,
    offset: u64,
}

impl Renewals {
    /// What begins at an offset.
    pub(crate) fn at(file: File, path: PathBuf, offset: u64) -> Self {
        Self { file, path, offset }
    }

    /// Notes a renewal that was sent at this moment of the boot clock.
    pub(crate) fn note(&self, sent_at: Duration) -> Result<()> {
        self.file.write_all_at(&to_bytes(sent_at), self.offset).map_err(|source| StoreError::Io {
            action: "note a renewal in the lock file",
            path: self.path.clone(),
            source,
        })
    }
}

/// A moment, twice: who reads while it is written must not take it for another.
pub(crate) fn to_bytes(at: Duration) -> [u8; RENEWAL_BYTES] {
    let at = millis(at);
    let mut bytes = [0; RENEWAL_BYTES];
    bytes[..8].copy_from_slice(&at.to_le_bytes());
    bytes[8..].copy_from_slice(&(!at).to_le_bytes());
    bytes
}

/// The moment of the last renewal; none while it is being written.
pub(crate) fn from_bytes(bytes: [u8; RENEWAL_BYTES]) -> Option<Duration> {
    let whole = u128::from_le_bytes(bytes);
    let (at, inverted) = (whole as u64, (whole >> 64) as u64);
    (at == !inverted).then(|| Duration::from_millis(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_and_half_of_another_does_not() {
        let (one, other) = (Duration::from_millis(123_456), Duration::from_millis(99));
        let mut bytes = to_bytes(one);
        assert_eq!(from_bytes(bytes), Some(one));
        bytes[..8].copy_from_slice(&to_bytes(other)[..8]);
        assert_eq!(from_bytes(bytes), None);
    }
}
