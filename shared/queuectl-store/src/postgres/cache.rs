//! What the connection of a worker remembers from one exchange to the next.
//!
//! Nothing depends on its being right: it saves round trips, and it keeps
//! exchanges short while dead rows pile up. A transaction that stays open keeps the server
//! from removing any row that was deleted or changed since, so a claim that looks for the
//! first of the ready walks past all jobs that were ever claimed meanwhile, and a sum of the
//! counters past all changes ever folded. While that is so, a worker goes on from where it
//! last found the first of each queue, and looks at all of them only now and then.

use super::gates::{Gates, Rooms};
use super::reply::{MoreSignals, Reply};
use crate::counts::Counts;
use crate::worker::{Ended, Exchange, Exchanged};
use queuectl_core::{Job, Lease, Promotion, QueueSet, Standing, Timestamp, WorkerId};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// A look that reads more pages of the index of the ready than this is long. (A page has
/// some 300 entries, and two or three lead to the first.)
const MANY_PAGES: i64 = 12;

/// While looks are long, all of the ready are looked at so rarely, unless a ring says that
/// there is something new: what came in before the first meanwhile, with a higher priority
/// for example, waits so long.
const ALL_READY_EVERY: Duration = Duration::from_millis(500);

/// The same for the counters, for the names of the queues that have ready jobs, and for all
/// that matters little to a worker that has found as many jobs as it wanted.
const ALL_SIGNALS_EVERY: Duration = Duration::from_millis(500);

/// What takes long is done so rarely that it takes one part of so many of the time.
const ONE_PART_OF: u32 = 20;

/// A rank and a position among the ready of a queue.
pub(super) type Row = (i64, i64);

/// Before every other.
const FIRST: Row = (i64::MIN, i64::MIN);

/// A job that this worker holds, as it was when it was claimed.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) standing: Standing,
    pub(super) queue: String,
    /// It has a unique key, which its end gives back: that is not done at once.
    pub(super) has_key: bool,
}

#[derive(Default)]
pub(super) struct Cache {
    held: HashMap<Lease, Held>,
    /// A commit was sent, and nobody could say in time what became of it: the worker
    /// may hold jobs it was never told of.
    pub(super) is_unclear: bool,
    /// How often each worker has given up a connection.
    connections: HashMap<WorkerId, i64>,
    /// Some scheduled job was due when it last looked.
    pub(super) any_due: bool,
    /// The queues that had ready jobs when it last looked, and where the first of each was
    /// when it last claimed there.
    ready: BTreeMap<String, Row>,
    /// What is known of queues with a limit.
    pub(super) gates: Gates,
    /// How it was last long to look at all of the ready.
    long_look: Option<LongLook>,
    seen: ReadySeen,
    pages_walked: Option<i64>,
    next_due: Option<Timestamp>,
    roster: Vec<WorkerId>,
    /// The counts as far as they are known, when they were read, and how long that took.
    counts: Option<(Counts, Instant, Duration)>,
    /// How often others have rung.
    pub(super) rings: u64,
    /// How many changes the last folding has left.
    pub(super) changes_left: i64,
    /// How often in a row the changes could not be folded.
    pub(super) folds_failed: u32,
}

/// A look at all of the ready that was long.
#[derive(Clone, Copy)]
struct LongLook {
    at: Instant,
    took: Duration,
    /// How often others had rung before.
    rings: u64,
}

/// What the last claim has seen of the ready.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadySeen {
    /// There were fewer than were wanted.
    pub(super) is_short: bool,
    /// One that may be what kills its workers is among them, as far as they were looked at.
    pub(super) any_suspect: bool,
}

/// From where the ready are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of them.
    All,
    /// Those from where the first of each queue last was.
    FromCursors,
}

/// How much an exchange reads beside what concerns its worker alone, as `has_sums!` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    Nothing = 0,
    /// But not the counters if they are long.
    WhatIsShort = 1,
    Everything = 2,
}

/// What an exchange may read.
#[derive(Clone, Debug)]
pub(super) struct ReadBudget {
    pub(super) extent: Extent,
    pub(super) reads: Reads,
    /// Whether the statement is to look for suspects.
    pub(super) expects_suspects: bool,
    /// The queues that jobs are claimed from, and from where on.
    pub(super) queues: Vec<(String, Row)>,
    /// How many jobs may be claimed of those with a limit, whose gates are held.
    pub(super) rooms: Rooms,
    rings: u64,
}

