//! What completed jobs leave in the background, and what it writes to.
//!
//! It lives on. Its pipes are kept open and read, since a process that writes to
//! a closed one is ended by SIGPIPE, and one whose pipe is full stands still.

use crate::slot::lock;
use os_pipe::PipeReader;
use queuectl_core::{Job, JobId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::Mutex;

/// Most pipes that are kept open.
const MOST_LEFT_OPEN: usize = 256;

/// Nobody who writes without end in the background gets all the attention.
const MOST_READS: usize = 64;

/// The pipes that were open when their jobs had exited.
#[derive(Default)]
pub(crate) struct Background(Mutex<Vec<LeftOpen>>);

struct LeftOpen {
    pipe: PipeReader,
    /// Whose processes may hold it, until that was said.
    untold: Option<JobId>,
}

impl Background {
    /// Keeps open what a completed job's background processes write to.
    pub(crate) fn leave(&self, job: &Job, group: u32, pipes: Vec<PipeReader>) {
        let group = nix::unistd::Pid::from_raw(group.cast_signed());
        let group_lives = nix::sys::signal::killpg(group, None).is_ok();
        if group_lives {
            say_left_in_background(&job.id);
        }
        if pipes.is_empty() {
            return;
        }
        // Without a living group it may be a daemon that holds them, or another
        // slot's child for the instant before its exec: time tells.
        let untold = (!group_lives).then(|| job.id.clone());
        let mut left_open = lock(&self.0);
        left_open.extend(pipes.into_iter().map(|pipe| LeftOpen { pipe, untold: untold.clone() }));
        let too_many = left_open.len().saturating_sub(MOST_LEFT_OPEN);
        left_open.drain(..too_many);
    }

    /// Closes all of them: descriptors are needed for jobs.
    pub(crate) fn close(&self) {
        lock(&self.0).clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// Reads and forgets what was written; says once whose processes they are.
    pub(crate) fn drain(&self) {
        let mut scratch = [0; 16 * 1024];
        let mut to_tell: Vec<JobId> = Vec::new();
        lock(&self.0).retain_mut(|left| {
            let is_open = drain(&mut left.pipe, &mut scratch);
            to_tell.extend(left.untold.take().filter(|_| is_open));
            is_open
        });
        to_tell.dedup();
        for job in &to_tell {
            say_left_in_background(job);
        }
    }
}

fn say_left_in_background(job: &JobId) {
    tracing::info!("Job {job} has left processes in the background; they live on.");
}

/// Reads what is in a pipe now; tells whether anybody may still write to it.
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
