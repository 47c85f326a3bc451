//! What the connection of a worker remembers from one exchange to the next.
//!
//! Nothing depends on its being right: it saves round trips, and it keeps
//! exchanges short while dead rows pile up. A transaction that somebody holds open
//! keeps the server from removing any row that was deleted or changed since, so
//! whoever looks for the beginning of the line walks past all jobs that were ever
//! claimed meanwhile, and whoever adds up the books past all changes ever folded.
//! While that is so, a worker goes on from where it last found the beginning, and
//! looks at all of it only now and then.

use super::books;
use super::news::Rest;
use crate::counts::Counts;
use crate::work::{Ended, Exchange, Exchanged};
use queuectl_core::{Job, Lease, Standing, Timestamp, WorkerId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A look that reads more pages of the line's index than this is long. (A page has
/// some 300 entries, and two or three lead to the first.)
const MANY_PAGES: i64 = 12;

/// While looks are long, the whole line is looked at so rarely, unless somebody rings
/// who has put something in it: what came in before the beginning meanwhile, with a
/// higher priority for example, waits so long.
const WHOLE_LINE_EVERY: Duration = Duration::from_millis(500);

/// The same for the books, and for all that matters little to a worker that has
/// found as much in line as it wanted.
const ALL_NEWS_EVERY: Duration = Duration::from_millis(500);

/// What takes long is done so rarely that it takes one part of so many of the time.
const ONE_PART_OF: u32 = 20;

/// A place before every other in the line.
const BEFORE_ALL: (i64, i64) = (i64::MIN, i64::MIN);

#[derive(Default)]
pub(super) struct Memory {
    /// Where the jobs it holds stood when it claimed them.
    claimed: HashMap<Lease, Standing>,
    /// A commit was sent, and nobody could say in time what became of it: the worker
    /// may hold jobs it was never told of.
    pub(super) is_unclear: bool,
    /// How often each worker has given up a connection.
    connections: HashMap<WorkerId, i64>,
    /// Some job was due when it last looked.
    pub(super) anything_due: bool,
    /// Where the line began when it last claimed: rank and place.
    beginning: Option<(i64, i64)>,
    /// What was last seen of the line.
    line: LineSeen,
    /// Looks at the whole line are long.
    long_looks: Option<LongLook>,
    /// How many pages of the line's index this connection had read in all.
    walked: Option<i64>,
    /// How often others have rung.
    pub(super) rings: u64,
    /// What the books said, with all that this connection has added since; when all
    /// of them were read, and what that took.
    books: Option<(Counts, Instant, Duration)>,
    roster: Vec<WorkerId>,
    next_due: Option<Timestamp>,
    /// How often in a row the books could not be folded.
    pub(super) folds_failed: u32,
}

/// What was last seen of the line.
#[derive(Clone, Copy, Default)]
pub(super) struct LineSeen {
    /// There was less in it than was wanted.
    pub(super) is_short: bool,
    /// Jobs that may be what kills their workers are in it.
    pub(super) any_suspect: bool,
}

/// The last look at the whole line, which was a long one.
#[derive(Clone, Copy)]
struct LongLook {
    at: Instant,
    took: Duration,
    /// How often others had rung before it.
    rings: u64,
}

/// How an exchange is to look at the line, and what else it is to read.
#[derive(Clone, Copy)]
pub(super) struct Thrift {
    /// Where to begin in the line: rank and place.
    pub(super) from: (i64, i64),
    pub(super) reads: Reads,
    /// Whether there may be jobs in line that kill their workers.
    pub(super) expects_suspects: bool,
    /// How often others had rung before.
    rings: u64,
}

impl Thrift {
    /// Whether the line is looked at from its beginning.
    pub(super) fn is_of_the_whole_line(&self) -> bool {
        self.from == BEFORE_ALL
    }

    /// Of who hands in results, and looks at nothing.
    pub(super) const RESULTS_ONLY: Self =
        Self { from: BEFORE_ALL, reads: Reads::Nothing, expects_suspects: false, rings: 0 };
}

/// What an exchange reads beside what concerns its worker alone, as `has_sums!` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    Nothing = 0,
    /// But not the books if they are long.
    WhatIsShort = 1,
    Everything = 2,
}

