//! Keeps a number of worker processes alive, and stops them.
//!
//! A manager runs no job. It starts workers, replaces those that die, and has a
//! dead one's jobs taken back at once: it learns of the death before any other process.

use crate::guardian::{Guardian, Plan};
use crate::launch::{Launcher, WorkerLog};
use crate::log_rotation::LogRotation;
use crate::manager_error::ManagerError;
use crate::managing::{CLOSING_TAKES_AT_MOST, Managing};
use crate::messages::Event;
use crate::options::WorkerOptions;
use crate::supervisor::Supervisor;
use crate::{lease_guard, limits, orphans, stamp};
use queuectl_store::{Life, Store, open};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// Keeps worker processes alive until they have nothing left to do, or are told to stop.
///
/// It holds no job. Should it be killed, its workers see the end of their standard input,
/// finish what they run and end; what dead ones have left is ended by a guardian where
/// other machines may take jobs over, and else by the next worker that looks.
pub struct Manager {
    launcher: Launcher,
    store: Box<dyn Store>,
    guardian_arguments: Vec<String>,
    when_ready: Option<Box<dyn FnOnce()>>,
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
        Ok(workers.iter().filter(|worker| worker.is_here && worker.life == Life::Alive).count())
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
        let guard = lease_guard::stand(lock_file.clone(), is_shared).map_err(ManagerError::Start)?;
        let to_manager = events.clone();
        let tell = move |reply| _ = to_manager.send(Event::Reply(reply));
        let supervisor =
            Supervisor::start(store, launcher.options.policy(), stops, tell).map_err(ManagerError::Start)?;
        let guardian = is_shared.then(|| {
            Guardian::start(Plan {
                program: launcher.program.clone(),
                arguments: guardian_arguments,
                lock_file: lock_file.clone(),
                log: launcher.log.clone(),
            })
        });
        let log = match &launcher.log {
            WorkerLog::Rotated(path) => Some(LogRotation::of(path.clone())),
            WorkerLog::Inherited | WorkerLog::Lines(_) => None,
        };
        let mut managing = Managing {
            launcher,
            supervisor,
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
            log,
            gives_up_at: None,
            events,
        };
        managing.start_all(count)?;
        managing.serve(&heard);
        let Managing { supervisor, guard, guardian, owed, failed, .. } = managing;
        drop(guard);
        let are_ended = owed.is_empty() || lease_guard::end_what_is_left(lock_file);
        if let Some(guardian) = guardian {
            guardian.dismiss(CLOSING_TAKES_AT_MOST);
        }
        supervisor.dismiss(CLOSING_TAKES_AT_MOST);
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
