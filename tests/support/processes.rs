//! The process table, as the kernel shows it.

use super::wait::{DEADLINE, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
use std::fs;

/// Processes that were started with all of these `NAME=VALUE` in their environment.
///
/// Zombies have no environment and do not count.
pub fn marked(markers: &[&str]) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let variables: Vec<&[u8]> = environment.split(|&byte| byte == 0).collect();
            markers.iter().all(|marker| variables.contains(&marker.as_bytes()))
        })
        .collect()
}

/// The same as [`alive`], for a job: defines a shell function. (`kill -0` takes a
/// process that has ended for a living one until its parent has waited for it.)
pub const ALIVE: &str = "alive() { grep -qs '^State:.[RSDTt]' /proc/$1/status; }";

/// Tells whether a process is there and has not ended.
pub fn alive(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name, in parentheses, may contain anything.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('Z' | 'X') | None)
}

/// Sends a signal to a process that must be there.
pub fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// What a process of the worker's program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Manager,
    Worker,
    Guardian,
}

/// What a process is; none if it is no program of ours that runs for long: a job, say.
pub fn role(pid: i32) -> Option<Role> {
    if !fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program.ends_with("queuectl-worker")) {
        return None;
    }
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut arguments = line.split(|&byte| byte == 0).skip(1);
    arguments.find_map(|argument| match argument {
        b"start" => Some(Role::Manager),
        b"work" => Some(Role::Worker),
        b"guard" => Some(Role::Guardian),
        _ => None,
    })
}

/// Kills these processes as nearly at once as can be, until there are none, and
/// surely nobody who got a number of theirs meanwhile.
pub fn kill_all(victims: impl Fn() -> Vec<i32>) {
    wait_until(DEADLINE, "they have ended", || {
        let open = |pid| {
            let process = rustix::process::Pid::from_raw(pid)?;
            Some((pid, pidfd_open(process, PidfdFlags::empty()).ok()?))
        };
        let opened: Vec<_> = victims().into_iter().filter_map(open).collect();
        let still = victims();
        for (_, process) in opened.iter().filter(|(pid, _)| still.contains(pid)) {
            let _gone_is_fine = pidfd_send_signal(process, rustix::process::Signal::KILL);
        }
        still.is_empty()
    });
}

/// Kills every process that carries a marker, until none is left.
pub fn kill_marked(marker: &str) {
    wait_until(DEADLINE, "what the test started has ended", || {
        let left = marked(&[marker]);
        for &pid in &left {
            let _gone_is_fine = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        left.is_empty()
    });
}
