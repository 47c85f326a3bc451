//! Where a job is kept while it is in the queue.

use crate::lease::WorkerId;
use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The stages of a job. A job is in exactly one; each is a table of its own where the
/// store has tables for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It may be claimed now; ordered by queue, priority and position.
    Ready,
    /// It waits for a time: a delay or a back-off.
    Scheduled,
    /// It waits for something that is not a time; the [`Blocker`] stands beside it.
    Blocked,
    /// A worker holds it: one row is one lease.
    Claimed,
    /// It has come to rest.
    Finished,
}

impl Stage {
    /// Every stage, in the order of a job's life.
    pub const ALL: [Self; 5] = [Self::Ready, Self::Scheduled, Self::Blocked, Self::Claimed, Self::Finished];

    /// The stage as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Scheduled => "scheduled",
            Self::Blocked => "blocked",
            Self::Claimed => "claimed",
            Self::Finished => "finished",
        }
    }
}

/// A text that names no stage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a stage; the stages are ready, scheduled, blocked, claimed, finished")]
pub struct UnknownStage(pub String);

impl FromStr for Stage {
    type Err = UnknownStage;

    fn from_str(text: &str) -> Result<Self, UnknownStage> {
        let named = Self::ALL.into_iter().find(|stage| stage.as_str() == text);
        named.ok_or_else(|| UnknownStage(text.to_owned()))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a blocked job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blocker {
    /// A person holds it, until a person releases it.
    Hold,
}

impl Blocker {
    /// The reason as it is stored, and as programs read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
        }
    }

    /// The reason as people read it, behind the state of the job.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Hold => "held",
        }
    }
}

/// A text that names no reason for which a job can be blocked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no reason for which a job can be blocked")]
pub struct UnknownBlocker(pub String);

impl FromStr for Blocker {
    type Err = UnknownBlocker;

    fn from_str(text: &str) -> Result<Self, UnknownBlocker> {
        if text == Self::Hold.as_str() { Ok(Self::Hold) } else { Err(UnknownBlocker(text.to_owned())) }
    }
}

/// The order of a job among those of its queue and priority that are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The one it was claimed from; the end, if it never had one.
    Kept,
    /// The end.
    Last,
}

/// A wait for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When it is over.
    pub due_at: Timestamp,
    /// When it began. A wait that began in the future was begun by a clock that has
    /// been set back since.
    pub since: Timestamp,
}

impl Wait {
    /// A wait that begins at a time.
    pub fn from(since: Timestamp, delay: Duration) -> Self {
        Self { due_at: since.after(delay), since }
    }

    /// How long it lasts in all.
    pub fn length(self) -> Duration {
        self.due_at.since(self.since)
    }
}

/// Where a job goes, with what the stage has to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Into `ready`.
    Ready(Position),
    /// Into `scheduled`.
    Scheduled(Wait),
    /// Into `blocked`; the wait is what is left to do when it is unblocked.
    Blocked {
        /// What it waits for.
        by: Blocker,
        /// The time for which it waits as well.
        wait: Option<Wait>,
    },
    /// Into `claimed`.
    Claimed {
        /// Who holds it.
        worker: WorkerId,
        /// The number of this claim.
        lease: i64,
    },
    /// Into `finished`.
    Finished {
        /// When it came to rest.
        at: Timestamp,
    },
}

impl Next {
    /// The stage it goes to.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Ready(_) => Stage::Ready,
            Self::Scheduled(_) => Stage::Scheduled,
            Self::Blocked { .. } => Stage::Blocked,
            Self::Claimed { .. } => Stage::Claimed,
            Self::Finished { .. } => Stage::Finished,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_reads_back_from_its_text() {
        for stage in Stage::ALL {
            assert_eq!(stage.as_str().parse(), Ok(stage));
        }
        assert!("waiting".parse::<Stage>().is_err());
    }

    #[test]
    fn what_blocks_a_job_survives_being_stored() {
        assert_eq!(Blocker::Hold.as_str().parse(), Ok(Blocker::Hold));
        assert!("held".parse::<Blocker>().is_err());
    }
}
