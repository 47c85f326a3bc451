//! Stops that reach jobs from outside, together with their worker.
//!
//! systemd (`KillMode=control-group`), a logout or a container's end signal every
//! process of a group, and so the jobs too. That is no failure of a job:
//!
//! - An attempt that a stop signal ended, which the worker has not sent, was
//!   interrupted if the worker is told to stop, or gets such a signal itself, within a
//!   second before or after, or is stopping already.
//! - An attempt that catches such a signal may exit with any code because of it, also
//!   with 0. If the worker got that signal itself, and its manager stops too, then all
//!   processes were signalled, and that exit is not believed. An attempt that does not
//!   catch it cannot have heard it and lived on: its exit is its own.

use crate::limits;
use crate::lock::lock;
use crate::stop_signals::{STOP_SIGNALS, Signals};
use queuectl_core::Outcome;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a shell exits with whose command a signal has ended, less the signal's number.
const ENDED_BY: i32 = 128;

/// A signal to one and word of a stop to the other are so far apart at most.
const SAME_MOMENT: Duration = Duration::from_secs(1);

/// A manager that was signalled too has told its workers within this.
const MANAGER_TAKES: Duration = Duration::from_secs(2);

/// The longest wait for a signal that the worker may get just after its job.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Only attempts that ran for so long are waited for, and for so small a part of that.
const WAITS_AFTER: Duration = Duration::from_millis(100);
const PART_WAITED: u32 = 10;

/// What a worker has heard of a stop.
#[derive(Default)]
pub(crate) struct Outside {
    /// Set by the handlers of the signals, at once.
    caught: [Arc<AtomicBool>; STOP_SIGNALS.len()],
    heard: Mutex<Heard>,
    changed: Condvar,
}

#[derive(Default)]
struct Heard {
    /// The worker is to stop, whatever told it.
    is_stopping: bool,
    /// When the manager has said so, or was gone.
    manager_stopped: Option<Instant>,
    /// When a signal reached this process itself.
    signalled: Option<Instant>,
    /// Whether the attempts that ran then were looked at.
    has_looked: bool,
}

/// How an attempt ended, as far as nothing of ours has ended it.
pub(crate) struct Exit {
    pub(crate) outcome: Outcome,
    pub(crate) at: Instant,
    pub(crate) ran: Duration,
    /// What its first process caught at the end.
    pub(crate) caught: Signals,
}

impl Outside {
    /// Has the signals of this process noted.
    pub(crate) fn listen(&self) -> io::Result<()> {
        for (signal, caught) in STOP_SIGNALS.into_iter().zip(&self.caught) {
            if !limits::is_ignored(signal) {
                signal_hook::flag::register(signal, Arc::clone(caught))?;
            }
        }
        Ok(())
    }

    /// Tells whether what an attempt catches may matter that has run for so long. Short
    /// ones are many, and each question costs some microseconds.
    pub(crate) fn wants_to_know(&self, ran: Duration) -> bool {
        ran >= WAITS_AFTER || self.signals().has_any()
    }

    /// The worker is to stop.
    pub(crate) fn stops(&self) {
        lock(&self.heard).is_stopping = true;
        self.changed.notify_all();
    }

    /// The manager stops, or is gone.
    pub(crate) fn manager_stops(&self) {
        lock(&self.heard).manager_stopped.get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }

    /// A signal has reached this process; `look` finds out which attempts catch it.
    pub(crate) fn is_signalled(&self, look: impl FnOnce(Signals)) {
        lock(&self.heard).signalled = Some(Instant::now());
        self.changed.notify_all();
        look(self.signals());
        lock(&self.heard).has_looked = true;
        self.changed.notify_all();
    }

    /// The stop signals that this process got itself.
    fn signals(&self) -> Signals {
        let caught = STOP_SIGNALS.into_iter().zip(&self.caught);
        let caught = caught.filter(|(_, caught)| caught.load(Ordering::SeqCst));
        caught.map(|(signal, _)| Signals::of(signal)).fold(Signals::default(), Signals::with)
    }

