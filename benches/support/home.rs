//! A user of their own for each run.

use super::{Bench, Result, Worker};
use crate::ground::hosts::Host;
use crate::ground::postgres::{Schema, Server};
use queuectl_core::{CommandLine, DEFAULT_QUEUE, Environment, JobId, NewJob, Timestamp};
use queuectl_store::{Access, Clock, Counts, Location, OnTaken, OpenOptions, Store};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// Jobs of one transaction when a queue is filled.
const BATCH: usize = 10_000;

/// A user with an empty queue and default settings.
pub(crate) struct Home {
    folder: TempDir,
    /// Where the queue is, if it is on a server.
    place: Option<Place>,
    machine: Option<Host>,
}

/// A queue on a server.
struct Place {
    schema: Arc<Schema>,
    /// How this process gets there.
    url: String,
    /// How this user's programs do.
    url_for_programs: String,
}

impl Home {
    /// With the queue in a file.
    pub(crate) fn new(bench: &Bench) -> Result<Self> {
        Self { folder: bench.folder()?, place: None, machine: None }.with_a_queue()
    }

    /// With the queue in a schema of its own on a server, reached through its socket.
    pub(crate) fn on_server(bench: &Bench, server: &Server) -> Result<Self> {
        let schema = Arc::new(server.schema());
        let url = server.url(schema.name());
        let place = Place { schema, url: url.clone(), url_for_programs: url };
        Self { folder: bench.folder()?, place: Some(place), machine: None }.with_a_queue()
    }

    /// The same queue for another user, who reaches the server through TCP from a
    /// machine, or from this one.
    pub(crate) fn elsewhere(&self, bench: &Bench, server: &Server, machine: Option<Host>) -> Result<Self> {
        let there = self.place.as_ref().ok_or("the queue is on no server")?;
        let place = Place {
            schema: Arc::clone(&there.schema),
            url: there.url.clone(),
            url_for_programs: server.tcp_url(there.schema.name()),
        };
        Ok(Self { folder: bench.folder()?, place: Some(place), machine })
    }

    fn with_a_queue(self) -> Result<Self> {
        drop(self.store(Access::Write)?);
        Ok(self)
    }

    /// A path in this user's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Any program, in this user's surroundings, silent.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match &self.machine {
            Some(machine) => silent(machine.command(program, self.folder.path())),
            None => plain(program),
        };
        if let Some(place) = &self.place {
            command.env("QUEUECTL_DATABASE", &place.url_for_programs);
        }
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

    /// The machine this user is on, if it is not this one.
    pub(crate) fn machine(&self) -> Option<&Host> {
        self.machine.as_ref()
    }

    /// The tables of a queue on a server.
    pub(crate) fn tables(&self) -> Result<postgres::Client> {
        Ok(self.place.as_ref().ok_or("the queue is on no server")?.schema.client())
    }

    /// Starts workers and waits until they are there.
    pub(crate) fn worker(&self, arguments: &[&str]) -> Result<Worker> {
        Worker::start(self, arguments)
    }

    /// This user's queue, without a program in between.
    pub(crate) fn store(&self, access: Access) -> Result<Box<dyn Store>> {
        let mut options = OpenOptions::new(access, Duration::from_secs(30));
        options.state_folder = Some(self.folder.path().to_owned());
        let location = match &self.place {
            Some(place) => Location::Url(place.url.clone()),
            None => Location::File(self.path("queue.db")),
        };
        Ok(queuectl_store::open(&location, &options)?)
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
            queue: DEFAULT_QUEUE.into(),
            priority: 0,
            max_retries: 3,
            timeout: None,
            delay: Duration::ZERO,
            run_at: None,
            hold: false,
            unique: None,
        })
    }

    /// Fills the queue.
    pub(crate) fn fill(&self, count: usize, command: &str) -> Result {
        self.fill_queue(DEFAULT_QUEUE, count, command)
    }

    /// Fills a queue of this name.
    pub(crate) fn fill_queue(&self, queue: &str, count: usize, command: &str) -> Result {
        let mut store = self.store(Access::Write)?;
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            let jobs = (0..batch)
                .map(|_| Ok(NewJob { queue: queue.to_owned(), ..self.job(command)? }))
                .collect::<Result<Vec<_>>>()?;
            store.enqueue(&jobs, OnTaken::Refuse, now())?;
            left -= batch;
        }
        Ok(())
    }
}

/// Any program, silent, with nothing in its surroundings that means a queue.
pub(crate) fn plain(program: impl AsRef<OsStr>) -> Command {
    silent(Command::new(program))
}

fn silent(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if ["QUEUECTL", "XDG_", "PG"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(&name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The time, as the store wants it.
pub(crate) fn now() -> Timestamp {
    Clock::of_this_machine().now()
}
