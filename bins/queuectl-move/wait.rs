//! Waits until no worker is at the old location any more.

use queuectl_cli::{Context, Failure};
use queuectl_core::{State, WorkerId};
use queuectl_runtime::{RescueError, rescue};
use queuectl_service::WorkerState;
use queuectl_service::amounts::plural;
use queuectl_service::wait::stop::LOOKS_IN_SILENCE;
use queuectl_service::wait::unseen::Unseen;
use queuectl_store::{Life, Store, WorkerRecord};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How often it looks whether they are gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits for the workers, and takes back what dead ones held.
pub(crate) fn wait(cx: &Context, old: &mut dyn Store) -> Result<(), Failure> {
    let mut dead = TheDead::default();
    let mut noted = HashSet::new();
    for look in 0_u32.. {
        let workers = old.workers()?;
        if workers.is_empty() {
            break;
        }
        for worker in workers.iter().filter(|worker| worker.life == Life::Dead) {
            dead.look_after(cx, old, worker)?;
        }
        if look == LOOKS_IN_SILENCE {
            say_who_is_waited_for(cx, &workers);
        }
        for worker in workers.iter().filter(|_| look >= LOOKS_IN_SILENCE) {
            if let Some(trouble) = dead.trouble_with(worker).filter(|_| noted.insert(worker.id)) {
                cx.output().note(trouble);
            }
        }
        cx.output().pause(LOOK_EVERY)?;
    }
    match old.counts()?[State::Processing] {
        0 => Ok(()),
        jobs => Err(Failure::error(format!(
            "{} processing, and no worker holds them",
            plural(jobs.unsigned_abs(), "job")
        ))
        .hint("see what is wrong with `queuectl doctor`")),
    }
}

fn say_who_is_waited_for(cx: &Context, workers: &[WorkerRecord]) {
    let jobs: u64 = workers.iter().map(|worker| worker.jobs_now).sum();
    cx.output().note(format!(
        "Waiting for {} to finish {}; Ctrl+C ends the wait, and the same command goes on later",
        plural(workers.len() as u64, "worker"),
        plural(jobs, "job"),
    ));
}

/// Dead workers whose jobs could not be taken back at once.
#[derive(Default)]
struct TheDead {
    unseen: Unseen,
    obstacles: HashMap<WorkerId, String>,
}

impl TheDead {
    /// Ends what a dead worker has left and takes its jobs back, if no other process does.
    fn look_after(
        &mut self,
        cx: &Context,
        old: &mut dyn Store,
        worker: &WorkerRecord,
    ) -> Result<(), Failure> {
        let policy = cx.settings()?.retry_policy();
        match rescue(old, worker.id, &policy, self.unseen.has_waited(worker.id)) {
            Ok(_) => {
                self.obstacles.remove(&worker.id);
            }
            Err(RescueError::Store(error)) if error.is_passing() => return Err(error.into()),
            Err(error) => {
                if matches!(error, RescueError::Unseen) {
                    self.unseen.note(worker.id);
                }
                self.obstacles.insert(worker.id, error.to_string());
            }
        }
        Ok(())
    }

    /// Says why a worker may never end, if it may not.
    fn trouble_with(&self, worker: &WorkerRecord) -> Option<String> {
        const SEE: &str = "see `queuectl worker list`";
        let named = format!("worker {} (PID {} on {})", worker.id, worker.pid, worker.host);
        match (self.obstacles.get(&worker.id), WorkerState::of(worker)) {
            (Some(obstacle), _) => Some(format!("hint: {named} has died: {obstacle}; {SEE}")),
            (None, WorkerState::Unknown) => {
                Some(format!("hint: nobody can tell whether {named} lives; {SEE}"))
            }
            (None, WorkerState::Stalled) => Some(format!(
                "hint: {named} was stopped and stands still; let it go on with `kill -CONT {}`",
                worker.pid
            )),
            (None, _) => None,
        }
    }
}