    /// Tells whether an attempt was interrupted from outside. `seen` is what its
    /// processes were seen to catch when this one was signalled.
    ///
    /// Waits for word of a stop only where the exit looks like one.
    pub(crate) fn has_interrupted(&self, exit: &Exit, seen: impl Fn() -> Signals) -> bool {
        if is_by_stop_signal(exit.outcome) {
            return self.wait(exit.at + SAME_MOMENT, |heard| {
                let is_near = |at: Instant| at + SAME_MOMENT >= exit.at;
                heard.is_stopping || heard.signalled.is_some_and(is_near)
            });
        }
        if exit.caught.has_any() && exit.ran >= WAITS_AFTER && !self.signals().has_any() {
            let until = exit.at + (exit.ran / PART_WAITED).min(LONGEST_WAIT);
            self.wait(until, |heard| heard.signalled.is_some());
        }
        let signals = self.signals();
        if !signals.has_any() {
            return false;
        }
        self.wait(Instant::now() + SAME_MOMENT, |heard| heard.has_looked);
        exit.caught.with(seen()).meets(signals) && self.manager_stops_too()
    }

    fn manager_stops_too(&self) -> bool {
        let signalled = lock(&self.heard).signalled.unwrap_or_else(Instant::now);
        self.wait(signalled + MANAGER_TAKES, |heard| {
            heard.manager_stopped.is_some_and(|at| signalled.max(at) - signalled.min(at) <= MANAGER_TAKES)
        })
    }

    /// Waits until something is so; tells whether it is.
    fn wait(&self, until: Instant, is_so: impl Fn(&Heard) -> bool) -> bool {
        let mut heard = lock(&self.heard);
        loop {
            if is_so(&heard) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            heard = self.changed.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn is_by_stop_signal(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Signal(signal) => STOP_SIGNALS.contains(&signal),
        Outcome::Exit(code) => STOP_SIGNALS.contains(&(code - ENDED_BY)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    const CATCHES_TERM: Signals = Signals::of(SIGTERM);

    fn exit(outcome: Outcome, caught: Signals) -> Exit {
        Exit { outcome, at: Instant::now(), ran: Duration::from_secs(5), caught }
    }

    /// The worker got SIGTERM itself.
    fn signalled() -> Outside {
        let outside = Outside::default();
        outside.caught[0].store(true, Ordering::SeqCst);
        outside.is_signalled(|signals| assert_eq!(signals, CATCHES_TERM));
        outside
    }

    #[test]
    fn a_stop_signal_without_a_stop_is_a_failure_like_any_other() {
        let outside = Outside::default();
        for outcome in [Outcome::Signal(SIGTERM), Outcome::Exit(130)] {
            assert!(!outside.has_interrupted(&exit(outcome, Signals::default()), Signals::default));
        }
    }

    #[test]
    fn a_stop_signal_beside_a_stop_is_not() {
        let outside = Outside::default();
        outside.stops();
        for outcome in [Outcome::Signal(SIGTERM), Outcome::Signal(SIGHUP), Outcome::Exit(143)] {
            assert!(outside.has_interrupted(&exit(outcome, Signals::default()), Signals::default));
        }
        for outcome in [Outcome::Signal(9), Outcome::Exit(1), Outcome::Exit(0)] {
            assert!(!outside.has_interrupted(&exit(outcome, CATCHES_TERM), || CATCHES_TERM));
        }
    }

    #[test]
    fn word_of_a_stop_may_come_after_the_end() {
        let outside = Arc::new(Outside::default());
        let (later, exit) = (Arc::clone(&outside), exit(Outcome::Signal(SIGINT), Signals::default()));
        let waits = std::thread::spawn(move || later.has_interrupted(&exit, Signals::default));
        outside.stops();
        assert!(waits.join().unwrap());
    }

    #[test]
    fn what_catches_the_signal_of_all_is_not_believed() {
        let outside = signalled();
        outside.manager_stops();
        assert!(outside.has_interrupted(&exit(Outcome::Exit(0), CATCHES_TERM), Signals::default));
        assert!(outside.has_interrupted(&exit(Outcome::Exit(1), Signals::default()), || CATCHES_TERM));
        assert!(!outside.has_interrupted(&exit(Outcome::Exit(0), Signals::default()), Signals::default));
    }

    #[test]
    fn a_signal_to_one_worker_alone_says_nothing_of_its_jobs() {
        assert!(!signalled().has_interrupted(&exit(Outcome::Exit(0), CATCHES_TERM), || CATCHES_TERM));
    }
}
