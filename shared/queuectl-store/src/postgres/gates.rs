//! Queues with a limit: whose gates are held, and how many jobs there is room for.
//!
//! A gate is a lock for each queue. A worker that claims from such a queue holds it from before
//! the claimed are counted until the claim is committed, so that no two workers count at the
//! same time; who ends a job holds none, since that only makes room. A gate that another
//! worker holds is not waited for, but tried again soon.

use super::row::{self, all};
use super::sql;
use super::trouble::Trouble;
use crate::planted::Bug;
use crate::worker::Exchange;
use queuectl_core::{Job, Lease, Limits, Timestamp};
use queuectl_postgres::session::{Session, values};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// A queue that was full is looked at again after so long; earlier if the doorbell rings or
/// a job of it ends here.
const FULL_FOR: Duration = Duration::from_millis(500);

/// A gate that another worker held is tried again after so long.
const TRIED_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// How many jobs of a queue may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Of those that this worker could start at once.
    pub(super) jobs: u32,
    /// By the limit alone.
    pub(super) free: u32,
}

/// By the names of the queues.
pub(super) type Rooms = BTreeMap<String, Room>;

/// What is remembered of queues with a limit.
#[derive(Debug, Default)]
pub(super) struct Gates {
    /// Those that have ready jobs and are not paused.
    ready: Vec<String>,
    /// All that this worker serves.
    limited: Vec<String>,
    /// Another worker held the gate of one of them.
    passed_by: bool,
    /// Those that were full, since when, and how often others had rung before.
    full: HashMap<String, (Instant, u64)>,
}

impl Gates {
    /// Forgets which queues were full.
    pub(super) fn look_anew(&mut self) {
        self.full.clear();
    }

    /// A job of a queue is no longer held here.
    pub(super) fn has_room(&mut self, queue: &str) {
        self.full.remove(queue);
    }

    /// Learns which queues have a limit, and which of them have ready jobs.
    pub(super) fn are_there(&mut self, limited: &[String], ready: Vec<String>) {
        self.full.retain(|queue, _| ready.contains(queue));
        self.limited = limited.to_vec();
        self.ready = ready;
    }

    /// The queues with a limit that this worker serves.
    pub(super) fn limited(&self) -> &[String] {
        &self.limited
    }

    /// Tells whether a queue has ready jobs and room for them, as far as is known.
    pub(super) fn any_waits(&self) -> bool {
        self.ready.iter().any(|queue| !self.full.contains_key(queue))
    }

    /// When a gate that another worker held is to be tried again, if one was.
    /// Asked once: the next exchange finds out whether it is so still.
    pub(super) fn try_again_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        std::mem::take(&mut self.passed_by).then(|| now.after(TRIED_AGAIN_AFTER))
    }

    /// Learns from a claim which queues are full.
    pub(super) fn learn(&mut self, tried: &[String], rooms: &Rooms, claimed: &[Job], rings: u64) {
        let is_held_by_another = |queue| self.limited.contains(queue) && !rooms.contains_key(queue);
        self.passed_by = tried.iter().any(is_held_by_another);
        for (queue, room) in rooms {
            let taken = claimed.iter().filter(|job| job.queue == *queue).count() as u64;
            if u64::from(room.free) <= taken {
                self.full.insert(queue.clone(), (Instant::now(), rings));
            } else {
                self.full.remove(queue);
            }
        }
    }

    /// The gates to hold for an exchange: those of queues that have ready jobs, if it can
    /// start one at once, and that are not known to be full. `queue_of` knows the queue of a
    /// lease that is handed in.
    pub(super) fn to_hold<'a>(
        &self,
        exchange: &Exchange<'_>,
        rings: u64,
        queue_of: impl Fn(Lease) -> Option<&'a str>,
    ) -> Vec<String> {
        if exchange.at_once() == 0 || self.ready.is_empty() {
            return Vec::new();
        }
        let ended = exchange.ended.iter().map(|ended| ended.lease);
        let made_room: Vec<&str> =
            ended.chain(exchange.unstarted.iter().copied()).filter_map(queue_of).collect();
        let is_full = |queue: &String| {
            let full = self.full.get(queue);
            let known = full.is_some_and(|(since, before)| since.elapsed() < FULL_FOR && *before == rings);
            known && !made_room.contains(&queue.as_str())
        };
        let served = self.ready.iter().filter(|queue| exchange.queues.serves(queue));
        served.filter(|queue| !is_full(queue)).cloned().collect()
    }
}

/// Holds gates until the transaction ends, and tells how many jobs there is room for;
/// `ending` is how many of a queue are about to end in it.
pub(super) fn hold(
    session: &mut Session,
    queues: &[String],
    ending: impl Fn(&str) -> u64,
    at_once: u32,
) -> Result<Rooms, Trouble> {
    if queues.is_empty() {
        return Ok(Rooms::new());
    }
    let names: Vec<&str> = queues.iter().map(String::as_str).collect();
    let hold = if Bug::NoGate.is_planted() { sql::LOOK_AT_GATES } else { sql::HOLD_GATES };
    let limits = all(&session.rows(hold, values![names])?, |found| {
        Ok((row::get::<String>(found, "queue")?, row::nearest::<u32>(found, "job_limit")?))
    })?;
    let held = all(&session.rows(sql::HELD_OF_QUEUES, values![names])?, |found| {
        Ok((row::get::<String>(found, "queue")?, row::number::<u64>(found, "jobs")?))
    })?;
    let held: BTreeMap<String, u64> = held.into_iter().collect();
    let room = |(queue, limit): (String, u32)| {
        let held = held.get(&queue).copied().unwrap_or(0).saturating_sub(ending(&queue));
        let free = Limits { running: Some(limit) }.room(held).unwrap_or(u32::MAX);
        (queue, Room { jobs: free.min(at_once), free })
    };
    Ok(limits.into_iter().map(room).collect())
}
