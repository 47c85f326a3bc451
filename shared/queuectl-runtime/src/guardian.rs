//! The guardian: a process that outlives a killed manager and its killed workers, and
//! ends what they had started before other machines start it again.
//!
//! Each manager of a queue on a server has one. It knows no store, holds nothing of its
//! caller's, hears no signal that asks to end, and goes when its manager and all that
//! manager's workers are gone and nothing of theirs is left.

use crate::launch::WorkerLog;
use crate::lease_guard::LeaseGuard;
use crate::lock::lock;
use crate::log_file::write_log_to;
use crate::manager_command::ManagerCommand;
use crate::{orphans, path_as_json};
use nix::sys::signal::SigSet;
use queuectl_store::machine;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Its name in the process table, so that no tool takes it for a worker.
const NAME: &str = "queuectl-guardian";

/// A worker that was being born when its manager was killed is entered within this.
const BIRTH_TAKES: Duration = Duration::from_secs(5);

/// One that dies at once is not started again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// What a guardian is told; the first line of its standard input.
#[derive(Debug, Serialize, Deserialize)]
struct Duty {
    #[serde(with = "path_as_json")]
    lock_file: Option<PathBuf>,
    manager_pid: u32,
}

/// How a guardian is started.
pub(crate) struct Plan {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) lock_file: PathBuf,
    pub(crate) log: WorkerLog,
}

/// A manager's guardian: there is one until it is dismissed.
pub(crate) struct Guardian {
    input: Input,
    dismissal: Sender<()>,
    /// Nothing is ever sent: its end is the guardian's.
    gone: Receiver<()>,
}

/// The guardian that lives now hears what is written here.
type Input = Arc<Mutex<Option<ChildStdin>>>;

impl Guardian {
    /// Starts one, and another whenever it dies.
    ///
    /// # Errors
    ///
    /// If the first cannot be started.
    pub(crate) fn start(plan: Plan) -> io::Result<Self> {
        let input = Input::default();
        let first = plan.start(&input)?;
        let (dismissal, dismissed) = channel();
        let (here, gone) = channel::<()>();
        let keeper = Arc::clone(&input);
        thread::Builder::new().name("guardian".into()).spawn(move || {
            keep(&plan, first, &keeper, &dismissed);
            drop(here);
        })?;
        Ok(Self { input, dismissal, gone })
    }

    /// Tells it that the log was renamed.
    pub(crate) fn say(&self, command: &ManagerCommand) {
        if let Some(input) = &mut *lock(&self.input) {
            // If it is dead, another is told where the log is.
            let _dead = input.write_all(command.line().as_bytes());
        }
    }

    /// Lets it go, and waits a little: it ends at once if there is nothing left for it.
    pub(crate) fn dismiss(self, at_most: Duration) {
        let _gone = self.dismissal.send(());
        if let Some(mut input) = lock(&self.input).take() {
            let _dead = input.write_all(ManagerCommand::Stop.line().as_bytes());
        }
        let _gone_or_at_work = self.gone.recv_timeout(at_most);
    }
}

/// Waits for the guardian's end, and starts another unless it was dismissed.
fn keep(plan: &Plan, first: Child, input: &Input, dismissed: &Receiver<()>) {
    let mut child = Some(first);
    loop {
        if let Some(mut child) = child.take() {
            let status = orphans::wait(&mut child);
            if dismissed.try_recv().is_ok() {
                return;
            }
            let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            tracing::warn!("The guardian died ({how}); another is started");
        }
        if !matches!(dismissed.recv_timeout(PAUSE), Err(RecvTimeoutError::Timeout)) {
            return;
        }
        child = plan
            .start(input)
            .map_err(|error| tracing::error!("a guardian cannot be started: {error}; it is tried again"))
            .ok();
    }
}

