//! How an exchange is done: decided once, before anything is sent.
//!
//! | Plan | When | Statements, in round trips |
//! |---|---|---|
//! | [`Look`](ExchangePlan::Look) | nothing is handed in | 1: `LOOK`; if jobs are wanted and there are some, what `AtOnce` does |
//! | [`AtOnce`](ExchangePlan::AtOnce) | ends are handed in, all of them are remembered, and none is of a job with a unique key | 1: `PLAIN_EXCHANGE` if all come to rest without output and little is to be read, else `EXCHANGE`; each is its own transaction |
//! | [`Carefully`](ExchangePlan::Carefully) | output, claims that were not started, ends that are not remembered or give a unique key back; or jobs that are due become ready first; or a queue with a limit may have room, and its gate is held | begin and look at the worker, read the standings, write each kind of thing, `EXCHANGE`, commit |
//! | `Carefully` in doubt | the last exchange was sent and not answered | the same; first gives back what was claimed and never heard of |
//!
//! What turned out not to be as it was remembered goes carefully after all; and what was
//! passed over is claimed in a second step. Both are in [`exchange`](super::exchange).

use super::cache::{Cache, Held};
use crate::worker::Exchange;
use queuectl_core::{Lease, Promotion, Timestamp};
use std::collections::HashMap;

/// How an exchange is done.
#[derive(Debug)]
pub(super) enum ExchangePlan {
    /// Nothing is handed in: it reads, and claims if there is something.
    Look,
    /// All in one round trip, with what is remembered of the attempts that ended.
    AtOnce(HashMap<Lease, Held>),
    /// Step by step, in one transaction.
    Carefully {
        /// What of it may have happened before.
        doubt: Doubt,
        /// How many jobs that are due become ready first, though others are.
        promotes: Option<Promotion>,
    },
}

/// What of an exchange may have happened before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    Nothing,
    /// Some ends were written, and some were not.
    SomeEnds,
    /// It was sent, and there was no answer.
    Anything,
}

impl ExchangePlan {
    /// Picks the plan from what is asked and what is remembered.
    pub(super) fn pick(exchange: &Exchange<'_>, cache: &Cache, now: Timestamp) -> Self {
        if cache.is_unclear {
            return Self::Carefully { doubt: Doubt::Anything, promotes: promotes(exchange, cache, now) };
        }
        if hands_in_only_ends(exchange) && exchange.ended.is_empty() {
            return Self::Look;
        }
        Self::to_claim(exchange, cache, now)
    }

    /// The same for an exchange that has found that there is something to claim.
    pub(super) fn to_claim(exchange: &Exchange<'_>, cache: &Cache, now: Timestamp) -> Self {
        let promotes = promotes(exchange, cache, now);
        let remembered = hands_in_only_ends(exchange).then(|| cache.about(exchange.ended)).flatten();
        match (remembered, promotes) {
            (Some(held), None) if cache.gates_to_hold(exchange).is_empty() => Self::AtOnce(held),
            (_, promotes) => Self::Carefully { doubt: Doubt::Nothing, promotes },
        }
    }
}

fn hands_in_only_ends(exchange: &Exchange<'_>) -> bool {
    exchange.unstarted.is_empty() && exchange.output.is_empty() && exchange.trims.is_empty()
}

fn promotes(exchange: &Exchange<'_>, cache: &Cache, now: Timestamp) -> Option<Promotion> {
    let promotion = Promotion::new(exchange.want, now);
    cache.promotes_all_the_same(&promotion).then_some(promotion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_row::{self, job};
    use crate::raw::Raw;
    use crate::worker::Ended;
    use queuectl_core::{Outcome, RetryPolicy, Seq};
    use std::time::Duration;

    const POLICY: RetryPolicy = RetryPolicy { base: 2.0, max: Duration::from_hours(1), crash_limit: 5 };
    const ORDINARY: Timestamp = Timestamp::from_millis(9);
    const EIGHTH: Timestamp = Timestamp::from_millis(16);

    fn end(lease: i64) -> Ended {
        Ended {
            lease: Lease { seq: Seq(1), number: lease },
            started_at: ORDINARY,
            ended_at: ORDINARY,
            outcome: Outcome::Exit(0),
            error: None,
            output_bytes: 0,
            dropped_bytes: 0,
        }
    }

    #[test]
    fn who_hands_in_nothing_looks() {
        let nothing = Exchange { want: 3, ..Exchange::nothing(&POLICY) };
        let plan = ExchangePlan::pick(&nothing, &Cache::default(), EIGHTH);
        assert!(matches!(plan, ExchangePlan::Look), "{plan:?}");
    }

    #[test]
    fn what_is_not_remembered_goes_carefully() {
        let ended = [end(1)];
        let results = Exchange { ended: &ended, ..Exchange::nothing(&POLICY) };
        let plan = ExchangePlan::pick(&results, &Cache::default(), ORDINARY);
        assert!(
            matches!(plan, ExchangePlan::Carefully { doubt: Doubt::Nothing, promotes: None }),
            "{plan:?}"
        );
    }

    #[test]
    fn the_end_of_a_job_that_has_a_unique_key_goes_carefully() {
        let claimed = |key: Option<&'static [u8]>| {
            job_row::read(|column| match (column, key) {
                (job::unique_key, Some(key)) => Raw::Text(key),
                (job::seq | job::lease, _) => Raw::Integer(1),
                _ => Raw::Null,
            })
        };
        let ended = [end(1)];
        let results = Exchange { ended: &ended, ..Exchange::nothing(&POLICY) };
        for (key, is_careful) in [(None, false), (Some(&b"k"[..]), true)] {
            let mut cache = Cache::default();
            cache.remember(&[claimed(key)]);
            let plan = ExchangePlan::pick(&results, &cache, ORDINARY);
            assert_eq!(matches!(plan, ExchangePlan::Carefully { .. }), is_careful, "{plan:?}");
        }
    }

    #[test]
    fn after_a_lost_answer_everything_is_in_doubt() {
        let mut cache = Cache::default();
        cache.is_unclear = true;
        let plan = ExchangePlan::pick(&Exchange::nothing(&POLICY), &cache, ORDINARY);
        assert!(matches!(plan, ExchangePlan::Carefully { doubt: Doubt::Anything, .. }), "{plan:?}");
    }

    #[test]
    fn every_eighth_time_jobs_that_are_due_become_ready_first() {
        let mut cache = Cache::default();
        cache.any_due = true;
        let wants = Exchange { want: 3, ..Exchange::nothing(&POLICY) };
        let plan = ExchangePlan::to_claim(&wants, &cache, EIGHTH);
        assert!(matches!(plan, ExchangePlan::Carefully { promotes: Some(_), .. }), "{plan:?}");
        let plan = ExchangePlan::to_claim(&wants, &cache, ORDINARY);
        assert!(matches!(plan, ExchangePlan::AtOnce(_)), "{plan:?}");
    }
}
