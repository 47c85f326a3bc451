//! The text that writes each stage's table: one for each, which every statement that
//! moves jobs shares.
//!
//! A statement says in a part `to_ready`, `to_scheduled`, … which jobs go there, and then
//! has the part from here that puts them there. A job leaves a stage where its row is
//! deleted, which only one transaction can do; these are the parts `left_…`.

use const_format::concatcp;

/// The order of the ready is that of this number: the priority turned round. (The least
/// priority of all has no such number.)
pub(super) const RANK: &str = "-greatest(priority, -9223372036854775807)";

/// Tells from its crashes whether a job may be what kills its workers: at
/// `SUSPECT_AFTER_CRASHES`.
pub(super) const IS_SUSPECT: &str = "crashes >= 2";

/// From `to_ready`: seq, queue, priority, position, crashes, and the time for which the job
/// had waited, if it had.
pub(crate) const INTO_READY: &str = concatcp!(
    "into_ready AS (INSERT INTO @ready (queue, rank, position, seq, suspect, run_at_ms, waits_since_ms) \
         SELECT queue, ",
    RANK,
    ", position, seq, ",
    IS_SUSPECT,
    ", run_at_ms, waits_since_ms FROM to_ready)"
);

/// From `to_scheduled`.
pub(crate) const INTO_SCHEDULED: &str = "into_scheduled AS (INSERT INTO @scheduled (seq, queue, run_at_ms, waits_since_ms) \
         SELECT seq, queue, run_at_ms, waits_since_ms FROM to_scheduled)";

/// From `to_blocked`.
pub(crate) const INTO_BLOCKED: &str = "into_blocked AS (INSERT INTO @blocked (seq, queue, blocked_by, run_at_ms, waits_since_ms) \
         SELECT seq, queue, blocked_by, run_at_ms, waits_since_ms FROM to_blocked)";

/// From `to_claimed`.
pub(crate) const INTO_CLAIMED: &str = "into_claimed AS (INSERT INTO @claimed (seq, lease, worker, attempts, claimed_at_ms, cancel_at_ms) \
         SELECT seq, lease, worker, attempts, claimed_at_ms, cancel_at_ms FROM to_claimed)";

/// From `to_finished`: how it came to rest; `worker` and `outcome` if this is the record of
/// its attempt too.
pub(crate) const INTO_FINISHED: &str = "into_finished AS (INSERT INTO @finished (seq, state, attempts, crashes, lease, updated_at_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, last_error, worker, outcome) SELECT seq, state, attempts, crashes, \
         lease, updated_at_ms, started_at_ms, finished_at_ms, exit_code::integer, signal::integer, last_error, \
         worker, outcome FROM to_finished)";

/// What a claim makes of the numbers of a job, as `effect::claim` does.
pub(super) const CLAIMED_NUMBERS: &str = "lease + 1 AS lease, attempts + 1 AS attempts";

/// Takes jobs (of `given`) out of wherever they wait, with the time for which they waited.
/// Those that are ready are found by the key that the caller has read, one by one: the table
/// has no other.
pub(super) const LEFT_WAITING: &str = "left_ready AS (DELETE FROM @ready WHERE ctid = ANY (ARRAY(\
         SELECT found.ctid FROM given CROSS JOIN LATERAL (SELECT ready.ctid FROM @ready \
         WHERE ready.queue = given.queue AND ready.rank = given.rank AND ready.position = given.position \
         AND ready.seq = given.seq FOR UPDATE) AS found)) RETURNING seq, run_at_ms, waits_since_ms), \
     left_scheduled AS (DELETE FROM @scheduled WHERE seq = ANY (:seq) RETURNING seq), \
     left_blocked AS (DELETE FROM @blocked WHERE seq = ANY (:seq) RETURNING seq, run_at_ms, waits_since_ms), \
     left_waiting AS (SELECT * FROM left_ready UNION ALL SELECT seq, NULL, NULL FROM left_scheduled \
         UNION ALL SELECT * FROM left_blocked)";

