//! Keeps a number of worker processes alive, and stops them.
//!
//! A manager runs no job. It starts workers, replaces those that die, and has a
//! dead one's jobs taken back at once: it learns of the death before anybody else.

use crate::caretaker::{Caretaker, News, Task};
use crate::lapsed::{self, Seen};
use crate::launch::{Event, Launcher, Process, WorkerLog};
use crate::limits;
use crate::listener::{Command as ToWorker, write_log_to};
use crate::worker::WorkerOptions;
use queuectl_core::WorkerId;
use queuectl_store::{Life as WorkerLife, Stop, Store, StoreError, open};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::fs;
use std::io;
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

/// How often its size is looked at.
const LOG_LOOK_EVERY: Duration = Duration::from_secs(10);

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
    /// The queue is out of order.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps worker processes alive until they have nothing left to do, or are told to stop.
pub struct Manager {
    launcher: Launcher,
    store: Box<dyn Store>,
    when_ready: Option<Box<dyn FnOnce()>>,
}

/// A manager at work.
struct Managing {
    launcher: Launcher,
    caretaker: Caretaker,
    workers: Vec<Option<Worker>>,
    failed: u32,
    stop: Option<Stop>,
    signals_received: u32,
    when_ready: Option<Box<dyn FnOnce()>>,
    /// Who has a lease, when the queue was last asked, and when that is gone through next.
    seen: Option<(Seen, Instant)>,
    next_log_look: Instant,
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
    /// reads its options from standard input and prints `ready ID`.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Store`] if the queue cannot be opened: then no worker
    /// could either.
    pub fn new(
        program: PathBuf,
        arguments: Vec<String>,
        options: WorkerOptions,
        log: WorkerLog,
    ) -> Result<Self, ManagerError> {
        let store = open(&options.location(), &options.open_options())?;
        let launcher = Launcher { program, arguments, variables: Vec::new(), options, log };
        Ok(Self { launcher, store, when_ready: None })
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
        let Self { launcher, mut store, when_ready } = self;
        limits::accept_signals().map_err(ManagerError::Signals)?;
        let (events, heard) = channel();
        listen_for_signals(events.clone())?;
        let stops = store.stops()?;
        // Later: a move that begins now counts as a request to stop.
        store.insist_open()?;
        let to_manager = events.clone();
        let tell = move |news| _ = to_manager.send(Event::News(news));
        let caretaker =
            Caretaker::start(store, launcher.options.policy(), stops, tell).map_err(ManagerError::Start)?;
        let mut managing = Managing {
            launcher,
            caretaker,
            workers: Vec::new(),
            failed: 0,
            stop: None,
            signals_received: 0,
            when_ready,
            seen: None,
            next_log_look: Instant::now() + LOG_LOOK_EVERY,
            gives_up_at: None,
            events,
        };
        managing.start_all(count)?;
        managing.serve(&heard);
        let Managing { caretaker, failed, .. } = managing;
        caretaker.dismiss(CLOSING_TAKES_AT_MOST);
        tracing::info!("Shutdown complete.");
        match failed {
            0 => Ok(()),
            count => Err(ManagerError::WorkersFailed { count }),
        }
    }
}

fn listen_for_signals(events: Sender<Event>) -> Result<(), ManagerError> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(ManagerError::Signals)?;
    let listen = move || signals.forever().try_for_each(|_| events.send(Event::Signal));
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
        while self.workers.iter().any(Option::is_some) {
            let now = Instant::now();
            self.ask_for_replacements(now);
            if self.next_log_look <= now {
                self.rotate_log();
                self.next_log_look = now + LOG_LOOK_EVERY;
            }
            if let Some((seen, look_at)) = self.seen.as_mut().filter(|(_, look_at)| *look_at <= now) {
                seen.end_the_lapsed();
                *look_at = now + lapsed::LOOK_EVERY;
            }
            if self.stop.is_some() && self.workers.iter().flatten().all(|worker| worker.state == Life::Dead) {
                let patience = match self.stop {
                    Some(Stop::Forced) => PATIENCE_OF_A_FORCED_STOP,
                    _ => self.launcher.options.busy_timeout() + CLOSING_TAKES_AT_MOST,
                };
                if *self.gives_up_at.get_or_insert(now + patience) <= now {
                    tracing::error!(
                        "The queue does not answer; the next worker takes the jobs of the dead back"
                    );
                    return;
                }
            }
            let leases = self.seen.as_ref().map(|(_, look_at)| *look_at);
            let due = [self.next_replacement(), leases, self.gives_up_at].into_iter().flatten().min();
            let due = due.map_or(self.next_log_look, |due| due.min(self.next_log_look));
            match heard.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Signal => {
                self.signals_received += 1;
                let stop = if self.signals_received == 1 { Stop::Graceful } else { Stop::Forced };
                tracing::info!(
                    "Received shutdown signal, {}",
                    match stop {
                        Stop::Graceful => "finishing current jobs... (once more to end them)",
                        Stop::Forced => "ending current jobs...",
                    }
                );
                self.stop(stop);
            }
            Event::Registered(index, id) => {
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
            Event::News(News::Seen(seen)) => self.seen = Some((seen, Instant::now())),
            Event::News(News::TakenBack { index, jobs_done, was_asked_to_stop }) => {
                self.taken_back(index, jobs_done, was_asked_to_stop);
            }
            Event::News(News::MayReplace { index, may }) => self.replace(index, may),
            Event::News(News::IsMeant { index }) => {
                if let Some(worker) = &mut self.workers[index] {
                    worker.process.say(&ToWorker::Stop);
                }
            }
        }
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
        match status.as_ref().ok().and_then(ExitStatus::code) {
            Some(0) => {
                self.workers[index] = None;
                return;
            }
            // It has said what is wrong; another would fail in the same way.
            Some(1) => {
                self.failed += 1;
                self.stop(Stop::Graceful);
            }
            _ => {
                let how = status.as_ref().map_or_else(ToString::to_string, ToString::to_string);
                tracing::warn!("A worker died ({how})");
            }
        }
        if let Some(worker) = &mut self.workers[index] {
            worker.state = Life::Dead;
            self.caretaker.give(Task::TakeBack { index, id: worker.id, pid: worker.process.pid });
        }
    }

    fn taken_back(&mut self, index: usize, jobs_done: u64, was_asked_to_stop: bool) {
        let Some(mut worker) = self.workers[index].take() else { return };
        worker.share = worker.share.map(|share| share.saturating_sub(jobs_done));
        if self.stop.is_some() || was_asked_to_stop || worker.share == Some(0) {
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

    /// Renames the log when it has grown, and has everybody go on in a new one.
    fn rotate_log(&mut self) {
        let WorkerLog::Rotated(path) = &self.launcher.log else { return };
        if fs::metadata(path).map_or(0, |log| log.len()) < LOG_BYTES {
            return;
        }
        let name = path.display().to_string();
        if let Err(error) = fs::rename(path, format!("{name}.1")).and_then(|()| write_log_to(&name)) {
            tracing::warn!("The log {name} cannot be renamed: {error}");
            return;
        }
        for worker in self.workers.iter_mut().flatten() {
            worker.process.say(&ToWorker::Log(name.clone()));
        }
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
