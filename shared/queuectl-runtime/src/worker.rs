//! One worker: a process that runs jobs until it is told to stop or has nothing left.

use crate::coordinator::Coordinator;
use crate::listener::{self, Hearing};
use crate::options::WorkerOptions;
use crate::runner::run_jobs;
use crate::shared::Shared;
use crate::stamp::Stamp;
use crate::worker_error::WorkerError;
use crate::{limits, marker, monitor};
use queuectl_core::WorkerId;
use queuectl_store::{NewWorker, Registration, Store, open};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// A worker that is told to stop before it has begun is nearly there, or waits for a
/// server: it is given so long.
const BEGINNING_MAY_TAKE: Duration = Duration::from_millis(500);

/// A queue that was opened, and what this worker is in it.
type Begun = (Box<dyn Store>, Registration);

/// Opens the queue and registers, in a thread that can be left behind: none if the
/// worker was told to stop before that was done.
fn begin(options: &WorkerOptions, hearing: &Arc<Hearing>) -> io::Result<Option<Result<Begun, WorkerError>>> {
    let (location, open_options) = (options.location(), options.open_options());
    let newcomer = NewWorker {
        manager_pid: options.manager_pid,
        lease: options.lease(),
        queues: options.serves(),
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
        let _not_waited_for = begun.send(registered);
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
    let shared = Arc::new(Shared::new(id, run, presence, store.clock(), environment, outside, options)?);
    shared.set_roster(neighbours);

    hearing.pass_on_to(&shared);
    announce(id);
    tracing::info!("Loop started");
    let slots = (0..shared.slots().len()).map(|number| {
        let shared = Arc::clone(&shared);
        let work = move || run_jobs(&shared, &shared.slots()[number]);
        thread::Builder::new().name(format!("slot-{number}")).spawn(work)
    });
    let slots = slots.collect::<io::Result<Vec<_>>>()?;
    // The coordinator may wait for a store that never answers, so this thread does not
    // wait for the coordinator alone.
    let (end, ended) = channel();
    let give_up = end.clone();
    monitor::start(Arc::clone(&shared), doorbell, move || _ = give_up.send(Ok(Err(WorkerError::GaveUp))))?;
    let served = Arc::clone(&shared);
    thread::Builder::new().name("coordinator".into()).spawn(move || {
        let shared = served;
        let served = catch_unwind(AssertUnwindSafe(|| Coordinator::new(store, &shared).serve()));
        shared.prefetched().close();
        let _not_waited_for = end.send(served);
    })?;
    let end = ended.recv().unwrap_or(Ok(Err(WorkerError::GaveUp)));
    end.unwrap_or_else(|panic| resume_unwind(panic))?;
    for slot in slots {
        slot.join().unwrap_or_else(|panic| resume_unwind(panic));
    }
    shared.background().drain_at_last();
    tracing::info!("Shutdown complete.");
    Ok(())
}
