//! Processes in the places of workers and jobs, and a guard that looks at them.

use super::*;
use crate::fixture::wait_until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queuectl_store::{LeaseTimes, Presence};
use std::fs::File;
use std::process::{Child, Command};
use tempfile::TempDir;

/// A process in the place of a worker, whose lock the test holds, and a process of
/// one of its jobs.
struct Stand {
    guard: LeaseGuard,
    process: Child,
    job: Child,
    presence: Option<Presence>,
    _folder: TempDir,
}

impl Stand {
    /// A worker whose last renewal was so long ago.
    fn silent_for(silence: Duration) -> Self {
        Self::with(silence, |_| {})
    }

    fn with(silence: Duration, change: impl FnOnce(&mut Entry)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("workers");
        File::create(&path).unwrap();
        let process = Command::new("sleep").arg("1000").spawn().unwrap();
        let mut entry = Entry {
            worker: WorkerId(3),
            pid: process.id(),
            began_at_ticks: machine::began_at_ticks(process.id()).unwrap(),
            pid_namespace: machine::pid_namespace(),
            manager_pid: 1,
            run: format!("guard-{}-{}", std::process::id(), fastrand::u64(..)),
            lease: Some(LeaseTimes::USUAL),
        };
        change(&mut entry);
        let mut job = Command::new("sleep");
        job.arg("1000").env(marker::RUN, format!("{}9/9", marker::of_worker(&entry.run, entry.worker)));
        let job = job.spawn().unwrap();
        let renewed_at = boot_clock().saturating_sub(silence);
        let lock_file = LockFile::at(&path).unwrap().unwrap();
        let presence = Some(lock_file.hold(&entry, 0, renewed_at).unwrap());
        Self { guard: LeaseGuard::new(path, None), process, job, presence, _folder: folder }
    }

    fn stop(&self) {
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGSTOP).unwrap();
        let is_stopped = || matches!(machine::process_state(self.process.id()), Some('T' | 't'));
        wait_until("it stands still", is_stopped);
    }

    /// Has the guard look until it has nothing to do; tells whether the worker and
    /// its job were ended.
    fn are_ended(&mut self) -> (bool, bool) {
        let mut rounds = 0;
        wait_until("the guard has done what it had to", || {
            rounds += 1;
            // A worker whose lock is held by the test cannot be seen to die.
            !self.guard.look().is_ending || rounds > 5
        });
        let [process, job] =
            [&mut self.process, &mut self.job].map(|child| child.try_wait().unwrap().is_some());
        (process, job)
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        for child in [&mut self.process, &mut self.job] {
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn one_that_stands_still_is_ended_when_it_should_end_its_jobs() {
    let mut early = Stand::silent_for(seconds(25));
    early.stop();
    assert_eq!(early.are_ended(), (false, false));
    let mut late = Stand::silent_for(seconds(30));
    late.stop();
    assert_eq!(late.are_ended(), (true, true));
}

#[test]
fn one_that_may_be_ending_its_jobs_is_given_the_time_for_it() {
    assert_eq!(Stand::silent_for(seconds(30)).are_ended(), (false, false));
    assert_eq!(Stand::silent_for(seconds(32)).are_ended(), (true, true));
}

#[test]
fn each_is_judged_by_its_own_lease() {
    let with =
        |length| move |entry: &mut Entry| entry.lease = Some(LeaseTimes::of(Duration::from_secs(length)));
    assert_eq!(Stand::with(seconds(32), with(60)).are_ended(), (false, false));
    assert_eq!(Stand::with(seconds(10), with(10)).are_ended(), (true, true));
    let without = |entry: &mut Entry| entry.lease = None;
    assert_eq!(Stand::with(seconds(9000), without).are_ended(), (false, false), "no server is told");
}

#[test]
fn it_is_looked_again_before_a_lease_runs_out() {
    let mut soon = Stand::silent_for(Duration::from_millis(28_700));
    let again_after = soon.guard.look().again_after;
    assert!(again_after < Duration::from_millis(400), "{again_after:?}");
    assert_eq!(Stand::silent_for(seconds(3)).guard.look().again_after, LOOK_EVERY);
}

#[test]
fn one_that_has_ended_its_jobs_is_left_alone() {
    let mut stand = Stand::silent_for(seconds(60));
    stand.job.kill().unwrap();
    stand.job.wait().unwrap();
    assert_eq!(stand.are_ended(), (false, true));
    assert_eq!(stand.guard.look().remaining.len(), 1, "it is looked at again");
}

#[test]
fn what_one_guard_has_not_found_others_do_not_look_for_at_once() {
    let mut stand = Stand::silent_for(seconds(60));
    let found = |stand: &Stand| LockFile::at(&stand.guard.path).unwrap().unwrap().entry(0).unwrap().unwrap();
    assert_eq!(found(&stand).quiet_for, None);
    stand.job.kill().unwrap();
    stand.job.wait().unwrap();
    stand.guard.look();
    assert!(found(&stand).quiet_for.unwrap() < QUIET_HOLDS_FOR);
}

#[test]
fn what_a_dead_worker_has_left_is_ended_at_once_and_its_pid_may_be_anybodys() {
    let mut stand = Stand::silent_for(Duration::ZERO);
    assert_eq!(stand.are_ended(), (false, false));
    stand.presence = None;
    assert_eq!(stand.are_ended(), (false, true));
    assert_eq!(stand.guard.look().remaining, [], "once is enough");
}

#[test]
fn what_a_worker_that_ended_well_has_left_lives_on() {
    let mut stand = Stand::silent_for(Duration::ZERO);
    stand.presence.take().unwrap().retire().unwrap();
    assert_eq!(stand.are_ended(), (false, false));
    assert_eq!(stand.guard.look().remaining, []);
}

#[test]
fn a_process_that_got_a_workers_pid_is_not_taken_for_it() {
    let mut stand = Stand::with(seconds(60), |entry| entry.began_at_ticks -= 1);
    assert_eq!(stand.are_ended(), (false, true));
}

#[test]
fn a_lock_file_that_was_replaced_is_looked_at_as_long_as_anybody_is_in_it() {
    let mut stand = Stand::silent_for(Duration::ZERO);
    assert_eq!(stand.guard.look().remaining.len(), 1);
    std::fs::remove_file(&stand.guard.path).unwrap();
    File::create(&stand.guard.path).unwrap();
    assert_eq!(stand.guard.look().remaining.len(), 1);
    stand.presence = None;
    assert_eq!(stand.are_ended(), (false, true));
    assert_eq!((stand.guard.look().remaining.len(), stand.guard.files.len()), (0, 1));
}
