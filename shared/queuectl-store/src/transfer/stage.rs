//! Where a location stands in a move, and what can follow.

use crate::location::Location;
use crate::{Result, StoreError};
use std::fmt;
use uuid::Uuid;

/// What is random and the same at both ends of a move, by which they know each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveId(String);

/// What the id of a move begins with that brings a queue back.
const BACK: &str = "back-";

impl MoveId {
    /// A new one.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// A new one, of a move that brings a queue back to a location that it has left.
    ///
    /// The id says so, and not a stage of its own, since only two steps depend on it:
    /// the location may receive though it has been left, and is left again if the move is
    /// given up. So it is never open while the queue is somewhere else.
    pub fn of_return() -> Self {
        Self(format!("{BACK}{}", Uuid::new_v4().simple()))
    }

    fn is_return(&self) -> bool {
        self.0.starts_with(BACK)
    }
}

impl fmt::Display for MoveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a location stands in a move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// In none: it is open.
    #[default]
    Idle,
    /// Its jobs are being brought to another location; nothing is accepted or claimed.
    Leaving(Move),
    /// The same; they are all there, and the other location may be open already.
    Switching(Move),
    /// They are at the other location.
    Left(Move),
    /// The move is being given up; the other location must not be opened any more.
    Staying(Move),
    /// Jobs of another location are being brought here; it is not open yet.
    Arriving(Move),
    /// They came here by this move. It is open.
    Arrived(Move),
}

/// A move, as one end of it knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The same at both ends.
    pub id: MoveId,
    /// Where the other end is, without a password.
    pub place: String,
}

impl Stage {
    /// The move it is in, or came by.
    pub fn moved(&self) -> Option<&Move> {
        match self {
            Self::Idle => None,
            Self::Leaving(moved)
            | Self::Switching(moved)
            | Self::Left(moved)
            | Self::Staying(moved)
            | Self::Arriving(moved)
            | Self::Arrived(moved) => Some(moved),
        }
    }

    /// Tells whether it is in this move, or came by it.
    pub fn is_of(&self, id: &MoveId) -> bool {
        self.moved().is_some_and(|moved| moved.id == *id)
    }

    /// Refuses jobs and workers where the queue is not, or not yet.
    pub(crate) fn insist_open(&self, queue: impl FnOnce() -> Location) -> Result<()> {
        match self {
            Self::Idle | Self::Arrived(_) => Ok(()),
            Self::Leaving(moved) | Self::Switching(moved) | Self::Left(moved) => {
                Err(StoreError::Moved { queue: queue(), to: moved.place.clone() })
            }
            Self::Staying(moved) => Err(StoreError::Staying { queue: queue(), to: moved.place.clone() }),
            Self::Arriving(moved) => Err(StoreError::Arriving { queue: queue(), from: moved.place.clone() }),
        }
    }

    /// The stage after a step; none if it was taken before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Moved`], [`StoreError::Staying`], [`StoreError::Arriving`] or
    /// [`StoreError::NotThisMove`]
    /// if it cannot be taken from here.
    pub(crate) fn after(&self, step: &Step<'_>, queue: impl Fn() -> Location) -> Result<Option<Self>> {
        let is_same = self.is_of(step.id());
        if is_same && self.comes_after(step) {
            return Ok(None);
        }
        let stage = match (step, self) {
            (Step::Leave(moved), Self::Idle | Self::Arrived(_)) => Self::Leaving((*moved).clone()),
            (Step::Receive(moved), Self::Idle | Self::Arrived(_)) => Self::Arriving((*moved).clone()),
            (Step::Receive(moved), Self::Left(_)) if moved.id.is_return() => Self::Arriving((*moved).clone()),
            (Step::Withdraw(_), Self::Arriving(moved)) if is_same && moved.id.is_return() => {
                Self::Left(moved.clone())
            }
            (Step::Leave(_) | Step::Receive(_), _) => {
                // It is in another move, or has left.
                self.insist_open(&queue)?;
                return Err(StoreError::NotThisMove { queue: queue() });
            }
            (Step::Switch(_), Self::Leaving(moved)) if is_same => Self::Switching(moved.clone()),
            (Step::Close(_), Self::Switching(moved) | Self::Staying(moved)) if is_same => {
                Self::Left(moved.clone())
            }
            (Step::TurnBack(_), Self::Leaving(moved) | Self::Switching(moved)) if is_same => {
                Self::Staying(moved.clone())
            }
            (Step::Arrive(_), Self::Arriving(moved)) if is_same => Self::Arrived(moved.clone()),
            (Step::Stay(_), Self::Staying(_)) | (Step::Withdraw(_), Self::Arriving(_)) if is_same => {
                Self::Idle
            }
            _ => return Err(StoreError::NotThisMove { queue: queue() }),
        };
        Ok(Some(stage))
    }