impl ReadBudget {
    /// Of who hands in results, and looks at nothing.
    pub(super) fn of_results() -> Self {
        let (extent, reads) = (Extent::All, Reads::Nothing);
        let (queues, rooms) = (Vec::new(), Rooms::new());
        Self { extent, reads, expects_suspects: false, queues, rooms, rings: 0 }
    }

    /// How many jobs of a queue may be claimed, if its gate is held.
    pub(super) fn room(&self, queue: &str) -> Option<i64> {
        self.rooms.get(queue).map(|room| room.jobs.into())
    }

    /// Looks at the first of these queues as well, if they are served.
    pub(super) fn also(&mut self, queues: impl IntoIterator<Item = String>, serves: &QueueSet) {
        for queue in queues {
            if serves.serves(&queue) && !self.queues.iter().any(|(known, _)| *known == queue) {
                self.queues.push((queue, FIRST));
            }
        }
    }
}

impl Cache {
    /// The jobs of these attempts, if it remembers them all and none has a unique key.
    pub(super) fn about(&self, ended: &[Ended]) -> Option<HashMap<Lease, Held>> {
        let plain = |lease| self.held.get(lease).filter(|held| !held.has_key).cloned();
        ended.iter().map(|end| Some((end.lease, plain(&end.lease)?))).collect()
    }

    /// How often a worker has given up a connection.
    pub(super) fn connection(&self, worker: WorkerId) -> i64 {
        self.connections.get(&worker).copied().unwrap_or(0)
    }

    /// A worker has given up so many.
    pub(super) fn gave_up_connection(&mut self, worker: WorkerId, number: i64) {
        self.connections.insert(worker, number);
    }

    /// All jobs that it holds.
    pub(super) fn held(&self) -> HashMap<Lease, Held> {
        self.held.clone()
    }

    /// The gates to hold for an exchange.
    pub(super) fn gates_to_hold(&self, exchange: &Exchange<'_>) -> Vec<String> {
        let queue_of = |lease| Some(self.held.get(&lease)?.queue.as_str());
        self.gates.to_hold(exchange, self.rings, queue_of)
    }

    /// Forgets what was handed in.
    pub(super) fn forget(&mut self, exchange: &Exchange<'_>) {
        let ended = exchange.ended.iter().map(|ended| &ended.lease);
        for lease in ended.chain(exchange.unstarted) {
            if let Some(held) = self.held.remove(lease) {
                self.gates.has_room(&held.queue);
            }
        }
    }

    /// Remembers what was claimed.
    pub(super) fn remember(&mut self, claimed: &[Job]) {
        for job in claimed {
            let standing = Standing {
                state: job.state,
                attempts: job.attempts,
                max_retries: job.max_retries,
                crashes: job.crashes,
                cancel_requested: false,
            };
            self.held.insert(
                job.last_lease(),
                Held { standing, queue: job.queue.clone(), has_key: job.unique_key.is_some() },
            );
        }
    }

    /// Has the next exchange give back what was claimed and the worker was not told of.
    pub(super) fn disown(&mut self, claimed: &[Job]) {
        for job in claimed {
            self.held.remove(&job.last_lease());
        }
        self.is_unclear = true;
    }

    /// Forgets what others may have changed meanwhile, or what another verb of this
    /// connection has.
    pub(super) fn look_anew(&mut self) {
        self.gates.look_anew();
        self.counts = None;
        self.long_look = None;
    }

    /// Tells whether the last look did not begin with the first of the ready; the next one
    /// does.
    pub(super) fn looked_from_cursors(&mut self) -> bool {
        self.extent() == Extent::FromCursors && self.long_look.take().is_some()
    }

    fn extent(&self) -> Extent {
        let is_not_due = |look: LongLook| {
            let pause = if look.rings == self.rings { ALL_READY_EVERY } else { Duration::ZERO };
            look.at.elapsed() < pause.max(look.took * ONE_PART_OF)
        };
        if self.long_look.is_some_and(is_not_due) { Extent::FromCursors } else { Extent::All }
    }

