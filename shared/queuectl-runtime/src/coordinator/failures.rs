//! What becomes of a worker whose store is out of order for now.
//!
//! Everything is kept and tried again, but for what would be tried for ever.

use crate::options::WorkerOptions;
use crate::worker_error::WorkerError;
use queuectl_store::{ServerProblem, Stop, StoreError};
use std::mem::{Discriminant, discriminant};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// A commit that failed for want of room is tried again after so long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A server that does not answer is asked again after a time between these, in
/// milliseconds: not all workers come back to it at once.
const ASK_AGAIN_AFTER: RangeInclusive<u64> = 200..=1000;

/// A disk that fails so often in a row is broken, and the worker ends. (Trying
/// again is safe: the database writes everything of a transaction anew, so nothing
/// depends on pages that a failed sync has left behind.)
const MOST_DISK_ERRORS: u32 = 10;

/// A worker that finds so often in a row that the lock it waits for is its own ends:
/// the lock ends with it.
const MOST_WAITS_FOR_ITSELF: u32 = 3;

/// So many obstacles in a row are told: a message may say something else each time.
const MOST_TOLD: usize = 5;

/// What could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Exchange,
    /// There was nothing to hand in: only a claim shows that it works again.
    Claim,
    /// All else is done, and only that this worker ends cannot be noted.
    Retire,
}

/// What a worker is doing while its store fails.
pub(super) struct Circumstances {
    /// How it was asked to stop.
    pub(super) stop: Option<Stop>,
    /// Whether any slot runs a job.
    pub(super) runs_jobs: bool,
    /// Whether it holds any job whose end is not recorded.
    pub(super) holds_jobs: bool,
    /// Whether there is anything to hand in.
    pub(super) hands_in: bool,
}

/// Failures of the store, as far as they are not over.
#[derive(Default)]
pub(super) struct Failures {
    failing: Option<Failing>,
    disk_errors: u32,
    waits_for_itself: u32,
}

/// Why nothing can be handed in for now.
struct Failing {
    /// What has stood in the way since then; each is told once.
    told: Vec<Obstacle>,
    /// Since when; anew while jobs run.
    since: Instant,
    step: Step,
    /// Then nothing else can be asked of it either.
    is_unanswered: bool,
}

/// What stands in the way, as far as it is worth a new line in the log.
#[derive(PartialEq, Eq)]
enum Obstacle {
    /// A server that goes down says so in many words.
    OfServer(Discriminant<ServerProblem>),
    Other(String),
}

impl Obstacle {
    fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Server { problem, .. } => Self::OfServer(discriminant(problem)),
            other => Self::Other(other.to_string()),
        }
    }
}

impl Failures {
    /// Tells whether nothing can be handed in for now.
    pub(super) fn any(&self) -> bool {
        self.failing.is_some()
    }

    /// Tells whether the store can be read while nothing can be written.
    pub(super) fn only_writes_fail(&self) -> bool {
        self.failing.as_ref().is_some_and(|failing| !failing.is_unanswered)
    }

    /// How many jobs may be claimed at most.
    pub(super) fn most_claims(&self) -> u32 {
        match &self.failing {
            None => u32::MAX,
            Some(failing) if failing.step == Step::Claim => 1,
            Some(_) => 0,
        }
    }

    /// Tells whether nothing is kept that only this worker can hand in.
    pub(super) fn let_it_end(&self) -> bool {
        self.failing.as_ref().is_none_or(|failing| failing.step == Step::Retire)
    }

