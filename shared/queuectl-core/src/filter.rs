//! Which jobs are meant: the conditions, the order, where to begin and how many.
//!
//! [`Filter::matches`] is what a filter means. A store says the same in its own language,
//! and a test compares the two.

mod glob;
mod last_run;
mod range;

pub use glob::{Glob, GlobPart, InvalidGlob};
pub use last_run::{LastRun, NoLastRun};
pub use range::TimeRange;

use crate::job::Job;
use crate::lease::Seq;
use crate::queue::QueueSet;
use crate::stage::Stage;
use crate::state::State;
use crate::time::Timestamp;

/// Which jobs are meant. All that is said must be true of a job; what is said of one
/// thing several times is a choice. The default means every job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// In one of these states; empty for any.
    pub states: Vec<State>,
    /// In one of these stages; empty for any.
    pub stages: Vec<Stage>,
    /// In one of these queues.
    pub queues: QueueSet,
    /// With such a command.
    pub command: Option<Glob>,
    /// Whose last run ended in one of these ways; empty for any.
    pub last_runs: Vec<LastRun>,
    /// Accepted then.
    pub created: TimeRange,
    /// Whose last run started then; a job that never ran has no such time.
    pub started: TimeRange,
    /// That came to rest then; a job that is not at rest has no such time.
    pub finished: TimeRange,
    /// In which order, and where to begin.
    pub order: Order,
    /// At most so many.
    pub limit: u32,
}

/// The order in which jobs are wanted, and behind which of them to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// In the order of acceptance.
    OldestFirst {
        /// Only those accepted after this one.
        after: Option<Seq>,
    },
    /// The other way round.
    NewestFirst {
        /// Only those accepted before this one.
        before: Option<Seq>,
    },
    /// In the order in which they came to rest; only jobs that have.
    ByEnd,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            states: Vec::new(),
            stages: Vec::new(),
            queues: QueueSet::ALL,
            command: None,
            last_runs: Vec::new(),
            created: TimeRange::ALWAYS,
            started: TimeRange::ALWAYS,
            finished: TimeRange::ALWAYS,
            order: Order::OldestFirst { after: None },
            limit: u32::MAX,
        }
    }
}

impl Filter {
    /// Jobs in these states; all, if there is none.
    pub fn of_states(states: &[State]) -> Self {
        Self { states: states.to_vec(), ..Self::default() }
    }

    /// Jobs in these states that came to rest before a time.
    pub fn finished_before(states: &[State], time: Timestamp) -> Self {
        Self { finished: TimeRange { from: None, until: Some(time) }, ..Self::of_states(states) }
    }

    /// Tells whether all of its conditions are true of a job: all but where to begin and
    /// how many.
    pub fn matches(&self, job: &Job) -> bool {
        (self.states.is_empty() || self.states.contains(&job.state))
            && (self.stages.is_empty() || self.stages.contains(&job.stage))
            && self.queues.serves(&job.queue)
            && self.command.as_ref().is_none_or(|glob| glob.matches(job.command.as_str()))
            && (self.last_runs.is_empty() || self.last_runs.iter().any(|run| run.is_of(job)))
            && self.created.contains(Some(job.created_at))
            && self.started.contains(job.started_at)
            && self.finished.contains(job.finished_at)
            && (self.order != Order::ByEnd || job.finished_at.is_some())
    }

    /// Tells whether it means every job.
    pub fn is_all(&self) -> bool {
        *self == Self { order: self.order, limit: self.limit, ..Self::default() }
            && self.order != Order::ByEnd
    }

    /// Tells whether every job that it means has come to rest.
    pub fn is_of_finished(&self) -> bool {
        let only = |all: bool, is_empty: bool| all && !is_empty;
        only(self.states.iter().all(|state| state.is_finished()), self.states.is_empty())
            || only(self.stages.iter().all(|&stage| stage == Stage::Finished), self.stages.is_empty())
            || self.finished != TimeRange::ALWAYS
            || self.order == Order::ByEnd
    }
}

impl Order {
    /// The same order, behind a job. (That by the end has no such place: two jobs may have
    /// ended at the same time.)
    #[must_use]
    pub fn behind(self, job: Seq) -> Self {
        match self {
            Self::OldestFirst { .. } => Self::OldestFirst { after: Some(job) },
            Self::NewestFirst { .. } => Self::NewestFirst { before: Some(job) },
            Self::ByEnd => Self::ByEnd,
        }
    }
}
