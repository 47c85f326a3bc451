//! A job with what belongs to it, as programs read it.

use crate::document::attempt::AttemptDocument;
use crate::job_fields::JobDocument;
use serde::Serialize;

/// A job with what its attempts left behind.
#[derive(Debug, Serialize)]
pub struct ShownJob<'a> {
    /// The job.
    #[serde(flatten)]
    pub job: JobDocument<'a>,
    /// The end of what its last attempt wrote, 64 KiB at most, as text; what is not UTF-8
    /// is replaced.
    pub output: Option<&'a str>,
    /// How much it wrote in all; null while it runs.
    pub output_bytes: Option<u64>,
    /// Whether `output` is less than that.
    pub output_is_cut: bool,
    /// Its attempts, oldest first.
    pub attempt_history: Vec<AttemptDocument<'a>>,
}

/// The job that was to be added, when it has come to rest.
#[derive(Debug, Serialize)]
pub struct AwaitedJob<'a> {
    /// The job, with what its attempts left behind.
    #[serde(flatten)]
    pub shown: ShownJob<'a>,
    /// It was there already, and what was given was left out.
    pub skipped: bool,
    /// It has the unique key that the given job was to have.
    pub existing: bool,
}

/// The job that is in the queue after it was to be added.
#[derive(Debug, Serialize)]
pub struct AddedJob<'a> {
    /// The job.
    #[serde(flatten)]
    pub job: JobDocument<'a>,
    /// It was there already, and what was given was left out.
    pub skipped: bool,
    /// It has the unique key that the given job was to have, which was left out, or has
    /// replaced what this one said.
    pub existing: bool,
}

/// The same where the job that has the unique key is gone, and the key stays taken.
#[derive(Debug, Serialize)]
pub struct GoneJob<'a> {
    /// Its id.
    pub id: &'a str,
    /// The key.
    pub unique: &'a str,
    /// As in [`AddedJob`]: false.
    pub skipped: bool,
    /// As in [`AddedJob`]: true.
    pub existing: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::write::to_string;
    use crate::job_fields::JOB_KEYS;
    use queuectl_core::{CommandLine, Environment, Job, JobId, Seq, Stage, State, Timestamp};

    fn job(state: State) -> Job {
        let at = Timestamp::from_millis(1_795_339_812_007);
        Job {
            seq: Seq(1),
            id: JobId::trusted("job-1".into()),
            command: CommandLine::trusted("echo 'a\n\u{202e}'".into()),
            cwd: "/".into(),
            env: Environment::default(),
            queue: "default".into(),
            unique_key: None,
            priority: 0,
            state,
            stage: Stage::Ready,
            attempts: 1,
            max_retries: 3,
            crashes: 0,
            lease: 1,
            worker: None,
            cancel_requested: false,
            timeout: None,
            created_at: at,
            updated_at: at,
            run_at: Some(at),
            blocked_by: None,
            started_at: None,
            finished_at: None,
            exit_code: None,
            signal: None,
            last_error: None,
            unreadable: None,
        }
    }

    #[test]
    fn a_job_has_every_key_and_null_for_what_is_not_set() {
        let shown = |state| {
            let job = job(state);
            let shown = ShownJob {
                job: (&job).into(),
                output: None,
                output_bytes: None,
                output_is_cut: false,
                attempt_history: Vec::new(),
            };
            serde_json::from_str::<serde_json::Value>(&to_string(&shown).unwrap()).unwrap()
        };
        let failed = shown(State::Failed);
        let mut keys: std::collections::BTreeSet<_> =
            failed.as_object().unwrap().keys().map(String::as_str).collect();
        keys.extend(["skipped", "existing"]);
        assert_eq!(keys, JOB_KEYS.into());
        assert_eq!(failed["next_retry_at"], "2026-11-22T09:30:12.007Z");
        assert_eq!(failed["command"], "echo 'a\n\u{202e}'");
        assert!(failed["exit_code"].is_null());
        assert!(shown(State::Pending)["next_retry_at"].is_null());
    }
}
