//! Keeps a number of worker processes alive, and stops them.
//!
//! A manager runs no job. It starts workers, replaces those that die, and has a
//! dead one's jobs taken back at once: it learns of the death before anybody else.

use crate::caretaker::{Caretaker, News, Task};
use crate::guard;
use crate::guardian::{Guardian, Plan};
use crate::launch::{Event, Launcher, Process, WorkerLog};
use crate::limits;
use crate::listener::{Command as ToWorker, write_log_to};
use crate::orphans;
use crate::stamp;
use crate::worker::WorkerOptions;
use queuectl_core::{Exit, WorkerId};
use queuectl_store::{Life as WorkerLife, Stop, Store, StoreError, open};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A worker that lived for so long died of something new.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// No replacement waits longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// At the end the queue is given so long to be closed.
const CLOSING_TAKES_AT_MOST: Duration = Duration::from_secs(1);

/// Whoever stops by force does not wait for longer than this until the jobs of
/// workers that died are given back.
const PATIENCE_OF_A_FORCED_STOP: Duration = Duration::from_secs(5);

/// The log of workers in the background is renamed when it has so many bytes.
const LOG_BYTES: u64 = 10 * 1024 * 1024;

/// How often it is looked at.
const LOG_LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why a manager gave up.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// No process could be started.
    #[error("a worker cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The signals of a stop could not be asked for.
    #[error("signals cannot be received: {0}")]
    Signals(#[source] io::Error),
    /// A worker ended with an error of its own, which it has told.
    #[error("{count} of the workers ended with an error")]
    WorkersFailed {
        /// How many.
        count: u32,
    },
    /// Workers died, and nobody knows whether their jobs were given back.
    #[error("{}", say_owed(.workers, *.are_ended, .reason))]
    JobsOwed {
        /// Their numbers and processes; one that died at its beginning has told none.
        workers: Vec<(Option<WorkerId>, u32)>,
        /// Whether nothing of what they had started is left.
        are_ended: bool,
        /// What kept the first of them from it.
        reason: String,
    },
    /// The queue is out of order.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps worker processes alive until they have nothing left to do, or are told to stop.
pub struct Manager {
    launcher: Launcher,
    store: Box<dyn Store>,
    guardian_arguments: Vec<String>,
    when_ready: Option<Box<dyn FnOnce()>>,
}

/// A manager at work.
struct Managing {
    launcher: Launcher,
    caretaker: Caretaker,
    /// Has the lock file looked at, at once.
    guard: Sender<()>,
    /// Only where a server may give the jobs to other machines.
    guardian: Option<Guardian>,
    workers: Vec<Option<Worker>>,
    failed: u32,
    stop: Option<Stop>,
    signals_received: u32,
    when_ready: Option<Box<dyn FnOnce()>>,
    /// Workers whose jobs may not have been given back, each with the reason.
    owed: Vec<(Worker, String)>,
    /// Whether a worker has ever been on the list.
    has_begun: bool,
    /// Whether that was tried once more at the end.
    has_tried_again: bool,
    next_log_look: Instant,
    /// It cannot be begun anew, and that has been said.
    log_is_stuck: bool,
    /// At the end the dead are not waited for longer than that.
    gives_up_at: Option<Instant>,
    events: Sender<Event>,
}

/// One of the processes, or the gap that a dead one left.
struct Worker {
    share: Option<u64>,
    process: Process,
    id: Option<WorkerId>,
    started: Instant,
    quick_deaths: u32,
    state: Life,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// Dead; its jobs are being taken back.
    Dead,
    /// To be replaced at this time.
    Due(Instant),
    /// It is being asked whether it may be replaced.
    Asked,
}

impl Manager {
    /// Prepares a manager; `program` with `arguments` must become a worker that
    /// reads its options from standard input and prints `ready ID`, and with
    /// `guardian_arguments` it must call [`guardian::run`](crate::guardian::run).
    ///
    /// # Errors
    ///
    /// [`ManagerError::Store`] if the queue cannot be opened: then no worker
    /// could either.
    pub fn new(
        program: PathBuf,
        arguments: Vec<String>,
        guardian_arguments: Vec<String>,
        options: WorkerOptions,
        log: WorkerLog,
    ) -> Result<Self, ManagerError> {
        let store = open(&options.location(), &options.open_options())?;
        let launcher = Launcher { program, arguments, variables: Vec::new(), options, log };
        Ok(Self { launcher, store, guardian_arguments, when_ready: None })
    }

    /// The workers that live on this machine already.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Store`] if the queue cannot be read.
    pub fn neighbours(&mut self) -> Result<usize, ManagerError> {
        let workers = self.store.workers()?;
        Ok(workers.iter().filter(|worker| worker.is_here && worker.life == WorkerLife::Alive).count())
    }

    /// Gives the workers, and so their jobs, these variables.
    pub fn give_variables(&mut self, variables: Vec<(&'static str, OsString)>) {
        self.launcher.variables = variables;
    }

    /// Has something done once all workers hold their locks.
    pub fn when_ready(&mut self, action: impl FnOnce() + 'static) {
        self.when_ready = Some(Box::new(action));
    }

    /// Runs `count` workers to their end. With `max_jobs` they share that number
    /// evenly; workers without a share are not started.
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if one cannot be started or ends with an error; the
    /// others are stopped then, and finish what they run.
    pub fn run(self, count: u32) -> Result<(), ManagerError> {
        let Self { launcher, mut store, guardian_arguments, when_ready } = self;
        limits::accept_signals().map_err(ManagerError::Signals)?;
        stamp::take_off_this_process();
        let (events, heard) = channel();
        orphans::look_after().map_err(ManagerError::Start)?;
        let stops = store.stops()?;
        // Later: a move that begins now counts as a request to stop.
        store.insist_open()?;
        // As long as the queue is waited for and no worker runs, a signal just ends all.
        listen_for_signals(events.clone())?;
        let lock_file = store.lock_file_path();
        let is_shared = launcher.options.server.is_some();
        let guard = guard::stand(lock_file.clone(), is_shared).map_err(ManagerError::Start)?;
        let to_manager = events.clone();
        let tell = move |news| _ = to_manager.send(Event::News(news));
        let caretaker =
            Caretaker::start(store, launcher.options.policy(), stops, tell).map_err(ManagerError::Start)?;
        let guardian = is_shared.then(|| {
            Guardian::start(Plan {
                program: launcher.program.clone(),
                arguments: guardian_arguments,
                lock_file: lock_file.clone(),
                log: launcher.log.clone(),
            })
        });
        let mut managing = Managing {
            launcher,
            caretaker,
            guard,
            guardian: guardian.transpose().map_err(ManagerError::Start)?,
            workers: Vec::new(),
            failed: 0,
            stop: None,
            signals_received: 0,
            when_ready,
            owed: Vec::new(),
            has_begun: false,
            has_tried_again: false,
            next_log_look: Instant::now() + LOG_LOOK_EVERY,
            log_is_stuck: false,
            gives_up_at: None,
            events,
        };
        managing.start_all(count)?;
        managing.serve(&heard);
        let Managing { caretaker, guard, guardian, owed, failed, .. } = managing;
        drop(guard);
        let are_ended = owed.is_empty() || guard::end_what_is_left(lock_file);
        if let Some(guardian) = guardian {
            guardian.dismiss(CLOSING_TAKES_AT_MOST);
        }
        caretaker.dismiss(CLOSING_TAKES_AT_MOST);
        if let Some((_, reason)) = owed.first() {
            let reason = reason.clone();
            let workers = owed.iter().map(|(worker, _)| (worker.id, worker.process.pid)).collect();
            return Err(ManagerError::JobsOwed { workers, are_ended, reason });
        }
        tracing::info!("Shutdown complete.");
        match failed {
            0 => Ok(()),
            count => Err(ManagerError::WorkersFailed { count }),
        }
    }
}

fn say_owed(workers: &[(Option<WorkerId>, u32)], are_ended: bool, reason: &str) -> String {
    let name = |(id, pid): &(Option<WorkerId>, u32)| match id {
        Some(id) => format!("worker {id} (PID {pid})"),
        None => format!("a worker (PID {pid})"),
    };
    let workers = workers.iter().map(name).collect::<Vec<_>>().join(", ");
    let left =
        if are_ended { "nothing of them runs any more" } else { "some of their processes cannot be ended" };
    format!("the jobs of {workers} may not have been given back, and {left}: {reason}")
}

fn listen_for_signals(events: Sender<Event>) -> Result<(), ManagerError> {
    let mut wanted = vec![SIGINT, SIGTERM];
    // A user who types `nohup` wants it ignored.
    if !limits::is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted).map_err(ManagerError::Signals)?;
    let listen = move || signals.forever().try_for_each(|signal| events.send(Event::Signal(signal)));
    thread::Builder::new().name("signals".into()).spawn(listen).map_err(ManagerError::Signals)?;
    Ok(())
}

impl Managing {
    fn start_all(&mut self, count: u32) -> Result<(), ManagerError> {
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

    fn start(&self, index: usize, share: Option<u64>, quick_deaths: u32) -> io::Result<Worker> {
        let process = self.launcher.launch(index, share, &self.events)?;
        Ok(Worker { share, process, id: None, started: Instant::now(), quick_deaths, state: Life::Running })
    }

    /// Goes on until no worker is left. Waits for nothing but events and the time.
    fn serve(&mut self, heard: &Receiver<Event>) {
        while self.workers.iter().any(Option::is_some) || self.try_again() {
            let now = Instant::now();
            self.ask_for_replacements(now);
            if self.next_log_look <= now {
                self.follow_log();
                self.next_log_look = now + LOG_LOOK_EVERY;
            }
            if self.gives_up(now) {
                return;
            }
            let due = [self.next_replacement(), self.gives_up_at].into_iter().flatten().min();
            let due = due.map_or(self.next_log_look, |due| due.min(self.next_log_look));
            match heard.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    /// Has what could not be given back tried once more, when all else is done; tells
    /// whether there is anything.
    fn try_again(&mut self) -> bool {
        if self.owed.is_empty() || std::mem::replace(&mut self.has_tried_again, true) {
            return false;
        }
        self.caretaker.hurry();
        self.workers.clear();
        for (index, (worker, _)) in self.owed.drain(..).enumerate() {
            self.caretaker.give(Task::TakeBack { index, id: worker.id, pid: worker.process.pid });
            self.workers.push(Some(Worker { state: Life::Dead, ..worker }));
        }
        true
    }

    /// Tells whether the dead that are left are not waited for any longer.
    fn gives_up(&mut self, now: Instant) -> bool {
        let is_ending = self.stop.is_some() || self.has_tried_again;
        if !is_ending || self.workers.iter().flatten().any(|worker| worker.state != Life::Dead) {
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
                self.caretaker.give(Task::MeetWorker { index });
            }
            Event::Exited(index, status) => self.exited(index, &status),
            Event::News(News::TakenBack { index, jobs_done, was_asked_to_stop, owed }) => {
                self.taken_back(index, jobs_done, was_asked_to_stop, owed);
            }
            Event::News(News::MayReplace { index, may }) => self.replace(index, may),
            Event::News(News::IsMeant { index }) => {
                if let Some(worker) = &mut self.workers[index] {
                    worker.process.say(&ToWorker::Stop);
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
        self.caretaker.hurry();
        let command = match stop {
            Stop::Graceful => ToWorker::Stop,
            Stop::Forced => ToWorker::Force,
        };
        for worker in self.workers.iter_mut().flatten() {
            worker.process.say(&command);
        }
        // Nobody is replaced any more.
        for slot in &mut self.workers {
            if slot.as_ref().is_some_and(|worker| matches!(worker.state, Life::Due(_) | Life::Asked)) {
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
            worker.state = Life::Dead;
            self.caretaker.give(Task::TakeBack { index, id: worker.id, pid: worker.process.pid });
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
        worker.quick_deaths =
            if worker.started.elapsed() < LONG_LIFE { worker.quick_deaths.saturating_add(1) } else { 0 };
        worker.state = Life::Due(Instant::now() + pause_before_replacement(worker.quick_deaths));
        self.workers[index] = Some(worker);
    }

    fn next_replacement(&self) -> Option<Instant> {
        let due = |worker: &Worker| match worker.state {
            Life::Due(at) => Some(at),
            Life::Running | Life::Dead | Life::Asked => None,
        };
        self.workers.iter().flatten().filter_map(due).min()
    }

    fn ask_for_replacements(&mut self, now: Instant) {
        for (index, slot) in self.workers.iter_mut().enumerate() {
            if let Some(worker) = slot
                && matches!(worker.state, Life::Due(at) if at <= now)
            {
                worker.state = Life::Asked;
                self.caretaker.give(Task::Replace { index });
            }
        }
    }

    fn replace(&mut self, index: usize, may: bool) {
        let Some(mut dead) = self.workers[index].take().filter(|_| may) else { return };
        self.workers[index] = Some(match self.start(index, dead.share, dead.quick_deaths) {
            Ok(worker) => worker,
            Err(error) => {
                tracing::error!("a worker cannot be started: {error}; it is tried again");
                dead.state = Life::Due(Instant::now() + LONGEST_PAUSE);
                dead
            }
        });
    }

    /// Goes on in the log that is in place: a new one where the log was renamed or
    /// removed (by logrotate, or by another manager), or where it has grown.
    fn follow_log(&mut self) {
        let WorkerLog::Rotated(path) = &self.launcher.log else { return };
        // Before it is as large as this process may write, and no line gets in any more.
        let most = LOG_BYTES.min(limits::largest_file() / 2);
        let name = path.display().to_string();
        let grown = match fs::metadata(path) {
            Ok(log) if is_written_here(&log) && log.len() < most => return,
            Ok(log) => is_written_here(&log),
            Err(_) => false,
        };
        // One that another manager has just put there is not renamed again.
        let renamed = if grown { fs::rename(path, format!("{name}.1")) } else { Ok(()) };
        if let Err(error) = renamed.and_then(|()| write_log_to(&name)) {
            if !std::mem::replace(&mut self.log_is_stuck, true) {
                tracing::warn!("The log {name} cannot be begun anew: {error}");
            }
            return;
        }
        self.log_is_stuck = false;
        for worker in self.workers.iter_mut().flatten() {
            worker.process.say(&ToWorker::Log(name.clone()));
        }
        if let Some(guardian) = &self.guardian {
            guardian.say(&ToWorker::Log(name));
        }
    }
}

impl Worker {
    /// What is to be known of it when its place is somebody else's.
    fn remembered(&self) -> Self {
        let process = Process { pid: self.process.pid, commands: None };
        Self { process, ..*self }
    }
}

/// Tells whether this process writes its log to a file.
fn is_written_here(log: &fs::Metadata) -> bool {
    rustix::fs::fstat(rustix::stdio::stderr())
        .is_ok_and(|written| (written.st_dev, written.st_ino) == (log.dev(), log.ino()))
}

/// One that dies again and again is replaced ever later.
fn pause_before_replacement(quick_deaths: u32) -> Duration {
    match quick_deaths {
        0 | 1 => Duration::ZERO,
        deaths => Duration::from_millis(25 << (deaths - 2).min(10)).min(LONGEST_PAUSE),
    }
}

/// How many jobs each worker may run.
fn shares(max_jobs: Option<u64>, count: u32) -> Vec<Option<u64>> {
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
