//! Keeps a number of worker processes alive, and stops them.
//!
//! A manager runs no job. It starts workers, replaces those that die, and takes
//! a dead one's jobs back at once: it learns of the death before anybody else.

use crate::clock;
use crate::limits;
use crate::listener::{Command as ToWorker, write_log_to};
use crate::rescue::{RescueError, rescue};
use crate::worker::WorkerOptions;
use queuectl_core::WorkerId;
use queuectl_store::{Stop, Store, StoreError, open};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A worker that lived for so long died of something new.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// No replacement waits longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The log of workers in the background is renamed when it has so many bytes.
const LOG_BYTES: u64 = 10 * 1024 * 1024;

/// How often its size is looked at.
const LOG_LOOK_EVERY: Duration = Duration::from_secs(10);

/// Where the workers' log goes.
#[derive(Clone)]
pub enum WorkerLog {
    /// To the manager's own standard error.
    Inherited,
    /// To this function, line by line.
    Lines(Arc<dyn Fn(&str) + Send + Sync>),
    /// To the manager's own standard error, which is this file; it is renamed to
    /// `….1` when it has grown.
    Rotated(PathBuf),
}

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
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(&'static str, OsString)>,
    options: WorkerOptions,
    log: WorkerLog,
    store: Box<dyn Store>,
    workers: Vec<Option<Worker>>,
    failed: u32,
    stop: Option<Stop>,
    signals_received: u32,
    /// Requests to stop that were there when it began.
    stops: i64,
    when_ready: Option<Box<dyn FnOnce()>>,
    events: (Sender<Event>, Receiver<Event>),
}

/// One of the processes, or the gap that a dead one left.
struct Worker {
    share: Option<u64>,
    pid: u32,
    commands: Option<ChildStdin>,
    id: Option<WorkerId>,
    started: Instant,
    quick_deaths: u32,
    state: Life,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// Dead; to be replaced at this time.
    Due(Instant),
}

