//! A user of their own for each run.

use super::{Bench, Result, Worker};
use queuectl_core::{CommandLine, Environment, JobId, NewJob, Timestamp};
use queuectl_store::{Access, Counts, Location, OnTaken, OpenOptions, Store};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use uuid::Uuid;

/// Jobs of one transaction when a queue is filled.
const BATCH: usize = 10_000;

/// A user with an empty queue and default settings.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new(bench: &Bench) -> Result<Self> {
        let home = Self { folder: bench.folder()? };
        drop(home.store(Access::Write)?);
        Ok(home)
    }

    /// A path in this user's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Any program, in this user's surroundings, silent.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = plain(program);
        command
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.folder.path())
            .env("QUEUECTL_HOME", self.folder.path())
            .current_dir(self.folder.path());
        command
    }

    /// `queuectl …`, through the dispatcher.
    pub(crate) fn queuectl<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_queuectl"));
        command.args(arguments);
        command
    }

    /// Starts workers and waits until they are there.
    pub(crate) fn worker(&self, arguments: &[&str]) -> Result<Worker> {
        Worker::start(self, arguments)
    }

    /// This user's queue, without a program in between.
    pub(crate) fn store(&self, access: Access) -> Result<Box<dyn Store>> {
        let options = OpenOptions { access, busy_timeout: Duration::from_secs(30) };
        Ok(queuectl_store::open(&Location::File(self.path("queue.db")), &options)?)
    }

    /// Jobs by state.
    pub(crate) fn counts(&self) -> Result<Counts> {
        Ok(self.store(Access::Read)?.counts()?)
    }

    /// One job as `enqueue` makes it.
    pub(crate) fn job(&self, command: &str) -> Result<NewJob> {
        Ok(NewJob {
            id: JobId::new(Uuid::now_v7().to_string())?,
            command: CommandLine::new(command)?,
            cwd: self.folder.path().to_string_lossy().into_owned(),
            env: Environment::default(),
            queue: "default".into(),
            priority: 0,
            max_retries: 3,
            timeout: None,
            delay: Duration::ZERO,
        })
    }

    /// Fills the queue.
    pub(crate) fn fill(&self, count: usize, command: &str) -> Result {
        let mut store = self.store(Access::Write)?;
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            let jobs = (0..batch).map(|_| self.job(command)).collect::<Result<Vec<_>>>()?;
            store.enqueue(&jobs, OnTaken::Refuse, now())?;
            left -= batch;
        }
        Ok(())
    }
}

/// Any program, silent, with nothing in its surroundings that means a queue.
pub(crate) fn plain(program: impl AsRef<OsStr>) -> Command {
    let program: &Path = Path::new(program.as_ref());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if ["QUEUECTL", "XDG_"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(&name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The time, as the store wants it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(since.as_millis() as i64)
}
