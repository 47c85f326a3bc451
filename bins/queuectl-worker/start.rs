//! `queuectl worker start`: runs workers, in this terminal or in the background.

use crate::drained::OnDead;
use crate::{detach, drained, progress};
use queuectl_cli::text::escape;
use queuectl_cli::{
    Context, Elsewhere, Exit, Failure, Leads, OthersOptions, Verbosity, begin_lines_with_times, elsewhere,
    queue_pattern, start_log, start_log_through, variables,
};
use queuectl_core::{MOST_JOBS_AT_ONCE, MOST_WORKERS, QueueSet};
use queuectl_files::Owners;
use queuectl_runtime::{
    Drain, Manager, ManagerError, WorkerLog, WorkerOptions, hand_on_no_open_files, is_inside_a_job,
    worker_environment,
};
use queuectl_service::amounts::{plural, whole_millis};
use queuectl_store::{Access, Location, with_files_from};
use std::io::{self, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Run jobs until Ctrl+C, SIGTERM or `queuectl worker stop`
///
/// The first signal lets running jobs finish; a second one ends them, and they
/// run again later.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
pub(crate) struct StartArgs {
    /// How many worker processes [default: worker-count of the configuration]
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_WORKERS)))]
    count: Option<u32>,

    /// How many jobs each runs at a time [default: concurrency of the configuration]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_JOBS_AT_ONCE)))]
    concurrency: Option<u32>,

    /// Run the jobs of this queue only; a `*` at the end stands for any end; repeat for several [default: all queues]
    #[arg(long, value_name = "NAME", value_parser = queue_pattern)]
    queue: Vec<String>,

    /// End after N jobs, shared out evenly among the workers [default: go on]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_jobs: Option<u64>,

    /// End when nothing is left: no job pending, processing or failed, but for those that
    /// are held; with `ready`, ignore what is not due yet [default: go on]
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    drain: Option<DrainArg>,

    /// Exit with 0 though jobs died while it drained [default: exit with 1 then]
    #[arg(long, requires = "drain")]
    exit_zero: bool,

    /// Look for jobs this often when nobody rings [default: poll-interval of the configuration]
    #[arg(long, value_name = "TIME")]
    poll_interval: Option<String>,

    /// Return when all workers run, and leave them in the background
    #[arg(long, short)]
    detach: bool,

    /// Print JSON about the workers that were started; goes with --detach
    #[arg(long)]
    json: bool,

    #[arg(hide = true, value_parser = elsewhere("say how many workers with `--count N`"))]
    number: Option<Elsewhere>,

    #[command(flatten)]
    others: Leads<Others>,

    /// Be the process that a detached start leaves behind
    #[arg(long, hide = true, conflicts_with = "detach")]
    in_background: bool,
}

/// What other workers take.
enum Others {}

impl OthersOptions for Others {
    const TABLE: &'static [(&'static [&'static str], &'static str)] = &[
        (
            &["--workers", "--jobs", "--threads", "--processes", "-j", "-w"],
            "say how many workers with `--count N`, how many jobs each runs at a time with `--concurrency N`",
        ),
        (
            &["--daemon", "--daemonize", "--background", "-D", "-b"],
            "leave them in the background with `--detach`",
        ),
        (
            &["--once", "--burst"],
            "end when nothing is left with `--drain`, after one job with `--count 1 --max-jobs 1`",
        ),
    ];
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum DrainArg {
    All,
    Ready,
}

const EXAMPLES: &str = "\
Examples:
  queuectl worker start --count 4
  queuectl worker start --drain && echo 'all is done'
  queuectl worker start --count 2 --detach

Exit codes: 0 done, 1 error, 2 the command line is wrong, 4 not found, 75 busy: try again;
with --drain 1 also if a job died meanwhile";

