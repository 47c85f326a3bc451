//! The ends of attempts, in columns, as one statement takes them.

use super::books;
use super::session::{Session, values};
use super::{Trouble, row, sql};
use crate::work::Ended;
use queuectl_core::{Outcome, Timestamp, Verdict, WorkerId};

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
    /// Adds what becomes of a job whose attempt has ended.
    pub(super) fn push(&mut self, ended: &Ended, verdict: &Verdict, now: Timestamp) {
        // An end in the future was noted before the clock was set back: it waits from now.
        let waits_since = ended.ended_at.min(now);
        let due = verdict.delay.map(|delay| waits_since.after(delay).as_millis());
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
    }

    /// Writes them, into the jobs and as records of their attempts; gives how many.
    /// Unless the standings were `certain`, a job that is no longer held, or is to be
    /// cancelled, is left as it is.
    pub(super) fn write(
        &self,
        session: &mut Session,
        worker: WorkerId,
        certain: bool,
        now: Timestamp,
    ) -> Result<i64, Trouble> {
        let now = now.as_millis();
        let values = values![
            worker.0,
            now,
            self.seqs,
            self.leases,
            self.states,
            self.attempts,
            self.crashes,
            self.due,
            self.waits_since,
            self.started_at,
            self.finished_at,
            self.exit_codes,
            self.signals,
            self.errors,
            self.outcomes,
            self.codes,
            self.output_bytes,
            self.dropped_bytes,
            self.ended_at,
            certain,
        ];
        row::get(&books::one(session.rows(sql::SETTLE, values)?)?, 0)
    }
}