impl Plan {
    fn start(&self, input: &Input) -> io::Result<Child> {
        let log = match &self.log {
            WorkerLog::Rotated(path) => OpenOptions::new().append(true).open(path).map(Stdio::from).ok(),
            // It must not keep open what its manager's caller reads.
            WorkerLog::Inherited | WorkerLog::Lines(_) => None,
        };
        let mut command = Command::new(&self.program);
        command
            .arg0(NAME)
            .args(&self.arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log.unwrap_or_else(Stdio::null));
        let mut child = orphans::spawn(&mut command)?;
        let duty = Duty { lock_file: Some(self.lock_file.clone()), manager_pid: std::process::id() };
        let line = serde_json::to_string(&duty).map_err(io::Error::other)? + "\n";
        let mut commands = child.stdin.take();
        if let Some(commands) = &mut commands {
            // If it is dead already, its end is noticed.
            let _dead = commands.write_all(line.as_bytes());
        }
        *lock(input) = commands;
        Ok(child)
    }
}

/// Is a guardian until there is nothing left to guard.
///
/// # Errors
///
/// If it is not told what to guard, or cannot begin.
pub fn run() -> io::Result<()> {
    let _already_leads = nix::unistd::setsid();
    name_this_process();
    // It goes when it is not needed any more, and not when it is asked to.
    SigSet::all().thread_block()?;
    let mut manager =
        Manager { input: Some(File::from(io::stdin().as_fd().try_clone_to_owned()?)), line: Vec::new() };
    let duty: Duty = loop {
        match manager.listen(Duration::MAX) {
            Some(Heard::Line(line)) => break serde_json::from_str(&line)?,
            Some(Heard::End) => return Err(io::Error::other("no manager says what to guard")),
            None => {}
        }
    };
    let lock_file = duty.lock_file.ok_or_else(|| io::Error::other("no lock file is named"))?;
    let mut guard = LeaseGuard::new(lock_file, None);
    let namespace = machine::pid_namespace();
    let (mut was_dismissed, mut alone_since) = (false, None);
    loop {
        let outlook = guard.look();
        let is_needed = outlook
            .remaining
            .iter()
            .any(|entry| entry.manager_pid == duty.manager_pid && entry.pid_namespace == namespace);
        let may_be_needed =
            !was_dismissed && alone_since.is_none_or(|since: Instant| since.elapsed() < BIRTH_TAKES);
        if alone_since.is_some() && !is_needed && !may_be_needed {
            return Ok(());
        }
        match manager.listen(outlook.again_after) {
            None => {}
            Some(Heard::End) => alone_since = Some(Instant::now()),
            Some(Heard::Line(line)) => match ManagerCommand::parse(&line) {
                Some(ManagerCommand::Log(path)) => {
                    if let Err(error) = write_log_to(&path) {
                        tracing::warn!("The log {path} cannot be opened: {error}");
                    }
                }
                Some(ManagerCommand::Stop | ManagerCommand::Force) => was_dismissed = true,
                None => tracing::warn!("The manager said something unknown: {line}"),
            },
        }
    }
}

/// Tools that look for workers by their name must not find this one.
fn name_this_process() {
    #[cfg(target_os = "linux")]
    let _unnamed = rustix::thread::set_name(c"queuectl-guard");
}

/// The manager, as the guardian hears it.
struct Manager {
    /// None after its end.
    input: Option<File>,
    line: Vec<u8>,
}

enum Heard {
    Line(String),
    /// The manager is gone.
    End,
}

impl Manager {
    /// Waits for a line, or for the manager's end, which is heard once.
    fn listen(&mut self, at_most: Duration) -> Option<Heard> {
        let until = Instant::now().checked_add(at_most);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            let heard = match &self.input {
                Some(input) => {
                    poll(&mut [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)], timeout.as_ref())
                }
                None => poll(&mut [], timeout.as_ref()),
            };
            if !heard.is_ok_and(|count| count > 0) {
                return None;
            }
            let mut byte = [0];
            match self.input.as_mut().map(|input| input.read(&mut byte)) {
                Some(Ok(1)) if byte == *b"\n" => {
                    let line = std::mem::take(&mut self.line);
                    return Some(Heard::Line(String::from_utf8_lossy(&line).into_owned()));
                }
                Some(Ok(1)) => self.line.push(byte[0]),
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    self.input = None;
                    return Some(Heard::End);
                }
            }
        }
    }
}
