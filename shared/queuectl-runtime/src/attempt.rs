//! One attempt, from its start to its end, on a slot's own thread.
//!
//! Start, read what it writes, wait for the exit (not for the end of the pipe:
//! a child in the background may hold it for ever), end what must not be left,
//! classify.

use crate::child::{self, Child, NotStarted, Pipes};
use crate::marker::{self, JobEnvironment};
use crate::order::Order;
use crate::output::OutputBuffer;
use crate::outside::Exit;
use crate::processes::{self, Extent, Scope};
use crate::shared::Shared;
use crate::slot::Slot;
use crate::stamp::Stamp;
use crate::stop_signals::Signals;
use queuectl_core::{Job, Outcome, Stream, Timestamp};
use queuectl_store::{Ended, Note};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// A machine short of processes or files gets so long to recover before the
/// attempt counts as failed.
const SHORTAGE_LASTS_AT_MOST: Duration = Duration::from_secs(30);

/// How much is read from a pipe at a time: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;

/// After the exit so much is read at most: more than a pipe can hold (1 MiB).
const MOST_READS: usize = 32;

/// What was killed and is still there is killed again after so long.
const KILLED_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where there is no pidfd, the exit is asked for so often.
const EXIT_POLL: Duration = Duration::from_millis(10);

/// Runs a job and says how it ended; none if it was called off before its start.
pub(crate) fn run(shared: &Shared, slot: &Slot, job: &Job, read_buffer: &mut [u8]) -> Option<Ended> {
    let marker = marker::of_attempt(shared.run(), shared.worker(), job.last_lease());
    shared.note(slot, Note { lease: job.last_lease(), pid: 0 });
    let (child, pipes) = match start(shared, slot, job, &marker) {
        Started::Yes(started) => *started,
        Started::CalledOff => return None,
        Started::No(outcome, error) => return Some(failed_start(shared, job, outcome, error)),
    };
    let started_at = shared.now();
    shared.note(slot, Note { lease: job.last_lease(), pid: child.pid() });
    slot.begin(OutputBuffer::new(job.last_lease(), started_at, shared.output_limit()));
    tracing::info!("Running job {}...", job.id);

    let scope = Scope { marker, extent: Extent::Whole, groups: vec![(std::process::id(), child.pid())] };
    let (began, pipes) = (Instant::now(), Open::both(pipes));
    let mut attempt = Attempt { shared, slot, job, scope, child, pipes, began, ending: None };
    let outcome = attempt.wait_for_exit(read_buffer);
    let outcome = attempt.unless_stopped_from_outside(outcome);
    let outcome = attempt.end_what_must_not_be_left(outcome);
    attempt.drain(read_buffer);
    let Attempt { child, pipes, scope, .. } = attempt;
    let group = child.pid();
    child.reap();
    if outcome.is_success() {
        shared.background().leave(job, &scope.marker, group, pipes.into_rest());
    }
    Some(ended(shared, slot, job, started_at, outcome))
}

enum Started {
    Yes(Box<(Child, Pipes)>),
    No(Outcome, String),
    CalledOff,
}

/// Starts the command; waits while the machine is short of processes or files.
fn start(shared: &Shared, slot: &Slot, job: &Job, marker: &str) -> Started {
    let began = Instant::now();
    let mut told = false;
    loop {
        let environment = JobEnvironment::new(shared.environment(), job, marker);
        let error = match child::start(job, environment, Stamp::of_attempt(marker)) {
            Ok(started) => return Started::Yes(Box::new(started)),
            Err(NotStarted::Ever(error)) => return Started::No(Outcome::SpawnFailed, error),
            Err(NotStarted::NoFolder(error)) => return Started::No(Outcome::NoFolder, error),
            Err(NotStarted::ForNow(error)) => error,
        };
        if began.elapsed() >= SHORTAGE_LASTS_AT_MOST {
            // The machine's shortage is not the job's failure.
            tracing::warn!("Job {} is handed back: no process could be started for 30 s: {error}", job.id);
            return Started::CalledOff;
        }
        shared.background().close();
        if !std::mem::replace(&mut told, true) {
            tracing::warn!("Job {} cannot be started yet: {error}", job.id);
        }
        if slot.wait_for_order(Duration::from_millis(500)).is_some() || shared.is_stopping() {
            return Started::CalledOff;
        }
    }
}

fn failed_start(shared: &Shared, job: &Job, outcome: Outcome, error: String) -> Ended {
    let now = shared.now();
    Ended {
        lease: job.last_lease(),
        started_at: now,
        ended_at: now,
        outcome,
        error: Some(error),
        output_bytes: 0,
        dropped_bytes: 0,
    }
}

