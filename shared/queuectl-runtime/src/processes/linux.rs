//! Processes as the kernel shows them in `/proc`.

use crate::processes::environment::{Belongs, read_environment, run_in};
use crate::processes::hidden;
use crate::processes::scope::{Extent, OnSight, Scope};
use nix::sys::signal::{Signal as KillSignal, killpg};
use nix::unistd::{Pid, getpgid, getsid};
use queuectl_store::machine;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// Processes that were found, each held by a pidfd.
pub(super) struct Found(Vec<(u32, OwnedFd)>);

/// Where processes are born during each pass, a look ends after so many passes in a row
/// that found none that belongs; a pass takes less time than a process.
const MOST_PASSES: u32 = 8;

/// A process without an environment is asked so often: it may be about to get
/// one, between the two halves of an exec.
const MOST_QUESTIONS: u8 = 4;

/// Looks at every process, and again at those that were born meanwhile, until a
/// pass finds none that is new: a chain of processes that each fork and exit would
/// pass a single one unseen.
pub(super) fn find(scope: &Scope, on_sight: OnSight) -> io::Result<Found> {
    let own = std::process::id().cast_signed();
    let mut environment = Vec::with_capacity(16 * 1024);
    let mut found = Vec::new();
    let mut asked: HashMap<i32, u8> = HashMap::new();
    let mut passes_left = MOST_PASSES;
    while passes_left > 0 {
        passes_left -= 1;
        let mut any_new = false;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let questions = asked.entry(pid).or_insert(0);
            if pid == own || *questions >= MOST_QUESTIONS {
                continue;
            }
            any_new = true;
            match hold(scope, pid, &mut environment) {
                Ok((Belongs::Unclear, _)) => *questions += 1,
                Ok((_, held)) => {
                    *questions = MOST_QUESTIONS;
                    if let Some(process) = held {
                        if on_sight == OnSight::Kill {
                            let _gone = pidfd_send_signal(&process, Signal::KILL);
                            passes_left = MOST_PASSES;
                        }
                        found.push((pid.cast_unsigned(), process));
                    }
                }
                // Out of descriptors: end those that are held, and look again.
                Err(_) if !found.is_empty() => return Ok(Found(found)),
                Err(error) => return Err(error),
            }
        }
        let is_answered = on_sight == OnSight::Hold && !found.is_empty();
        if !any_new || is_answered {
            break;
        }
    }
    Ok(Found(found))
}

/// Opens a pidfd if the process belongs to the scope, and looks again: only
/// if it is still so, the pidfd leads to the process that was meant.
fn hold(scope: &Scope, pid: i32, environment: &mut Vec<u8>) -> io::Result<(Belongs, Option<OwnedFd>)> {
    let belongs = belongs(scope, pid, environment)?;
    if belongs != Belongs::Yes {
        return Ok((belongs, None));
    }
    let Some(number) = rustix::process::Pid::from_raw(pid) else { return Ok((Belongs::No, None)) };
    let process = match pidfd_open(number, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return Ok((Belongs::No, None)),
        Err(error) => return Err(error.into()),
    };
    if has_ended(&process, Some(&Timespec::default())) {
        return Ok((Belongs::No, None));
    }
    let belongs = self::belongs(scope, pid, environment)?;
    Ok((belongs, (belongs == Belongs::Yes).then_some(process)))
}

/// Holds every process that carries one of these markers, with which of them it is.
pub(super) fn carriers(markers: &[&str]) -> io::Result<Vec<(usize, Found)>> {
    let mut environment = Vec::with_capacity(16 * 1024);
    let mut carries = |pid: i32| {
        read_environment(pid, &mut environment).ok()?;
        let run = run_in(&environment)?;
        markers.iter().position(|marker| marker.as_bytes() == run)
    };
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Some(index) = carries(pid) else { continue };
        let Some(held) = hold_pid(pid.cast_unsigned()) else { continue };
        if carries(pid) == Some(index) {
            found.push((index, held));
        }
    }
    Ok(found)
}

