//! What a person wants of jobs that are there, of one or of many.

use crate::effect::{self, Cancellation, Effect, Waiting};
use crate::filter::Filter;
use crate::stage::{Blocker, Next, Stage};
use crate::state::{Event, IllegalTransition, State};
use crate::time::Timestamp;

/// What a person wants of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It is to end before it completes.
    Cancel,
    /// It is to wait until it is released.
    Hold,
    /// It was held, and is to wait no longer for that.
    Release,
    /// It is dead and is to live again, or has failed and is not to wait for its retry.
    Retry,
}

/// What comes of a wish for one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It has another state.
    Becomes(Effect),
    /// It goes elsewhere, in the same state.
    Goes(Next),
    /// A worker holds it, and is to be asked to end it.
    OfWorker,
    /// It is as it is wanted already.
    IsSo,
}

/// Why a wish cannot come true for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is in another state.
    #[error(transparent)]
    State(#[from] IllegalTransition),
    /// It is not held.
    #[error("a job that nobody holds cannot be released")]
    NotHeld,
}

impl Wish {
    /// Every wish.
    pub const ALL: [Self; 4] = [Self::Cancel, Self::Hold, Self::Release, Self::Retry];

    /// What it makes of a job.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it cannot come true in this state.
    pub fn grant(self, job: &Waiting, now: Timestamp) -> Result<Granted, Refusal> {
        let goes = |next: Option<Next>| next.map_or(Granted::IsSo, Granted::Goes);
        Ok(match self {
            Self::Cancel => match effect::cancel(job, now)? {
                Cancellation::Done(effect) => Granted::Becomes(effect),
                Cancellation::OfWorker => Granted::OfWorker,
            },
            Self::Hold => goes(effect::hold(job)?),
            Self::Release if job.blocked_by != Some(Blocker::Hold) => return Err(Refusal::NotHeld),
            Self::Release => Granted::Goes(effect::release(job, now)?),
            Self::Retry if job.state == State::Failed => goes(effect::hurry(job, now)?),
            Self::Retry => Granted::Becomes(effect::revive(job.state)?),
        })
    }

    /// The states in which it can come true.
    pub fn states(self) -> Vec<State> {
        let events: &[Event] = match self {
            Self::Cancel => &[Event::Cancelled],
            Self::Hold => &[Event::Held],
            Self::Release => &[Event::Released],
            Self::Retry => &[Event::Revived, Event::Hurried],
        };
        let fits = |state: &State| events.iter().any(|&event| state.after(event).is_ok());
        State::ALL.into_iter().filter(fits).collect()
    }

    /// A filter that means, of the jobs of another, those for which it can come true and
    /// changes something; none if that can be no job.
    pub fn narrowed(self, filter: Filter) -> Option<Filter> {
        let stages: &[Stage] = match self {
            Self::Hold => &[Stage::Ready, Stage::Scheduled],
            Self::Release => &[Stage::Blocked],
            Self::Cancel | Self::Retry => &[],
        };
        let states = both(filter.states, &self.states())?;
        Some(Filter { states, stages: both(filter.stages, stages)?, ..filter })
    }
}

/// What is one of these and one of those, where none is any; none if nothing is both.
fn both<T: Copy + PartialEq>(mut these: Vec<T>, those: &[T]) -> Option<Vec<T>> {
    if these.is_empty() {
        return Some(those.to_vec());
    }
    these.retain(|one| those.is_empty() || those.contains(one));
    (!these.is_empty()).then_some(these)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Wait;

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const LATER: Wait = Wait { due_at: Timestamp::from_millis(9_000), since: Timestamp::from_millis(500) };

    fn job(state: State, stage: Stage) -> Waiting {
        let blocked_by = (stage == Stage::Blocked).then_some(Blocker::Hold);
        Waiting { state, stage: Some(stage), blocked_by, attempts: 2, crashes: 1, wait: Some(LATER) }
    }

    #[test]
    fn a_wish_comes_true_in_its_states_and_in_no_other() {
        for wish in Wish::ALL {
            for state in State::ALL {
                let granted = wish.grant(&job(state, Stage::Blocked), NOW);
                assert_eq!(granted.is_ok(), wish.states().contains(&state), "{wish:?} {state}");
            }
        }
        assert_eq!(Wish::Release.grant(&job(State::Pending, Stage::Ready), NOW), Err(Refusal::NotHeld));
    }

    #[test]
    fn what_is_held_and_released_is_where_it_was() {
        for (stage, then) in
            [(Stage::Scheduled, Next::Scheduled(LATER)), (Stage::Blocked, Next::Scheduled(LATER))]
        {
            let held = Wish::Hold.grant(&job(State::Failed, stage), NOW).unwrap();
            match held {
                Granted::Goes(Next::Blocked { by: Blocker::Hold, wait }) => assert_eq!(wait, Some(LATER)),
                held => assert_eq!((held, stage), (Granted::IsSo, Stage::Blocked)),
            }
            assert_eq!(
                Wish::Release.grant(&job(State::Failed, Stage::Blocked), NOW),
                Ok(Granted::Goes(then))
            );
        }
    }

    #[test]
    fn a_failed_job_that_is_held_stays_so_when_it_is_hurried() {
        let over = Wait { due_at: NOW, ..LATER };
        let hurried = |stage| Wish::Retry.grant(&job(State::Failed, stage), NOW).unwrap();
        assert_eq!(hurried(Stage::Scheduled), Granted::Goes(Next::Scheduled(over)));
        assert_eq!(
            hurried(Stage::Blocked),
            Granted::Goes(Next::Blocked { by: Blocker::Hold, wait: Some(over) })
        );
        assert_eq!(hurried(Stage::Ready), Granted::IsSo);
    }

    #[test]
    fn a_filter_is_narrowed_to_what_fits() {
        let held = Wish::Release.narrowed(Filter::default()).unwrap();
        assert_eq!((held.states, held.stages), (vec![State::Pending, State::Failed], vec![Stage::Blocked]));
        let dead = Wish::Retry.narrowed(Filter::of_states(&[State::Dead, State::Pending])).unwrap();
        assert_eq!((dead.states, dead.stages), (vec![State::Dead], vec![]));
        assert_eq!(Wish::Cancel.narrowed(Filter::of_states(&[State::Completed])), None);
        let held = Filter { stages: vec![Stage::Blocked], ..Filter::default() };
        assert_eq!(Wish::Hold.narrowed(held.clone()), None);
        assert_eq!(Wish::Cancel.narrowed(held).unwrap().stages, [Stage::Blocked]);
    }
}