enum Event {
    Signal,
    Registered(usize, WorkerId),
    Exited(usize, io::Result<ExitStatus>),
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
        Ok(Self {
            program,
            arguments,
            variables: Vec::new(),
            options,
            log,
            store,
            workers: Vec::new(),
            failed: 0,
            stop: None,
            signals_received: 0,
            stops: 0,
            when_ready: None,
            events: channel(),
        })
    }

    /// Gives the workers, and so their jobs, these variables.
    pub fn give_variables(&mut self, variables: Vec<(&'static str, OsString)>) {
        self.variables = variables;
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
    pub fn run(mut self, count: u32) -> Result<(), ManagerError> {
        limits::accept_signals().map_err(ManagerError::Signals)?;
        self.listen_for_signals()?;
        self.stops = self.store.stops()?;
        let shares = shares(self.options.max_jobs, count);
        tracing::info!(
            "Starting {} {}...",
            shares.len(),
            if shares.len() == 1 { "worker" } else { "workers" }
        );
        for share in shares {
            self.workers.push(None);
            let index = self.workers.len() - 1;
            self.start(index, share, 0)?;
        }
        let mut next_log_look = Instant::now() + LOG_LOOK_EVERY;
        while self.workers.iter().any(Option::is_some) {
            self.replace_the_dead();
            if self.workers.iter().all(Option::is_none) {
                break;
            }
            let due = self.next_replacement().map_or(next_log_look, |due| due.min(next_log_look));
            match self.events.1.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if Instant::now() >= next_log_look {
                self.rotate_log();
                next_log_look = Instant::now() + LOG_LOOK_EVERY;
            }
        }
        tracing::info!("Shutdown complete.");
        match self.failed {
            0 => Ok(()),
            count => Err(ManagerError::WorkersFailed { count }),
        }
    }

    fn listen_for_signals(&self) -> Result<(), ManagerError> {
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(ManagerError::Signals)?;
        let events = self.events.0.clone();
        let listen = move || signals.forever().try_for_each(|_| events.send(Event::Signal));
        thread::Builder::new().name("signals".into()).spawn(listen).map_err(ManagerError::Signals)?;
        Ok(())
    }

    fn start(&mut self, index: usize, share: Option<u64>, quick_deaths: u32) -> Result<(), ManagerError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if matches!(self.log, WorkerLog::Lines(_)) {
            command.stderr(Stdio::piped());
        }
        let mut child = command.spawn().map_err(ManagerError::Start)?;
        let pid = child.id();
        let mut commands = child.stdin.take();
        let options =
            WorkerOptions { max_jobs: share, manager_pid: std::process::id(), ..self.options.clone() };
        let line = serde_json::to_string(&options).expect("numbers and texts always become JSON") + "\n";
        if commands.as_mut().is_some_and(|commands| commands.write_all(line.as_bytes()).is_err()) {
            // The end of its input tells it that nothing will come. If it is dead
            // already, its exit will be noticed.
            commands = None;
        }
        if let (Some(log), WorkerLog::Lines(print)) = (child.stderr.take(), &self.log) {
            let print = Arc::clone(print);
            let copy =
                move || BufReader::new(log).lines().map_while(Result::ok).for_each(|line| print(&line));
            thread::Builder::new().name("log".into()).spawn(copy).map_err(ManagerError::Start)?;
        }
        let events = self.events.0.clone();
        thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || accompany(child, index, &events))
            .map_err(ManagerError::Start)?;
        self.workers[index] = Some(Worker {
            share,
            pid,
            commands,
            id: None,
            started: Instant::now(),
            quick_deaths,
            state: Life::Running,
        });
        Ok(())
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
            }
            Event::Exited(index, status) => self.exited(index, status),
        }
    }

    fn stop(&mut self, stop: Stop) {
        self.stop = self.stop.max(Some(stop));
        let command = match stop {
            Stop::Graceful => ToWorker::Stop,
            Stop::Forced => ToWorker::Force,
        };
        for worker in self.workers.iter_mut().flatten() {
            worker.say(&command);
        }
        // Nobody is replaced any more.
        for slot in &mut self.workers {
            if slot.as_ref().is_some_and(|worker| worker.state != Life::Running) {
                *slot = None;
            }
        }
    }

    fn exited(&mut self, index: usize, status: io::Result<ExitStatus>) {
        let Some(mut worker) = self.workers[index].take() else { return };
        let code = status.as_ref().ok().and_then(ExitStatus::code);
        match code {
            Some(0) => return,
            // It has said what is wrong; another would fail in the same way.
            Some(1) => {
                self.failed += 1;
                self.stop(Stop::Graceful);
                self.take_back_jobs(&mut worker);
                return;
            }
            _ => {}
        }
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        tracing::warn!("A worker died ({how})");
        let asked_to_stop = self.take_back_jobs(&mut worker);
        if self.stop.is_some() || asked_to_stop || worker.share == Some(0) {
            return;
        }
        worker.quick_deaths =
            if worker.started.elapsed() < LONG_LIFE { worker.quick_deaths.saturating_add(1) } else { 0 };
        worker.state = Life::Due(Instant::now() + pause_before_replacement(worker.quick_deaths));
        self.workers[index] = Some(worker);
    }

    /// Gives a dead worker's jobs back; tells whether it had been asked to stop.
    fn take_back_jobs(&mut self, worker: &mut Worker) -> bool {
        // It may have died between its registration and its first word.
        let by_pid = |workers: Vec<queuectl_store::Worker>| {
            let mine = |row: &queuectl_store::Worker| {
                row.pid == worker.pid
                    && row.manager_pid == std::process::id()
                    && row.life != queuectl_store::Life::Alive
            };
            workers.into_iter().find(mine).map(|row| row.id)
        };
        let id = worker.id.or_else(|| self.store.workers().ok().and_then(by_pid));
        let Some(id) = id else { return false };
        let asked = self.store.worker(id).ok().flatten().map(|row| {
            worker.share = worker.share.map(|share| share.saturating_sub(row.jobs_done));
            row.stop.is_some()
        });
        match rescue(self.store.as_mut(), id, &self.options.policy(), false, clock::now()) {
            Ok(_) => {}
            // The watch of any worker tries again.
            Err(RescueError::Store(error)) => tracing::error!("{error}"),
            Err(error) => tracing::warn!("Worker {id} cannot be rescued yet: {error}"),
        }
        asked.unwrap_or(false)
    }

    fn next_replacement(&self) -> Option<Instant> {
        let due = |worker: &Worker| match worker.state {
            Life::Due(at) => Some(at),
            Life::Running => None,
        };
        self.workers.iter().flatten().filter_map(due).min()
    }

    fn replace_the_dead(&mut self) {
        for index in 0..self.workers.len() {
            if let Some(&Worker { state: Life::Due(at), share, quick_deaths, .. }) =
                self.workers[index].as_ref()
                && at <= Instant::now()
            {
                // Whoever asked for a stop meant this one too.
                if self.store.stops().is_ok_and(|stops| stops != self.stops) {
                    self.workers[index] = None;
                    continue;
                }
                if let Err(error) = self.start(index, share, quick_deaths) {
                    tracing::error!("{error}; it is tried again");
                    if let Some(worker) = &mut self.workers[index] {
                        worker.state = Life::Due(Instant::now() + LONGEST_PAUSE);
                    }
                }
            }
        }
    }

    /// Renames the log when it has grown, and has everybody go on in a new one.
    fn rotate_log(&mut self) {
        let WorkerLog::Rotated(path) = &self.log else { return };
        if fs::metadata(path).map_or(0, |log| log.len()) < LOG_BYTES {
            return;
        }
        let name = path.display().to_string();
        if let Err(error) = fs::rename(path, format!("{name}.1")).and_then(|()| write_log_to(&name)) {
            tracing::warn!("The log {name} cannot be renamed: {error}");
            return;
        }
        for worker in self.workers.iter_mut().flatten() {
            worker.say(&ToWorker::Log(name.clone()));
        }
    }
}

impl Worker {
    fn say(&mut self, command: &ToWorker) {
        if let Some(commands) = &mut self.commands {
            // If it is dead, its exit will be noticed.
            let _dead = commands.write_all(command.line().as_bytes());
        }
    }
}

/// Waits for a worker's first words and for its end.
fn accompany(mut child: Child, index: usize, events: &Sender<Event>) {
    if let Some(said) = child.stdout.take() {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            let id = line.strip_prefix("ready ").and_then(|id| id.parse().ok());
            if let Some(id) = id {
                let _manager_is_gone = events.send(Event::Registered(index, WorkerId(id)));
            }
        }
    }
    let _manager_is_gone = events.send(Event::Exited(index, child.wait()));
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