/// Holds one process by its pid.
pub(super) fn hold_pid(pid: u32) -> Option<Found> {
    let number = rustix::process::Pid::from_raw(pid.cast_signed())?;
    pidfd_open(number, PidfdFlags::empty()).ok().map(|process| Found(vec![(pid, process)]))
}

/// Ends every member of the groups that surely are ours: their first process
/// is not reaped, so that their numbers cannot be another's.
pub(super) fn kill_own_groups(scope: &Scope) {
    if scope.extent == Extent::Whole {
        for &(_, group) in &scope.groups {
            let _none_there = killpg(Pid::from_raw(group.cast_signed()), KillSignal::SIGKILL);
        }
    }
}

/// A short wait for whatever makes the process table unreadable to pass.
pub(super) fn pause() {
    let _time_is_up = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
}

fn belongs(scope: &Scope, pid: i32, environment: &mut Vec<u8>) -> io::Result<Belongs> {
    if is_in_group(scope, pid) { Ok(Belongs::Yes) } else { is_marked(scope, pid, environment) }
}

fn is_in_group(scope: &Scope, pid: i32) -> bool {
    let pid = Some(Pid::from_raw(pid));
    let number = |id: nix::Result<Pid>| id.map_or(0, |id| id.as_raw().cast_unsigned());
    !scope.groups.is_empty() && {
        let group = number(getpgid(pid));
        let session = number(getsid(pid));
        scope.groups.iter().any(|&(ours, theirs)| theirs == group && ours == session && is_ours(ours))
    }
}

/// Tells whether a session is the one that a worker began. While one of its
/// processes is left, no other gets its number as a pid: so a process that
/// has this pid, and is not the worker, leads another session of that number.
fn is_ours(session: u32) -> bool {
    // A dead worker may still wait to be reaped.
    session == std::process::id() || matches!(machine::process_state(session), None | Some('Z' | 'X'))
}

/// A process between fork and exec has its parent's environment, a zombie none.
fn is_marked(scope: &Scope, pid: i32, environment: &mut Vec<u8>) -> io::Result<Belongs> {
    if let Err(error) = read_environment(pid, environment) {
        return match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::SRCH) => Ok(Belongs::No),
            Some(Errno::ACCESS | Errno::PERM) => Ok(hidden::belongs(scope, pid)),
            _ => Err(error),
        };
    }
    if environment.is_empty() {
        // Neither zombies nor the kernel's own threads run a program.
        let runs_a_program = fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        return Ok(if runs_a_program { Belongs::Unclear } else { Belongs::No });
    }
    let belongs = run_in(environment).is_some_and(|run| match scope.extent {
        Extent::Whole => run == scope.marker.as_bytes(),
        Extent::Beginning => run.starts_with(scope.marker.as_bytes()),
    });
    Ok(if belongs { Belongs::Yes } else { Belongs::No })
}

/// Waits for the end of a process, without a limit if there is no timeout.
fn has_ended(process: &OwnedFd, timeout: Option<&Timespec>) -> bool {
    let mut ended = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
    // What cannot be asked is looked for again.
    poll(&mut ended, timeout).is_ok_and(|count| count > 0)
}

impl Found {
    pub(super) fn pids(&self) -> Vec<u32> {
        self.0.iter().map(|&(pid, _)| pid).collect()
    }

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
        for (_, process) in &self.0 {
            // Gone already is as good.
            let _gone = pidfd_send_signal(process, signal);
        }
    }

    /// Tells whether all of them ended in time.
    pub(super) fn wait_for_end(&self, deadline: Instant) -> bool {
        self.0.iter().all(|(_, process)| {
            let left = deadline.saturating_duration_since(Instant::now());
            has_ended(process, Timespec::try_from(left).ok().as_ref())
        })
    }
}