    /// What to read next, to claim so many jobs of these queues.
    pub(super) fn budget(&self, want: u32, serves: &QueueSet) -> ReadBudget {
        let extent = self.extent();
        let are_old = |at: Instant, took: Duration| at.elapsed() >= ALL_SIGNALS_EVERY.max(took * ONE_PART_OF);
        let reads = match self.counts {
            None => Reads::Everything,
            Some((_, at, took)) if are_old(at, took) => Reads::Everything,
            Some(_) if want == 0 || self.seen.is_short => Reads::WhatIsShort,
            Some(_) => Reads::Nothing,
        };
        let from = |row: Option<&Row>| match (extent, row) {
            (Extent::FromCursors, Some(&row)) => row,
            _ => FIRST,
        };
        // What is named is looked at in any case.
        let names = serves.names().iter().map(|name| (name.clone(), from(self.ready.get(name))));
        let known =
            self.ready.iter().filter(|(queue, _)| serves.serves(queue) && !serves.names().contains(queue));
        let known = known.map(|(queue, row)| (queue.clone(), from(Some(row))));
        let queues = names.chain(known).collect();
        let (expects_suspects, rooms) = (self.seen.any_suspect, Rooms::new());
        ReadBudget { extent, reads, expects_suspects, queues, rooms, rings: self.rings }
    }

    /// The same for who has nothing to hand in: what can be told is why it is here.
    pub(super) fn budget_of_a_look(&self, want: u32, serves: &QueueSet) -> ReadBudget {
        let budget = self.budget(want, serves);
        let reads = if budget.reads == Reads::Nothing { Reads::WhatIsShort } else { budget.reads };
        ReadBudget { reads, ..budget }
    }

    /// Learns from a claim how long looks are, and where the first of the ready are.
    pub(super) fn learn(&mut self, budget: &ReadBudget, wanted: u32, reply: &Reply, took: Duration) {
        for (queue, row) in &reply.first_of_queues {
            self.ready.insert(queue.clone(), *row);
        }
        self.seen = ReadySeen { is_short: reply.is_short(wanted), any_suspect: reply.any_suspect };
        if self.seen.is_short && budget.extent == Extent::FromCursors {
            // There may be something before it.
            self.long_look = None;
        }
        // The server counts from zero again now and then.
        let walked = self.pages_walked.replace(reply.pages_walked);
        let walked = walked.map_or(0, |before| reply.pages_walked - before);
        if budget.extent == Extent::FromCursors {
            return;
        }
        let is_long = walked > MANY_PAGES + i64::from(wanted) / 100;
        self.long_look = is_long.then(|| LongLook { at: Instant::now(), took, rings: budget.rings });
    }

    /// A job is to run again at this time; gives when the first of all does.
    pub(super) fn expect(&mut self, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
        self.any_due |= due <= now;
        self.next_due = self.next_due.into_iter().chain([due]).min();
        self.next_due
    }

    /// Takes in what was read, or what is remembered of it, for a worker; `own` is what
    /// came after it.
    pub(super) fn tell(
        &mut self,
        more: Option<&MoreSignals>,
        own: &Counts,
        took: Duration,
        now: Timestamp,
        exchanged: &mut Exchanged,
    ) {
        if let Some(more) = more {
            self.any_due = more.due_by_another_clock || more.next_due.is_some_and(|due| due <= now);
            self.next_due = more.next_due;
            self.roster.clone_from(&more.roster);
            if let Some(queues) = &more.ready_queues {
                let row = |queue: &String| self.ready.get(queue).copied().unwrap_or(FIRST);
                self.ready = queues.iter().map(|queue| (queue.clone(), row(queue))).collect();
            }
        }
        exchanged.next_due = self.next_due;
        exchanged.roster.clone_from(&self.roster);
        exchanged.counts = self.counts(more.and_then(|more| more.counts), own, took);
    }

    /// A job of this queue became ready after the queues were read.
    pub(super) fn became_ready(&mut self, queue: &str) {
        if !self.ready.contains_key(queue) {
            self.ready.insert(queue.to_owned(), FIRST);
        }
    }

    /// Tells whether a queue that is served has ready jobs, as far as is known, which a claim
    /// from these did not look at.
    pub(super) fn knows_more_queues(&self, looked_at: &[(String, Row)], serves: &QueueSet) -> bool {
        let is_new =
            |queue: &&String| serves.serves(queue) && !looked_at.iter().any(|(known, _)| known == *queue);
        self.ready.keys().any(|queue| is_new(&queue))
    }

