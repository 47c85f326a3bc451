//! Listens to the manager and to signals.

use crate::floor::Floor;
use crate::worker::{WorkerError, WorkerOptions};
use queuectl_store::Stop;
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::thread;

/// What a manager says to a worker, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Claim nothing more, finish what runs.
    Stop,
    /// End what runs.
    Force,
    /// The log was renamed; go on in this file.
    Log(String),
}

impl Command {
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Stop => "stop\n".into(),
            Self::Force => "force\n".into(),
            Self::Log(path) => format!("log {path}\n"),
        }
    }

    pub(crate) fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            None if line == "stop" => Some(Self::Stop),
            None if line == "force" => Some(Self::Force),
            Some(("log", path)) => Some(Self::Log(path.to_owned())),
            _ => None,
        }
    }
}

/// Reads what to do, the first line of standard input, and not a byte more.
pub(crate) fn read_options() -> Result<WorkerOptions, WorkerError> {
    let mut line = Vec::new();
    let mut byte = [0];
    let mut input = manager_pipe()?;
    while input.read(&mut byte)? == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    serde_json::from_slice(&line).map_err(|error| WorkerError::Instructions(error.to_string()))
}

/// Standard input without a buffer: what a buffer holds, no poll can see.
fn manager_pipe() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Starts listening. The thread ends with the process.
pub(crate) fn start(floor: Arc<Floor>) -> io::Result<()> {
    let manager = manager_pipe()?;
    let (signals, signalled) = os_pipe::pipe()?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
    }
    thread::Builder::new().name("listener".into()).spawn(move || listen(&floor, signals, manager))?;
    Ok(())
}

fn listen(floor: &Floor, mut signals: os_pipe::PipeReader, manager: File) {
    let mut manager = Some(manager);
    let mut line = Vec::new();
    let mut requests = 0;
    loop {
        let (from_manager, from_signals) = {
            let mut fds = vec![PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
            if let Some(manager) = &manager {
                fds.push(PollFd::from_borrowed_fd(manager.as_fd(), PollFlags::IN));
            }
            if poll(&mut fds, None).is_err() {
                continue;
            }
            let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
            (ready(1), ready(0))
        };
        if from_signals && signals.read(&mut [0]).is_ok() {
            requests += 1;
            floor.stop(if requests == 1 { Stop::Graceful } else { Stop::Forced });
        }
        if from_manager {
            let mut byte = [0];
            match manager.as_mut().map(|manager| manager.read(&mut byte)) {
                Some(Ok(1)) if byte == *b"\n" => {
                    obey(floor, &String::from_utf8_lossy(&std::mem::take(&mut line)));
                }
                Some(Ok(1)) => line.push(byte[0]),
                // The manager is gone.
                _ => {
                    manager = None;
                    floor.stop(Stop::Graceful);
                }
            }
        }
    }
}

fn obey(floor: &Floor, line: &str) {
    match Command::parse(line) {
        Some(Command::Stop) => floor.stop(Stop::Graceful),
        Some(Command::Force) => floor.stop(Stop::Forced),
        Some(Command::Log(path)) => {
            if let Err(error) = write_log_to(&path) {
                tracing::warn!("The log {path} cannot be opened: {error}");
            }
        }
        None => tracing::warn!("The manager said something unknown: {line}"),
    }
}

/// Makes a file this process's standard error.
pub(crate) fn write_log_to(path: &str) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    Ok(rustix::stdio::dup2_stderr(&file)?)
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn every_command_reads_back() {
        for command in [Command::Stop, Command::Force, Command::Log("/a b/worker.log".into())] {
            assert_eq!(Command::parse(command.line().trim_end()), Some(command));
        }
        assert_eq!(Command::parse("stop now"), None);
    }
}
