//! Waits until nobody works at the old place any more.

use queuectl_cli::text::plural;
use queuectl_cli::{Context, Failure};
use queuectl_core::{State, WorkerId};
use queuectl_runtime::{RescueError, rescue};
use queuectl_store::{Life, Store, Worker};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How often it looks whether they are gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// After so many looks a person wants to know what is waited for.
const LOOKS_IN_SILENCE: u32 = 10;

/// What is left of a worker that cannot be seen from here is given so long to end.
const UNSEEN_WAITS: Duration = Duration::from_secs(10);

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

fn say_who_is_waited_for(cx: &Context, workers: &[Worker]) {
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
    unseen_since: HashMap<WorkerId, Instant>,
    obstacles: HashMap<WorkerId, String>,
}

impl TheDead {
    /// Ends what a dead worker has left and takes its jobs back, if nobody else does.
    fn look_after(&mut self, cx: &Context, old: &mut dyn Store, worker: &Worker) -> Result<(), Failure> {
        let has_waited =
            self.unseen_since.get(&worker.id).is_some_and(|since| since.elapsed() >= UNSEEN_WAITS);
        let policy = cx.settings()?.retry_policy();
        match rescue(old, worker.id, &policy, has_waited) {
            Ok(_) => {
                self.obstacles.remove(&worker.id);
            }
            Err(RescueError::Store(error)) if error.is_passing() => return Err(error.into()),
            Err(error) => {
                if matches!(error, RescueError::Unseen) {
                    self.unseen_since.entry(worker.id).or_insert_with(Instant::now);
                }
                self.obstacles.insert(worker.id, error.to_string());
            }
        }
        Ok(())
    }

    /// Says why a worker may never end, if it may not.
    fn trouble_with(&self, worker: &Worker) -> Option<String> {
        const SEE: &str = "see `queuectl worker list`";
        let named = format!("worker {} (PID {} on {})", worker.id, worker.pid, worker.host);
        match (self.obstacles.get(&worker.id), worker.life) {
            (Some(obstacle), _) => Some(format!("hint: {named} has died: {obstacle}; {SEE}")),
            (None, Life::Unknown) => Some(format!("hint: nobody can tell whether {named} lives; {SEE}")),
            (None, Life::Alive) if worker.is_stalled => Some(format!(
                "hint: {named} was stopped and stands still; let it go on with `kill -CONT {}`",
                worker.pid
            )),
            (None, _) => None,
        }
    }
}
