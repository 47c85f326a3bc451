//! Without a process table to read, a job is its process group: what leaves the
//! group is not found.

use crate::processes::scope::{OnSight, Scope};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

pub(super) struct Found(Vec<Pid>);

pub(super) fn find(scope: &Scope, _on_sight: OnSight) -> std::io::Result<Found> {
    let groups = scope.groups.iter().map(|&(_, group)| Pid::from_raw(group.cast_signed()));
    Ok(Found(groups.filter(|&group| killpg(group, None).is_ok()).collect()))
}

/// Without a process table no process is found by a marker.
pub(super) fn carriers(_markers: &[&str]) -> std::io::Result<Vec<(usize, Found)>> {
    Ok(Vec::new())
}

/// A worker leads a group of its own.
pub(super) fn hold_pid(pid: u32) -> Option<Found> {
    let group = Pid::from_raw(pid.cast_signed());
    killpg(group, None).is_ok().then(|| Found(vec![group]))
}

/// The groups are all that is ever found here.
pub(super) fn kill_own_groups(_scope: &Scope) {}

pub(super) fn pause() {}

impl Found {
    pub(super) fn pids(&self) -> Vec<u32> {
        self.0.iter().map(|group| group.as_raw().cast_unsigned()).collect()
    }

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

    #[expect(clippy::disallowed_methods, reason = "without pidfds there is nothing to wait for but the time")]
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
