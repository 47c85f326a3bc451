//! How the processes of a job are known: by a variable each of them inherits.
//!
//! `QUEUECTL_RUN=<random id of the queue>/<worker>/<seq>/<lease>`. The random id
//! keeps two queues on one machine apart, also when one is a copy of the other.

use queuectl_core::{JOB_VARIABLES, Job, Lease, Seq, WorkerId, without_password};
use queuectl_files::AS_ROOT_VARIABLE;
use queuectl_store::Location;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::process::Command;
use std::sync::Arc;

/// The variable that marks a job's processes.
pub(crate) const RUN: &str = JOB_VARIABLES[0];

/// The beginning of the markers of all that a worker has started.
pub(crate) fn of_worker(run: &str, worker: WorkerId) -> String {
    format!("{run}/{worker}/")
}

/// The marker of one attempt.
pub(crate) fn of_attempt(run: &str, worker: WorkerId, lease: Lease) -> String {
    format!("{run}/{worker}/{}/{}", lease.seq, lease.number)
}

/// Tells whether this process was started from inside a job.
pub fn is_inside_a_job() -> bool {
    std::env::var_os(RUN).is_some()
}

/// The job that this process was started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surrounding {
    /// The random id of its queue.
    pub run: String,
    /// Who runs it.
    pub worker: WorkerId,
    /// Which job, and which claim of it.
    pub lease: Lease,
}

impl Surrounding {
    /// Reads it from the environment; none outside of jobs.
    pub fn of_this_process() -> Option<Self> {
        Self::parse(std::env::var(RUN).ok()?.as_str())
    }

    fn parse(marker: &str) -> Option<Self> {
        let mut parts = marker.rsplitn(4, '/');
        let number = parts.next()?.parse().ok()?;
        let seq = Seq(parts.next()?.parse().ok()?);
        let worker = WorkerId(parts.next()?.parse().ok()?);
        Some(Self { run: parts.next()?.to_owned(), worker, lease: Lease { seq, number } })
    }
}

/// The worker's own environment, less what it inherited as a job of some queue.
pub fn worker_environment() -> HashMap<OsString, OsString> {
    let mut environment: HashMap<OsString, OsString> = std::env::vars_os().collect();
    for name in JOB_VARIABLES {
        environment.remove(OsStr::new(name));
    }
    environment
}

/// What a worker's jobs inherit: its own environment without its settings, and
/// nothing that would let them into the server of the queue.
pub(crate) fn environment_of_jobs(queue: &Location, settings: &[String]) -> HashMap<OsString, OsString> {
    let mut environment = worker_environment();
    // Root's word was for the workers, not for what their jobs do.
    environment.remove(OsStr::new(AS_ROOT_VARIABLE));
    for name in settings {
        environment.remove(OsStr::new(name));
    }
    if let Location::Url(_) = queue {
        hide_the_password(&mut environment);
    }
    environment
}

fn hide_the_password(environment: &mut HashMap<OsString, OsString>) {
    environment.remove(OsStr::new("PGPASSWORD"));
    if let Some(database) = environment.get_mut(OsStr::new("QUEUECTL_DATABASE")) {
        *database = without_password(&database.to_string_lossy()).into();
    }
}

/// The environment of one attempt: the worker's, shared, and on top of it the job's.
pub(crate) struct JobEnvironment {
    worker: Arc<HashMap<OsString, OsString>>,
    own: Vec<(OsString, OsString)>,
}

impl JobEnvironment {
    /// What an attempt of a job runs with.
    pub(crate) fn new(worker: &Arc<HashMap<OsString, OsString>>, job: &Job, marker: &str) -> Self {
        let asked_for = job.env.variables().iter().map(|(name, value)| (name.into(), value.into()));
        // Last, so that no job can pose as another.
        let values = [
            marker.to_owned(),
            job.id.to_string(),
            job.attempts.to_string(),
            job.max_retries.to_string(),
            job.lease.to_string(),
            job.queue.clone(),
        ];
        let told = JOB_VARIABLES.into_iter().zip(values).map(|(name, value)| (name.into(), value.into()));
        Self { worker: Arc::clone(worker), own: asked_for.chain(told).collect() }
    }

    /// Gives a command these variables and no others.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.env_clear();
        command.envs(self.worker.iter());
        command.envs(self.own.iter().map(|(name, value)| (name, value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_tells_where_a_process_was_started() {
        let lease = Lease { seq: Seq(12), number: 3 };
        let surrounding = Surrounding { run: "ab".into(), worker: WorkerId(7), lease };
        assert_eq!(Surrounding::parse(&of_attempt("ab", WorkerId(7), lease)), Some(surrounding));
        for other in ["", "ab", "ab/7/12", "ab/x/12/3"] {
            assert_eq!(Surrounding::parse(other), None);
        }
    }

    #[test]
    fn no_job_inherits_the_password_of_the_queue() {
        let given =
            [("PGPASSWORD", "secret"), ("PGUSER", "me"), ("QUEUECTL_DATABASE", "postgres://me:secret@db/q")];
        let mut environment = given.map(|(name, value)| (name.into(), value.into())).into();
        hide_the_password(&mut environment);
        let kept = [("PGUSER", "me"), ("QUEUECTL_DATABASE", "postgres://me@db/q")];
        assert_eq!(environment, kept.map(|(name, value)| (name.into(), value.into())).into());
    }
}