    /// Whether scheduled jobs become ready although others are.
    pub(super) fn promotes_all_the_same(&self, promotion: &Promotion) -> bool {
        self.any_due && promotion.is_due_all_the_same()
    }

    /// The counts after an exchange, from what was read, or else from memory.
    fn counts(&mut self, read: Option<Counts>, own: &Counts, took: Duration) -> Counts {
        let (mut counts, at, took) = match (read, self.counts) {
            (Some(read), _) => (read, Instant::now(), took),
            (None, Some(known)) => known,
            // The first time, they are insisted on.
            (None, None) => return *own,
        };
        counts.add(own);
        self.counts = Some((counts, at, took));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::State;

    const ALL: QueueSet = QueueSet::ALL;

    fn claimed(pages_walked: i64) -> Reply {
        let first_of_queues = vec![("default".to_owned(), (0, 7))];
        Reply { first_of_queues, pages_walked, ..Reply::default() }
    }

    fn learn(cache: &mut Cache, pages_walked: i64, took: Duration) {
        let budget = cache.budget(1, &ALL);
        cache.learn(&budget, 0, &claimed(pages_walked), took);
    }

    fn from(cache: &Cache) -> Row {
        cache.budget(1, &ALL).queues[0].1
    }

    #[test]
    fn only_long_looks_go_on_from_where_the_first_was() {
        let mut cache = Cache::default();
        learn(&mut cache, 5, Duration::ZERO);
        learn(&mut cache, 10, Duration::ZERO);
        assert_eq!(from(&cache), FIRST, "what is short is looked at from its beginning");
        learn(&mut cache, 10 + MANY_PAGES + 9, Duration::ZERO);
        assert_eq!(from(&cache), (0, 7));
    }

    #[test]
    fn a_short_look_at_all_of_them_ends_that() {
        let mut cache = Cache { pages_walked: Some(0), ..Cache::default() };
        learn(&mut cache, 1_000_000, Duration::ZERO);
        assert_eq!(from(&cache), (0, 7));
        let look = cache.long_look.as_mut().unwrap();
        look.at = look.at.checked_sub(ALL_READY_EVERY).unwrap();
        assert_eq!(from(&cache), FIRST);
        learn(&mut cache, 1_000_010, Duration::ZERO);
        assert_eq!(from(&cache), FIRST);
    }

    #[test]
    fn a_ring_has_all_of_them_looked_at() {
        let mut cache = Cache { pages_walked: Some(0), ..Cache::default() };
        learn(&mut cache, 1_000_000, Duration::ZERO);
        assert_eq!(from(&cache), (0, 7));
        cache.rings += 1;
        assert_eq!(from(&cache), FIRST);
        learn(&mut cache, 2_000_000, Duration::from_hours(1));
        cache.rings += 1;
        assert_eq!(from(&cache), (0, 7), "what takes long is done rarely");
    }

    #[test]
    fn a_worker_looks_at_the_queues_it_serves_and_at_no_other() {
        let ready = ["mail", "video-a", "audio"].map(|queue| (queue.to_owned(), FIRST)).into();
        let cache = Cache { ready, ..Cache::default() };
        let looked_at = |set: &[&str]| {
            let serves = QueueSet::of(set).unwrap();
            cache.budget(1, &serves).queues.into_iter().map(|(queue, _)| queue).collect::<Vec<_>>()
        };
        assert_eq!(looked_at(&[]), ["audio", "mail", "video-a"]);
        assert_eq!(looked_at(&["video-*", "mail"]), ["mail", "video-a"]);
        assert_eq!(looked_at(&["letters"]), ["letters"], "what is named is looked at in any case");
    }

    #[test]
    fn counts_that_were_not_read_are_those_known_and_what_was_done_since() {
        let mut cache = Cache::default();
        assert_eq!(cache.budget(1, &ALL).reads, Reads::Everything);
        let mut read = Counts::default();
        read[State::Pending] = 10;
        let mut own = Counts::default();
        own.moved(State::Pending, State::Processing);
        cache.counts(Some(read), &own, Duration::ZERO);
        assert_eq!(cache.budget(1, &ALL).reads, Reads::Nothing);
        assert_eq!(cache.budget(0, &ALL).reads, Reads::WhatIsShort);
        let counts = cache.counts(None, &own, Duration::ZERO);
        assert_eq!(counts[State::Pending], 8);
        assert_eq!(counts[State::Processing], 2);
    }
}