/// What an exchange has seen of both.
pub(super) struct Seen {
    /// Where the line began; none if nothing was in it.
    pub(super) beginning: Option<(i64, i64)>,
    /// Pages of the line's index that this connection has read in all.
    pub(super) walked: i64,
    /// How long it took.
    pub(super) took: Duration,
    pub(super) line: LineSeen,
}

impl Memory {
    /// Where the jobs of these attempts stood, if it remembers them all.
    pub(super) fn about(&self, ended: &[Ended]) -> Option<HashMap<Lease, Standing>> {
        ended.iter().map(|end| Some((end.lease, *self.claimed.get(&end.lease)?))).collect()
    }

    /// How often a worker has given up a connection.
    pub(super) fn connection(&self, worker: WorkerId) -> i64 {
        self.connections.get(&worker).copied().unwrap_or(0)
    }

    /// A worker has given up so many.
    pub(super) fn gave_up_connection(&mut self, worker: WorkerId, number: i64) {
        self.connections.insert(worker, number);
    }

    /// Where all jobs stood when it claimed them that it holds.
    pub(super) fn known(&self) -> HashMap<Lease, Standing> {
        self.claimed.clone()
    }

    /// Forgets what was handed in.
    pub(super) fn forget(&mut self, exchange: &Exchange<'_>) {
        let ended = exchange.ended.iter().map(|ended| &ended.lease);
        for lease in ended.chain(exchange.unstarted) {
            self.claimed.remove(lease);
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
            self.claimed.insert(job.last_lease(), standing);
        }
    }

    /// Has the next exchange give back what was claimed and nobody was told of.
    pub(super) fn disown(&mut self, claimed: &[Job]) {
        for job in claimed {
            self.claimed.remove(&job.last_lease());
        }
        self.is_unclear = true;
    }

    /// Forgets what others may have changed meanwhile, or what another verb of this
    /// connection has.
    pub(super) fn look_anew(&mut self) {
        self.books = None;
        self.long_looks = None;
    }

    /// Tells whether the last look did not begin with the first in line; the next one does.
    pub(super) fn looked_from_the_middle(&mut self) -> bool {
        !self.thrift(1).is_of_the_whole_line() && self.long_looks.take().is_some()
    }

    /// How to look next, to claim so many.
    pub(super) fn thrift(&self, want: u32) -> Thrift {
        let is_not_due = |look: &LongLook| {
            let pause = if look.rings == self.rings { WHOLE_LINE_EVERY } else { Duration::ZERO };
            look.at.elapsed() < pause.max(look.took * ONE_PART_OF)
        };
        let from = self.long_looks.filter(is_not_due).and(self.beginning).unwrap_or(BEFORE_ALL);
        let are_old = |at: Instant, took: Duration| at.elapsed() >= ALL_NEWS_EVERY.max(took * ONE_PART_OF);
        let reads = match self.books {
            None => Reads::Everything,
            Some((_, at, took)) if are_old(at, took) => Reads::Everything,
            Some(_) if want == 0 || self.line.is_short => Reads::WhatIsShort,
            Some(_) => Reads::Nothing,
        };
        Thrift { from, reads, expects_suspects: self.line.any_suspect, rings: self.rings }
    }

    /// The same for who has nothing to hand in: what can be told is why it is here.
    pub(super) fn thrift_of_a_look(&self, want: u32) -> Thrift {
        let thrift = self.thrift(want);
        let reads = if thrift.reads == Reads::Nothing { Reads::WhatIsShort } else { thrift.reads };
        Thrift { reads, ..thrift }
    }

    /// Learns from a look how long looks are.
    pub(super) fn learn(&mut self, thrift: &Thrift, wanted: u32, seen: &Seen) {
        self.beginning = seen.beginning.or(self.beginning);
        self.line = seen.line;
        if seen.line.is_short && !thrift.is_of_the_whole_line() {
            // There may be something before it.
            self.long_looks = None;
        }
        // The server counts from zero again now and then.
        let walked = self.walked.replace(seen.walked).map_or(0, |before| seen.walked - before);
        if !thrift.is_of_the_whole_line() {
            return;
        }
        let is_long = walked > MANY_PAGES + i64::from(wanted) / 100;
        self.long_looks =
            is_long.then(|| LongLook { at: Instant::now(), took: seen.took, rings: thrift.rings });
    }

