//! Signals that would end a program without a word.

use signal_hook::consts::SIGXFSZ;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Makes a write beyond the largest size of a file (`ulimit -f`) an error that names the
/// file; by default the signal that comes with it kills.
///
/// A handler that does nothing, since what is ignored would be ignored by jobs too: the
/// kernel puts handlers back at each exec.
pub(crate) fn outlive_large_files() {
    // Where the system refuses, it stays as it was.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}
