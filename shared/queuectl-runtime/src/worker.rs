//! One worker: a process that runs jobs until it is told to stop or has nothing left.

use crate::desk::Desk;
use crate::floor::Floor;
use crate::listener::{self, Hearing};
use crate::path_as_json;
use crate::stamp::Stamp;
use crate::{limits, marker, watch};
use queuectl_core::{RetryPolicy, WorkerId};
use queuectl_files::Owners;
use queuectl_store::{
    Access, LeaseTimes, Location, NewWorker, OpenOptions, Registration, Store, StoreError, open,
};
use serde::{Deserialize, Serialize};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// A worker that is told to stop before it has begun is nearly there, or waits for a
/// server: it is given so long.
const BEGINNING_MAY_TAKE: Duration = Duration::from_millis(500);

/// When a worker ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Drain {
    /// When nothing is pending, processing or failed.
    Everything,
    /// When nothing can be claimed now and nothing runs, whatever falls due later.
    Ready,
}

/// What a worker is told by its manager; the first line of its standard input.
///
/// It may hold the password of a server, so it cannot be printed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerOptions {
    /// The file of the queue, or nothing if it is on a server.
    #[serde(with = "path_as_json")]
    pub database: Option<PathBuf>,
    /// The server of the queue, or nothing if it is in a file.
    pub server: Option<String>,
    /// How long to wait for a busy database.
    pub busy_timeout_ms: u64,
    /// How long to wait for a server to answer at all.
    pub connect_timeout_ms: u64,
    /// Where what belongs to the queue on this machine lies, if it is on a server.
    #[serde(with = "path_as_json")]
    pub state_folder: Option<PathBuf>,
    /// Root was told to use what belongs to other users.
    #[serde(default)]
    pub as_root: bool,
    /// The process that replaces this one.
    pub manager_pid: u32,
    /// Jobs run at a time.
    pub concurrency: u32,
    /// Ends after so many jobs.
    pub max_jobs: Option<u64>,
    /// Ends when there is nothing left.
    pub drain: Option<Drain>,
    /// How often to look for jobs when nobody rings.
    pub poll_interval_ms: u64,
    /// From SIGTERM to SIGKILL.
    pub kill_grace_ms: u64,
    /// How long a worker lives after its last word to a server.
    pub lease_ms: u64,
    /// Bytes kept of an attempt's output.
    pub output_limit: u64,
    /// See [`RetryPolicy::base`].
    pub backoff_base: f64,
    /// See [`RetryPolicy::max`].
    pub backoff_max_ms: u64,
    /// See [`RetryPolicy::crash_limit`].
    pub crash_limit: u32,
}

impl WorkerOptions {
    /// Where the queue is.
    pub fn location(&self) -> Location {
        match (&self.database, &self.server) {
            (Some(path), _) => Location::File(path.clone()),
            (None, server) => Location::Url(server.clone().unwrap_or_default()),
        }
    }

    /// How to open it.
    pub fn open_options(&self) -> OpenOptions {
        OpenOptions {
            connect_timeout: Duration::from_millis(self.connect_timeout_ms),
            state_folder: self.state_folder.clone(),
            owners: if self.as_root { Owners::AnyForRoot } else { Owners::Own },
            ..OpenOptions::new(Access::Write, self.busy_timeout())
        }
    }

    /// How long a worker lives after its last word, if the queue is on a server.
    pub fn lease(&self) -> LeaseTimes {
        LeaseTimes::of(Duration::from_millis(self.lease_ms))
    }

    pub(crate) fn busy_timeout(&self) -> Duration {
        Duration::from_millis(self.busy_timeout_ms)
    }

    /// When failed jobs run again.
    pub fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            base: self.backoff_base,
            max: Duration::from_millis(self.backoff_max_ms),
            crash_limit: self.crash_limit,
        }
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }

    pub(crate) fn kill_grace(&self) -> Duration {
        Duration::from_millis(self.kill_grace_ms)
    }
}

/// Why a worker could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The queue is out of order.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue cannot be used at the moment; another worker may begin later.
    #[error(transparent)]
    NotYet(StoreError),
    /// It cannot go on, for another reason than the queue.
    #[error("{reason}")]
    Broken {
        /// What happened.
        reason: String,
    },
    /// Its lease has run out and the queue does not answer.
    #[error("the queue has not answered in time; what ended last could not be handed in")]
    GaveUp,
    /// The manager did not say what to do.
    #[error("the manager's instructions cannot be read: {0}")]
    Instructions(String),
    /// The machine is short of something.
    #[error("the worker cannot start: {0}")]
    Start(#[from] io::Error),
}

