//! A user of their own for each test.

use super::hosts::Host;
use super::postgres::{Schema, Server};
use super::processes::kill_marked;
use super::program::Program;
use super::wait::{DEADLINE, wait_until};
use super::watched::{as_unprivileged, give_away, without_settings};
use super::worker::Worker;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The two ways to call a program, which must do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `queuectl dlq list`
    Dispatched,
    /// `queuectl-dlq list`
    Direct,
}

/// Runs a test once for each spelling.
pub fn both(test: impl Fn(Spelling)) {
    for spelling in [Spelling::Dispatched, Spelling::Direct] {
        test(spelling);
    }
}

/// A user with a home folder, a folder to work in, and a queue of their own.
///
/// Whatever was started in it is killed when it is dropped.
pub struct Home {
    folder: TempDir,
    variables: Vec<(String, String)>,
    workers: AtomicU32,
    /// Where the queue is, if it is on a server.
    pub(super) url: Option<String>,
    schema: Option<Arc<Schema>>,
    machine: Option<Host>,
    pub(super) is_unprivileged: bool,
}

impl Home {
    /// A user with default settings.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("queuectl-test-").tempdir().unwrap();
        for name in ["work", "home", "runtime", "tmp", "said"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self {
            folder,
            variables: Vec::new(),
            workers: AtomicU32::new(0),
            url: None,
            schema: None,
            machine: None,
            is_unprivileged: false,
        }
    }

    /// A user for whom nothing takes long, for tests that are not about defaults.
    pub fn quick() -> Self {
        Self::new()
            .with("QUEUECTL_BACKOFF_BASE", "0")
            .with("QUEUECTL_POLL_INTERVAL", "100ms")
            .with("QUEUECTL_KILL_GRACE", "200ms")
    }

    /// Gives every program this variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts the queue on a server, in a schema of its own.
    pub fn on_server(self, server: &Server) -> Self {
        let schema = Arc::new(server.schema());
        let url = server.url(schema.name());
        self.in_schema(&schema, &url)
    }

    /// Puts the queue where others may have theirs too; this URL leads there.
    pub fn in_schema(mut self, schema: &Arc<Schema>, url: &str) -> Self {
        self.schema = Some(Arc::clone(schema));
        self.url = Some(url.to_owned());
        self.with("QUEUECTL_DATABASE", url)
    }

    /// Has every program run on a machine of a network.
    pub fn on_machine(mut self, host: &Host) -> Self {
        self.machine = Some(host.clone());
        self
    }

    /// Has every program run as a user who is not root, and owns this home.
    pub fn unprivileged(mut self) -> Self {
        self.is_unprivileged = true;
        give_away(self.root());
        for name in ["work", "home", "runtime", "tmp", "said"] {
            give_away(&self.root().join(name));
        }
        self
    }

    /// The schema of a queue that is on a server.
    pub fn schema(&self) -> &Arc<Schema> {
        self.schema.as_ref().expect("a queue on a server")
    }

    /// A path in the folder in which this user types.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// The folder that contains everything of this user.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The user's home folder.
    pub fn user_home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// `$QUEUECTL_HOME`; not there until a program makes it.
    pub fn queue_folder(&self) -> PathBuf {
        self.folder.path().join("queue")
    }

    /// The database; not there until a program makes it.
    pub fn database(&self) -> PathBuf {
        self.queue_folder().join("queue.db")
    }

    /// The configuration file; not there until a program makes it.
    pub fn config_file(&self) -> PathBuf {
        self.queue_folder().join("config.toml")
    }

    /// Writes the configuration file.
    pub fn configure(&self, text: &str) {
        fs::create_dir_all(self.queue_folder()).unwrap();
        fs::write(self.config_file(), text).unwrap();
    }

