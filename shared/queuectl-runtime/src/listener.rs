//! Listens to the manager and to signals.

use crate::limits;
use crate::lock::lock;
use crate::log_file::write_log_to;
use crate::manager_command::ManagerCommand;
use crate::options::WorkerOptions;
use crate::outside::Outside;
use crate::shared::Shared;
use crate::worker_error::WorkerError;
use queuectl_store::Stop;
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

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

/// What is said to a worker, from its first moment on: before its threads share anything,
/// it waits for a queue.
#[derive(Default)]
pub(crate) struct Hearing {
    outside: Arc<Outside>,
    heard: Mutex<Heard>,
    changed: Condvar,
}

#[derive(Default)]
struct Heard {
    shared: Option<Arc<Shared>>,
    stop: Option<Stop>,
}

impl Hearing {
    /// What was heard of a stop from outside.
    pub(crate) fn outside(&self) -> &Arc<Outside> {
        &self.outside
    }

    /// Has the worker's threads hear what was said so far, and what is said from now on.
    pub(crate) fn pass_on_to(&self, shared: &Arc<Shared>) {
        let mut heard = lock(&self.heard);
        if let Some(stop) = heard.stop {
            shared.stop(stop);
        }
        heard.shared = Some(Arc::clone(shared));
    }

    /// Waits for what `ready` gives. Once the worker is to stop, that is waited for a
    /// moment only; then there is nothing.
    pub(crate) fn wait_unless_stopped<T>(&self, ready: &Receiver<T>, a_moment: Duration) -> Option<T> {
        let mut heard = lock(&self.heard);
        loop {
            match ready.try_recv() {
                Ok(ready) => return Some(ready),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) if heard.stop.is_some() => break,
                Err(TryRecvError::Empty) => {
                    heard = self.changed.wait(heard).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        drop(heard);
        ready.recv_timeout(a_moment).ok()
    }

    /// Something that is waited for has come.
    pub(crate) fn look_again(&self) {
        // The thread that is about to wait holds the lock until it does.
        drop(lock(&self.heard));
        self.changed.notify_all();
    }

    fn stop(&self, stop: Stop) {
        let mut heard = lock(&self.heard);
        heard.stop = heard.stop.max(Some(stop));
        if let Some(shared) = &heard.shared {
            shared.stop(stop);
        }
        drop(heard);
        self.changed.notify_all();
    }

    fn manager_stops(&self, stop: Stop) {
        self.outside.manager_stops();
        self.stop(stop);
    }

    /// A signal has reached this process. Before the threads share anything there is no job
    /// that it could have reached as well.
    fn is_signalled(&self) {
        let shared = lock(&self.heard).shared.clone();
        if let Some(shared) = shared {
            shared.is_signalled();
        }
    }
}

/// Starts listening. The thread ends with the process.
pub(crate) fn start() -> io::Result<Arc<Hearing>> {
    let manager = manager_pipe()?;
    let hearing = Arc::new(Hearing::default());
    // Before the pipes, so that what was read from them was noted.
    hearing.outside.listen()?;
    let (signals, signalled) = os_pipe::pipe()?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, signalled.try_clone()?)?;
    }
    let (hangups, hung_up) = os_pipe::pipe()?;
    if !limits::is_ignored(SIGHUP) {
        signal_hook::low_level::pipe::register(SIGHUP, hung_up.try_clone()?)?;
    }
    let sources = Sources { signals, hangups, _hung_up: hung_up, manager: Some(manager) };
    let hears = Arc::clone(&hearing);
    thread::Builder::new().name("listener".into()).spawn(move || listen(&hears, sources))?;
    Ok(hearing)
}

/// What is listened to.
struct Sources {
    signals: os_pipe::PipeReader,
    /// SIGHUP says nothing to a worker by itself: its manager knows what it means.
    hangups: os_pipe::PipeReader,
    /// Kept, so that the pipe has no end where SIGHUP is ignored.
    _hung_up: os_pipe::PipeWriter,
    manager: Option<File>,
}

impl Sources {
    /// Waits; tells which of them has something to say: signals, hangups, manager.
    fn wait(&self) -> [bool; 3] {
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.hangups.as_fd(), PollFlags::IN),
        ];
        if let Some(manager) = &self.manager {
            fds.push(PollFd::from_borrowed_fd(manager.as_fd(), PollFlags::IN));
        }
        if poll(&mut fds, None).is_err() {
            return [false; 3];
        }
        [0, 1, 2].map(|index| fds.get(index).is_some_and(|fd| !fd.revents().is_empty()))
    }
}

fn listen(hearing: &Hearing, mut from: Sources) {
    let mut line = Vec::new();
    let mut requests = 0;
    loop {
        let [from_signals, from_hangups, from_manager] = from.wait();
        if from_signals && from.signals.read(&mut [0]).is_ok() {
            requests += 1;
            hearing.stop(if requests == 1 { Stop::Graceful } else { Stop::Forced });
            hearing.is_signalled();
        }
        if from_hangups && from.hangups.read(&mut [0]).is_ok() {
            hearing.is_signalled();
        }
        if from_manager {
            let mut byte = [0];
            match from.manager.as_mut().map(|manager| manager.read(&mut byte)) {
                Some(Ok(1)) if byte == *b"\n" => {
                    obey(hearing, &String::from_utf8_lossy(&std::mem::take(&mut line)));
                }
                Some(Ok(1)) => line.push(byte[0]),
                // The manager is gone.
                _ => {
                    from.manager = None;
                    hearing.manager_stops(Stop::Graceful);
                }
            }
        }
    }
}

fn obey(hearing: &Hearing, line: &str) {
    match ManagerCommand::parse(line) {
        Some(ManagerCommand::Stop) => hearing.manager_stops(Stop::Graceful),
        Some(ManagerCommand::Force) => hearing.manager_stops(Stop::Forced),
        Some(ManagerCommand::Log(path)) => {
            if let Err(error) = write_log_to(&path) {
                tracing::warn!("The log {path} cannot be opened: {error}");
            }
        }
        None => tracing::warn!("The manager said something unknown: {line}"),
    }
}