    /// Tells whether this step of the same move was taken before.
    fn comes_after(&self, step: &Step<'_>) -> bool {
        match step {
            Step::Leave(_) => matches!(self, Self::Leaving(_) | Self::Switching(_)),
            Step::Switch(_) => matches!(self, Self::Switching(_) | Self::Left(_)),
            Step::Close(_) => matches!(self, Self::Left(_)),
            Step::TurnBack(_) => matches!(self, Self::Staying(_)),
            Step::Receive(_) => matches!(self, Self::Arriving(_) | Self::Arrived(_)),
            // It changes no stage.
            Step::Import(_) => matches!(self, Self::Arriving(_)),
            Step::Arrive(_) => matches!(self, Self::Arrived(_)),
            Step::Stay(_) | Step::Withdraw(_) => false,
        }
    }

    /// How it is stored: stage, id, other location.
    pub(crate) fn columns(&self) -> [Option<&str>; 3] {
        let name = match self {
            Self::Idle => None,
            Self::Leaving(_) => Some("leaving"),
            Self::Switching(_) => Some("switching"),
            Self::Left(_) => Some("left"),
            Self::Staying(_) => Some("staying"),
            Self::Arriving(_) => Some("arriving"),
            Self::Arrived(_) => Some("arrived"),
        };
        let moved = self.moved();
        [name, moved.map(|moved| moved.id.0.as_str()), moved.map(|moved| moved.place.as_str())]
    }

    /// Reads it back; none if no program has stored it.
    pub(crate) fn from_columns(
        name: Option<String>,
        id: Option<String>,
        place: Option<String>,
    ) -> Option<Self> {
        let Some(name) = name else { return Some(Self::Idle) };
        let moved = Move { id: MoveId(id?), place: place? };
        match name.as_str() {
            "leaving" => Some(Self::Leaving(moved)),
            "switching" => Some(Self::Switching(moved)),
            "left" => Some(Self::Left(moved)),
            "staying" => Some(Self::Staying(moved)),
            "arriving" => Some(Self::Arriving(moved)),
            "arrived" => Some(Self::Arrived(moved)),
            _ => None,
        }
    }
}