fn ended(shared: &Shared, slot: &Slot, job: &Job, started_at: Timestamp, outcome: Outcome) -> Ended {
    let (output_bytes, dropped_bytes, last_words) =
        slot.with_output(|output| (output.written(), output.dropped(), output.last_words()));
    let error = (!outcome.is_success()).then(|| match (outcome, last_words) {
        (Outcome::Timeout, _) => {
            let limit = job.timeout.unwrap_or_default().as_secs_f64();
            format!("ran longer than {limit} s")
        }
        (Outcome::Exit(_) | Outcome::Signal(_), Some(words)) => format!("{outcome}: {words}"),
        _ => outcome.to_string(),
    });
    Ended {
        lease: job.last_lease(),
        started_at,
        ended_at: shared.now(),
        outcome,
        error,
        output_bytes,
        dropped_bytes,
    }
}

/// An attempt whose shell was started.
struct Attempt<'a> {
    shared: &'a Shared,
    slot: &'a Slot,
    job: &'a Job,
    scope: Scope,
    child: Child,
    pipes: Open,
    began: Instant,
    ending: Option<Ending>,
}

/// Why it is being ended, and how far that has come.
struct Ending {
    outcome: Outcome,
    phase: Phase,
}

/// How far the end of an attempt has come.
#[derive(Clone, Copy)]
enum Phase {
    /// It was asked to end, and is killed then, or when the worker's lease runs out.
    Asked { kill_at: Instant },
    /// It was killed, and is killed again then.
    Killed { again_at: Instant },
}

impl Ending {
    /// When something is to be done about it.
    fn due(&self, shared: &Shared) -> Instant {
        match self.phase {
            Phase::Asked { kill_at } => shared.deadline(kill_at),
            Phase::Killed { again_at } => again_at,
        }
    }
}

/// The pipes that are not at their end.
struct Open {
    stdout: Option<os_pipe::PipeReader>,
    stderr: Option<os_pipe::PipeReader>,
}

impl Open {
    fn both(pipes: Pipes) -> Self {
        Self { stdout: Some(pipes.stdout), stderr: Some(pipes.stderr) }
    }

    fn of(&mut self, stream: Stream) -> &mut Option<os_pipe::PipeReader> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    fn into_rest(self) -> Vec<os_pipe::PipeReader> {
        self.stdout.into_iter().chain(self.stderr).collect()
    }
}

/// What there is to do.
#[expect(clippy::struct_excessive_bools, reason = "four independent sources, each ready or not")]
struct Ready {
    stdout: bool,
    stderr: bool,
    exit: bool,
    order: bool,
}