    /// Notes an error that is borne; tells when to try again.
    ///
    /// # Errors
    ///
    /// [`WorkerError`] if that would be tried for ever.
    pub(super) fn note(
        &mut self,
        error: StoreError,
        step: Step,
        doing: &Circumstances,
        options: &WorkerOptions,
    ) -> Result<Instant, WorkerError> {
        let error = self.count(error)?;
        let message = error.to_string();
        if doing.stop == Some(Stop::Forced) {
            return Err(WorkerError::Broken { reason: format!("{message}; results could not be recorded") });
        }
        let is_unanswered = matches!(error, StoreError::Server { .. } | StoreError::OutcomeUnknown { .. });
        let (mut told, mut since) =
            self.failing.take().map_or_else(|| (Vec::new(), Instant::now()), |f| (f.told, f.since));
        if doing.runs_jobs {
            since = Instant::now();
        }
        if borne_for(&error, doing, options).is_some_and(|at_most| since.elapsed() >= at_most) {
            let lost = if doing.holds_jobs { "; results could not be recorded" } else { "" };
            return Err(WorkerError::Broken { reason: format!("{message}{lost}") });
        }
        let is_answered = error.is_refusal_by_server() || !is_unanswered;
        let only_claims = step == Step::Exchange && !doing.hands_in && is_answered;
        let step = if only_claims { Step::Claim } else { step };
        let obstacle = Obstacle::of(&error);
        if told.contains(&obstacle) || told.len() >= MOST_TOLD {
            tracing::debug!("{message}");
        } else {
            tracing::error!("{message}; results are kept and nothing is claimed until it works again");
            told.push(obstacle);
        }
        self.failing = Some(Failing { told, since, step, is_unanswered });
        Ok(Instant::now() + if is_unanswered { a_moment() } else { TRY_AGAIN_AFTER })
    }

    /// Counts what ends a worker if it happens again and again; gives back the rest.
    fn count(&mut self, error: StoreError) -> Result<StoreError, WorkerError> {
        if matches!(error, StoreError::Disk { .. }) {
            self.disk_errors += 1;
            if self.disk_errors > MOST_DISK_ERRORS {
                return Err(error.into());
            }
        }
        let waits_for_itself = matches!(error, StoreError::BusyWithItself { .. });
        self.waits_for_itself = if waits_for_itself { self.waits_for_itself + 1 } else { 0 };
        if self.waits_for_itself >= MOST_WAITS_FOR_ITSELF {
            return Err(error.into());
        }
        Ok(error)
    }

    /// Notes an exchange that did not fail, and whether it wrote anything; tells when to
    /// look again, if a failure has changed that. `is_done` says whether the worker would
    /// end now.
    pub(super) fn note_success(&mut self, wrote: bool, is_done: impl FnOnce() -> bool) -> Option<Instant> {
        if wrote {
            (self.disk_errors, self.waits_for_itself) = (0, 0);
        }
        let failing = self.failing.take()?;
        // What was only read does not show that anything can be written: the next claim
        // does, or the leave.
        match (failing.step, is_done()) {
            (Step::Claim, true) if !wrote => None,
            (Step::Claim, false) | (Step::Retire, true) if !wrote => {
                self.failing = Some(failing);
                Some(Instant::now() + TRY_AGAIN_AFTER)
            }
            _ => {
                let works = if failing.is_unanswered { "answers" } else { "can be written" };
                tracing::info!("The queue {works} again.");
                Some(Instant::now())
            }
        }
    }
}

/// Tells whether a worker goes on after an error, and tries again.
pub(super) fn is_borne(error: &StoreError) -> bool {
    error.is_passing_at_work() || error.is_refusal_by_server()
}

/// For how long an error is borne while nothing runs here; none if something else sets
/// an end to it.
fn borne_for(error: &StoreError, doing: &Circumstances, options: &WorkerOptions) -> Option<Duration> {
    let is_ending = options.drain.is_some() || doing.stop.is_some();
    if !error.is_refusal_by_server() || (error.is_passing_at_work() && !is_ending) {
        return None;
    }
    let busy_timeout = options.busy_timeout();
    match (doing.holds_jobs, is_ending) {
        (false, _) => Some(busy_timeout),
        // A person who waits for the end is to hear of it; others can wait with their results.
        (true, true) => Some(busy_timeout.max(options.lease().length())),
        (true, false) => None,
    }
}

/// Until a server that does not answer is asked again.
pub(super) fn a_moment() -> Duration {
    Duration::from_millis(fastrand::u64(ASK_AGAIN_AFTER))
}