impl WorkerError {
    /// What an error of the store means before the worker has begun.
    fn at_the_start(error: StoreError) -> Self {
        if error.is_passing_at_work() { Self::NotYet(error) } else { Self::Store(error) }
    }
}

/// A queue that was opened, and what this worker is in it.
type Begun = (Box<dyn Store>, Registration);

/// Opens the queue and registers, in a thread that can be left behind: none if the
/// worker was told to stop before that was done.
fn begin(options: &WorkerOptions, hearing: &Arc<Hearing>) -> io::Result<Option<Result<Begun, WorkerError>>> {
    let (location, open_options) = (options.location(), options.open_options());
    let newcomer = NewWorker {
        manager_pid: options.manager_pid,
        lease: options.lease(),
        ..NewWorker::of_this_process(options.concurrency)
    };
    let register = move || {
        let mut store = open(&location, &open_options)?;
        let now = store.clock().now();
        let registration = store.register(&newcomer, now)?;
        Ok((store, registration))
    };
    let (begun, waits) = channel();
    let waited_for = Arc::clone(hearing);
    thread::Builder::new().name("beginning".into()).spawn(move || {
        let registered = catch_unwind(AssertUnwindSafe(register));
        let _nobody_waits_any_more = begun.send(registered);
        waited_for.look_again();
    })?;
    let begun = hearing.wait_unless_stopped(&waits, BEGINNING_MAY_TAKE);
    let begun = begun.map(|registered| registered.unwrap_or_else(|panic| resume_unwind(panic)));
    Ok(begun.map(|registered| registered.map_err(WorkerError::at_the_start)))
}

/// Runs jobs until told to stop, or until there is nothing left to do.
///
/// Reads its [`WorkerOptions`] and later the manager's commands from standard
/// input; the end of that input means that the manager is gone, and is a request
/// to stop. `settings` are the variables that are meant for the worker and not for
/// what its jobs start. Calls `announce` when it is registered and holds its lock. On
/// return, everything that ended is recorded.
///
/// A worker is a session of its own, so that Ctrl+C reaches its manager alone,
/// and so that a job that opens the terminal fails instead of stopping for ever.
///
/// # Errors
///
/// [`WorkerError`] if it cannot begin, or the queue is found damaged, replaced
/// or gone; running jobs are ended then.
pub fn run(settings: &[String], announce: impl FnOnce(WorkerId)) -> Result<(), WorkerError> {
    // Fails only for a session leader, which is what we want to be.
    let _already_leads = nix::unistd::setsid();
    limits::accept_signals()?;
    let options = listener::read_options()?;
    limits::allow_slots(options.concurrency)?;
    // Before the queue is opened: that may take its time, and a request to stop must not.
    let hearing = listener::start()?;
    let environment = marker::environment_of_jobs(&options.location(), settings);
    let Some(begun) = begin(&options, &hearing)? else {
        tracing::info!("Shutdown complete.");
        return Ok(());
    };
    let (store, Registration { id, run, presence, doorbell, neighbours }) = begun?;
    Stamp::of_worker(&marker::of_worker(&run, id)).put_on_this_process();
    let outside = Arc::clone(hearing.outside());
    let floor = Arc::new(Floor::new(id, run, presence, store.clock(), environment, outside, options)?);
    floor.set_roster(neighbours);

    hearing.pass_on_to(&floor);
    announce(id);
    tracing::info!("Loop started");
    let slots = (0..floor.slots().len()).map(|number| {
        let floor = Arc::clone(&floor);
        let work = move || floor.work(&floor.slots()[number]);
        thread::Builder::new().name(format!("slot-{number}")).spawn(work)
    });
    let slots = slots.collect::<io::Result<Vec<_>>>()?;
    // The desk may wait for a store that never answers, so nobody waits for the desk
    // alone.
    let (end, ended) = channel();
    let give_up = end.clone();
    watch::start(Arc::clone(&floor), doorbell, move || _ = give_up.send(Ok(Err(WorkerError::GaveUp))))?;
    let served = Arc::clone(&floor);
    thread::Builder::new().name("desk".into()).spawn(move || {
        let floor = served;
        let served = catch_unwind(AssertUnwindSafe(|| Desk::new(store, &floor).serve()));
        floor.close_shelf();
        let _nobody_waits_any_more = end.send(served);
    })?;
    let end = ended.recv().unwrap_or(Ok(Err(WorkerError::GaveUp)));
    end.unwrap_or_else(|panic| resume_unwind(panic))?;
    for slot in slots {
        slot.join().unwrap_or_else(|panic| resume_unwind(panic));
    }
    floor.background().drain_at_last();
    tracing::info!("Shutdown complete.");
    Ok(())
}
