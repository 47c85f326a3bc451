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
use crate::counts::Counts;
use crate::work::Ended;
use crate::work::Exchange;
use queuectl_core::{Job, Lease, Standing};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A look that walks past more entries than this, beside those it takes, is long.
const MANY_ENTRIES: i64 = 2_000;

/// While looks are long, the whole line is looked at so rarely: what came in before
/// the beginning meanwhile, with a higher priority for example, waits so long.
const WHOLE_LINE_EVERY: Duration = Duration::from_millis(500);

/// The same for the books, while they are long.
const WHOLE_BOOKS_EVERY: Duration = Duration::from_millis(500);

/// A place before every other in the line.
const BEFORE_ALL: (i64, i64) = (i64::MIN, i64::MIN);

#[derive(Default)]
pub(super) struct Memory {
    /// Where the jobs it holds stood when it claimed them.
    claimed: HashMap<Lease, Standing>,
    /// A commit was sent, and nobody could say in time what became of it: the worker
    /// may hold jobs it was never told of.
    pub(super) is_unclear: bool,
    /// Some job was due when it last looked.
    pub(super) anything_due: bool,
    /// Where the line began when it last claimed: rank and place.
    beginning: Option<(i64, i64)>,
    /// Looks at the whole line are long; when it last did, and what it took.
    long_looks: Option<(Instant, Duration)>,
    /// How many entries of the line this connection had walked past in all.
    walked: Option<i64>,
    /// What the books said, with all that this connection has added since, and when
    /// all of them were read.
    books: Option<(Counts, Instant)>,
}

/// How an exchange is to look at the line and at the books.
#[derive(Clone, Copy)]
pub(super) struct Thrift {
    /// Where to begin in the line: rank and place.
    pub(super) from: (i64, i64),
    /// Whether the books are to be added up however long they are.
    pub(super) insists_on_books: bool,
}

/// What an exchange has seen of both.
pub(super) struct Seen {
    /// Where the line began; none if nothing was in it.
    pub(super) beginning: Option<(i64, i64)>,
    /// Entries of the line that this connection has walked past in all.
    pub(super) walked: i64,
    /// How long it took.
    pub(super) took: Duration,
}

impl Memory {
    /// Where the jobs of these attempts stood, if it remembers them all.
    pub(super) fn about(&self, ended: &[Ended]) -> Option<HashMap<Lease, Standing>> {
        ended.iter().map(|end| Some((end.lease, *self.claimed.get(&end.lease)?))).collect()
    }

    /// Of what the worker holds, that which it was never told of.
    pub(super) fn strays(&self, held: Vec<Lease>) -> Vec<Lease> {
        held.into_iter().filter(|lease| !self.claimed.contains_key(lease)).collect()
    }

    /// Forgets what was handed in, and remembers what was claimed.
    pub(super) fn note(&mut self, exchange: &Exchange<'_>, claimed: &[Job]) {
        let ended = exchange.ended.iter().map(|ended| &ended.lease);
        for lease in ended.chain(exchange.unstarted) {
            self.claimed.remove(lease);
        }
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

    /// How to look next.
    pub(super) fn thrift(&self) -> Thrift {
        let long = self.long_looks.filter(|(at, took)| at.elapsed() < WHOLE_LINE_EVERY.max(*took * 20));
        let from = long.and(self.beginning).unwrap_or(BEFORE_ALL);
        let insists_on_books = self.books.is_none_or(|(_, at)| at.elapsed() >= WHOLE_BOOKS_EVERY);
        Thrift { from, insists_on_books }
    }

    /// Learns from a look how long looks are.
    pub(super) fn learn(&mut self, thrift: &Thrift, wanted: u32, seen: &Seen) {
        self.beginning = seen.beginning.or(self.beginning);
        // The server counts from zero again now and then.
        let walked = self.walked.replace(seen.walked).map_or(0, |before| seen.walked - before);
        if thrift.from != BEFORE_ALL {
            return;
        }
        let is_long = walked > MANY_ENTRIES + i64::from(wanted);
        self.long_looks = is_long.then(|| (Instant::now(), seen.took));
    }

    /// The counts after an exchange, from what was read, or else from memory.
    pub(super) fn counts(&mut self, read: Option<Counts>, own: &Counts) -> Counts {
        let (before, at) = match (read, self.books) {
            (Some(read), _) => (read, Instant::now()),
            (None, Some(known)) => known,
            // The first time, they are insisted on.
            (None, None) => return *own,
        };
        let counts = books::sum(before, own);
        self.books = Some((counts, at));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(walked: i64) -> Seen {
        Seen { beginning: Some((0, 7)), walked, took: Duration::ZERO }
    }

    #[test]
    fn only_long_looks_go_on_from_where_the_line_began() {
        let mut memory = Memory::default();
        memory.learn(&memory.thrift(), 8, &seen(5));
        memory.learn(&memory.thrift(), 8, &seen(1_000));
        assert_eq!(memory.thrift().from, BEFORE_ALL, "what is short is looked at from its beginning");
        memory.learn(&memory.thrift(), 8, &seen(1_000 + MANY_ENTRIES + 9));
        assert_eq!(memory.thrift().from, (0, 7));
    }

    #[test]
    fn a_short_look_at_the_whole_line_ends_the_thrift() {
        let mut memory = Memory { walked: Some(0), ..Memory::default() };
        memory.learn(&memory.thrift(), 1, &seen(1_000_000));
        memory.long_looks =
            memory.long_looks.map(|(at, _)| (at.checked_sub(WHOLE_LINE_EVERY).unwrap(), Duration::ZERO));
        let whole = memory.thrift();
        assert_eq!(whole.from, BEFORE_ALL);
        memory.learn(&whole, 1, &seen(1_000_010));
        assert_eq!(memory.thrift().from, BEFORE_ALL);
    }

    #[test]
    fn what_was_claimed_without_an_answer_is_a_stray() {
        let lease = |seq| Lease { seq: queuectl_core::Seq(seq), number: 1 };
        let mut memory = Memory::default();
        let standing = Standing {
            state: queuectl_core::State::Processing,
            attempts: 1,
            max_retries: 3,
            crashes: 0,
            cancel_requested: false,
        };
        memory.claimed.insert(lease(1), standing);
        assert_eq!(memory.strays(vec![lease(1), lease(2)]), [lease(2)]);
    }

    #[test]
    fn counts_that_were_not_read_are_those_known_and_what_was_done_since() {
        let mut memory = Memory::default();
        assert!(memory.thrift().insists_on_books);
        let mut read = Counts::default();
        read[queuectl_core::State::Pending] = 10;
        let mut own = Counts::default();
        own.moved(queuectl_core::State::Pending, queuectl_core::State::Processing);
        memory.counts(Some(read), &own);
        assert!(!memory.thrift().insists_on_books);
        let counts = memory.counts(None, &own);
        assert_eq!(counts[queuectl_core::State::Pending], 8);
        assert_eq!(counts[queuectl_core::State::Processing], 2);
    }
}
