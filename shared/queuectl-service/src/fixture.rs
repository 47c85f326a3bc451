//! What the tests of this crate share: a real queue in a file of its own.

use queuectl_core::{
    CommandLine, Environment, Job, JobId, Lease, NewJob, Outcome, RetryPolicy, Timestamp, WorkerId,
};
use queuectl_store::{
    Access, Ended, Exchange, Life, Location, NewWorker, OnTaken, OpenOptions, Registration, Store,
    WorkerRecord, open,
};
use std::time::Duration;
use tempfile::TempDir;

/// No retry is far away.
const POLICY: RetryPolicy = RetryPolicy { base: 2.0, max: Duration::from_mins(1), crash_limit: 2 };

/// A queue, and the folder it lies in.
pub(crate) struct Queue {
    store: Box<dyn Store>,
    _folder: TempDir,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions::new(Access::Write, Duration::from_secs(30));
        let store = open(&Location::File(folder.path().join("queue.db")), &options).unwrap();
        Self { store, _folder: folder }
    }

    pub(crate) fn store(&mut self) -> &mut dyn Store {
        self.store.as_mut()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// Adds jobs of these ids, without retries.
    pub(crate) fn add(&mut self, ids: &[&str]) {
        let jobs: Vec<NewJob> = ids.iter().map(|id| job(id)).collect();
        let now = self.now();
        self.store.enqueue(&jobs, OnTaken::Refuse, now).unwrap();
    }

    /// Adds a job that is held.
    pub(crate) fn add_held(&mut self, id: &str) {
        let now = self.now();
        self.store.enqueue(&[NewJob { hold: true, ..job(id) }], OnTaken::Refuse, now).unwrap();
    }

    pub(crate) fn job(&mut self, id: &str) -> Job {
        self.store.job(&JobId::trusted(id.to_owned())).unwrap().unwrap()
    }

    /// Has a worker of one slot, which lives as long as what is returned, claim jobs.
    pub(crate) fn claim(&mut self, want: u32) -> Claimed {
        let now = self.now();
        let registration = self.store.register(&NewWorker::of_this_process(1), now).unwrap();
        let exchange = Exchange { want, ..Exchange::nothing(&POLICY) };
        let exchanged = self.store.exchange(registration.id, &exchange, now).unwrap();
        let leases = exchanged.claimed.iter().map(Job::last_lease).collect();
        Claimed { registration, leases }
    }

    /// Has the worker record that each of its attempts ended with this exit code, and end.
    pub(crate) fn end(&mut self, claimed: Claimed, exit_code: i32) {
        let Claimed { registration, leases } = claimed;
        let now = self.now();
        let ended: Vec<Ended> = leases
            .into_iter()
            .map(|lease| Ended {
                lease,
                started_at: now,
                ended_at: now,
                outcome: Outcome::Exit(exit_code),
                error: (exit_code != 0).then(|| format!("exit code {exit_code}")),
                output_bytes: 0,
                dropped_bytes: 0,
            })
            .collect();
        let exchange = Exchange { ended: &ended, ..Exchange::nothing(&POLICY) };
        self.store.exchange(registration.id, &exchange, now).unwrap();
        self.store.retire(registration.id, &POLICY, now).unwrap();
    }

    /// Adds jobs of these ids that die at once.
    pub(crate) fn add_dead(&mut self, ids: &[&str]) {
        self.add(ids);
        let claimed = self.claim(ids.len() as u32);
        assert_eq!(claimed.leases.len(), ids.len());
        self.end(claimed, 7);
    }
}

/// A worker and what it holds.
pub(crate) struct Claimed {
    pub(crate) registration: Registration,
    pub(crate) leases: Vec<Lease>,
}

/// A job that can be added.
pub(crate) fn job(id: &str) -> NewJob {
    NewJob {
        id: JobId::new(id).unwrap(),
        command: CommandLine::new("true").unwrap(),
        cwd: "/".into(),
        env: Environment::default(),
        queue: "default".into(),
        priority: 0,
        max_retries: 0,
        timeout: None,
        delay: Duration::ZERO,
        run_at: None,
        hold: false,
        unique: None,
    }
}

/// A worker on some machine.
pub(crate) fn worker(host: &str, boot_id: &str, life: Life) -> WorkerRecord {
    WorkerRecord {
        id: WorkerId(1),
        host: host.into(),
        pid: 1,
        manager_pid: 1,
        boot_id: boot_id.into(),
        pid_namespace: 0,
        run: String::new(),
        note_region: 0,
        concurrency: 1,
        queues: queuectl_core::QueueSet::ALL,
        path: String::new(),
        started_at: Timestamp::default(),
        ended_at: None,
        is_here: true,
        heartbeat_at: None,
        lease: None,
        life,
        is_stalled: false,
        stop: None,
        jobs_done: 0,
        jobs_now: 0,
        unreadable: None,
    }
}
