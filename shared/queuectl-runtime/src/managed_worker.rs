//! One of a manager's workers, as the manager sees it.

use crate::launch::Process;
use queuectl_core::WorkerId;
use std::time::{Duration, Instant};

/// A worker that lived for so long died of something new.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// No replacement waits longer than this.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One of the processes, or the gap that a dead one left.
pub(crate) struct ManagedWorker {
    /// Jobs it may still run; none without a limit.
    pub(crate) share: Option<u64>,
    pub(crate) process: Process,
    /// Its number, once it has told it.
    pub(crate) id: Option<WorkerId>,
    pub(crate) started: Instant,
    /// How often in a row it, or one that it replaces, died soon after its start.
    pub(crate) quick_deaths: u32,
    pub(crate) phase: Phase,
}

/// Where one of the processes stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// Dead; its jobs are being taken back.
    Dead,
    /// To be replaced at this time.
    Due(Instant),
    /// It is being asked whether it may be replaced.
    Asked,
}

impl ManagedWorker {
    /// A worker whose process was just started.
    pub(crate) fn started(share: Option<u64>, process: Process, quick_deaths: u32) -> Self {
        Self { share, process, id: None, started: Instant::now(), quick_deaths, phase: Phase::Running }
    }

    /// Notes that a dead one is to be replaced: at once, or later and later if they die
    /// again and again soon after their start.
    pub(crate) fn await_replacement(&mut self) {
        self.quick_deaths =
            if self.started.elapsed() < LONG_LIFE { self.quick_deaths.saturating_add(1) } else { 0 };
        self.phase = Phase::Due(Instant::now() + pause_before_replacement(self.quick_deaths));
    }

    /// What is to be known of it when another has taken its place among the workers.
    pub(crate) fn remembered(&self) -> Self {
        let process = Process { pid: self.process.pid, commands: None };
        Self { process, ..*self }
    }
}

/// One that dies again and again is replaced ever later.
fn pause_before_replacement(quick_deaths: u32) -> Duration {
    match quick_deaths {
        0 | 1 => Duration::ZERO,
        deaths => Duration::from_millis(25 << (deaths - 2).min(10)).min(LONGEST_PAUSE),
    }
}

/// How many jobs each worker may run.
pub(crate) fn shares(max_jobs: Option<u64>, count: u32) -> Vec<Option<u64>> {
    let Some(jobs) = max_jobs else { return vec![None; count as usize] };
    let count = u64::from(count);
    (0..count)
        .map(|index| jobs / count + u64::from(index < jobs % count))
        .filter(|&share| share > 0)
        .map(Some)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_shared_out_evenly_and_all_of_them() {
        assert_eq!(shares(None, 2), [None, None]);
        assert_eq!(shares(Some(5), 2), [Some(3), Some(2)]);
        assert_eq!(shares(Some(1), 3), [Some(1)]);
        assert!(shares(Some(0), 3).is_empty());
    }

    #[test]
    fn the_first_death_is_answered_at_once_and_many_are_not() {
        assert_eq!(pause_before_replacement(1), Duration::ZERO);
        assert!(pause_before_replacement(3) > pause_before_replacement(2));
        assert_eq!(pause_before_replacement(u32::MAX), LONGEST_PAUSE);
    }
}
