//! A manager at work: what it does about each event.

use crate::guardian::Guardian;
use crate::launch::{Launcher, WorkerLog};
use crate::log_rotation::LogRotation;
use crate::managed_worker::{LONGEST_PAUSE, ManagedWorker, Phase, shares};
use crate::manager_command::ManagerCommand;
use crate::manager_error::ManagerError;
use crate::messages::{Event, Reply, Request};
use crate::supervisor::Supervisor;
use queuectl_core::Exit;
use queuectl_store::Stop;
use signal_hook::consts::SIGHUP;
use std::io;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// At the end the queue is given so long to be closed.
pub(crate) const CLOSING_TAKES_AT_MOST: Duration = Duration::from_secs(1);

/// A stop by force does not wait for longer than this until the jobs of workers that
/// died are given back.
const PATIENCE_OF_A_FORCED_STOP: Duration = Duration::from_secs(5);

/// A manager at work.
pub(crate) struct Managing {
    pub(crate) launcher: Launcher,
    pub(crate) supervisor: Supervisor,
    /// Has the lock file looked at, at once.
    pub(crate) guard: Sender<()>,
    /// Only where a server may give the jobs to other machines.
    pub(crate) guardian: Option<Guardian>,
    pub(crate) workers: Vec<Option<ManagedWorker>>,
    pub(crate) failed: u32,
    pub(crate) stop: Option<Stop>,
    pub(crate) signals_received: u32,
    pub(crate) when_ready: Option<Box<dyn FnOnce()>>,
    /// Workers whose jobs may not have been given back, each with the reason.
    pub(crate) owed: Vec<(ManagedWorker, String)>,
    /// Whether a worker has ever been on the list.
    pub(crate) has_begun: bool,
    /// Whether that was tried once more at the end.
    pub(crate) has_tried_again: bool,
    /// Only where the log is a file of its own.
    pub(crate) log: Option<LogRotation>,
    /// At the end the dead are not waited for longer than that.
    pub(crate) gives_up_at: Option<Instant>,
    pub(crate) events: Sender<Event>,
}

impl Managing {
    /// Starts all workers that have something to do.
    pub(crate) fn start_all(&mut self, count: u32) -> Result<(), ManagerError> {
        let shares = shares(self.launcher.options.max_jobs, count);
        tracing::info!(
            "Starting {} {}...",
            shares.len(),
            if shares.len() == 1 { "worker" } else { "workers" }
        );
        for (index, share) in shares.into_iter().enumerate() {
            let worker = self.start(index, share, 0).map_err(ManagerError::Start)?;
            self.workers.push(Some(worker));
        }
        Ok(())
    }

    fn start(&self, index: usize, share: Option<u64>, quick_deaths: u32) -> io::Result<ManagedWorker> {
        let process = self.launcher.launch(index, share, &self.events)?;
        Ok(ManagedWorker::started(share, process, quick_deaths))
    }

    /// Goes on until no worker is left. Waits for nothing but events and the time.
    pub(crate) fn serve(&mut self, heard: &Receiver<Event>) {
        while self.workers.iter().any(Option::is_some) || self.try_again() {
            let now = Instant::now();
            self.ask_for_replacements(now);
            self.follow_log(now);
            if self.gives_up(now) {
                return;
            }
            let log_due = self.log.as_ref().map(LogRotation::next_look);
            let due = [self.next_replacement(), self.gives_up_at, log_due].into_iter().flatten().min();
            let heard = match due {
                Some(due) => heard.recv_timeout(due.saturating_duration_since(Instant::now())),
                None => heard.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            if let Ok(event) = heard {
                self.handle(event);
            }
        }
    }

    /// Has what could not be given back tried once more, when all else is done; tells
    /// whether there is anything.
    fn try_again(&mut self) -> bool {
        if self.owed.is_empty() || std::mem::replace(&mut self.has_tried_again, true) {
            return false;
        }
        self.supervisor.hurry();
        self.workers.clear();
        for (index, (worker, _)) in self.owed.drain(..).enumerate() {
            self.supervisor.give(Request::TakeBack { index, id: worker.id, pid: worker.process.pid });
            self.workers.push(Some(ManagedWorker { phase: Phase::Dead, ..worker }));
        }
        true
    }

    /// Tells whether the dead that are left are not waited for any longer.
    fn gives_up(&mut self, now: Instant) -> bool {
        let is_ending = self.stop.is_some() || self.has_tried_again;
        if !is_ending || self.workers.iter().flatten().any(|worker| worker.phase != Phase::Dead) {
            return false;
        }
        let patience = match self.stop {
            Some(Stop::Forced) => PATIENCE_OF_A_FORCED_STOP,
            _ => self.launcher.options.busy_timeout() + CLOSING_TAKES_AT_MOST,
        };
        // Force makes it shorter.
        let gives_up_at = self.gives_up_at.into_iter().chain([now + patience]).min();
        self.gives_up_at = gives_up_at;
        if gives_up_at.is_some_and(|at| at > now) {
            return false;
        }
        let left = self.workers.drain(..).flatten();
        self.owed.extend(left.map(|worker| (worker, "the queue does not answer".to_owned())));
        true
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Signal(signal) => self.signalled(signal),
            Event::Registered(index, id) => {
                self.has_begun = true;
                if let Some(worker) = &mut self.workers[index] {
                    worker.id = Some(id);
                }
                let all_ready = self.workers.iter().flatten().all(|worker| worker.id.is_some());
                let all_well = all_ready && self.failed == 0 && self.stop.is_none();
                if all_well && let Some(action) = self.when_ready.take() {
                    action();
                }
                self.supervisor.give(Request::MeetWorker { index });
            }
            Event::Exited(index, status) => self.exited(index, &status),
            Event::Reply(Reply::TakenBack { index, jobs_done, was_asked_to_stop, owed }) => {
                self.taken_back(index, jobs_done, was_asked_to_stop, owed);
            }
            Event::Reply(Reply::MayReplace { index, may }) => self.replace(index, may),
            Event::Reply(Reply::IsMeant { index }) => {
                if let Some(worker) = &mut self.workers[index] {
                    worker.process.say(&ManagerCommand::Stop);
                }
            }
        }
    }

