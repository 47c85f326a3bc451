//! The first process of an attempt: its start, its pipes, its exit.
//!
//! Started by duct in a process group of its own, with nothing that would make
//! it fork and exec in two steps (`pre_exec` halves the rate). Its exit is seen
//! through a pidfd and read without reaping it: as long as it is a zombie, its
//! pid and its group belong to no other process.

use crate::lock::lock;
use crate::marker::JobEnvironment;
use crate::stamp::Stamp;
use duct::Handle;
use os_pipe::PipeReader;
use queuectl_core::{Job, Outcome};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// Keeps duct from copying the worker's environment for itself.
const NO_VARIABLES: [(&str, &str); 0] = [];

/// A started command.
pub(crate) struct Child {
    handle: Handle,
    pid: u32,
    /// Readable when it has exited; where there are no pidfds, ask now and then.
    exit: Option<OwnedFd>,
}

/// The ends of its pipes that we read.
pub(crate) struct Pipes {
    pub(crate) stdout: PipeReader,
    pub(crate) stderr: PipeReader,
}

/// Why a command was not started.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// The machine is short of something; it may work later.
    ForNow(io::Error),
    /// There is no folder to run it in.
    NoFolder(String),
    /// It will not work.
    Ever(String),
}

/// Starts `/bin/sh -c COMMAND`.
pub(crate) fn start(
    job: &Job,
    environment: JobEnvironment,
    stamp: Stamp,
) -> Result<(Child, Pipes), NotStarted> {
    let (stdout, stdout_end) = os_pipe::pipe().map_err(NotStarted::ForNow)?;
    let (stderr, stderr_end) = os_pipe::pipe().map_err(NotStarted::ForNow)?;
    let ends = Mutex::new(Some((stdout_end, stderr_end)));
    // Pipes and variables are handed over in the hook: what duct is told before, it
    // copies at every start, which was a twentieth of the time of a short job.
    let prepare = move |command: &mut Command| {
        std::os::unix::process::CommandExt::process_group(command, 0);
        environment.apply(command);
        if let Some((stdout, stderr)) = lock(&ends).take() {
            command.stdout(stdout).stderr(stderr);
        }
        Ok(())
    };
    let handle = duct::cmd("/bin/sh", ["-c", job.command.as_str()])
        .dir(&job.cwd)
        .full_env(NO_VARIABLES)
        .stdin_null()
        .before_spawn(prepare)
        .unchecked()
        .start()
        .map_err(|error| why_not_started(job, error))?;
    let pid = handle.pids().first().copied().unwrap_or(0);
    stamp.put_on(pid);
    Ok((Child { exit: exit_signal(pid), handle, pid }, Pipes { stdout, stderr }))
}

fn why_not_started(job: &Job, error: io::Error) -> NotStarted {
    use rustix::io::Errno;
    match Errno::from_io_error(&error) {
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) => NotStarted::ForNow(error),
        _ if let Some(obstacle) = why_not_entered(Path::new(&job.cwd)) => {
            NotStarted::NoFolder(format!("its folder {} {obstacle}", job.cwd))
        }
        _ => NotStarted::Ever(format!("/bin/sh could not be started: {error}")),
    }
}

/// What keeps a job out of its folder; none if nothing does.
fn why_not_entered(folder: &Path) -> Option<String> {
    match folder.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("is not there".to_owned()),
        Err(error) => Some(format!("cannot be entered: {error}")),
        Ok(found) if !found.is_dir() => Some("is no folder".to_owned()),
        Ok(_) => {
            let refused = rustix::fs::access(folder, rustix::fs::Access::EXEC_OK).err()?;
            Some(format!("cannot be entered: {}", io::Error::from(refused)))
        }
    }
}

#[cfg(target_os = "linux")]
fn exit_signal(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(pid.cast_signed())?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn exit_signal(_pid: u32) -> Option<OwnedFd> {
    None
}

impl Child {
    /// The pid of the shell; also the number of its process group.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Readable when the shell has exited.
    pub(crate) fn exit(&self) -> Option<BorrowedFd<'_>> {
        self.exit.as_ref().map(AsFd::as_fd)
    }

    /// Looks whether the shell has exited, and leaves it as a zombie.
    pub(crate) fn outcome(&self) -> io::Result<Option<Outcome>> {
        let Some(pid) = Pid::from_raw(self.pid.cast_signed()) else {
            return Err(io::Error::other("the shell has no pid"));
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(pid), options)?;
        Ok(status.and_then(|status| {
            let exited = status.exit_status().map(Outcome::Exit);
            exited.or_else(|| status.terminating_signal().map(Outcome::Signal))
        }))
    }

    /// Reaps the shell. Its pid may be another process's afterwards.
    pub(crate) fn reap(self) {
        if let Err(error) = self.handle.wait() {
            tracing::warn!("process {} could not be reaped: {error}", self.pid);
        }
    }
}
