//! The life of a job.
//!
//! ```text
//!               Claimed              Succeeded
//!   ┌─► pending ───────► processing ───────────► completed
//!   │      │                │  │ │
//!   │      │   HandedBack   │  │ └─ RunFailed ─► failed ── Claimed ─► processing
//!   │      │ ◄──────────────┘  │                   │
//!   │      │                   │ Exhausted         │ Cancelled
//!   │      │ Cancelled         ▼                   ▼
//!   │      └───────────────► cancelled ◄───────────┘      (processing too)
//!   │                          
//!   └───── Revived ────────  dead ◄── Exhausted ── processing
//! ```
//!
//! What waits, pending or failed, stays what it is when it is Promoted, since its time has
//! come, Held or Released; so does a failed job that is Hurried. It is another stage that it
//! goes to (see [`Stage`](crate::Stage)):
//!
//! ```text
//!              Accepted                        Promoted
//!    ┌────────────┬────────────┐         ┌──────────────────┐
//!    ▼            ▼            ▼         │                  ▼
//! blocked     scheduled ───────┼─────────┘     Claimed
//!    │            ▲          ready ──────────────────────► claimed
//!    │  Released  │            ▲    HandedBack, Revived       │
//!    └────────────┴────────────┘ ◄────────────────────────────┤
//!                 ▲                       RunFailed           │
//!                 └───────────────────────────────────────────┤
//!       Cancelled, from every stage        all other ends     ▼
//!    ──────────────────────────────────────────────────► finished
//! ```
//!
//! The table is [`State::after`]; everything else that looks like a rule about
//! states asks it.

use std::fmt;
use std::str::FromStr;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Waits to be claimed: ready, or until its time comes, or blocked.
    Pending,
    /// Claimed by a worker, which runs it or is about to.
    Processing,
    /// Ran and exited with 0.
    Completed,
    /// Its last run failed; waits for the time of its next one.
    Failed,
    /// Out of retries; kept for inspection in the dead letter queue.
    Dead,
    /// Ended by a person before it could complete.
    Cancelled,
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A worker took it.
    Claimed,
    /// Its run exited with 0.
    Succeeded,
    /// Its run failed and a retry is left.
    RunFailed,
    /// Its run failed, or was lost with its worker, once too often.
    Exhausted,
    /// Its attempt ended without a verdict: never started, interrupted, lost.
    HandedBack,
    /// A person wants it no more.
    Cancelled,
    /// A person took it out of the dead letter queue.
    Revived,
    /// A person wants its retry now.
    Hurried,
    /// It was accepted.
    Accepted,
    /// Its time has come.
    Promoted,
    /// A person wants it to wait.
    Held,
    /// A person wants it to wait no longer.
    Released,
    /// Nobody can run it.
    SetAside,
}

/// An event that cannot happen to a job in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {state} job cannot be {event}")]
pub struct IllegalTransition {
    /// The state the job is in.
    pub state: State,
    /// What was to happen to it.
    pub event: Event,
}

impl State {
    /// Every state, in the order in which people are shown them.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Dead, Self::Cancelled];

    /// The state that follows.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`] if the event cannot happen in this state. A job
    /// that is completed or cancelled never changes again.
    pub fn after(self, event: Event) -> Result<Self, IllegalTransition> {
        match (self, event) {
            (Self::Pending | Self::Failed, Event::Claimed) => Ok(Self::Processing),
            (Self::Processing, Event::Succeeded) => Ok(Self::Completed),
            (Self::Processing, Event::RunFailed) | (Self::Failed, Event::Hurried) => Ok(Self::Failed),
            (Self::Processing, Event::HandedBack) | (Self::Dead, Event::Revived) => Ok(Self::Pending),
            (Self::Pending | Self::Failed | Self::Processing, Event::Cancelled) => Ok(Self::Cancelled),
            (Self::Pending | Self::Failed, Event::Promoted | Event::Held | Event::Released) => Ok(self),
            (Self::Processing, Event::Exhausted)
            | (Self::Pending | Self::Failed | Self::Processing, Event::SetAside) => Ok(Self::Dead),
            (state, event) => Err(IllegalTransition { state, event }),
        }
    }

    /// Tells whether the queue will do nothing more with the job by itself.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Dead | Self::Cancelled)
    }

    /// The state as people and programs read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 13] = [
        Self::Claimed,
        Self::Succeeded,
        Self::RunFailed,
        Self::Exhausted,
        Self::HandedBack,
        Self::Cancelled,
        Self::Revived,
        Self::Hurried,
        Self::Accepted,
        Self::Promoted,
        Self::Held,
        Self::Released,
        Self::SetAside,
    ];
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Claimed => "claimed",
            Self::Succeeded => "completed",
            Self::RunFailed => "failed",
            Self::Exhausted => "given up",
            Self::HandedBack => "handed back",
            Self::Cancelled => "cancelled",
            Self::Revived => "retried",
            Self::Hurried => "hurried",
            Self::Accepted => "accepted",
            Self::Promoted => "made ready",
            Self::Held => "held",
            Self::Released => "released",
            Self::SetAside => "set aside",
        })
    }
}

/// A text that names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a state; the states are pending, processing, completed, failed, dead, cancelled")]
pub struct UnknownState(pub String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_state_reads_back_from_its_text() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("Pending".parse::<State>().is_err());
        assert!("".parse::<State>().is_err());
    }

    #[test]
    fn only_a_claim_starts_a_run_and_only_a_run_completes() {
        for state in State::ALL {
            for event in Event::ALL {
                match state.after(event) {
                    Ok(State::Processing) => assert_eq!(event, Event::Claimed),
                    Ok(next) if next == state => assert!(matches!(state, State::Pending | State::Failed)),
                    Ok(State::Dead) if event == Event::SetAside => assert!(!state.is_finished()),
                    Ok(State::Completed | State::Dead | State::Failed) => {
                        assert_eq!(state, State::Processing);
                    }
                    _ => {}
                }
            }
        }
    }

    proptest! {
        #[test]
        fn completed_and_cancelled_are_final(events in prop::collection::vec(0..Event::ALL.len(), 0..40)) {
            let mut state = State::Pending;
            for index in events {
                let before = state;
                if let Ok(next) = state.after(Event::ALL[index]) {
                    prop_assert!(!matches!(before, State::Completed | State::Cancelled));
                    state = next;
                }
            }
        }

        #[test]
        fn every_state_but_the_final_ones_can_still_complete(events in prop::collection::vec(0..Event::ALL.len(), 0..40)) {
            let mut state = State::Pending;
            for index in events {
                state = state.after(Event::ALL[index]).unwrap_or(state);
            }
            if !matches!(state, State::Completed | State::Cancelled) {
                for event in [Event::Revived, Event::Claimed, Event::Succeeded] {
                    state = state.after(event).unwrap_or(state);
                }
                prop_assert_eq!(state, State::Completed);
            }
        }
    }
}