/// Takes jobs (`:seqs`) out of `finished` that are dead, with how they got there.
pub(super) const LEFT_DEAD: &str =
    "left_dead AS (DELETE FROM @finished WHERE seq = ANY (:seqs) AND state = 'dead' RETURNING *)";

/// The queues that have rows in a table of jobs that wait, by seeks through its index.
macro_rules! queues_in {
    ($table:literal) => {
        concat!(
            "(WITH RECURSIVE named (queue) AS ((SELECT queue FROM ",
            $table,
            " ORDER BY queue LIMIT 1) UNION ALL SELECT (SELECT next.queue FROM ",
            $table,
            " AS next WHERE next.queue > named.queue ORDER BY next.queue LIMIT 1) FROM named \
             WHERE named.queue IS NOT NULL) SELECT queue FROM named WHERE queue IS NOT NULL)"
        )
    };
}
pub(super) use queues_in;

/// Whether a queue is one of those that a worker serves (`:serves_all`, or by name or
/// beginning).
macro_rules! is_served {
    ($queue:literal) => {
        concat!(
            "(:serves_all OR ",
            $queue,
            " = ANY (:names) OR EXISTS (SELECT FROM unnest(:beginnings::text[]) AS prefix (beginning) \
             WHERE starts_with(",
            $queue,
            ", beginning)))"
        )
    };
}
pub(super) use is_served;

/// The queues of which nothing is to be started (`:now`), with when that ends; all where
/// one is named `*`. And those with a limit.
pub(super) const PAUSED: &str = "said AS MATERIALIZED (SELECT queue, paused_at_ms, paused_until_ms, job_limit FROM @rules), \
     paused AS (SELECT queue, paused_until_ms FROM said \
         WHERE paused_at_ms IS NOT NULL AND (paused_until_ms IS NULL OR paused_until_ms > :now)), \
     limited AS (SELECT queue FROM said WHERE job_limit IS NOT NULL)";

/// Whether a queue is none of those, in a statement that has the part `PAUSED`.
macro_rules! is_not_paused {
    ($queue:literal) => {
        concat!("NOT EXISTS (SELECT FROM paused WHERE paused.queue IN (", $queue, ", '*'))")
    };
}
pub(super) use is_not_paused;

/// `PAUSED`, and of the queues that a worker looks at (`:queues`, each from a rank and a
/// position on) those that are not paused. A part of its own, so that rows of the others
/// are not looked at. From one with a limit jobs are claimed only by a statement that is
/// told how many (`:rooms`), since it was found out under a lock.
pub(super) const OPEN: &str = concatcp!(
    PAUSED,
    ", open AS MATERIALIZED (SELECT * FROM unnest(:queues::text[], :from_ranks::bigint[], :from_positions::bigint[], \
         :rooms::bigint[]) AS named (queue, from_rank, from_position, room) WHERE ",
    is_not_paused!("named.queue"),
    " AND (room IS NOT NULL OR NOT EXISTS (SELECT FROM limited WHERE limited.queue = named.queue)))"
);

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::{Next, SUSPECT_AFTER_CRASHES, WorkerId, effect};

    #[test]
    fn the_server_suspects_whom_the_rules_suspect() {
        assert_eq!(IS_SUSPECT, format!("crashes >= {SUSPECT_AFTER_CRASHES}"));
    }

    #[test]
    fn the_server_counts_a_claim_as_the_rules_do() {
        let job = crate::job_row::read(|index| match index {
            crate::job_row::job::state => crate::raw::Raw::Text(b"pending"),
            crate::job_row::job::lease => crate::raw::Raw::Integer(41),
            crate::job_row::job::attempts => crate::raw::Raw::Integer(2),
            _ => crate::raw::Raw::Null,
        });
        let claimed = effect::claim(&job, WorkerId(1)).unwrap();
        let Next::Claimed { lease, .. } = claimed.next else { panic!("{claimed:?}") };
        let (more_lease, more_attempts) = (lease - 41, claimed.attempts - 2);
        assert_eq!(
            CLAIMED_NUMBERS,
            format!("lease + {more_lease} AS lease, attempts + {more_attempts} AS attempts")
        );
    }
}
