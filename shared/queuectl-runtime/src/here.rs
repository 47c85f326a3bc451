//! Workers of this machine, found without the queue.
//!
//! Which workers live is known to the queue, and a server can be away, or a disk full,
//! just when they are to stop. But the lock file says enough of each.

use queuectl_store::{Found, LockFile, Result, machine};
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

/// The workers of a queue that live on this machine, and those that died while their
/// managers live, which would start others. None where the system does not show that.
///
/// # Errors
///
/// If the lock file cannot be read.
pub fn workers_here(lock_file: &LockFile) -> Result<Vec<WorkerHere>> {
    let mut here = Vec::new();
    for Found { entry, is_retired, .. } in lock_file.entries()? {
        if is_retired || entry.pid_namespace != machine::pid_namespace() {
            continue;
        }
        let lives = lock_file.is_held(entry.worker)?;
        // The number of a manager that is gone may be another process's by now: of a
        // worker that lives it is the parent, and else it has the lock file open.
        let is_its_own = if lives {
            parent_of(entry.pid) == Some(entry.manager_pid)
        } else {
            has_open(entry.manager_pid, lock_file.path())
        };
        let manager = Some(entry.manager_pid).filter(|&pid| is_its_own && is_manager(pid));
        if let Some(manager_pid) = manager.or(lives.then_some(entry.pid)) {
            here.push(WorkerHere { pid: entry.pid, manager_pid });
        }
    }
    Ok(here)
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

/// Tells whether a process is our program for workers, as their manager.
fn is_manager(pid: u32) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let mut words = line.split(|&byte| byte == 0);
    let program = words.next().unwrap_or_default();
    program.ends_with(b"queuectl-worker") && words.any(|word| word == b"start")
}

fn has_open(pid: u32, path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|open| open == path)
}

fn parent_of(pid: u32) -> Option<u32> {
    machine::process_stat(pid).map(|stat| stat.parent)
}
