//! `queuectl worker stop`: stops the workers of this queue, from any terminal.
//!
//! Those of this machine, unless all are meant: a person who looks after one machine
//! need not know of the others.

use queuectl_cli::{Context, Elsewhere, Failure, Leads, OthersOptions, elsewhere};
use queuectl_core::WorkerId;
use queuectl_runtime::{
    RescueError, Surrounding, WorkerHere, ask_to_stop, is_inside_worker, rescue, workers_here,
};
use queuectl_service::amounts::plural;
use queuectl_service::document::worker::StoppedWorkers;
use queuectl_service::explain::store::of_change;
use queuectl_service::wait::stop::{self as service, AskedWorkers, Delay, Machines, StopWait};
use queuectl_store::{
    Access, Life, Location, Stop, Store, StoreError, WorkerRecord, lock_file_here, machine,
};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Stop the workers on this machine; what they run is finished first
///
/// Waits until they are gone; Ctrl+C ends the wait, not the request.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct StopArgs {
    /// Stop the workers on all machines that share this queue
    #[arg(long)]
    everywhere: bool,

    /// End what they run; it is not charged and runs again later
    #[arg(long)]
    force: bool,

    /// Return at once, without waiting until they are gone
    #[arg(long)]
    no_wait: bool,

    /// Print JSON: how many were asked to stop
    #[arg(long)]
    json: bool,

    #[arg(hide = true, value_parser = elsewhere(
        "the workers of this machine stop together; end one job with `queuectl cancel ID`"
    ))]
    id: Option<Elsewhere>,

    #[command(flatten)]
    others: Leads<Others>,
}

/// What other programs take to stop workers.
enum Others {}

impl OthersOptions for Others {
    const TABLE: &'static [(&'static [&'static str], &'static str)] = &[
        (&["--now", "--kill", "-9", "-f"], "end what they run, too, with `--force`"),
        (
            &["--all", "-a"],
            "all workers on this machine are meant; those on other machines, too, with `--everywhere`",
        ),
    ];
}

const EXAMPLES: &str = "\
Examples:
  queuectl worker stop
  queuectl worker stop --force --no-wait
  queuectl worker stop --everywhere";

/// A server that has not answered after so long is not waited for where jobs are to be
/// ended at once.
const SIGNALS_AFTER: Duration = Duration::from_secs(1);

/// How often it looks whether they are gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What was done, for programs, and what only people are told.
struct Done {
    stopped: StoppedWorkers,
    /// Workers that had died, and whose jobs were ended.
    dead: usize,
}

pub(crate) fn stop(cx: &Context, args: &StopArgs) -> Result<(), Failure> {
    let (asked, signalled) = ask_in_time(cx, args);
    let mut asked = match asked {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            let nobody = StoppedWorkers { workers: 0, stopped: !args.no_wait, elsewhere: 0 };
            return say(cx, args, &Done { stopped: nobody, dead: 0 });
        }
        Err(Unasked { failure, by_signal: true }) => {
            return stop_without_the_queue(cx, args, failure, signalled);
        }
        Err(Unasked { failure, by_signal: false }) => return Err(failure),
    };
    if asked.workers.alive.is_empty() && is_on_server(cx) {
        // One that the server has given up may live all the same.
        let workers = Here::signalled_or_found(cx, signalled);
        if !workers.workers.is_empty() {
            return stop_processes(cx, args, &workers, asked.workers.elsewhere);
        }
    }
    // What runs a job cannot be gone before the job is.
    let job = Surrounding::of_this_process();
    let is_inside = job.is_some_and(|job| asked.workers.meant.iter().any(|worker| worker.run == job.run))
        || asked.workers.meant.iter().any(is_around_this_process);
    let waits = !args.no_wait && !is_inside;
    if waits {
        wait_until_gone(cx, asked.store.as_mut(), &asked.workers.alive)?;
    } else if is_inside {
        say_inside(cx, args);
    }
    let dead = look_after(cx, args, &mut asked)?;
    let AskedWorkers { alive, elsewhere, .. } = asked.workers;
    say(cx, args, &Done { stopped: StoppedWorkers { workers: alive.len(), stopped: waits, elsewhere }, dead })
}

/// The workers that were asked to stop, and the queue they were asked by way of.
struct Asked {
    store: Box<dyn Store>,
    workers: AskedWorkers,
}

