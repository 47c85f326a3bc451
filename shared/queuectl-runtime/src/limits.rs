//! What a process inherits that would keep it from running jobs.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Descriptors a slot needs: its bell, two pipes and the pidfd of its job, and
/// both ends of each pipe while a job is started.
const DESCRIPTORS_A_SLOT: u64 = 9;

/// Descriptors a worker needs beside its slots.
const DESCRIPTORS_A_WORKER: u64 = 48;

/// Makes the signals this program lives by reach it, whatever it inherited.
///
/// # Errors
///
/// If the system refuses.
pub(crate) fn accept_signals() -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        signals.add(signal);
    }
    signals.thread_unblock()?;
    if ignores(Signal::SIGCHLD) {
        // Ignored, the kernel reaps children by itself and nobody learns how
        // they ended. Any handler ends that.
        signal_hook::flag::register(Signal::SIGCHLD as i32, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// Tells whether a signal was ignored from the start. Where nobody can tell, no.
fn ignores(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal as u32 - 1)) != 0
}

/// How large a file this process may write.
pub(crate) fn largest_file() -> u64 {
    getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(soft, _)| soft)
}

/// Makes sure that so many jobs can run at a time; raises the limit on open
/// files no further than that, since jobs inherit it.
///
/// # Errors
///
/// If the hard limit is too low.
pub(crate) fn allow_slots(concurrency: u32) -> io::Result<()> {
    let needed = u64::from(concurrency) * DESCRIPTORS_A_SLOT + DESCRIPTORS_A_WORKER;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= needed {
        return Ok(());
    }
    if hard < needed {
        return Err(io::Error::other(format!(
            "{concurrency} jobs at a time need {needed} open files, and the limit is {hard}"
        )));
    }
    Ok(setrlimit(Resource::RLIMIT_NOFILE, needed, hard)?)
}