pub(crate) fn start(cx: &Context, args: &StartArgs) -> Result<(), Failure> {
    hand_on_no_open_files();
    if is_inside_a_job() {
        return Err(start_as_nobodys_job());
    }
    if args.json && !args.detach {
        let failure = Failure::new(Exit::Usage, "`--json` goes with `--detach` only");
        return Err(failure.hint("see `queuectl worker start --help`"));
    }
    let options = options(cx, args)?;
    let count =
        args.count.map_or_else(|| cx.settings().map(queuectl_settings::Settings::worker_count), Ok)?;
    if args.detach {
        return detach::detach(cx, count, options.concurrency, args.json);
    }
    if args.in_background {
        begin_lines_with_times();
        // It must outlive the terminal. Fails only for a session leader.
        let _already_leads = rustix::process::setsid();
    }
    // What cannot be a name has been refused with the command line.
    let queues = QueueSet::of(&args.queue).map_err(|error| Failure::error(error.to_string()))?;
    // The bar is for a person who waits for the end.
    let is_watched = io::stderr().is_terminal() && cx.output().verbosity() > Verbosity::Quiet;
    let bar = options
        .drain
        .filter(|_| !args.in_background && is_watched)
        .map(|drain| progress::Bar::start(cx, drain, queues.clone()))
        .transpose()?;
    // Workers of all queues write into one log.
    let queue = if args.in_background { cx.named_queue()?.map(|place| place.to_string()) } else { None };
    let (level, prefix) = (cx.settings()?.log_level(), log_prefix("Manager", queue.as_deref()));
    match &bar {
        Some(bar) => start_log_through(level, prefix, bar.printer()),
        None => start_log(level, prefix),
    }
    let log = match (&bar, args.in_background) {
        (Some(bar), _) => WorkerLog::Lines(bar.printer()),
        (None, true) => WorkerLog::Rotated(detach::log_file(cx)?),
        (None, false) => WorkerLog::Inherited,
    };
    let program = std::env::current_exe()
        .map_err(|error| Failure::error(format!("cannot find the worker program: {error}")))?;
    let mut work = vec!["work".to_owned()];
    if args.in_background {
        work.push("--log-times".to_owned());
    }
    work.extend(queue.map(|queue| format!("--log-queue={queue}")));
    let drain = options.drain;
    let mut manager = Manager::new(program, work, vec!["guard".into()], options, log).map_err(failure)?;
    if !args.in_background {
        tell_of_neighbours(manager.neighbours().map_err(failure)?);
    }
    let drained = drain.map(|drain| drained::begin(cx, drain, queues)).transpose()?;
    manager.give_variables(variables(cx.global())?);
    if args.in_background {
        detach::leave_the_folder()?;
        manager.when_ready(|| {
            // The program that started this one waits for this line, or has left.
            let _nobody_waits = io::stdout().write_all(detach::READY.as_bytes());
        });
    }
    let ended = manager.run(count).map_err(failure);
    drop(bar);
    let drained = drained.map_or(Ok(()), |begin| drained::tell(cx, &begin, args.on_dead()));
    ended.and(drained)
}

impl StartArgs {
    fn on_dead(&self) -> OnDead {
        if self.exit_zero { OnDead::Succeed } else { OnDead::Fail }
    }
}

/// What the lines of a process begin with, in a log that has the lines of many.
pub(crate) fn log_prefix(role: &str, queue: Option<&str>) -> String {
    let queue = queue.map(|queue| format!(" of {}", escape(queue))).unwrap_or_default();
    format!("[{role} PID {}{queue}]", std::process::id())
}

/// A person who starts workers twice by mistake would have twice as many.
fn tell_of_neighbours(neighbours: usize) {
    if neighbours > 0 {
        let workers = plural(neighbours as u64, "worker");
        tracing::info!("{workers} ran on this machine already; these are more.");
    }
}

/// Becomes the same program without the marks of the job it was started from:
/// the end of that job must not be taken for the end of these workers.
fn start_as_nobodys_job() -> Failure {
    let again = std::env::current_exe().map(|program| {
        Command::new(program).args(std::env::args_os().skip(1)).env_clear().envs(worker_environment()).exec()
    });
    let (Ok(error) | Err(error)) = again;
    Failure::error(format!("workers cannot be started from inside this job: {error}"))
}

fn options(cx: &Context, args: &StartArgs) -> Result<WorkerOptions, Failure> {
    // A flag is checked like the same key of the configuration.
    let overrides = cx.overrides().with(queuectl_settings::Key::PollInterval, args.poll_interval.as_ref());
    let settings = queuectl_settings::Settings::load(&overrides)?;
    let policy = settings.retry_policy();
    let open = cx.open_options(Access::Write)?;
    let location = match std::env::current_dir() {
        Ok(folder) => with_files_from(cx.location()?, &folder),
        Err(_) => cx.location()?,
    };
    let (database, server) = match location {
        Location::File(path) => (Some(path), None),
        Location::Url(url) => (None, Some(url)),
    };
    Ok(WorkerOptions {
        database,
        server,
        busy_timeout_ms: whole_millis(open.busy_timeout),
        connect_timeout_ms: whole_millis(open.connect_timeout),
        state_folder: open.state_folder,
        as_root: open.owners == Owners::AnyForRoot,
        manager_pid: std::process::id(),
        concurrency: args.concurrency.unwrap_or_else(|| settings.concurrency()),
        queues: args.queue.clone(),
        max_jobs: args.max_jobs,
        drain: args.drain.map(|drain| match drain {
            DrainArg::All => Drain::Everything,
            DrainArg::Ready => Drain::Ready,
        }),
        poll_interval_ms: whole_millis(settings.poll_interval()),
        kill_grace_ms: whole_millis(settings.kill_grace()),
        lease_ms: whole_millis(settings.lease()),
        output_limit: settings.output_limit(),
        backoff_base: policy.base,
        backoff_max_ms: whole_millis(policy.max),
        crash_limit: policy.crash_limit,
    })
}

fn failure(error: ManagerError) -> Failure {
    match error {
        ManagerError::Store(error) => error.into(),
        ManagerError::WorkersFailed { .. } => {
            Failure::error(error.to_string()).hint("what is wrong stands in the log above")
        }
        ManagerError::JobsOwed { .. } => Failure::error(error.to_string()).hint(
            "the next worker of this machine gives them back; on a server any other does, when their lease has \
             run out: see `queuectl worker list`",
        ),
        error => Failure::error(error.to_string()),
    }
}
