//! The ends of attempts, in columns, as one statement takes them.

use super::row;
use super::session::{Typed, Value};
use crate::work::Ended;
use queuectl_core::{Outcome, Timestamp, Verdict};

/// One element each for every attempt that ended.
#[derive(Default)]
pub(super) struct Ends {
    seqs: Vec<i64>,
    leases: Vec<i64>,
    states: Vec<&'static str>,
    attempts: Vec<i64>,
    crashes: Vec<i64>,
    due: Vec<Option<i64>>,
    waits_since: Vec<Option<i64>>,
    started_at: Vec<i64>,
    finished_at: Vec<Option<i64>>,
    exit_codes: Vec<Option<i32>>,
    signals: Vec<Option<i32>>,
    errors: Vec<Option<String>>,
    outcomes: Vec<&'static str>,
    codes: Vec<Option<i32>>,
    output_bytes: Vec<i64>,
    dropped_bytes: Vec<i64>,
    ended_at: Vec<i64>,
}

impl Ends {
    /// Adds what becomes of a job whose attempt has ended; gives when it falls due, if it
    /// is to run again.
    pub(super) fn push(&mut self, ended: &Ended, verdict: &Verdict, now: Timestamp) -> Option<Timestamp> {
        // An end in the future was noted before the clock was set back: it waits from now.
        let waits_since = ended.ended_at.min(now);
        let falls_due = verdict.delay.map(|delay| waits_since.after(delay));
        let due = falls_due.map(Timestamp::as_millis);
        let (exit_code, signal) = match ended.outcome {
            Outcome::Exit(code) => (Some(code), None),
            Outcome::Signal(signal) => (None, Some(signal)),
            _ => (None, None),
        };
        self.seqs.push(ended.lease.seq.0);
        self.leases.push(ended.lease.number);
        self.states.push(verdict.state.as_str());
        self.attempts.push(i64::from(verdict.attempts));
        self.crashes.push(i64::from(verdict.crashes));
        self.due.push(due);
        self.waits_since.push(due.map(|_| waits_since.as_millis()));
        self.started_at.push(ended.started_at.as_millis());
        self.finished_at.push(verdict.state.is_settled().then_some(ended.ended_at.as_millis()));
        self.exit_codes.push(exit_code);
        self.signals.push(signal);
        self.errors.push(ended.error.as_deref().map(row::storable));
        self.outcomes.push(ended.outcome.as_str());
        self.codes.push(ended.outcome.code());
        self.output_bytes.push(ended.output_bytes.cast_signed());
        self.dropped_bytes.push(ended.dropped_bytes.cast_signed());
        self.ended_at.push(ended.ended_at.as_millis());
        falls_due
    }

    /// Tells whether all these jobs have come to rest, and none has a record of its
    /// attempt yet, which it had if there was output.
    pub(super) fn are_plain(&self) -> bool {
        self.finished_at.iter().all(Option::is_some) && self.output_bytes.iter().all(|&bytes| bytes == 0)
    }

    /// What there is to be said of jobs that have come to rest with such attempts.
    pub(super) fn plain_columns(&self) -> [Value<'_>; 11] {
        [
            self.seqs.value(),
            self.leases.value(),
            self.states.value(),
            self.attempts.value(),
            self.crashes.value(),
            self.started_at.value(),
            self.finished_at.value(),
            self.exit_codes.value(),
            self.signals.value(),
            self.errors.value(),
            self.outcomes.value(),
        ]
    }

    /// What there is to be said of all others beside that.
    pub(super) fn more_columns(&self) -> [Value<'_>; 6] {
        [
            self.due.value(),
            self.waits_since.value(),
            self.codes.value(),
            self.output_bytes.value(),
            self.dropped_bytes.value(),
            self.ended_at.value(),
        ]
    }
}
