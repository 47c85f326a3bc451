//! What completed jobs leave in the background, and what it writes to.
//!
//! It lives on. Its pipes are kept open and read, since a process that writes to
//! a closed one is ended by SIGPIPE, and one whose pipe is full stands still.
//! That a job has left processes is said only of what was seen: a pipe that is
//! still open may be held by another slot's child before its exec, and a group
//! that is still there may be about to end.

use crate::lock::lock;
use crate::processes;
use os_pipe::PipeReader;
use queuectl_core::{Job, JobId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Most pipes that are kept open.
const MOST_LEFT_OPEN: usize = 256;

/// Most jobs that are looked after to see whether they have left processes.
const MOST_SUSPECTED: usize = 1024;

/// A process that writes without end in the background does not get all the attention.
const MOST_READS: usize = 64;

/// What is still there so long after its job is looked for.
const LOOKED_FOR_AFTER: Duration = Duration::from_secs(1);

/// What is found must be there for so long again.
const STAYS_FOR: Duration = Duration::from_millis(100);

/// What completed jobs may have left.
#[derive(Default)]
pub(crate) struct Background {
    pipes: Mutex<Vec<LeftOpen>>,
    suspected: Mutex<Vec<Suspected>>,
    /// Locked during a look: what one has taken off the list is not told yet, and the
    /// last one must not end before that.
    looking: Mutex<()>,
}

/// A pipe that was open when its job had exited.
struct LeftOpen {
    pipe: PipeReader,
    marker: String,
}

/// A job that may have left processes in the background.
struct Suspected {
    job: JobId,
    marker: String,
    group_was_there: bool,
    since: Instant,
}

impl Background {
    /// Keeps open what a completed job's background processes write to.
    pub(crate) fn leave(&self, job: &Job, marker: &str, group: u32, pipes: Vec<PipeReader>) {
        let group = nix::unistd::Pid::from_raw(group.cast_signed());
        let group_was_there = nix::sys::signal::killpg(group, None).is_ok();
        if !group_was_there && pipes.is_empty() {
            return;
        }
        let mut suspected = lock(&self.suspected);
        if suspected.len() < MOST_SUSPECTED {
            let (job, marker) = (job.id.clone(), marker.to_owned());
            suspected.push(Suspected { job, marker, group_was_there, since: Instant::now() });
        }
        drop(suspected);
        let mut left_open = lock(&self.pipes);
        left_open.extend(pipes.into_iter().map(|pipe| LeftOpen { pipe, marker: marker.to_owned() }));
        let too_many = left_open.len().saturating_sub(MOST_LEFT_OPEN);
        left_open.drain(..too_many);
    }

    /// Closes all of them: descriptors are needed for jobs.
    pub(crate) fn close(&self) {
        lock(&self.pipes).clear();
    }

    /// Tells whether there is nothing to look after.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.pipes).is_empty() && lock(&self.suspected).is_empty()
    }

    /// Reads and forgets what was written; says once which jobs have left processes.
    pub(crate) fn drain(&self) {
        self.look_after(LOOKED_FOR_AFTER, tell);
    }

    /// The same for the last time, and so at once.
    pub(crate) fn drain_at_last(&self) {
        self.look_after(Duration::ZERO, tell);
    }

    fn look_after(&self, looked_for_after: Duration, tell: impl Fn(&JobId)) {
        let _until_all_is_told = lock(&self.looking);
        let mut scratch = [0; 16 * 1024];
        lock(&self.pipes).retain_mut(|left| drain(&mut left.pipe, &mut scratch));
        let mut due: Vec<Suspected> = lock(&self.suspected)
            .extract_if(.., |suspected| suspected.since.elapsed() >= looked_for_after)
            .collect();
        due.retain(|suspected| self.may_be_there(suspected));
        if due.is_empty() {
            return;
        }
        let markers: Vec<&str> = due.iter().map(|suspected| suspected.marker.as_str()).collect();
        let mut told = vec![false; due.len()];
        for (index, process) in processes::carriers(&markers) {
            if !told[index] && process.outlives(STAYS_FOR) {
                told[index] = true;
                tell(&due[index].job);
            }
        }
    }

    fn may_be_there(&self, suspected: &Suspected) -> bool {
        suspected.group_was_there || lock(&self.pipes).iter().any(|left| left.marker == suspected.marker)
    }
}

fn tell(job: &JobId) {
    tracing::info!("Job {job} has left processes in the background; they live on.");
}

/// Reads what is in a pipe now; tells whether any process may still write to it.
fn drain(pipe: &mut PipeReader, scratch: &mut [u8]) -> bool {
    for _ in 0..MOST_READS {
        let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
        match pipe.read(scratch) {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::fixture::wait_until;
    use crate::marker;
    use std::process::{Command, Stdio};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    #[test]
    fn the_last_look_waits_for_one_that_has_yet_to_tell() {
        let marker = format!("test-of-the-last-look/{}/1/1", std::process::id());
        let mut command = Command::new("sleep");
        // What holds nothing of the test's keeps no test waiting if it fails.
        command.arg("1000").env(marker::RUN, &marker).stdout(Stdio::null()).stderr(Stdio::null());
        let mut left = command.spawn().unwrap();
        // Its environment can be read only when it has become the other program.
        wait_until("it is found by its mark", || !processes::carriers(&[marker.as_str()]).is_empty());
        let background = Background::default();
        let job = JobId::trusted("a".into());
        let suspected = Suspected { job, marker, group_was_there: true, since: Instant::now() };
        lock(&background.suspected).push(suspected);
        let is_told = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| background.look_after(Duration::ZERO, |_| is_told.store(true, Ordering::SeqCst)));
            wait_until("the look has begun", || lock(&background.suspected).is_empty());
            background.drain_at_last();
            let was_told = is_told.load(Ordering::SeqCst);
            left.kill().unwrap();
            left.wait().unwrap();
            assert!(was_told, "the worker would have ended without a word");
        });
    }
}