/// Why the workers could not be asked by way of the queue.
struct Unasked {
    failure: Failure,
    /// It may be the right queue, and only cannot be reached or written now: then its
    /// workers on this machine can be asked by a signal.
    by_signal: bool,
}

impl From<Failure> for Unasked {
    fn from(failure: Failure) -> Self {
        Self { failure, by_signal: false }
    }
}

impl From<StoreError> for Unasked {
    fn from(error: StoreError) -> Self {
        let by_signal = error.is_passing();
        Self { failure: unknown(error), by_signal }
    }
}

/// Asks by way of the queue. Where jobs are to be ended at once and a server does not
/// answer so soon, the workers of this machine hear it by a signal meanwhile; gives those.
fn ask_in_time(cx: &Context, args: &StopArgs) -> (Result<Option<Asked>, Unasked>, Vec<WorkerHere>) {
    let place = cx.location().and_then(|location| Ok((location, cx.open_options(Access::Read)?)));
    // A job that ends itself with its worker would not ask the others.
    let is_inside = Surrounding::of_this_process().is_some();
    let (Ok((location, options)), true) = (place, args.force && is_on_server(cx) && !is_inside) else {
        return (ask(cx, args), Vec::new());
    };
    let (done, is_done) = channel::<()>();
    let signaller = thread::spawn(move || {
        if is_done.recv_timeout(SIGNALS_AFTER) != Err(RecvTimeoutError::Timeout) {
            return Vec::new();
        }
        let lock_file = lock_file_here(&location, &options).ok().flatten();
        let workers = lock_file.and_then(|lock_file| workers_here(&lock_file).ok()).unwrap_or_default();
        let may_signal = !workers.iter().any(|worker| is_inside_worker(worker.pid));
        if may_signal && ask_to_stop(&workers, true) == workers.len() { workers } else { Vec::new() }
    });
    let asked = ask(cx, args);
    drop(done);
    (asked, signaller.join().unwrap_or_default())
}

/// Asks the workers that are meant to stop; none if there is no queue.
fn ask(cx: &Context, args: &StopArgs) -> Result<Option<Asked>, Unasked> {
    let opened = cx.existing_store().map_err(|failure| Unasked { failure, by_signal: is_on_server(cx) });
    let Some(mut store) = opened? else { return Ok(None) };
    let machines = if args.everywhere { Machines::All } else { Machines::This };
    let how = if args.force { Stop::Forced } else { Stop::Graceful };
    let workers = service::ask_to_stop(store.as_mut(), machines, how, cx.now())?;
    Ok(Some(Asked { store, workers }))
}

/// Tells whether this is what a worker runs, also where the job's command has cleared its
/// environment.
fn is_around_this_process(worker: &WorkerRecord) -> bool {
    worker.is_here
        && worker.life == Life::Alive
        && worker.pid_namespace == machine::pid_namespace()
        && is_inside_worker(worker.pid)
}

fn is_on_server(cx: &Context) -> bool {
    matches!(cx.location(), Ok(Location::Url(_)))
}

fn say_inside(cx: &Context, args: &StopArgs) {
    if !args.no_wait {
        cx.output().note("This is a job of theirs: they stop when it has ended");
    }
}

/// Ends what dead workers have left, if that is wanted; tells how many had left any.
fn look_after(cx: &Context, args: &StopArgs, asked: &mut Asked) -> Result<usize, Failure> {
    let mut ended = 0;
    for worker in asked.workers.meant.iter().filter(|worker| worker.life == Life::Dead) {
        if !args.force {
            if worker.jobs_now > 0 {
                let jobs = plural(worker.jobs_now, "job");
                cx.output().note(format!(
                    "Worker {} is dead, and {jobs} of it may run on; end them: `queuectl worker stop --force`",
                    worker.id
                ));
            }
            continue;
        }
        match rescue(asked.store.as_mut(), worker.id, &cx.settings()?.retry_policy(), false) {
            Ok(rescued) => ended += usize::from(rescued.is_some()),
            Err(RescueError::Store(error)) => return Err(error.into()),
            Err(error) => {
                return Err(Failure::error(format!("worker {} is dead: {error}", worker.id)).hint(
                    "end its processes as their owner, and type `queuectl worker stop --force` again",
                ));
            }
        }
    }
    Ok(ended)
}

