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

/// The first descriptor that is not standard input, output or error.
const FIRST_OF_OTHERS: i32 = 3;

/// Hands no open file of the caller on to what this process starts.
///
/// A lock that a shell holds on descriptor 9, or the end of a pipe on 3, would
/// otherwise be held by workers and jobs for as long as they live.
pub fn hand_on_no_open_files() {
    close_fds::set_fds_cloexec_threadsafe(FIRST_OF_OTHERS, &[]);
}

/// Makes the signals this program lives by reach it, whatever it inherited.
///
/// # Errors
///
/// If the system refuses.
pub(crate) fn accept_signals() -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_unblock()?;
    if is_ignored(Signal::SIGCHLD as i32) {
        // Ignored, the kernel reaps children by itself, and how they ended is
        // lost. Any handler ends that.
        signal_hook::flag::register(Signal::SIGCHLD as i32, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// Tells whether a signal is ignored, as `nohup` has SIGHUP ignored by what it
/// starts. No where that cannot be seen.
pub(crate) fn is_ignored(signal: i32) -> bool {
    mask_of("self", "SigIgn:").is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

/// A mask of signals in what the kernel says of a process, also of one that has ended
/// and is not reaped; none where that cannot be read.
pub(crate) fn mask_of(process: &str, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix(name))?;
    u64::from_str_radix(mask.trim(), 16).ok()
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
