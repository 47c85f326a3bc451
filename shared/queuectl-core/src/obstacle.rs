//! Why a job does not run.

use crate::pause::{EVERY_QUEUE, Pause, QueueRules};
use crate::{Blocker, Job, QueueSet, State, Timestamp};

/// Something that keeps a job from being started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle<'a> {
    /// It has come to rest.
    AtRest(State),
    /// Its row cannot be read: it is dead when its turn comes.
    Unreadable(&'a str),
    /// A person holds it.
    Held,
    /// It waits for a time.
    NotDue(Timestamp),
    /// Its queue is paused, or all queues are.
    Paused {
        /// The name of the queue; [`EVERY_QUEUE`] if all are.
        queue: &'a str,
        /// Since when, until when, by whom, and why.
        pause: &'a Pause,
    },
    /// As many jobs of its queue run as may.
    Full {
        /// The limit.
        limit: u32,
    },
    /// The queue is in a move: nothing is claimed until that has ended.
    Moving,
    /// No worker is there that serves its queue.
    NoWorker {
        /// How many are there that serve others.
        others: usize,
    },
    /// Every slot of the workers that serve its queue is taken.
    AllBusy {
        /// How many slots there are.
        slots: u64,
    },
    /// It may be what kills its workers, and each worker that serves its queue runs such a
    /// job already; it runs one at a time.
    Suspect,
}

/// A worker that takes jobs, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Server<'a> {
    /// The queues it serves.
    pub queues: &'a QueueSet,
    /// How many jobs it runs at a time.
    pub slots: u64,
    /// How many jobs it holds.
    pub jobs: u64,
    /// One of them may be what kills workers.
    pub has_suspect: bool,
}

/// What is so at the moment for which it is asked.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The time, by the clock of the queue.
    pub now: Timestamp,
    /// What people have said of queues.
    pub rules: &'a [QueueRules],
    /// How many jobs of its queue workers hold.
    pub held: u64,
    /// Whether the queue is in a move.
    pub is_moving: bool,
    /// The workers that take jobs.
    pub servers: &'a [Server<'a>],
}

/// What keeps a job from being started, what lasts longest first. Nothing exactly if it is
/// processing, or the next exchange of a worker that wants enough jobs claims it, as far as its
/// queue has room for it and for those before it.
pub fn obstacles<'a>(job: &'a Job, facts: &Facts<'a>) -> Vec<Obstacle<'a>> {
    if job.state == State::Processing {
        return Vec::new();
    }
    if job.state.is_finished() {
        return vec![Obstacle::AtRest(job.state)];
    }
    let mut obstacles: Vec<Obstacle<'a>> = Vec::new();
    obstacles.extend(job.unreadable.as_deref().map(Obstacle::Unreadable));
    obstacles.extend(job.blocked_by.map(|Blocker::Hold| Obstacle::Held));
    let is_meant = |rules: &&QueueRules| rules.queue == job.queue || rules.queue == EVERY_QUEUE;
    obstacles.extend(facts.rules.iter().filter(is_meant).filter_map(|rules| {
        let pause = rules.pause.as_ref().filter(|pause| pause.holds(facts.now))?;
        Some(Obstacle::Paused { queue: &rules.queue, pause })
    }));
    let own = facts.rules.iter().find(|rules| rules.queue == job.queue);
    let full = own.filter(|rules| rules.limits.room(facts.held) == Some(0));
    obstacles.extend(full.and_then(|rules| Some(Obstacle::Full { limit: rules.limits.running? })));
    obstacles.extend(facts.is_moving.then_some(Obstacle::Moving));
    obstacles.extend(of_workers(job, facts.servers));
    let not_due = job.run_at.filter(|&at| at > facts.now);
    obstacles.extend(not_due.map(Obstacle::NotDue));
    obstacles
}

/// What of the workers is in the way.
fn of_workers(job: &Job, servers: &[Server<'_>]) -> Option<Obstacle<'static>> {
    let serving: Vec<&Server<'_>> =
        servers.iter().filter(|server| server.queues.serves(&job.queue)).collect();
    if serving.is_empty() {
        return Some(Obstacle::NoWorker { others: servers.len() });
    }
    let mut free = serving.iter().filter(|server| server.jobs < server.slots).peekable();
    if free.peek().is_none() {
        return Some(Obstacle::AllBusy { slots: serving.iter().map(|server| server.slots).sum() });
    }
    (job.is_suspect() && free.all(|server| server.has_suspect)).then_some(Obstacle::Suspect)
}