/// What a verb of [`Transfer`] does to the stage of its place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    Leave(&'a Move),
    Switch(&'a MoveId),
    Close(&'a MoveId),
    TurnBack(&'a MoveId),
    Stay(&'a MoveId),
    Receive(&'a Move),
    Import(&'a MoveId),
    Arrive(&'a MoveId),
    Withdraw(&'a MoveId),
}

impl Step<'_> {
    fn id(&self) -> &MoveId {
        match self {
            Self::Leave(moved) | Self::Receive(moved) => &moved.id,
            Self::Switch(id)
            | Self::Close(id)
            | Self::TurnBack(id)
            | Self::Stay(id)
            | Self::Import(id)
            | Self::Arrive(id)
            | Self::Withdraw(id) => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(id: &str) -> Move {
        Move { id: MoveId(id.into()), place: format!("place of {id}") }
    }

    fn queue() -> Location {
        Location::File("queue.db".into())
    }

    fn every_stage() -> Vec<Stage> {
        let of = |id| {
            let moved = moved(id);
            [Stage::Leaving, Stage::Switching, Stage::Left, Stage::Staying, Stage::Arriving, Stage::Arrived]
                .map(|stage| stage(moved.clone()))
        };
        [Stage::Idle].into_iter().chain(of("mine")).chain(of("another")).collect()
    }

    #[test]
    fn every_stage_reads_back() {
        for stage in every_stage() {
            let [name, id, place] = stage.columns().map(|column| column.map(str::to_owned));
            assert_eq!(Stage::from_columns(name, id, place), Some(stage));
        }
        assert_eq!(Stage::from_columns(Some("flown".into()), Some("id".into()), Some("place".into())), None);
    }

    #[test]
    fn a_step_of_another_move_is_never_taken() {
        let (mine, another) = (moved("mine"), moved("another"));
        for stage in every_stage().iter().filter(|stage| stage.is_of(&another.id)) {
            for step in [
                Step::Switch(&mine.id),
                Step::Close(&mine.id),
                Step::TurnBack(&mine.id),
                Step::Stay(&mine.id),
                Step::Import(&mine.id),
                Step::Arrive(&mine.id),
                Step::Withdraw(&mine.id),
            ] {
                let refused = stage.after(&step, queue);
                assert!(matches!(refused, Err(StoreError::NotThisMove { .. })), "{stage:?} {step:?}");
            }
            // Who came here by another move is at home, and may go on or be joined.
            let is_open = stage.insist_open(queue).is_ok();
            assert_eq!(stage.after(&Step::Leave(&mine), queue).is_ok(), is_open, "{stage:?}");
            assert_eq!(stage.after(&Step::Receive(&mine), queue).is_ok(), is_open, "{stage:?}");
        }
    }

    /// Takes all steps of a move, each twice, as if killed before it was noted.
    #[test]
    fn at_no_moment_are_both_places_open_and_every_step_can_be_repeated() {
        let moved = moved("mine");
        let (mut old, mut new) = (Stage::Idle, Stage::Idle);
        let steps: [(bool, Step<'_>); 6] = [
            (true, Step::Leave(&moved)),
            (false, Step::Receive(&moved)),
            (false, Step::Import(&moved.id)),
            (true, Step::Switch(&moved.id)),
            (false, Step::Arrive(&moved.id)),
            (true, Step::Close(&moved.id)),
        ];
        for (is_at_the_old, step) in steps {
            for _ in 0..2 {
                let place = if is_at_the_old { &mut old } else { &mut new };
                if let Some(next) = place.after(&step, queue).unwrap() {
                    *place = next;
                }
                // Before it receives, the new location is another's empty queue.
                let both = old.insist_open(queue).is_ok() && new.insist_open(queue).is_ok();
                assert!(!both, "{old:?} and {new:?} after {step:?}");
            }
        }
        assert_eq!((old, new), (Stage::Left(moved.clone()), Stage::Arrived(moved)));
    }

    #[test]
    fn a_place_that_was_left_receives_only_a_return_and_is_left_again_if_that_is_given_up() {
        let (gone, back) = (moved("mine"), Move { id: MoveId::of_return(), place: "there".into() });
        let left = Stage::Left(gone);
        let refused = left.after(&Step::Receive(&moved("another")), queue);
        assert!(matches!(refused, Err(StoreError::Moved { .. })));
        let arriving = left.after(&Step::Receive(&back), queue).unwrap().unwrap();
        assert_eq!(arriving, Stage::Arriving(back.clone()));
        assert_eq!(
            arriving.after(&Step::Withdraw(&back.id), queue).unwrap(),
            Some(Stage::Left(back.clone()))
        );
        assert_eq!(arriving.after(&Step::Arrive(&back.id), queue).unwrap(), Some(Stage::Arrived(back)));
    }

    #[test]
    fn a_place_that_was_given_up_or_is_open_is_not_withdrawn() {
        let moved = moved("mine");
        for (stage, step) in [
            (Stage::Left(moved.clone()), Step::TurnBack(&moved.id)),
            (Stage::Left(moved.clone()), Step::Stay(&moved.id)),
            (Stage::Switching(moved.clone()), Step::Stay(&moved.id)),
            (Stage::Staying(moved.clone()), Step::Switch(&moved.id)),
            (Stage::Arrived(moved.clone()), Step::Withdraw(&moved.id)),
            (Stage::Arrived(moved.clone()), Step::Import(&moved.id)),
            (Stage::Idle, Step::Arrive(&moved.id)),
        ] {
            assert!(matches!(stage.after(&step, queue), Err(StoreError::NotThisMove { .. })), "{stage:?}");
        }
        let leave = Stage::Left(moved.clone()).after(&Step::Leave(&moved), queue);
        assert!(matches!(leave, Err(StoreError::Moved { .. })));
        let leave = Stage::Staying(moved.clone()).after(&Step::Leave(&moved), queue);
        assert!(matches!(leave, Err(StoreError::Staying { .. })));
    }
}