    /// A job is to run again at this time; gives when the first of all does.
    pub(super) fn expect(&mut self, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
        self.anything_due |= due <= now;
        self.next_due = self.next_due.into_iter().chain([due]).min();
        self.next_due
    }

    /// Takes in what was read, or what is remembered of it, for a worker; `own` is what
    /// came after it.
    pub(super) fn tell(
        &mut self,
        rest: Option<&Rest>,
        own: &Counts,
        took: Duration,
        exchanged: &mut Exchanged,
    ) {
        if let Some(rest) = rest {
            self.anything_due = rest.anything_due;
            self.next_due = rest.next_due;
            self.roster.clone_from(&rest.roster);
        }
        exchanged.next_due = self.next_due;
        exchanged.roster.clone_from(&self.roster);
        exchanged.counts = self.counts(rest.and_then(|rest| rest.books).map(|(counts, _)| counts), own, took);
    }

    /// The counts after an exchange, from what was read, or else from memory.
    fn counts(&mut self, read: Option<Counts>, own: &Counts, took: Duration) -> Counts {
        let (before, at, took) = match (read, self.books) {
            (Some(read), _) => (read, Instant::now(), took),
            (None, Some(known)) => known,
            // The first time, they are insisted on.
            (None, None) => return *own,
        };
        let counts = books::sum(before, own);
        self.books = Some((counts, at, took));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(walked: i64) -> Seen {
        Seen { beginning: Some((0, 7)), walked, took: Duration::ZERO, line: LineSeen::default() }
    }

    #[test]
    fn only_long_looks_go_on_from_where_the_line_began() {
        let mut memory = Memory::default();
        memory.learn(&memory.thrift(1), 8, &seen(5));
        memory.learn(&memory.thrift(1), 8, &seen(10));
        assert_eq!(memory.thrift(1).from, BEFORE_ALL, "what is short is looked at from its beginning");
        memory.learn(&memory.thrift(1), 8, &seen(10 + MANY_PAGES + 9));
        assert_eq!(memory.thrift(1).from, (0, 7));
    }

    #[test]
    fn a_short_look_at_the_whole_line_ends_the_thrift() {
        let mut memory = Memory { walked: Some(0), ..Memory::default() };
        memory.learn(&memory.thrift(1), 1, &seen(1_000_000));
        assert_eq!(memory.thrift(1).from, (0, 7));
        let look = memory.long_looks.as_mut().unwrap();
        look.at = look.at.checked_sub(WHOLE_LINE_EVERY).unwrap();
        let whole = memory.thrift(1);
        assert_eq!(whole.from, BEFORE_ALL);
        memory.learn(&whole, 1, &seen(1_000_010));
        assert_eq!(memory.thrift(1).from, BEFORE_ALL);
    }

    #[test]
    fn a_ring_has_the_whole_line_looked_at() {
        let mut memory = Memory { walked: Some(0), ..Memory::default() };
        memory.learn(&memory.thrift(1), 1, &seen(1_000_000));
        assert_eq!(memory.thrift(1).from, (0, 7));
        memory.rings += 1;
        assert_eq!(memory.thrift(1).from, BEFORE_ALL);
        let slow = Seen { took: Duration::from_hours(1), ..seen(2_000_000) };
        memory.learn(&memory.thrift(1), 1, &slow);
        memory.rings += 1;
        assert_eq!(memory.thrift(1).from, (0, 7), "what takes long is done rarely");
    }

    #[test]
    fn counts_that_were_not_read_are_those_known_and_what_was_done_since() {
        let mut memory = Memory::default();
        assert_eq!(memory.thrift(1).reads, Reads::Everything);
        let mut read = Counts::default();
        read[queuectl_core::State::Pending] = 10;
        let mut own = Counts::default();
        own.moved(queuectl_core::State::Pending, queuectl_core::State::Processing);
        memory.counts(Some(read), &own, Duration::ZERO);
        assert_eq!(memory.thrift(1).reads, Reads::Nothing);
        assert_eq!(memory.thrift(0).reads, Reads::WhatIsShort);
        let counts = memory.counts(None, &own, Duration::ZERO);
        assert_eq!(counts[queuectl_core::State::Pending], 8);
        assert_eq!(counts[queuectl_core::State::Processing], 2);
    }
}
