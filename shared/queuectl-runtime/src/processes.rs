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
/// With no grace it begins with KILL.
pub(crate) fn end(scope: &Scope, grace: Duration) -> Result<(), StillThere> {
    if !grace.is_zero() {
        let deadline = Instant::now() + grace;
        ask_to_end(scope);
        while let Some(found) = still_there(scope) {
            if !found.wait_for_end(deadline) {
                break;
            }
        }
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
    use procfs::process::{Process, all_processes};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    use std::ffi::OsStr;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt;
    use std::time::Instant;

    /// Processes that were found, each held by a pidfd.
    pub(super) struct Found(Vec<OwnedFd>);

    pub(super) fn find(scope: &Scope) -> Found {
        let Ok(processes) = all_processes() else { return Found(Vec::new()) };
        let own = std::process::id().cast_signed();
        Found(
            processes
                .flatten()
                .filter(|process| process.pid() != own)
                .filter_map(|p| hold(scope, &p))
                .collect(),
        )
    }

    /// Opens a pidfd if the process belongs to the scope, and looks again: only
    /// if it is still so, the pidfd leads to the process that was meant.
    fn hold(scope: &Scope, process: &Process) -> Option<OwnedFd> {
        if !belongs(scope, process) {
            return None;
        }
        let handle = pidfd_open(Pid::from_raw(process.pid())?, PidfdFlags::empty()).ok()?;
        let again = Process::new(process.pid()).ok()?;
        belongs(scope, &again).then_some(handle)
    }

    fn belongs(scope: &Scope, process: &Process) -> bool {
        if !scope.groups.is_empty()
            && let Ok(stat) = process.stat()
        {
            if stat.state == 'Z' || stat.state == 'X' {
                return false;
            }
            if scope.groups.contains(&(stat.session.cast_unsigned(), stat.pgrp.cast_unsigned())) {
                return true;
            }
        }
        // The environment of a zombie is empty.
        let Ok(environment) = process.environ() else { return false };
        let Some(run) = environment.get(OsStr::new(marker::RUN)) else { return false };
        match scope.extent {
            Extent::Whole => run.as_bytes() == scope.marker.as_bytes(),
            Extent::Beginning => run.as_bytes().starts_with(scope.marker.as_bytes()),
        }
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
                loop {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let timeout = Timespec::try_from(left).ok();
                    let mut ended = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
                    match poll(&mut ended, timeout.as_ref()) {
                        Ok(count) => return count > 0,
                        Err(rustix::io::Errno::INTR) => {}
                        Err(_) => return true,
                    }
                }
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
