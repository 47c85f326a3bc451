//! Workers of this machine, found without the queue.
//!
//! Who lives is known to a server, and a server can be away just when its workers are
//! to stop. But each worker keeps the lock file of its queue open for as long as it
//! lives, which the system shows to its own user.

use queuectl_store::LockFile;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;

/// A process that works on a queue, and the one to be told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerHere {
    /// The worker.
    pub pid: u32,
    /// Its manager, or the worker itself if that is gone.
    pub manager_pid: u32,
}

/// The workers that have a lock file open; none where the system does not show that.
pub fn workers_here(lock_file: &LockFile) -> Vec<WorkerHere> {
    let Ok(path) = lock_file.path().canonicalize() else { return Vec::new() };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| is_program(pid, "work") && has_open(pid, &path))
        .map(|pid| {
            let parent = parent_of(pid).filter(|&parent| is_program(parent, "start"));
            WorkerHere { pid, manager_pid: parent.unwrap_or(pid) }
        })
        .collect()
}

/// Has the managers of these workers stop: as Ctrl+C once, or by force as twice. Tells of
/// how many workers that could be asked.
pub fn ask_to_stop(workers: &[WorkerHere], by_force: bool) -> usize {
    let mut managers: Vec<u32> = workers.iter().map(|worker| worker.manager_pid).collect();
    managers.sort_unstable();
    managers.dedup();
    managers.retain(|&manager| {
        let Some(pid) = i32::try_from(manager).ok().and_then(Pid::from_raw) else { return false };
        // Two of one kind might be taken for one.
        let signals: &[Signal] = if by_force { &[Signal::TERM, Signal::INT] } else { &[Signal::TERM] };
        signals.iter().all(|&signal| kill_process(pid, signal).is_ok())
    });
    workers.iter().filter(|worker| managers.contains(&worker.manager_pid)).count()
}

/// Tells whether this process was started by a worker, or by what a worker runs: it is
/// in the worker's session, or the worker is among those it descends from. What a job's
/// command has done to its environment does not matter for that.
pub fn is_inside_worker(worker: u32) -> bool {
    const MOST_PARENTS: usize = 1000;
    if nix::unistd::getsid(None).is_ok_and(|session| session.as_raw().cast_unsigned() == worker) {
        return true;
    }
    let parents =
        std::iter::successors(Some(std::process::id()), |&pid| parent_of(pid).filter(|&pid| pid > 0));
    parents.take(MOST_PARENTS).any(|pid| pid == worker)
}

/// Tells whether a process is our program for workers, doing this.
fn is_program(pid: u32, action: &str) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let mut words = line.split(|&byte| byte == 0);
    let program = words.next().unwrap_or_default();
    program.ends_with(b"queuectl-worker") && words.any(|word| word == action.as_bytes())
}

fn has_open(pid: u32, path: &Path) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|open| open == path)
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
