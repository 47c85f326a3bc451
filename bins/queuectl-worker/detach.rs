//! Starting workers in the background.

use queuectl_cli::text::escape;
use queuectl_cli::{Context, Failure};
use queuectl_files::{FileError, Owners, Unfit};
use queuectl_runtime::open_log;
use queuectl_service::amounts::plural;
use queuectl_service::dates::parse_time;
use queuectl_service::document::worker::StartedWorkers;
use queuectl_service::place::worker_log;
use queuectl_store::{Access, Life, WorkerRecord};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the manager says on standard output once all workers hold their locks.
pub(crate) const READY: &str = "ready\n";

/// How much of the log is shown when they do not start.
const LAST_LINES: usize = 10;

/// Starts the same command in the background; returns when its workers run.
pub(crate) fn detach(cx: &Context, count: u32, concurrency: u32, json: bool) -> Result<(), Failure> {
    let path = log_file(cx)?;
    let log = make_log(&path, cx.global().owners())?;
    let log_began_at = log.metadata().map_or(0, |log| log.len());
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--json");
    let program = std::env::current_exe().map_err(|error| cannot_start(&error))?;
    let mut manager = Command::new(program)
        .args(arguments.map(|argument| match argument.to_str() {
            Some("--detach" | "-d") => "--in-background".into(),
            _ => argument,
        }))
        .envs(absolute_paths())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| cannot_start(&error))?;

    let mut said = String::new();
    if let Some(stdout) = manager.stdout.take() {
        BufReader::new(stdout).read_line(&mut said).map_err(|error| cannot_start(&error))?;
    }
    if said != READY {
        let how = manager.wait().map_err(|error| cannot_start(&error))?;
        let last = last_lines(&path, log_began_at);
        return Err(Failure::error(format!(
            "the workers did not start ({how}); their log ends with: {last}"
        ))
        .hint(format!("read all of it in {}", path.display())));
    }
    let manager_pid = manager.id();
    if json {
        return cx.output().json(&StartedWorkers {
            workers: count,
            manager_pid,
            log: path.display().to_string(),
        });
    }
    let at_a_time = match concurrency {
        1 => String::new(),
        jobs => format!(", {jobs} jobs at a time{}", if count == 1 { "" } else { " each" }),
    };
    cx.output().line(format!(
        "Started {}{at_a_time} in the background (manager PID {manager_pid}); the log is {}",
        plural(u64::from(count), "worker"),
        escape(&path.display().to_string())
    ))?;
    tell_of_neighbours(cx, manager_pid);
    Ok(())
}

/// A person who starts workers twice by mistake has twice as many.
fn tell_of_neighbours(cx: &Context, manager_pid: u32) {
    let Ok(workers) = cx.store(Access::Read).and_then(|mut store| Ok(store.workers()?)) else { return };
    let is_other = |worker: &&WorkerRecord| {
        worker.is_here && worker.life == Life::Alive && worker.manager_pid != manager_pid
    };
    let others = workers.iter().filter(is_other).count() as u64;
    if others > 0 {
        let others = plural(others, "worker");
        cx.output().note(format!(
            "{others} more ran on this machine already; stop all of them with `queuectl worker stop`"
        ));
    }
}

/// Variables that name files, and may name them from where a person types.
const PATHS: [&str; 6] = ["HOME", "QUEUECTL_HOME", "PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"];

/// Those of them that are relative, made absolute. What flags say is made absolute
/// by the process in the background, before it goes elsewhere.
fn absolute_paths() -> Vec<(&'static str, PathBuf)> {
    let absolute = |name: &'static str| {
        let value = PathBuf::from(std::env::var_os(name).filter(|value| !value.is_empty())?);
        let is_the_system = name == "PGSSLROOTCERT" && value == Path::new("system");
        let path = std::path::absolute(&value).ok()?;
        (value.is_relative() && !is_the_system).then_some((name, path))
    };
    PATHS.into_iter().filter_map(absolute).collect()
}

/// Goes to `/`: a process in the background keeps no folder from being removed, and
/// no file system from being unmounted.
pub(crate) fn leave_the_folder() -> Result<(), Failure> {
    std::env::set_current_dir("/").map_err(|error| cannot_start(&error))
}

/// Where workers in the background write their log.
pub(crate) fn log_file(cx: &Context) -> Result<PathBuf, Failure> {
    Ok(worker_log(cx.settings()?.places()))
}

fn make_log(path: &Path, owners: Owners) -> Result<File, Failure> {
    let unfit = |unfit: Unfit| {
        Failure::error(format!("the log {unfit}")).hint(unfit.hint("name another folder with QUEUECTL_HOME"))
    };
    queuectl_files::check_new(path, owners).map_err(unfit)?;
    if let Some(folder) = path.parent() {
        queuectl_files::make_folders(folder).map_err(|error| cannot_write(path, &error))?;
    }
    open_log(path).map_err(|error| match error {
        FileError::Unfit(found) => unfit(found),
        FileError::Io(error) => cannot_write(path, &error),
    })
}

fn last_lines(path: &Path, from: u64) -> String {
    let log = fs::read(path).unwrap_or_default();
    let new = log.get(usize::try_from(from).unwrap_or(0)..).unwrap_or_default();
    let text = String::from_utf8_lossy(new);
    let lines: Vec<&str> = text.lines().map(without_time).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("; ")
}

/// A line of the log as a person who watches it would see it.
fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((time, rest)) if parse_time(time).is_ok() => rest,
        _ => line,
    }
}

fn cannot_start(error: &io::Error) -> Failure {
    Failure::error(format!("the workers cannot be started: {error}"))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::error(format!("the log {} cannot be written: {error}", path.display()))
}
