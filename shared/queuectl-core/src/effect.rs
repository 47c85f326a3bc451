//! What an event makes of a job: the one place where it is decided.
//!
//! Each function takes what is known of a job and what happens to it, and gives the
//! [`Effect`]: its state and its stage afterwards. A store applies effects, and decides
//! nothing.

use crate::job::{Job, NewJob};
use crate::lease::WorkerId;
use crate::outcome::Outcome;
use crate::retry::RetryPolicy;
use crate::stage::{Blocker, Next, Position, Stage, Wait};
use crate::state::{Event, IllegalTransition, State};
use crate::time::Timestamp;
use std::time::Duration;

/// What an event makes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// What happened to it.
    pub event: Event,
    /// Its state now.
    pub state: State,
    /// Where it goes.
    pub next: Next,
    /// Starts charged to the budget now.
    pub attempts: u32,
    /// Attempts lost with their worker now.
    pub crashes: u32,
}

impl Effect {
    /// How long it waits before it may run again; none if it waits for no time.
    pub fn delay(&self) -> Option<Duration> {
        match self.next {
            Next::Scheduled(wait) => Some(wait.length()),
            _ => None,
        }
    }
}

/// What the store knows about a job that no worker holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its state.
    pub state: State,
    /// Where it is; none if that cannot be told.
    pub stage: Option<Stage>,
    /// What it waits for that is no time.
    pub blocked_by: Option<Blocker>,
    /// Starts charged to the budget.
    pub attempts: u32,
    /// Attempts that were lost with their worker.
    pub crashes: u32,
    /// The time for which it waits or, if it is ready, has waited; none if there is none.
    pub wait: Option<Wait>,
}

impl Waiting {
    /// What a person who looks at a job knows of it: not when its wait began, but when it is
    /// over.
    pub fn seen(job: &Job) -> Self {
        let Job { state, stage, blocked_by, attempts, crashes, run_at, .. } = *job;
        let wait = run_at.map(|due_at| Wait { due_at, since: due_at });
        Self { state, stage: Some(stage), blocked_by, attempts, crashes, wait }
    }
}

/// What the store knows about a job whose claim has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: State,
    /// Starts charged to the budget, the ended one included.
    pub attempts: u32,
    /// How many runs may follow a failed first one.
    pub max_retries: u32,
    /// Attempts that were lost with their worker before.
    pub crashes: u32,
    /// A person asked for its end.
    pub cancel_requested: bool,
}

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was never started; there is nothing to record.
    Unstarted,
    /// It was started and ended.
    Ran {
        /// How.
        outcome: Outcome,
        /// When.
        at: Timestamp,
    },
}

/// What a wish to cancel makes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// It is cancelled.
    Done(Effect),
    /// A worker holds it, and is to be asked to end it.
    OfWorker,
}

/// What it means that a job is accepted: it waits for its time, is held, or is ready.
pub fn accept(job: &NewJob, now: Timestamp) -> Effect {
    let wait = job.due_at(now).map(|due_at| Wait { due_at, since: now });
    let next = match (job.hold, wait) {
        (true, wait) => Next::Blocked { by: Blocker::Hold, wait },
        (false, Some(wait)) => Next::Scheduled(wait),
        (false, None) => Next::Ready(Position::Last),
    };
    Effect { event: Event::Accepted, state: State::Pending, next, attempts: 0, crashes: 0 }
}

/// Where a scheduled job goes when its time has come: it is ready, behind all others.
pub const fn promote() -> Next {
    Next::Ready(Position::Last)
}

/// What it means that a worker claims a job: one more start is charged, and the number of
/// the claim is the next one.
///
/// # Errors
///
/// [`IllegalTransition`] if it does not wait.
pub fn claim(job: &Job, worker: WorkerId) -> Result<Effect, IllegalTransition> {
    let state = job.state.after(Event::Claimed)?;
    let next = Next::Claimed { worker, lease: job.lease.saturating_add(1) };
    let attempts = job.attempts.saturating_add(1);
    Ok(Effect { event: Event::Claimed, state, next, attempts, crashes: job.crashes })
}

