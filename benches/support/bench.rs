//! Where and how much is measured.

use super::{Result, Series, Unit, figure, note};
use crate::floor;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// A tenth, for a first look.
    Quick,
    /// What the figures come from.
    Usual,
    /// By the clock, what can otherwise be had in less time.
    Long,
}

/// Where and how much is measured.
pub(crate) struct Bench {
    extent: Extent,
    folder: PathBuf,
}

impl Bench {
    pub(crate) fn new(extent: Extent) -> Result<Self> {
        let folder = std::env::var_os("QUEUECTL_BENCH_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        std::fs::create_dir_all(&folder)?;
        Ok(Self { extent, folder: folder.canonicalize()? })
    }

    /// How much is measured.
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// So much work, or a tenth of it.
    pub(crate) fn work(&self, amount: usize) -> usize {
        if self.is_quick() { (amount / 10).max(1) } else { amount }
    }

    /// So much time, or a tenth of it.
    pub(crate) fn time(&self, span: Duration) -> Duration {
        if self.is_quick() { span / 10 } else { span }
    }

    /// So many rounds, or as few as still have a median.
    pub(crate) fn rounds(&self, rounds: usize) -> usize {
        if self.is_quick() { rounds.min(3) } else { rounds }
    }

    fn is_quick(&self) -> bool {
        self.extent == Extent::Quick
    }

    /// Where everything is measured.
    pub(crate) fn parent(&self) -> &Path {
        &self.folder
    }

    /// A folder of its own, removed when it is dropped.
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::Builder::new().prefix("queuectl-bench-").tempdir_in(&self.folder)?)
    }

    /// Says on what is measured, since no figure means anything without it.
    pub(crate) fn introduce(&self) -> Result {
        let cores = std::thread::available_parallelism()?;
        let kind = match u32::try_from(rustix::fs::statfs(&self.folder)?.f_type).unwrap_or(0) {
            0xEF53 => "ext2/3/4",
            0x5846_5342 => "xfs",
            0x9123_683E => "btrfs",
            0x0102_1994 => "tmpfs, where fsync does NOTHING: set QUEUECTL_BENCH_DIR to a folder on a disk",
            _ => "another file system",
        };
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("unknown");
        println!("{cores} cores, load {load}; {kind}");
        if self.is_quick() {
            println!("--quick: a tenth of the work");
        }
        let each: Series = (0..5)
            .map(|_| Ok(1000.0 / floor::syncs_per_second(self, self.work(500))?))
            .collect::<Result<Vec<f64>>>()?
            .into();
        figure("4 KiB and fdatasync", &each, Unit::Millis);
        if each.median() < 0.02 {
            note("this disk does not wait for anything: durability costs nothing here, and proves nothing");
        }
        Ok(())
    }
}
