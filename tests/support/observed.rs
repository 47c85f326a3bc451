//! What a test sees of a user's queue, and of what runs for it.

use super::home::Home;
use super::processes::{Role, marked, role};
use super::wait::{DEADLINE, wait_until};
use queuectl_core::{Attempt, Job, JobId, Outcome, State};
use queuectl_files::Owners;
use queuectl_store::{Access, Counts, Location, OpenOptions, Store, StoreError};

impl Home {
    /// Looks at the queue without a program in between; never makes one.
    pub fn store(&self) -> Box<dyn Store> {
        let (location, options) = (self.location(), self.open_options(Access::Read));
        let mut opened = None;
        wait_until(DEADLINE, "the queue can be opened", || {
            match queuectl_store::open(&location, &options) {
                Ok(store) => opened = Some(store),
                // A program is making it at this moment.
                Err(StoreError::OlderSchema { found: 0, .. }) => {}
                Err(error) => panic!("{error}"),
            }
            opened.is_some()
        });
        opened.unwrap()
    }

    /// Where the queue is.
    pub fn location(&self) -> Location {
        self.url.clone().map_or_else(|| Location::File(self.database()), Location::Url)
    }

    /// How a test opens the queue, as one who types on this machine.
    pub fn open_options(&self, access: Access) -> OpenOptions {
        // A test of another user looks into that user's queue.
        let owners = if self.is_unprivileged { Owners::AnyForRoot } else { Owners::Own };
        OpenOptions { state_folder: Some(self.queue_folder()), owners, ..OpenOptions::new(access, DEADLINE) }
    }

    /// A job that must be there.
    pub fn job(&self, id: &str) -> Job {
        self.store()
            .job(&JobId::trusted(id.into()))
            .unwrap()
            .unwrap_or_else(|| panic!("there is no job {id}"))
    }

    /// The attempts of a job that must be there.
    pub fn attempts(&self, id: &str) -> Vec<Attempt> {
        let seq = self.job(id).seq;
        self.store().attempts(seq).unwrap()
    }

    /// Where a job stands.
    pub fn state(&self, id: &str) -> State {
        self.job(id).state
    }

    /// How many jobs stand where.
    pub fn counts(&self) -> Counts {
        self.store().counts().unwrap()
    }

    /// Waits until a job is in a state.
    pub fn wait_for(&self, id: &str, state: State) {
        let mut last = None;
        wait_until(DEADLINE, &format!("job {id} is {state}"), || {
            last = Some(self.state(id));
            last == Some(state)
        });
    }

    /// The processes of workers that live.
    pub fn worker_pids(&self) -> Vec<i32> {
        let workers = self.store().workers().unwrap();
        workers.into_iter().map(|worker| i32::try_from(worker.pid).unwrap()).collect()
    }

    /// The managers and workers of this user, as the kernel knows them; no jobs.
    pub fn managers_and_workers(&self) -> Vec<i32> {
        let meant = |pid: &i32| matches!(role(*pid), Some(Role::Manager | Role::Worker));
        marked(&[&self.marker()]).into_iter().filter(meant).collect()
    }

    /// The guardians of this user's managers.
    pub fn guardians(&self) -> Vec<i32> {
        let meant = |pid: &i32| role(*pid) == Some(Role::Guardian);
        marked(&[&self.marker()]).into_iter().filter(meant).collect()
    }

    /// The processes that belong to a job.
    pub fn processes_of(&self, id: &str) -> Vec<i32> {
        marked(&[&self.marker(), &format!("QUEUECTL_JOB_ID={id}")])
    }

    /// Waits until no process of a job is left.
    pub fn wait_until_nothing_is_left_of(&self, id: &str) {
        wait_until(DEADLINE, &format!("no process of job {id} is left"), || self.processes_of(id).is_empty());
    }

    /// How each attempt of a job ended; none while it runs.
    pub fn outcomes(&self, id: &str) -> Vec<Option<Outcome>> {
        self.attempts(id).iter().map(|attempt| attempt.outcome).collect()
    }

    /// The process of the worker that holds a job.
    pub fn holder(&self, id: &str) -> i32 {
        let worker = self.job(id).worker.expect("a worker holds it");
        i32::try_from(self.store().worker(worker).unwrap().unwrap().pid).unwrap()
    }
}
