//! What keeps a job waiting, told once each.

use crate::context::Context;
use crate::times::Times;
use queuectl_core::{Blocker, Job, JobId, State, Timestamp};
use queuectl_service::typed;
use queuectl_service::wait::jobs::MOST_NAMED;
use queuectl_store::Store;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How often is looked whether a worker is there for a job that is followed.
const DOUBTS_EVERY: Duration = Duration::from_secs(5);

/// What was said already of the jobs that are waited for.
#[derive(Debug, Default)]
pub struct Waiting {
    due: Option<Timestamp>,
    doubted_at: Option<Instant>,
    held: HashSet<JobId>,
}

impl Waiting {
    /// Says of a job that is followed when it is due, and what else keeps it waiting.
    pub fn tell_all(&mut self, cx: &Context, store: &mut dyn Store, job: &Job) {
        if job.run_at.is_some() && job.run_at != self.due {
            self.due = job.run_at;
            let due = job.run_at.map(|at| Times::of(cx).due(at)).unwrap_or_default();
            cx.output().note(match &job.last_error {
                Some(error) if job.state == State::Failed => {
                    format!("Job {} failed ({error}); it is due again: {due}", job.id)
                }
                _ => format!("Job {} is due: {due}", job.id),
            });
        }
        if job.blocked_by.is_none() {
            if self.doubted_at.is_some_and(|at| at.elapsed() < DOUBTS_EVERY) {
                return;
            }
            self.doubted_at = Some(Instant::now());
        }
        self.tell(cx, store, std::slice::from_ref(job));
    }

    /// Says of jobs what they wait for that only a person can do: a worker is to be
    /// started, a job is to be released.
    pub fn tell(&mut self, cx: &Context, store: &mut dyn Store, jobs: &[Job]) {
        let mut queues = HashSet::new();
        for job in jobs {
            match job.blocked_by {
                Some(Blocker::Hold) => self.tell_of_a_hold(cx, &job.id),
                None if queues.insert(&job.queue) => cx.note_if_nothing_starts(store, &job.queue),
                None => {}
            }
        }
    }

    fn tell_of_a_hold(&mut self, cx: &Context, id: &JobId) {
        if self.held.len() > MOST_NAMED || !self.held.insert(id.clone()) {
            return;
        }
        cx.output().note(if self.held.len() > MOST_NAMED {
            "… and more jobs are held".to_owned()
        } else {
            format!("Job {id} is held until `queuectl release {}`", typed(id.as_str()))
        });
    }
}