/// What it means for a job that its claim has ended.
///
/// A run that failed is retried after a wait until `attempts > max_retries`;
/// one that was lost with its worker is given back and retried at once until
/// `crashes > crash_limit`; one that was interrupted, or never started, is given
/// back. A success counts even if the job was to be cancelled: it is true.
///
/// A wait begins when the attempt ended; an end in the future was noted before the clock
/// was set back, and its wait begins now.
///
/// # Errors
///
/// [`IllegalTransition`] if no worker holds the job.
pub fn finish(
    standing: &Standing,
    ending: Ending,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Effect, IllegalTransition> {
    let charged = standing.attempts;
    let given_back = standing.attempts.saturating_sub(1);
    let outcome = match ending {
        Ending::Unstarted => None,
        Ending::Ran { outcome, .. } => Some(outcome),
    };
    let ended_at = match ending {
        Ending::Unstarted => now,
        Ending::Ran { at, .. } => at,
    };
    let lost = u32::from(outcome == Some(Outcome::WorkerLost));
    let crashes = standing.crashes.saturating_add(lost);

    let (event, attempts) = match outcome {
        Some(outcome) if outcome.is_success() => (Event::Succeeded, charged),
        Some(Outcome::Cancelled) => (Event::Cancelled, charged),
        None | Some(Outcome::Interrupted | Outcome::WorkerLost) => {
            let event = if standing.cancel_requested {
                Event::Cancelled
            } else if crashes > policy.crash_limit && lost > 0 {
                Event::Exhausted
            } else {
                Event::HandedBack
            };
            (event, given_back)
        }
        Some(
            Outcome::Exit(_)
            | Outcome::Signal(_)
            | Outcome::Timeout
            | Outcome::SpawnFailed
            | Outcome::NoFolder,
        ) => {
            let event = if standing.cancel_requested {
                Event::Cancelled
            } else if charged > standing.max_retries {
                Event::Exhausted
            } else {
                Event::RunFailed
            };
            (event, charged)
        }
    };
    // A pending job can be cancelled too, but not by the end of an attempt.
    if standing.state != State::Processing {
        return Err(IllegalTransition { state: standing.state, event });
    }
    let state = standing.state.after(event)?;
    let next = match state {
        State::Failed => Next::Scheduled(Wait::from(ended_at.min(now), policy.delay(charged))),
        State::Completed | State::Dead | State::Cancelled => Next::Finished { at: ended_at },
        State::Pending | State::Processing => Next::Ready(Position::Kept),
    };
    Ok(Effect { event, state, next, attempts, crashes })
}

/// What it means that a person cancels a job.
///
/// # Errors
///
/// [`IllegalTransition`] if it has come to rest.
pub fn cancel(job: &Waiting, now: Timestamp) -> Result<Cancellation, IllegalTransition> {
    let state = job.state.after(Event::Cancelled)?;
    if job.state == State::Processing {
        return Ok(Cancellation::OfWorker);
    }
    let next = Next::Finished { at: now };
    let Waiting { attempts, crashes, .. } = *job;
    Ok(Cancellation::Done(Effect { event: Event::Cancelled, state, next, attempts, crashes }))
}

/// What it means that a person takes a job out of the dead letter queue: it is ready,
/// behind all others, as if it had never run.
///
/// # Errors
///
/// [`IllegalTransition`] if it is not dead.
pub fn revive(state: State) -> Result<Effect, IllegalTransition> {
    let state = state.after(Event::Revived)?;
    Ok(Effect { event: Event::Revived, state, next: Next::Ready(Position::Last), attempts: 0, crashes: 0 })
}

/// Where a failed job goes whose retry a person wants now: its wait is over. What blocks it
/// as well still does. None if there is nothing to do, since it is ready already.
///
/// # Errors
///
/// [`IllegalTransition`] if it has not failed.
pub fn hurry(job: &Waiting, now: Timestamp) -> Result<Option<Next>, IllegalTransition> {
    job.state.after(Event::Hurried)?;
    if job.stage == Some(Stage::Ready) {
        return Ok(None);
    }
    let over = job.wait.map(|wait| Wait { due_at: now, since: wait.since.min(now) });
    Ok(match job.blocked_by {
        Some(by) => Some(Next::Blocked { by, wait: over }),
        None => over.map(Next::Scheduled),
    })
}

/// Where a job goes that a person wants to wait: it is blocked until a person releases it,
/// and waits for its time as well. None if there is nothing to do, since it is held already.
///
/// # Errors
///
/// [`IllegalTransition`] if it does not wait.
pub fn hold(job: &Waiting) -> Result<Option<Next>, IllegalTransition> {
    job.state.after(Event::Held)?;
    let by = Blocker::Hold;
    Ok((job.blocked_by != Some(by)).then_some(Next::Blocked { by, wait: job.wait }))
}

/// Where a job goes that was held and that a person releases: it waits for its time, if
/// that is still to come, and is ready otherwise, behind all others.
///
/// # Errors
///
/// [`IllegalTransition`] if it does not wait.
pub fn release(job: &Waiting, now: Timestamp) -> Result<Next, IllegalTransition> {
    job.state.after(Event::Released)?;
    Ok(match job.wait {
        Some(wait) if wait.due_at > now => Next::Scheduled(wait),
        _ => Next::Ready(Position::Last),
    })
}

/// Where a job goes of which a person says anew what is to be run, and when; none if it does
/// not wait. It stays held if it was, and goes on where it was among the ready.
pub fn replace(job: &Job, new: &NewJob, now: Timestamp) -> Option<Next> {
    if !matches!(job.state, State::Pending | State::Failed) {
        return None;
    }
    let wait = new.due_at(now).map(|due_at| Wait { due_at, since: now });
    let held = job.blocked_by.or(new.hold.then_some(Blocker::Hold));
    Some(match (held, wait) {
        (Some(by), wait) => Next::Blocked { by, wait },
        (None, Some(wait)) => Next::Scheduled(wait),
        (None, None) if job.stage == Stage::Ready => Next::Ready(Position::Kept),
        (None, None) => Next::Ready(Position::Last),
    })
}

/// What it means that nobody can run a job, since its row cannot be read: it is dead.
pub fn set_aside(attempts: u32, crashes: u32, now: Timestamp) -> Effect {
    let next = Next::Finished { at: now };
    Effect { event: Event::SetAside, state: State::Dead, next, attempts, crashes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const POLICY: RetryPolicy = RetryPolicy { base: 2.0, max: Duration::from_hours(24), crash_limit: 5 };

    fn processing(attempts: u32, max_retries: u32) -> Standing {
        Standing { state: State::Processing, attempts, max_retries, crashes: 0, cancel_requested: false }
    }

    fn ran(outcome: Outcome) -> Ending {
        Ending::Ran { outcome, at: NOW }
    }

    fn after(standing: Standing, outcome: Outcome) -> Effect {
        finish(&standing, ran(outcome), &POLICY, NOW).unwrap()
    }

    #[test]
    fn a_job_runs_once_and_then_max_retries_times_more() {
        for max_retries in [0, 1, 3, 7] {
            let runs = (1..=9).find(|&attempts| {
                after(processing(attempts, max_retries), Outcome::Exit(1)).state == State::Dead
            });
            assert_eq!(runs, Some(max_retries + 1));
        }
    }

    #[test]
    fn a_missing_command_and_a_signal_are_failures_like_any_other() {
        let [missing, signal] = [Outcome::Exit(127), Outcome::Signal(9)];
        for outcome in [missing, signal, Outcome::Timeout, Outcome::SpawnFailed, Outcome::NoFolder] {
            let effect = after(processing(1, 3), outcome);
            assert_eq!((effect.state, effect.delay()), (State::Failed, Some(Duration::from_secs(2))));
        }
    }

    #[test]
    fn what_was_not_the_jobs_fault_is_not_charged() {
        for ending in [Ending::Unstarted, ran(Outcome::Interrupted), ran(Outcome::WorkerLost)] {
            let effect = finish(&processing(4, 3), ending, &POLICY, NOW).unwrap();
            assert_eq!(
                (effect.state, effect.attempts, effect.next),
                (State::Pending, 3, Next::Ready(Position::Kept))
            );
        }
    }

    #[test]
    fn a_job_that_kills_its_workers_is_dead_after_the_crash_limit() {
        let mut standing = processing(1, 3);
        for crash in 1..=5 {
            let effect = after(standing, Outcome::WorkerLost);
            assert_eq!((effect.state, effect.crashes), (State::Pending, crash));
            standing.crashes = effect.crashes;
        }
        assert_eq!(after(standing, Outcome::WorkerLost).state, State::Dead);
        // Never started: no crash, whatever came before.
        standing.crashes = 9;
        assert_eq!(finish(&standing, Ending::Unstarted, &POLICY, NOW).unwrap().state, State::Pending);
    }

    #[test]
    fn a_success_counts_even_if_the_job_was_to_be_cancelled() {
        let wanted_gone = Standing { cancel_requested: true, ..processing(1, 3) };
        assert_eq!(after(wanted_gone, Outcome::Exit(0)).state, State::Completed);
        for outcome in [Outcome::Exit(1), Outcome::WorkerLost, Outcome::Interrupted, Outcome::Cancelled] {
            assert_eq!(after(wanted_gone, outcome).state, State::Cancelled);
        }
    }

    #[test]
    fn a_wait_begins_with_the_end_and_never_in_the_future() {
        let early = Ending::Ran { outcome: Outcome::Exit(1), at: Timestamp::from_millis(400_000) };
        let late = Ending::Ran { outcome: Outcome::Exit(1), at: Timestamp::from_millis(9_000_000) };
        for (ending, since) in [(early, 400_000), (late, 1_000_000)] {
            let effect = finish(&processing(1, 3), ending, &POLICY, NOW).unwrap();
            let wait = Wait::from(Timestamp::from_millis(since), Duration::from_secs(2));
            assert_eq!(effect.next, Next::Scheduled(wait));
        }
    }

    #[test]
    fn a_released_job_waits_for_its_time_if_that_is_still_to_come() {
        let waiting = |due_at| Waiting {
            state: State::Pending,
            stage: Some(Stage::Blocked),
            blocked_by: Some(Blocker::Hold),
            attempts: 0,
            crashes: 0,
            wait: Some(Wait { due_at: Timestamp::from_millis(due_at), since: Timestamp::from_millis(5) }),
        };
        assert_eq!(release(&waiting(1_000_000), NOW).unwrap(), Next::Ready(Position::Last));
        assert_eq!(release(&waiting(1_000_001), NOW).unwrap().stage(), Stage::Scheduled);
    }

    proptest! {
        #[test]
        fn only_a_job_that_is_held_can_finish(attempts in any::<u32>(), max_retries in any::<u32>(), crashes in any::<u32>(), cancel_requested: bool) {
            for state in State::ALL {
                let standing = Standing { state, attempts, max_retries, crashes, cancel_requested };
                for ending in [Ending::Unstarted, ran(Outcome::Exit(0)), ran(Outcome::Exit(1)), ran(Outcome::WorkerLost)] {
                    let effect = finish(&standing, ending, &POLICY, NOW);
                    prop_assert_eq!(effect.is_ok(), state == State::Processing);
                    if let Ok(effect) = effect {
                        prop_assert_eq!(state.after(effect.event), Ok(effect.state));
                        prop_assert_eq!(effect.delay().is_some(), effect.state == State::Failed);
                        prop_assert_eq!(effect.next.stage() == Stage::Finished, effect.state.is_finished());
                        prop_assert!(effect.attempts <= attempts);
                    }
                }
            }
        }
    }
}
