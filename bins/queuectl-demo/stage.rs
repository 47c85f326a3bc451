//! Where the demo plays: a queue of its own, and the real programs.

use queuectl_cli::{Context, Failure, Output, table};
use queuectl_core::{Filter, Job, Seq, State};
use queuectl_service::job_fields::JobDocument;
use queuectl_store::{Access, Location, OpenOptions, open};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often the jobs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// If it takes longer than this, something is wrong with the machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The stage; all of it is gone when it is dropped.
pub(crate) struct Stage {
    home: TempDir,
    programs: PathBuf,
    output: Output,
    json: bool,
    began: Instant,
    seen: RefCell<HashMap<Seq, State>>,
}

/// Workers that are ended with the demo, whatever happens.
pub(crate) struct Workers(Child);

impl Stage {
    /// Makes a temporary queue.
    pub(crate) fn set(cx: &Context, json: bool) -> Result<Self, Failure> {
        let home = tempfile::Builder::new().prefix("queuectl-demo-").tempdir();
        let home =
            home.map_err(|error| Failure::error(format!("cannot make a temporary folder: {error}")))?;
        let program = std::env::current_exe().map_err(|error| cannot_run("queuectl-demo", &error))?;
        let programs = program.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self {
            home,
            programs,
            output: cx.output(),
            json,
            began: Instant::now(),
            seen: RefCell::default(),
        })
    }

    /// The folder in which the jobs run.
    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Tells the person what comes next.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.output.line(format!("\n{text}")) }
    }

    /// Runs a command of the family as a person would, and shows both.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<(), Failure> {
        self.show(arguments)?;
        let ended = self.command(arguments).status().map_err(|error| cannot_run("queuectl", &error))?;
        if ended.success() {
            return Ok(());
        }
        Err(Failure::error(format!("`queuectl {}` ended with {ended}", arguments.join(" "))))
    }

    /// Starts workers; their log would only get in the way here.
    pub(crate) fn start_workers(&self, arguments: &[&str]) -> Result<Workers, Failure> {
        self.show(arguments)?;
        let workers = self.command(arguments).stderr(Stdio::null()).stdin(Stdio::null()).spawn();
        Ok(Workers(workers.map_err(|error| cannot_run("queuectl", &error))?))
    }

    /// Waits until the jobs are as wanted, and shows each change of state on the way.
    pub(crate) fn watch_until(&self, wanted: impl Fn(&[Job]) -> bool) -> Result<Vec<Job>, Failure> {
        let options = OpenOptions::new(Access::Read, PATIENCE);
        let mut queue = open(&Location::File(self.folder().join("queue.db")), &options)?;
        let everything = Filter::default();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let jobs = queue.jobs(&everything)?;
            for job in &jobs {
                if self.seen.borrow_mut().insert(job.seq, job.state) != Some(job.state) {
                    self.show_change(job)?;
                }
            }
            if wanted(&jobs) {
                return Ok(jobs);
            }
            self.output.pause(LOOK_EVERY)?;
        }
        Err(Failure::error("the demo's jobs did not come to an end within 60 s"))
    }

    /// Prints the jobs for a program that reads them.
    pub(crate) fn print_if_json(&self, jobs: &[Job]) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let documents: Vec<_> = jobs.iter().map(JobDocument::from).collect();
        self.output.json(&documents)
    }

    fn show_change(&self, job: &Job) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let reason = match (job.state, &job.last_error) {
            (State::Failed | State::Dead, Some(error)) => format!("  ({error})"),
            _ => String::new(),
        };
        self.output.line(format!("  {seconds:4.1} s  {:8} {}{reason}", job.id, table::state(job.state)))
    }

    fn show(&self, arguments: &[&str]) -> Result<(), Failure> {
        if self.json {
            Ok(())
        } else {
            self.output.line(format!("$ queuectl {}", shell_words::join(arguments)))
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("queuectl"));
        command.args(arguments).current_dir(self.folder());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUEUECTL_") {
                command.env_remove(name);
            }
        }
        command.env("QUEUECTL_HOME", self.folder());
        if self.json {
            command.stdout(Stdio::null());
        }
        command
    }
}

impl Workers {
    /// Waits until they have stopped.
    pub(crate) fn wait(mut self) -> Result<(), Failure> {
        let ended = self.0.wait().map_err(|error| cannot_run("queuectl-worker", &error))?;
        if ended.success() { Ok(()) } else { Err(Failure::error(format!("the workers ended with {ended}"))) }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Without their manager the workers stop by themselves.
        let _gone_already = self.0.kill();
        let _gone_already = self.0.wait();
    }
}

fn cannot_run(program: &str, error: &io::Error) -> Failure {
    Failure::error(format!("{program} cannot be run: {error}"))
        .hint("install the whole family: `cargo install --locked --path .`")
}
