//! What the tests of this crate share: a queue of their own, and a store that can
//! be made to fail or to keep its caller waiting.

use crate::options::WorkerOptions;
use queuectl_core::{
    Attempt, CommandLine, Environment, Filter, Job, JobId, JobReference, Lease, NewJob, QueueRules,
    RetryPolicy, Seq, State, Timestamp, UniqueKey, WorkerId,
};
use queuectl_store::{
    Access, Clock, Counts, Exchange, Exchanged, Finding, Location, LockFile, NewWorker, OnTaken, OpenOptions,
    OutputPart, Reader, Registration, Rescued, Result, ServerProblem, Stop, Store, StoreError, Taken, Worker,
    WorkerRecord, open,
};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing that is waited for takes so long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for a fact.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "waited too long until {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A queue in a folder of its own.
pub(crate) struct Queue {
    folder: TempDir,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The store as it is, without moods.
    pub(crate) fn store(&self) -> Box<dyn Store> {
        let options = OpenOptions::new(Access::Write, DEADLINE);
        open(&Location::File(self.path("queue.db")), &options).unwrap()
    }

    pub(crate) fn enqueue(&self, id: &str, command: &str) {
        let job = NewJob {
            id: JobId::trusted(id.into()),
            command: CommandLine::trusted(command.into()),
            cwd: self.folder.path().display().to_string(),
            env: Environment::default(),
            queue: "default".into(),
            priority: 0,
            max_retries: 3,
            timeout: None,
            delay: Duration::ZERO,
            run_at: None,
            hold: false,
            unique: None,
        };
        let mut store = self.store();
        let now = store.clock().now();
        store.enqueue(&[job], OnTaken::Refuse, now).unwrap();
    }

    pub(crate) fn job(&self, id: &str) -> Job {
        self.store().job(&JobId::trusted(id.into())).unwrap().unwrap()
    }

    /// What a worker of this queue would be told.
    pub(crate) fn options(&self) -> WorkerOptions {
        WorkerOptions {
            as_root: false,
            database: Some(self.path("queue.db")),
            server: None,
            busy_timeout_ms: 30_000,
            connect_timeout_ms: 10_000,
            state_folder: None,
            manager_pid: std::process::id(),
            concurrency: 1,
            queues: Vec::new(),
            max_jobs: None,
            drain: None,
            poll_interval_ms: 20,
            kill_grace_ms: 200,
            lease_ms: 30_000,
            output_limit: 1 << 20,
            backoff_base: 0.0,
            backoff_max_ms: 0,
            crash_limit: 5,
        }
    }
}

/// What the store does when it is asked for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// No answer comes, and nothing happens.
    Away,
    /// What is asked for happens, and the answer does not come.
    Silent,
    /// The same, if the answer would be jobs.
    SilentAboutJobs,
}

/// Changes the mood of a [`Moody`] store, and knows how it was treated.
#[derive(Clone)]
pub(crate) struct Remote(Arc<(Mutex<(Mood, u32)>, Condvar)>);

impl Remote {
    pub(crate) fn new() -> Self {
        Self(Arc::new((Mutex::new((Mood::Well, 0)), Condvar::new())))
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.0.0.lock().unwrap().0 = mood;
        self.0.1.notify_all();
    }

    /// How often its mood has been felt.
    pub(crate) fn felt(&self) -> u32 {
        self.0.0.lock().unwrap().1
    }

    fn before(&self) -> Result<()> {
        let mut state = self.0.0.lock().unwrap();
        if state.0 != Mood::Away {
            return Ok(());
        }
        state.1 += 1;
        let problem = ServerProblem::Unreachable { host: "db:5432".into(), reason: "gone".into() };
        Err(StoreError::Server { queue: Location::Url("postgres://db/q".into()), problem })
    }

    fn after(&self, mood: Mood) {
        let mut state = self.0.0.lock().unwrap();
        if state.0 == mood {
            state.1 += 1;
            drop(self.0.1.wait_while(state, |state| state.0 == mood).unwrap());
        }
    }
}

/// A store with moods, as far as workers and managers know a store.
pub(crate) struct Moody {
    pub(crate) store: Box<dyn Store>,
    pub(crate) remote: Remote,
}

macro_rules! with_moods {
    ($($name:ident(&mut self $(, $value:ident: $kind:ty)*) -> $answer:ty;)*) => {
        $(fn $name(&mut self $(, $value: $kind)*) -> Result<$answer> {
            self.remote.before()?;
            let answer = self.store.$name($($value),*);
            self.remote.after(Mood::Silent);
            answer
        })*
    };
}

impl Worker for Moody {
    fn exchange(&mut self, worker: WorkerId, exchange: &Exchange<'_>, now: Timestamp) -> Result<Exchanged> {
        self.remote.before()?;
        let exchanged = self.store.exchange(worker, exchange, now)?;
        self.remote.after(Mood::Silent);
        if !exchanged.claimed.is_empty() {
            self.remote.after(Mood::SilentAboutJobs);
        }
        Ok(exchanged)
    }

    fn lock_file_path(&self) -> PathBuf {
        self.store.lock_file_path()
    }

    with_moods! {
        register(&mut self, worker: &NewWorker, now: Timestamp) -> Registration;
        retire(&mut self, worker: WorkerId, policy: &RetryPolicy, now: Timestamp) -> ();
        lock_file(&mut self) -> LockFile;
        take(&mut self, worker: &WorkerRecord) -> Option<Taken>;
        claims(&mut self, worker: WorkerId) -> Vec<Lease>;
        rescue(&mut self, worker: WorkerId, started: &[Lease], policy: &RetryPolicy, now: Timestamp) -> Rescued;
        request_stop(&mut self, workers: &[WorkerId], stop: Stop, now: Timestamp) -> ();
        note_stop(&mut self, worker: WorkerId, stop: Stop) -> ();
        stops(&mut self) -> i64;
        ring(&mut self) -> ();
    }
}

impl Reader for Moody {
    fn clock(&self) -> Clock {
        self.store.clock()
    }

    with_moods! {
        job(&mut self, id: &JobId) -> Option<Job>;
        states(&mut self, seqs: &[Seq]) -> Vec<(Seq, State)>;
        jobs(&mut self, filter: &Filter) -> Vec<Job>;
        count(&mut self, filter: &Filter, most: u32) -> u64;
        seqs(&mut self, filter: &Filter) -> Vec<Seq>;
        jobs_meant(&mut self, reference: &JobReference, limit: u32) -> Vec<Job>;
        first_of_newest(&mut self, filter: &Filter, count: u64) -> Option<Seq>;
        counts(&mut self) -> Counts;
        counts_by_queue(&mut self) -> Vec<(String, Counts)>;
        rules(&mut self) -> Vec<QueueRules>;
        attempts(&mut self, seq: Seq) -> Vec<Attempt>;
        output(&mut self, lease: Lease, from: i64, limit: u32) -> Vec<OutputPart>;
        output_end(&mut self, lease: Lease, bytes: u32) -> Vec<OutputPart>;
        worker(&mut self, id: WorkerId) -> Option<WorkerRecord>;
        workers(&mut self) -> Vec<WorkerRecord>;
        taken_ids(&mut self, ids: &[&JobId]) -> Vec<JobId>;
        taken_keys(&mut self, keys: &[&UniqueKey], now: Timestamp) -> Vec<(UniqueKey, JobId)>;
        check(&mut self) -> Vec<String>;
    }

    fn diagnose(&mut self) -> Vec<Finding> {
        self.store.diagnose()
    }
}
