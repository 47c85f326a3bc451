//! How claims end: with an attempt that has, handed back, or with their worker.

use super::counters::Counters;
use super::stages::{self, Attempt};
use super::trouble::Trouble;
use super::{row, sql, standing};
use crate::worker::Ended;
use queuectl_core::{Effect, Ending, Lease, Outcome, RetryPolicy, Timestamp, WorkerId, effect};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::time::Duration;

/// Records the end of an attempt; none if the lease is no longer this worker's.
pub(super) fn record(
    connection: &Connection,
    counters: &mut Counters,
    worker: WorkerId,
    ended: &Ended,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Option<Effect>, Trouble> {
    let Some(known) = standing::of_lease(connection, worker, ended.lease)? else { return Ok(None) };
    let ending = Ending::Ran { outcome: ended.outcome, at: ended.ended_at };
    let effect = effect::finish(&known.standing(), ending, policy, now)?;
    let attempt = Attempt::Ended(ended);
    stages::apply(connection, counters, &known.before(), known.state, &effect, &attempt, now)?;
    connection.prepare_cached(sql::ATTEMPT_ENDED)?.execute(params![
        ended.lease.seq.0,
        ended.lease.number,
        worker.0,
        ended.started_at.as_millis(),
        ended.ended_at.as_millis(),
        ended.outcome.as_str(),
        ended.outcome.code(),
        ended.error,
        ended.output_bytes,
        ended.dropped_bytes,
    ])?;
    Ok(Some(effect))
}

/// Takes back a claim that was never started; none if it is no longer this worker's.
pub(super) fn hand_back(
    connection: &Connection,
    counters: &mut Counters,
    worker: WorkerId,
    lease: Lease,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Option<Effect>, Trouble> {
    let Some(known) = standing::of_lease(connection, worker, lease)? else { return Ok(None) };
    let effect = effect::finish(&known.standing(), Ending::Unstarted, policy, now)?;
    stages::apply(connection, counters, &known.before(), known.state, &effect, &Attempt::Unstarted, now)?;
    Ok(Some(effect))
}

/// Hands back all that a worker holds and ends it, in a queue it never worked on.
pub(super) fn hand_back_all(
    connection: &Connection,
    counters: &mut Counters,
    worker: WorkerId,
) -> Result<(), Trouble> {
    let now = connection.prepare_cached(sql::LAST_TOUCHED)?.query_row([worker.0], |row| row::time(row, 0))?;
    // Nothing ran here, so no policy is asked.
    let policy = RetryPolicy { base: 0.0, max: Duration::ZERO, crash_limit: u32::MAX };
    for lease in claims(connection, worker)? {
        hand_back(connection, counters, worker, lease, &policy, now)?;
    }
    connection.prepare_cached(sql::WORKER_ENDED)?.execute((worker.0, now.as_millis()))?;
    Ok(())
}

/// The end of an attempt whose worker died without a word.
pub(super) fn lost(connection: &Connection, lease: Lease, now: Timestamp) -> rusqlite::Result<Ended> {
    let Lease { seq, number } = lease;
    let recorded = connection
        .prepare_cached(sql::ATTEMPT_STARTED_AT)?
        .query_row((seq.0, number), |row| row::time(row, 0))
        .optional()?;
    let claimed =
        connection.prepare_cached(sql::CLAIMED_AT)?.query_row([seq.0], |row| row::optional_time(row, 0))?;
    let output_bytes =
        connection.prepare_cached(sql::OUTPUT_STORED)?.query_row((seq.0, number), |row| row.get(0))?;
    Ok(Ended {
        lease,
        started_at: recorded.or(claimed).unwrap_or(now).min(now),
        ended_at: now,
        outcome: Outcome::WorkerLost,
        error: Some("its worker died".into()),
        output_bytes,
        dropped_bytes: 0,
    })
}

/// The leases that a worker holds.
pub(super) fn claims(connection: &Connection, worker: WorkerId) -> rusqlite::Result<Vec<Lease>> {
    connection.prepare_cached(sql::CLAIMS)?.query_map([worker.0], row::lease)?.collect()
}
