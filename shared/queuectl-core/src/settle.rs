//! What the end of an attempt means for its job.

use crate::outcome::Outcome;
use crate::retry::RetryPolicy;
use crate::state::{Event, IllegalTransition, State};
use std::time::Duration;

/// A job with this many crashes may be what kills its workers.
///
/// A worker runs at most one such job at a time, so that a poison job does not
/// take its neighbours along.
pub const SUSPECT_AFTER_CRASHES: u32 = 2;

/// What the store knows about a job whose attempt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
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
    /// It was started and ended like this.
    Ran(Outcome),
}

/// What becomes of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What happened to it.
    pub event: Event,
    /// Where it stands now.
    pub state: State,
    /// Starts charged to the budget now.
    pub attempts: u32,
    /// Attempts lost with their worker now.
    pub crashes: u32,
    /// How long it waits before it may run again; only when it failed.
    pub delay: Option<Duration>,
}

/// Decides what becomes of a job whose claim has ended.
///
/// A run that failed is retried after a wait until `attempts > max_retries`;
/// one that was lost with its worker is given back and retried at once until
/// `crashes > crash_limit`; one that was interrupted, or never started, is given
/// back. A success counts even if the job was to be cancelled: it is true.
///
/// # Errors
///
/// [`IllegalTransition`] if the job is not processing.
pub fn settle(
    standing: &Standing,
    ending: Ending,
    policy: &RetryPolicy,
) -> Result<Verdict, IllegalTransition> {
    let charged = standing.attempts;
    let given_back = standing.attempts.saturating_sub(1);
    let lost = u32::from(ending == Ending::Ran(Outcome::WorkerLost));
    let crashes = standing.crashes.saturating_add(lost);

    let (event, attempts) = match ending {
        Ending::Ran(outcome) if outcome.is_success() => (Event::Succeeded, charged),
        Ending::Ran(Outcome::Cancelled) => (Event::Cancelled, charged),
        Ending::Unstarted | Ending::Ran(Outcome::Interrupted | Outcome::WorkerLost) => {
            let event = if standing.cancel_requested {
                Event::Cancelled
            } else if crashes > policy.crash_limit && lost > 0 {
                Event::Exhausted
            } else {
                Event::HandedBack
            };
            (event, given_back)
        }
        Ending::Ran(
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
    let delay = (event == Event::RunFailed).then(|| policy.delay(charged));
    Ok(Verdict { event, state, attempts, crashes, delay })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: RetryPolicy = RetryPolicy { base: 2.0, max: Duration::from_hours(24), crash_limit: 5 };

    fn processing(attempts: u32, max_retries: u32) -> Standing {
        Standing { state: State::Processing, attempts, max_retries, crashes: 0, cancel_requested: false }
    }

    fn after(standing: Standing, outcome: Outcome) -> Verdict {
        settle(&standing, Ending::Ran(outcome), &POLICY).unwrap()
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
            let verdict = after(processing(1, 3), outcome);
            assert_eq!((verdict.state, verdict.delay), (State::Failed, Some(Duration::from_secs(2))));
        }
    }

    #[test]
    fn what_was_not_the_jobs_fault_is_not_charged() {
        for ending in [Ending::Unstarted, Ending::Ran(Outcome::Interrupted), Ending::Ran(Outcome::WorkerLost)]
        {
            let verdict = settle(&processing(4, 3), ending, &POLICY).unwrap();
            assert_eq!((verdict.state, verdict.attempts, verdict.delay), (State::Pending, 3, None));
        }
    }

    #[test]
    fn a_job_that_kills_its_workers_is_dead_after_the_crash_limit() {
        let mut standing = processing(1, 3);
        for crash in 1..=5 {
            let verdict = after(standing, Outcome::WorkerLost);
            assert_eq!((verdict.state, verdict.crashes), (State::Pending, crash));
            standing.crashes = verdict.crashes;
        }
        assert_eq!(after(standing, Outcome::WorkerLost).state, State::Dead);
        // Never started: no crash, whatever came before.
        standing.crashes = 9;
        assert_eq!(settle(&standing, Ending::Unstarted, &POLICY).unwrap().state, State::Pending);
    }

    #[test]
    fn a_success_counts_even_if_the_job_was_to_be_cancelled() {
        let wanted_gone = Standing { cancel_requested: true, ..processing(1, 3) };
        assert_eq!(after(wanted_gone, Outcome::Exit(0)).state, State::Completed);
        for outcome in [Outcome::Exit(1), Outcome::WorkerLost, Outcome::Interrupted, Outcome::Cancelled] {
            assert_eq!(after(wanted_gone, outcome).state, State::Cancelled);
        }
    }

    proptest! {
        #[test]
        fn only_a_processing_job_can_be_settled(attempts in any::<u32>(), max_retries in any::<u32>(), crashes in any::<u32>(), cancel_requested: bool) {
            for state in State::ALL {
                let standing = Standing { state, attempts, max_retries, crashes, cancel_requested };
                for ending in [Ending::Unstarted, Ending::Ran(Outcome::Exit(0)), Ending::Ran(Outcome::Exit(1)), Ending::Ran(Outcome::WorkerLost)] {
                    let verdict = settle(&standing, ending, &POLICY);
                    prop_assert_eq!(verdict.is_ok(), state == State::Processing);
                    if let Ok(verdict) = verdict {
                        prop_assert_eq!(state.after(verdict.event), Ok(verdict.state));
                        prop_assert_eq!(verdict.delay.is_some(), verdict.state == State::Failed);
                        prop_assert!(verdict.attempts <= attempts);
                    }
                }
            }
        }
    }
}
