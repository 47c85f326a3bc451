//! Which machine this is, and which boot of it.

use crate::worker_record::WorkerRecord;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

/// The machine's name.
pub fn host_name() -> String {
    nix::unistd::gethostname().map_or_else(|_| "localhost".into(), |name| name.to_string_lossy().into_owned())
}

/// Who types, as others know that person: `anna@host`.
pub fn person() -> String {
    let uid = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    format!("{}@{}", user.map_or_else(|| uid.to_string(), |user| user.name), host_name())
}

/// A text that is another after each boot; empty where the system has none.
pub fn boot_id() -> String {
    static READ_ONCE: OnceLock<String> = OnceLock::new();
    let read = || fs::read_to_string("/proc/sys/kernel/random/boot_id");
    READ_ONCE.get_or_init(|| read().map(|id| id.trim().to_owned()).unwrap_or_default()).clone()
}

/// The namespace in which this process's pid is valid; 0 where there are none.
pub fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// The kernel's letter for what a process does: `R`, `S`, `T`, `Z`, …; none if
/// there is none of this pid, or it cannot be seen.
pub fn process_state(pid: u32) -> Option<char> {
    process_stat(pid).map(|stat| stat.state)
}

/// When a process began, in ticks since the boot: with its pid never used again. None
/// if there is none of this pid, or it cannot be seen.
pub fn began_at_ticks(pid: u32) -> Option<u64> {
    process_stat(pid).map(|stat| stat.began_at_ticks)
}

/// What every user may know of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// The kernel's letter for what it does.
    pub state: char,
    /// The process that started it, or has taken it in; 0 if none has.
    pub parent: u32,
    /// When it began, in ticks since the boot.
    pub began_at_ticks: u64,
}

/// Looks at a process; none if there is none of this pid, or it cannot be seen.
///
/// Read by hand, as the masks and limits of processes are: the `procfs` crate builds on
/// Linux alone, so that each question would need a second answer for other systems.
pub fn process_stat(pid: u32) -> Option<ProcessStat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything. After it come the state as field 3
    // and the parent as field 4; the beginning is field 22.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let began_at_ticks = fields.nth(17)?.parse().ok()?;
    Some(ProcessStat { state, parent, began_at_ticks })
}

/// Tells whether a living worker's process was stopped, by SIGSTOP or a debugger;
/// false where that cannot be seen.
pub fn is_stopped(worker: &WorkerRecord) -> bool {
    worker.pid_namespace == pid_namespace() && matches!(process_state(worker.pid), Some('T' | 't'))
}

/// Tells whether this process holds a lock for writing on this byte of a file, as the
/// kernel lists them; false where it does not.
///
/// Nothing is opened: closing a file again would let go of all locks on it.
pub(crate) fn is_locked_by_us(path: &Path, byte: u64) -> bool {
    let (Ok(file), Ok(locks)) = (fs::metadata(path), fs::read_to_string("/proc/locks")) else { return false };
    let (us, file) = (std::process::id().to_string(), format!(":{}", file.ino()));
    // `1: POSIX ADVISORY WRITE 1234 fe:00:5678 120 120`: pid, file, first and last byte.
    locks.lines().any(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [_, "POSIX", _, "WRITE", pid, of, first, last] => {
            let (first, last) = (first.parse(), last.parse());
            pid == us
                && of.ends_with(&file)
                && first.is_ok_and(|first: u64| first <= byte)
                && last.is_ok_and(|last: u64| byte <= last)
        }
        _ => false,
    })
}

/// Tells whether no process has a worker's pid any more, where we could see it.
pub(crate) fn is_surely_gone(worker: &WorkerRecord) -> bool {
    worker.pid_namespace == pid_namespace()
        && kill(Pid::from_raw(worker.pid.cast_signed()), None) == Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, fcntl};

    #[test]
    fn a_lock_of_this_process_is_found_by_its_byte() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lock = |kind: i32, start: i64| {
            let lock = nix::libc::flock {
                l_type: kind as i16,
                l_whence: nix::libc::SEEK_SET as i16,
                l_start: start,
                l_len: 1,
                l_pid: 0,
            };
            fcntl(file.as_file(), FcntlArg::F_SETLK(&lock)).unwrap();
        };
        lock(nix::libc::F_WRLCK, 120);
        lock(nix::libc::F_RDLCK, 123);
        let is_locked = [119, 120, 121, 123].map(|byte| is_locked_by_us(file.path(), byte));
        assert_eq!(is_locked, [false, cfg!(target_os = "linux"), false, false]);
        lock(nix::libc::F_UNLCK, 120);
        assert!(!is_locked_by_us(file.path(), 120));
    }
}