    /// A program of ours, or of anybody, in this user's surroundings.
    pub fn program(&self, program: impl AsRef<OsStr>) -> process::Command {
        let work = self.folder.path().join("work");
        let mut command = match &self.machine {
            Some(host) => host.command(program, &work),
            None if self.is_unprivileged => {
                let mut words = as_unprivileged(Path::new(program.as_ref())).into_iter();
                let mut command = process::Command::new(words.next().expect("at least the program"));
                command.args(words);
                command
            }
            None => process::Command::new(program),
        };
        without_settings(&mut command);
        for (name, _) in std::env::vars_os() {
            let shown = name.to_string_lossy();
            if ["QUEUECTL", "XDG_", "NO_COLOR", "CLICOLOR"].iter().any(|start| shown.starts_with(start)) {
                command.env_remove(&name);
            }
        }
        command
            .current_dir(work)
            .env("HOME", self.user_home())
            .env("XDG_RUNTIME_DIR", self.folder.path().join("runtime"))
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm")
            .env("QUEUECTL_HOME", self.queue_folder())
            .env("TEST_HOME", self.folder.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A program to be run as a person would: `queuectl dlq list`, or `queuectl-dlq list`.
    pub fn command<A: AsRef<OsStr>>(
        &self,
        spelling: Spelling,
        arguments: impl IntoIterator<Item = A>,
    ) -> process::Command {
        let mut arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        match spelling {
            Spelling::Dispatched => {
                let mut command = self.program(dispatcher());
                command.args(arguments);
                command
            }
            Spelling::Direct => {
                let name = arguments.next().expect("the name of a program");
                let mut command = self.program(beside_the_dispatcher(&name));
                command.args(arguments);
                command
            }
        }
    }

    /// Runs a program in one of the two spellings.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        spelling: Spelling,
        arguments: impl IntoIterator<Item = A>,
    ) -> Program {
        Program::new(self.command(spelling, arguments))
    }

    /// Runs what a person types into a shell, as the documents show it; in the
    /// direct spelling `queuectl dlq list` becomes `queuectl-dlq list`.
    pub fn typed(&self, spelling: Spelling, line: &str) -> Program {
        let line = match spelling {
            Spelling::Dispatched => line.to_owned(),
            Spelling::Direct => line.replacen("queuectl ", "queuectl-", 1),
        };
        let mut command = self.program("/bin/sh");
        command.args(["-c", &line]).env("PATH", path_with_the_programs());
        Program::new(command)
    }

    /// Runs a program through the dispatcher.
    pub fn queuectl<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Program {
        self.run(Spelling::Dispatched, arguments)
    }

    /// Runs a program directly.
    pub fn direct<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Program {
        self.run(Spelling::Direct, arguments)
    }

    /// What a program prints on standard output, when it succeeds.
    pub fn stdout<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let output = self.queuectl(arguments).assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The JSON document a program prints, when it prints nothing else.
    pub fn json<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Value {
        let stdout = self.stdout(arguments);
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error} in {stdout:?}"))
    }

    /// Puts a job in the queue.
    pub fn enqueue(&self, id: &str, command: &str) {
        self.queuectl(["enqueue", "--id", id, "--shell", command]).assert().success();
    }

    /// Puts a job in the queue that runs at most once.
    pub fn enqueue_once(&self, id: &str, command: &str) {
        self.queuectl(["enqueue", "--id", id, "--max-retries", "0", "--shell", command]).assert().success();
    }

    /// Puts many jobs in the queue.
    pub fn enqueue_all(&self, jobs: impl IntoIterator<Item = Value>) {
        let lines: String = jobs.into_iter().map(|job| format!("{job}\n")).collect();
        self.queuectl(["enqueue", "--file", "-"]).write_stdin(lines).assert().success();
    }

    /// Starts `worker start` with these arguments, as in another terminal.
    pub fn worker<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Worker {
        let start = [OsString::from("worker"), OsString::from("start")];
        let rest = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        self.background(Spelling::Dispatched, start.into_iter().chain(rest))
    }

    /// Starts a program as in another terminal.
    pub fn background<A: AsRef<OsStr>>(
        &self,
        spelling: Spelling,
        arguments: impl IntoIterator<Item = A>,
    ) -> Worker {
        self.start(self.command(spelling, arguments))
    }

    /// Starts what a person types into a shell, as in another terminal.
    pub fn typed_in_background(&self, line: &str) -> Worker {
        let mut command = self.program("/bin/sh");
        command.args(["-c", line]).env("PATH", path_with_the_programs());
        self.start(command)
    }

    fn start(&self, command: process::Command) -> Worker {
        let number = self.workers.fetch_add(1, Ordering::Relaxed);
        let files = self.folder.path().join("said").join(number.to_string());
        Worker::start(command, &files)
    }

    /// Runs workers until nothing is left to do, whatever becomes of the jobs.
    pub fn drain(&self) {
        self.queuectl(["worker", "start", "--drain", "--exit-zero"]).assert().success();
    }

    /// Waits until a file is there.
    pub fn wait_for_file(&self, name: &str) {
        wait_until(DEADLINE, &format!("the file {name} is there"), || self.path(name).exists());
    }

    /// Makes a file for which a job waits.
    pub fn make_file(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    /// Makes a program of a script.
    ///
    /// Another process writes it: a file that is open for writing here, and so in
    /// whatever is forked meanwhile, cannot be run.
    pub fn make_script(file: &Path, script: &str) {
        let mut command = process::Command::new("/bin/sh");
        command.args(["-c", "cat >\"$0\" && chmod 755 \"$0\""]).arg(file);
        Program::new(command).write_stdin(script).assert().success();
    }

    /// The lines that jobs have left in a file.
    pub fn lines(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.path(name)).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// What every process of this user has in its environment.
    pub fn marker(&self) -> String {
        format!("TEST_HOME={}", self.folder.path().display())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        kill_marked(&self.marker());
    }
}

/// The dispatcher.
pub fn dispatcher() -> &'static str {
    env!("CARGO_BIN_EXE_queuectl")
}

/// The user's PATH with the programs in front, as after an installation.
pub fn path_with_the_programs() -> OsString {
    let mut folders = vec![Path::new(dispatcher()).parent().unwrap().to_owned()];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    std::env::join_paths(folders).unwrap()
}

fn beside_the_dispatcher(name: &OsStr) -> PathBuf {
    let mut program = OsString::from("queuectl-");
    program.push(name);
    Path::new(dispatcher()).with_file_name(program)
}

/// What is said on standard error to who waits where nobody works.
pub const NO_WORKER: &str = "No worker is running; start one with `queuectl worker start`\n";

/// A duration in seconds, for bounds that a document names.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
