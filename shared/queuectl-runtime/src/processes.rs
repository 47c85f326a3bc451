//! Finding and ending all that a job has started.
//!
//! A process is a job's if it inherited the job's marker, or if it is in the
//! group that was made for the job, inside its worker's session. Signals go
//! through a pidfd that was opened before the second look, so that a pid that
//! was reused in between is never hit.

use std::time::{Duration, Instant};

/// Which processes are meant.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// `QUEUECTL_RUN` begins with this …
    pub(crate) marker: String,
    /// … and goes on, or must end there.
    pub(crate) extent: Extent,
    /// Session and group of processes that belong here even without the marker.
    pub(crate) groups: Vec<(u32, u32)>,
}

/// How much of the marker must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: one attempt.
    Whole,
    /// Its beginning: all attempts of a worker.
    Beginning,
}

/// Some processes were still there at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{left} processes could not be ended")]
pub struct StillThere {
    /// How many.
    pub left: usize,
}

/// How long processes may take to die of KILL before they count as stuck.
const KILL_TAKES_AT_MOST: Duration = Duration::from_secs(5);

/// Ends them: TERM, `grace`, then KILL, until two looks in a row find none.
///
/// With no grace it begins with KILL. Where there is nothing to end, it costs
/// the two looks (about 0.5 ms each among a hundred processes).
pub(crate) fn end(scope: &Scope, grace: Duration) -> Result<(), StillThere> {
    let Some(found) = still_there(scope) else { return Ok(()) };
    if !grace.is_zero() {
        found.terminate();
    }
    outlast(scope, Instant::now() + grace)
}

/// Waits until the deadline for those that were asked to end, then kills them.
pub(crate) fn outlast(scope: &Scope, deadline: Instant) -> Result<(), StillThere> {
    while Instant::now() < deadline {
        let Some(found) = still_there(scope) else { return Ok(()) };
        found.wait_for_end(deadline);
    }
    let deadline = Instant::now() + KILL_TAKES_AT_MOST;
    while let Some(found) = still_there(scope) {
        found.kill();
        let soon = Instant::now() + Duration::from_millis(50);
        if !found.wait_for_end(soon) && Instant::now() >= deadline {
            return Err(StillThere { left: found.len() });
        }
    }
    Ok(())
}

/// Sends TERM to all there are now.
pub(crate) fn ask_to_end(scope: &Scope) {
    platform::find(scope).terminate();
}

/// Looks twice: a process that is being born can be missed once.
fn still_there(scope: &Scope) -> Option<platform::Found> {
    (0..2).map(|_| platform::find(scope)).find(|found| found.len() > 0)
}

#[cfg(target_os = "linux")]
mod platform {
    use super::{Extent, Scope};
    use crate::marker;
    use nix::unistd::{Pid, getpgid, getsid};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use std::fs::{self, File};
    use std::io::Read;
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Instant;

    /// Processes that were found, each held by a pidfd.
    pub(super) struct Found(Vec<OwnedFd>);

    pub(super) fn find(scope: &Scope) -> Found {
        let Ok(table) = fs::read_dir("/proc") else { return Found(Vec::new()) };
        let own = std::process::id().cast_signed();
        let pids = table.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let mut environment = Vec::with_capacity(16 * 1024);
        Found(pids.filter(|&pid| pid != own).filter_map(|pid| hold(scope, pid, &mut environment)).collect())
    }

    /// Opens a pidfd if the process belongs to the scope, and looks again: only
    /// if it is still so, the pidfd leads to the process that was meant.
    fn hold(scope: &Scope, pid: i32, environment: &mut Vec<u8>) -> Option<OwnedFd> {
        if !belongs(scope, pid, environment) {
            return None;
        }
        let process = pidfd_open(rustix::process::Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let lives = !has_ended(&process, Some(&Timespec::default()));
        (lives && belongs(scope, pid, environment)).then_some(process)
    }

    fn belongs(scope: &Scope, pid: i32, environment: &mut Vec<u8>) -> bool {
        is_in_group(scope, pid) || is_marked(scope, pid, environment)
    }

    fn is_in_group(scope: &Scope, pid: i32) -> bool {
        let pid = Some(Pid::from_raw(pid));
        let number = |id: nix::Result<Pid>| id.map_or(0, |id| id.as_raw().cast_unsigned());
        !scope.groups.is_empty() && {
            let group = number(getpgid(pid));
            scope.groups.iter().any(|&(session, theirs)| theirs == group && session == number(getsid(pid)))
        }
    }

    /// A process between fork and exec has its parent's environment, a zombie none.
    fn is_marked(scope: &Scope, pid: i32, environment: &mut Vec<u8>) -> bool {
        environment.clear();
        let read =
            File::open(format!("/proc/{pid}/environ")).and_then(|mut file| file.read_to_end(environment));
        if read.is_err() {
            return false;
        }
        let run = environment
            .split(|&byte| byte == 0)
            .find_map(|variable| variable.strip_prefix(marker::RUN.as_bytes())?.strip_prefix(b"="));
        run.is_some_and(|run| match scope.extent {
            Extent::Whole => run == scope.marker.as_bytes(),
            Extent::Beginning => run.starts_with(scope.marker.as_bytes()),
        })
    }

    /// Waits for the end of a process, without a limit if there is no timeout.
    fn has_ended(process: &OwnedFd, timeout: Option<&Timespec>) -> bool {
        let mut ended = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
        // What cannot be asked is looked for again.
        poll(&mut ended, timeout).is_ok_and(|count| count > 0)
    }

    impl Found {
        pub(super) fn len(&self) -> usize {
            self.0.len()
        }

        pub(super) fn terminate(&self) {
            self.send(Signal::TERM);
            // A stopped process would not hear it.
            self.send(Signal::CONT);
        }

        pub(super) fn kill(&self) {
            self.send(Signal::KILL);
        }

        fn send(&self, signal: Signal) {
            for process in &self.0 {
                // Gone already is as good.
                let _gone = pidfd_send_signal(process, signal);
            }
        }

        /// Tells whether all of them ended in time.
        pub(super) fn wait_for_end(&self, deadline: Instant) -> bool {
            self.0.iter().all(|process| {
                let left = deadline.saturating_duration_since(Instant::now());
                has_ended(process, Timespec::try_from(left).ok().as_ref())
            })
        }
    }
}

/// Without a process table to read, a job is its process group: what leaves the
/// group is not found.
#[cfg(not(target_os = "linux"))]
mod platform {
    use super::Scope;
    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;
    use std::time::{Duration, Instant};

    pub(super) struct Found(Vec<Pid>);

    pub(super) fn find(scope: &Scope) -> Found {
        let groups = scope.groups.iter().map(|&(_, group)| Pid::from_raw(group.cast_signed()));
        Found(groups.filter(|&group| killpg(group, None).is_ok()).collect())
    }

    impl Found {
        pub(super) fn len(&self) -> usize {
            self.0.len()
        }

        pub(super) fn terminate(&self) {
            self.send(Signal::SIGTERM);
            self.send(Signal::SIGCONT);
        }

        pub(super) fn kill(&self) {
            self.send(Signal::SIGKILL);
        }

        fn send(&self, signal: Signal) {
            for &group in &self.0 {
                let _gone = killpg(group, signal);
            }
        }

        #[expect(
            clippy::disallowed_methods,
            reason = "without pidfds there is nothing to wait for but the time"
        )]
        pub(super) fn wait_for_end(&self, deadline: Instant) -> bool {
            loop {
                if self.0.iter().all(|&group| killpg(group, None).is_err()) {
                    return true;
                }
                if Instant::now() >= deadline {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}