/// The workers of the queue that this machine shows by itself.
fn processes(cx: &Context) -> Vec<WorkerHere> {
    let (Ok(location), Ok(options)) = (cx.location(), cx.open_options(Access::Read)) else {
        return Vec::new();
    };
    match lock_file_here(&location, &options) {
        Ok(Some(lock_file)) => workers_here(&lock_file).unwrap_or_default(),
        Ok(None) | Err(_) => Vec::new(),
    }
}

/// Workers of this machine that are, or were, to be stopped by a signal.
struct Here {
    workers: Vec<WorkerHere>,
    /// They have had it.
    were_signalled: bool,
}

impl Here {
    fn signalled_or_found(cx: &Context, signalled: Vec<WorkerHere>) -> Self {
        if signalled.is_empty() {
            Self { workers: processes(cx), were_signalled: false }
        } else {
            Self { workers: signalled, were_signalled: true }
        }
    }
}

/// Stops the workers of this machine though the server cannot be asked who they are.
fn stop_without_the_queue(
    cx: &Context,
    args: &StopArgs,
    failure: Failure,
    signalled: Vec<WorkerHere>,
) -> Result<(), Failure> {
    let workers = Here::signalled_or_found(cx, signalled);
    if workers.workers.is_empty() {
        return Err(failure);
    }
    cx.output().warn(failure.message());
    stop_processes(cx, args, &workers, 0)?;
    if args.everywhere {
        return Err(failure.about("the workers of other machines could not be asked"));
    }
    Ok(())
}

fn stop_processes(cx: &Context, args: &StopArgs, here: &Here, elsewhere: usize) -> Result<(), Failure> {
    let workers = &here.workers;
    let asked = if here.were_signalled { workers.len() } else { ask_to_stop(workers, args.force) };
    if asked < workers.len() {
        let others = plural((workers.len() - asked) as u64, "worker");
        return Err(Failure::error(format!(
            "{others} of this machine may not be asked to stop by this user"
        )));
    }
    let is_inside =
        Surrounding::of_this_process().is_some() || workers.iter().any(|worker| is_inside_worker(worker.pid));
    if is_inside {
        say_inside(cx, args);
    }
    let waits = !args.no_wait && !is_inside;
    // A worker that replaces one that ends meanwhile is not meant.
    while waits && processes(cx).iter().any(|left| workers.iter().any(|one| one.pid == left.pid)) {
        cx.output().pause(LOOK_EVERY)?;
    }
    say(cx, args, &Done { stopped: StoppedWorkers { workers: asked, stopped: waits, elsewhere }, dead: 0 })
}

fn unknown(error: StoreError) -> Failure {
    of_change(error, "the workers", "run it again: to be asked twice does them no harm").into()
}

fn wait_until_gone(cx: &Context, store: &mut dyn Store, asked: &[WorkerId]) -> Result<(), Failure> {
    let mut wait = StopWait::new(asked);
    while let Some(delays) = wait.look(store)? {
        for delay in &delays {
            match delay {
                Delay::Working(_) => cx.output().note(format!("{delay}; Ctrl+C ends the wait only")),
                Delay::Stalled { .. } => cx.output().note(delay),
            }
        }
        cx.output().pause(LOOK_EVERY)?;
    }
    Ok(())
}

fn say(cx: &Context, args: &StopArgs, Done { stopped: done, dead }: &Done) -> Result<(), Failure> {
    if args.json {
        return cx.output().json(done);
    }
    let workers = plural(done.workers as u64, "worker");
    if *dead > 0 {
        let dead = plural(*dead as u64, "dead worker");
        cx.output().line(format!("Ended what {dead} had left"))?;
    }
    match done.workers {
        0 if args.everywhere || done.elsewhere == 0 => cx.output().line("No workers are running")?,
        0 => cx.output().line("No workers are running on this machine")?,
        _ if !done.stopped => cx.output().line(format!("Asked {workers} to stop"))?,
        _ => cx.output().line(format!("Stopped {workers}"))?,
    }
    if done.elsewhere > 0 {
        let others = done.elsewhere;
        cx.output().note(format!(
            "hint: {others} more on other machines; stop them too with `queuectl worker stop --everywhere`"
        ));
    }
    Ok(())
}
