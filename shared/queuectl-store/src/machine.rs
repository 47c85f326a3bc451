//! Which machine this is, and which boot of it.

use crate::inspect::Worker;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// The machine's name.
pub fn host_name() -> String {
    nix::unistd::gethostname().map_or_else(|_| "localhost".into(), |name| name.to_string_lossy().into_owned())
}

/// A text that is another after each boot; empty where the system has none.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The namespace in which this process's pid is valid; 0 where there are none.
pub fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// The kernel's letter for what a process does: `R`, `S`, `T`, `Z`, …; none if
/// there is none of this pid, or it cannot be seen.
pub fn process_state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Tells whether a living worker's process was stopped, by SIGSTOP or a debugger;
/// false where that cannot be seen.
pub fn is_stopped(worker: &Worker) -> bool {
    worker.pid_namespace == pid_namespace() && matches!(process_state(worker.pid), Some('T' | 't'))
}

/// Tells whether no process has a worker's pid any more, where we could see it.
pub(crate) fn is_surely_gone(worker: &Worker) -> bool {
    worker.pid_namespace == pid_namespace()
        && kill(Pid::from_raw(worker.pid.cast_signed()), None) == Err(Errno::ESRCH)
}