impl Attempt<'_> {
    fn wait_for_exit(&mut self, read_buffer: &mut [u8]) -> Outcome {
        let timeout_at = self.job.timeout.and_then(|timeout| self.began.checked_add(timeout));
        loop {
            let wake_at = self.ending.as_ref().map_or(timeout_at, |ending| Some(ending.due(self.shared)));
            let ready = self.wait(wake_at);
            if ready.stdout {
                self.read(Stream::Stdout, read_buffer);
            }
            if ready.stderr {
                self.read(Stream::Stderr, read_buffer);
            }
            if ready.exit {
                match self.child.outcome() {
                    Ok(Some(outcome)) => return outcome,
                    Ok(None) => {}
                    Err(error) => {
                        // Not the job's failure: it runs again, uncharged.
                        tracing::error!("The end of job {} cannot be seen: {error}", self.job.id);
                        return Outcome::Interrupted;
                    }
                }
            }
            if ready.order
                && let Some(order) = self.slot.take_order()
            {
                self.begin_ending(order);
            }
            match &self.ending {
                None if timeout_at.is_some_and(|at| Instant::now() >= at) => {
                    self.begin_ending(Order::End);
                }
                Some(ending) if Instant::now() >= ending.due(self.shared) => self.kill(),
                _ => {}
            }
        }
    }

    /// Asks everything to end; patience is as long as the grace. The first order
    /// counts; what a later one may shorten, the deadline of the worker's lease shortens.
    fn begin_ending(&mut self, order: Order) {
        if self.ending.is_none() {
            processes::ask_to_end(&self.scope);
            let kill_at = Instant::now() + self.shared.kill_grace();
            self.ending = Some(Ending { outcome: order.outcome(), phase: Phase::Asked { kill_at } });
        }
    }

    fn kill(&mut self) {
        if let Err(error) = processes::kill(&self.scope) {
            tracing::error!("Job {} is stuck: {error}", self.job.id);
        }
        if let Some(ending) = &mut self.ending {
            ending.phase = Phase::Killed { again_at: Instant::now() + KILLED_AGAIN_AFTER };
        }
    }

    /// An exit that comes from a stop of everything here is no end of the job.
    fn unless_stopped_from_outside(&self, outcome: Outcome) -> Outcome {
        if self.ending.is_some() {
            return outcome;
        }
        let (at, ran) = (Instant::now(), self.began.elapsed());
        let outside = self.shared.outside();
        // Not reaped yet, so that it still says what it caught.
        let caught = || processes::caught_by(self.child.pid());
        let caught = if outside.wants_to_know(ran) { caught() } else { Signals::default() };
        let exit = Exit { outcome, at, ran, caught };
        let was_stopped = outside.has_interrupted(&exit, || self.slot.seen_to_catch());
        if was_stopped { Outcome::Interrupted } else { outcome }
    }

    /// What a failed attempt leaves is ended before anything is recorded, so that
    /// the next one starts alone. What a completed one leaves lives on.
    fn end_what_must_not_be_left(&mut self, exit: Outcome) -> Outcome {
        let mut ended = match &self.ending {
            Some(ending) => processes::outlast(&self.scope, || ending.due(self.shared)),
            None if exit.is_success() => return exit,
            None => {
                let mut kill_at = Instant::now() + self.shared.kill_grace();
                processes::end(&self.scope, || {
                    // They were asked to end; an order to end now waits for nothing else.
                    if self.slot.take_order().is_some() {
                        kill_at = Instant::now();
                    }
                    self.shared.deadline(kill_at)
                })
            }
        };
        while let Err(error) = ended {
            // Promise 3: not started again while any of it lives.
            tracing::error!("Job {} is stuck: {error}", self.job.id);
            ended = processes::kill(&self.scope);
        }
        self.ending.as_ref().map_or(exit, |ending| ending.outcome)
    }

    /// Reads what is in the pipes now, and no longer: a process that goes on writing in
    /// the background must not keep the slot.
    fn drain(&mut self, read_buffer: &mut [u8]) {
        for _ in 0..MOST_READS {
            let ready = self.wait(Some(Instant::now()));
            if !(ready.stdout || ready.stderr) {
                return;
            }
            if ready.stdout {
                self.read(Stream::Stdout, read_buffer);
            }
            if ready.stderr {
                self.read(Stream::Stderr, read_buffer);
            }
        }
    }

    fn read(&mut self, stream: Stream, read_buffer: &mut [u8]) {
        let Some(pipe) = self.pipes.of(stream) else { return };
        match pipe.read(read_buffer) {
            Ok(0) => *self.pipes.of(stream) = None,
            Ok(count) => {
                let now = self.shared.now();
                let due = self.slot.with_output(|output| {
                    output.append(stream, &read_buffer[..count], now);
                    output.is_due()
                });
                if due {
                    self.shared.output_is_due();
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::warn!("The output of job {} cannot be read: {error}", self.job.id);
                *self.pipes.of(stream) = None;
            }
        }
    }

    /// Waits for output, the exit, an order, or the time.
    fn wait(&self, until: Option<Instant>) -> Ready {
        let asks_for_exit = self.child.exit().is_none();
        let poll_at = asks_for_exit.then(|| Instant::now() + EXIT_POLL);
        let until = [until, poll_at].into_iter().flatten().min();
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());

        let stdout = self.pipes.stdout.as_ref().map(AsFd::as_fd);
        let stderr = self.pipes.stderr.as_ref().map(AsFd::as_fd);
        let sources = [stdout, stderr, self.child.exit(), Some(self.slot.bell())];
        let mut indices = [None; 4];
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(4);
        for (source, index) in sources.into_iter().zip(&mut indices) {
            if let Some(fd) = source {
                *index = Some(fds.len());
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
            }
        }
        // Interrupted by a signal is as good as nothing ready.
        let count = poll(&mut fds, timeout.as_ref()).unwrap_or(0);
        let ready = |index: Option<usize>| count > 0 && index.is_some_and(|at| !fds[at].revents().is_empty());
        Ready {
            stdout: ready(indices[0]),
            stderr: ready(indices[1]),
            exit: ready(indices[2]) || asks_for_exit,
            order: ready(indices[3]),
        }
    }
}

/// A buffer for [`run`]; one serves all attempts of a slot.
pub(crate) fn read_buffer() -> Vec<u8> {
    vec![0; READ_BYTES]
}
