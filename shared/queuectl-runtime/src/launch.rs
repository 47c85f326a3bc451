//! How a worker process is started, spoken to and heard of.

use crate::manager_command::ManagerCommand;
use crate::messages::Event;
use crate::options::WorkerOptions;
use crate::orphans;
use queuectl_core::WorkerId;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;

/// Where the workers' log goes.
#[derive(Clone)]
pub enum WorkerLog {
    /// To the manager's own standard error.
    Inherited,
    /// To this function, line by line.
    Lines(Arc<dyn Fn(&str) + Send + Sync>),
    /// To the manager's own standard error, which is this file; it is renamed to
    /// `….1` when it has grown.
    Rotated(PathBuf),
}

/// What all workers are started with.
pub(crate) struct Launcher {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: Vec<(&'static str, OsString)>,
    pub(crate) options: WorkerOptions,
    pub(crate) log: WorkerLog,
}

/// A worker's process.
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// None when it is dead.
    pub(crate) commands: Option<ChildStdin>,
}

impl Launcher {
    /// Starts a worker that runs `share` jobs; its words and its end become events.
    pub(crate) fn launch(
        &self,
        index: usize,
        share: Option<u64>,
        events: &Sender<Event>,
    ) -> io::Result<Process> {
        let options =
            WorkerOptions { max_jobs: share, manager_pid: std::process::id(), ..self.options.clone() };
        let line = serde_json::to_string(&options)? + "\n";
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if matches!(self.log, WorkerLog::Lines(_)) {
            command.stderr(Stdio::piped());
        }
        let mut child = orphans::spawn(&mut command)?;
        let pid = child.id();
        let mut commands = child.stdin.take();
        if commands.as_mut().is_some_and(|commands| commands.write_all(line.as_bytes()).is_err()) {
            // The end of its input tells it that nothing will come. If it is dead
            // already, its exit will be noticed.
            commands = None;
        }
        if let (Some(log), WorkerLog::Lines(print)) = (child.stderr.take(), &self.log) {
            let print = Arc::clone(print);
            let copy =
                move || BufReader::new(log).lines().map_while(Result::ok).for_each(|line| print(&line));
            thread::Builder::new().name("log".into()).spawn(copy)?;
        }
        let events = events.clone();
        thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || accompany(child, index, &events))?;
        Ok(Process { pid, commands })
    }
}

impl Process {
    /// Tells it something. If it is dead, its exit will be noticed.
    pub(crate) fn say(&mut self, command: &ManagerCommand) {
        if let Some(commands) = &mut self.commands {
            let _dead = commands.write_all(command.line().as_bytes());
        }
    }
}

/// Waits for a worker's first words and for its end.
fn accompany(mut child: Child, index: usize, events: &Sender<Event>) {
    if let Some(said) = child.stdout.take() {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            let id = line.strip_prefix("ready ").and_then(|id| id.parse().ok());
            if let Some(id) = id {
                let _manager_is_gone = events.send(Event::Registered(index, WorkerId(id)));
            }
        }
    }
    let _manager_is_gone = events.send(Event::Exited(index, orphans::wait(&mut child)));
}