    fn signalled(&mut self, signal: i32) {
        if signal == SIGHUP {
            // A logout sends it just after SIGTERM: it never makes a request stronger.
            if matches!(self.launcher.log, WorkerLog::Rotated(_)) {
                tracing::info!(
                    "Received SIGHUP; workers in the background go on, `queuectl worker stop` stops them"
                );
            } else {
                tracing::info!("The terminal was closed, finishing current jobs...");
                self.stop(Stop::Graceful);
            }
            return;
        }
        self.signals_received += 1;
        let stop = if self.signals_received == 1 { Stop::Graceful } else { Stop::Forced };
        tracing::info!(
            "Received shutdown signal, {}",
            match stop {
                Stop::Graceful => "finishing current jobs, if any... (once more to end them)",
                Stop::Forced => "ending current jobs...",
            }
        );
        self.stop(stop);
    }

    fn stop(&mut self, stop: Stop) {
        self.stop = self.stop.max(Some(stop));
        self.supervisor.hurry();
        let command = match stop {
            Stop::Graceful => ManagerCommand::Stop,
            Stop::Forced => ManagerCommand::Force,
        };
        for worker in self.workers.iter_mut().flatten() {
            worker.process.say(&command);
        }
        // No worker is replaced any more.
        for slot in &mut self.workers {
            if slot.as_ref().is_some_and(|worker| matches!(worker.phase, Phase::Due(_) | Phase::Asked)) {
                *slot = None;
            }
        }
    }

    fn exited(&mut self, index: usize, status: &io::Result<ExitStatus>) {
        let code = status.as_ref().ok().and_then(ExitStatus::code);
        let is = |exit: Exit| code == Some(i32::from(exit.code()));
        if is(Exit::Done) {
            self.workers[index] = None;
            return;
        }
        // It has said what is wrong; another would fail in the same way. What may pass is
        // waited for by workers that have begun, and not by a start.
        if is(Exit::Error) || (is(Exit::Busy) && !self.has_begun) {
            self.failed += 1;
            self.stop(Stop::Graceful);
        } else {
            let how = status.as_ref().map_or_else(ToString::to_string, ToString::to_string);
            tracing::warn!("A worker died ({how})");
        }
        // What it had started is ended whether or not the queue can be asked.
        let _guard_is_gone = self.guard.send(());
        if let Some(worker) = &mut self.workers[index] {
            worker.phase = Phase::Dead;
            self.supervisor.give(Request::TakeBack { index, id: worker.id, pid: worker.process.pid });
        }
    }

    fn taken_back(&mut self, index: usize, jobs_done: u64, was_asked_to_stop: bool, owed: Option<String>) {
        let Some(mut worker) = self.workers[index].take() else { return };
        worker.share = worker.share.map(|share| share.saturating_sub(jobs_done));
        if let Some(reason) = owed {
            self.owed.push((worker.remembered(), reason));
        }
        if self.stop.is_some() || self.has_tried_again || was_asked_to_stop || worker.share == Some(0) {
            return;
        }
        worker.await_replacement();
        self.workers[index] = Some(worker);
    }

    fn next_replacement(&self) -> Option<Instant> {
        let due = |worker: &ManagedWorker| match worker.phase {
            Phase::Due(at) => Some(at),
            Phase::Running | Phase::Dead | Phase::Asked => None,
        };
        self.workers.iter().flatten().filter_map(due).min()
    }

    fn ask_for_replacements(&mut self, now: Instant) {
        for (index, slot) in self.workers.iter_mut().enumerate() {
            if let Some(worker) = slot
                && matches!(worker.phase, Phase::Due(at) if at <= now)
            {
                worker.phase = Phase::Asked;
                self.supervisor.give(Request::Replace { index });
            }
        }
    }

    fn replace(&mut self, index: usize, may: bool) {
        let Some(mut dead) = self.workers[index].take().filter(|_| may) else { return };
        self.workers[index] = Some(match self.start(index, dead.share, dead.quick_deaths) {
            Ok(worker) => worker,
            Err(error) => {
                tracing::error!("a worker cannot be started: {error}; it is tried again");
                dead.phase = Phase::Due(Instant::now() + LONGEST_PAUSE);
                dead
            }
        });
    }

    /// Has all processes go on in the log that is in place.
    fn follow_log(&mut self, now: Instant) {
        let Some(name) = self.log.as_mut().and_then(|log| log.follow(now)) else { return };
        for worker in self.workers.iter_mut().flatten() {
            worker.process.say(&ManagerCommand::Log(name.clone()));
        }
        if let Some(guardian) = &self.guardian {
            guardian.say(&ManagerCommand::Log(name));
        }
    }
}
