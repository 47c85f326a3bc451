//! The process table, as the kernel shows it.

use super::wait::{DEADLINE, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
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
/// process that has ended for a living one until somebody has waited for it.)
pub const ALIVE: &str = "alive() { grep -qs '^State:.[RSDTt]' /proc/$1/status; }";

/// Tells whether a process is there and has not ended.
pub fn alive(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name, in parentheses, may contain anything.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('Z' | 'X') | None)
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
