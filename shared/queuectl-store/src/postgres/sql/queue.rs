//! The statements of what people and programs do to jobs.

use super::jobs::JOBS_NOW;
use super::stages::{INTO_BLOCKED, INTO_READY, INTO_SCHEDULED, RANK};
use crate::columns::rules;
use crate::job_row::job;
use const_format::concatcp;
use queuectl_postgres::Query;

/// Accepts the jobs that are given, from a `SELECT` of their numbers on.
macro_rules! enqueue {
    ($select:literal, $numbers:literal) => {
        concatcp!(
            "WITH given AS MATERIALIZED (",
            $select,
            ":stage::text[], :blocked_by::text[], :run_at_ms::bigint[], :waits_since_ms::bigint[]",
            job::AND_GIVEN_ARRAYS,
            ") AS given (",
            $numbers,
            "stage, blocked_by, run_at_ms, waits_since_ms",
            job::AND_GIVEN,
            ")), added AS (INSERT INTO @job (seq",
            job::AND_GIVEN,
            ", position, updated_at_ms) SELECT seq",
            job::AND_GIVEN,
            ", CASE WHEN stage = 'ready' THEN nextval('@position') END, :now FROM given \
                 ON CONFLICT (id) DO NOTHING RETURNING seq, position), \
             accepted AS (SELECT given.*, added.position, 0::bigint AS crashes FROM added JOIN given USING (seq)), \
             to_ready AS (SELECT * FROM accepted WHERE stage = 'ready'), ",
            INTO_READY,
            ", to_scheduled AS (SELECT * FROM accepted WHERE stage = 'scheduled'), ",
            INTO_SCHEDULED,
            ", to_blocked AS (SELECT * FROM accepted WHERE stage = 'blocked'), ",
            INTO_BLOCKED,
            " SELECT id FROM accepted"

        )
    };
}

/// Accepts jobs, with the stage each goes to. Gives the id of each that was accepted: not
/// of those whose id is taken.
///
/// Differs from its twin in that numbers are taken for those too that are not accepted, so
/// that a batch is one statement; numbers only have to grow.
pub(crate) static ENQUEUE: Query =
    Query::new(enqueue!("SELECT nextval('@job_seq_seq') AS seq, given.* FROM unnest(", ""));
/// The same of jobs that have their numbers already (`:seq`).
pub(crate) static ENQUEUE_NUMBERED: Query =
    Query::new(enqueue!("SELECT given.* FROM unnest(:seq::bigint[], ", "seq, "));
pub(crate) const IDS_TAKEN: &str = "SELECT id FROM @job WHERE id = ANY ($1)";

pub(crate) const RULES: &str = concatcp!("SELECT ", rules::LIST, " FROM @rules ORDER BY queue");
/// Keeps others from giving a row the same id; those who read go on.
pub(crate) const LOCK_RULES: &str = "LOCK TABLE @rules IN SHARE ROW EXCLUSIVE MODE";
/// A later pause takes the place of an earlier one.
///
/// Differs from its twin in that it names the id: a sequence would be one more thing that a
/// move has to bring along, and that a user of the database may be refused.
pub(crate) static PAUSE: Query = Query::new(
    "INSERT INTO @rules (id, queue, paused_at_ms, paused_until_ms, paused_by, paused_reason) \
     SELECT coalesce(max(id), 0) + 1, :queue, :paused_at_ms, :paused_until_ms, :paused_by, :paused_reason FROM @rules \
     ON CONFLICT (queue) DO UPDATE SET paused_at_ms = excluded.paused_at_ms, \
     paused_until_ms = excluded.paused_until_ms, paused_by = excluded.paused_by, \
     paused_reason = excluded.paused_reason",
);
pub(crate) const PAUSED_UNTIL: &str =
    "SELECT paused_until_ms FROM @rules WHERE queue = $1 AND paused_at_ms IS NOT NULL";
pub(crate) const RESUME: &str = "UPDATE @rules SET paused_at_ms = NULL, paused_until_ms = NULL, paused_by = NULL, \
     paused_reason = NULL WHERE queue = $1";
pub(crate) static SET_LIMITS: Query = Query::new(
    "INSERT INTO @rules (id, queue, job_limit) SELECT coalesce(max(id), 0) + 1, :queue, :job_limit FROM @rules \
     ON CONFLICT (queue) DO UPDATE SET job_limit = excluded.job_limit",
);
/// What says nothing any more.
pub(crate) const FORGET_EMPTY_RULES: &str =
    "DELETE FROM @rules WHERE queue = $1 AND paused_at_ms IS NULL AND job_limit IS NULL";
/// Only a job that has come to rest, and nobody else is about to change.
pub(crate) const FINISHED: &str = "SELECT finished.seq, queue FROM @finished JOIN @job ON job.seq = finished.seq \
     WHERE finished.seq = $1 FOR UPDATE OF finished";
pub(crate) const DELETE: &str = "WITH output AS (DELETE FROM @output WHERE seq = ANY ($1)), \
     attempts AS (DELETE FROM @attempt WHERE seq = ANY ($1)), \
     left_finished AS (DELETE FROM @finished WHERE seq = ANY ($1)) DELETE FROM @job WHERE seq = ANY ($1)";

pub(crate) const COUNT_JOBS: &str = concatcp!(
    "SELECT queue, state, count(*), count(*) FILTER (WHERE stage = 'blocked') AS blocked FROM ",
    JOBS_NOW,
    " GROUP BY queue, state"
);
/// How many rows of those that wait say something else of their jobs than the jobs do: a
/// change by hand.
pub(crate) const ASTRAY: &str = concatcp!(
    "SELECT (SELECT count(*) FROM @ready JOIN @job USING (seq) WHERE ready.queue <> job.queue \
         OR ready.position IS DISTINCT FROM job.position OR ready.rank <> ",
    RANK,
    ") + (SELECT count(*) FROM @scheduled JOIN @job USING (seq) WHERE scheduled.queue <> job.queue) \
     + (SELECT count(*) FROM @blocked JOIN @job USING (seq) WHERE blocked.queue <> job.queue)"
);
/// How many jobs are not in exactly one stage; and how many rows of stages have no job.
pub(crate) const MISPLACED: &str = "SELECT count(*) FILTER (WHERE job.seq IS NOT NULL), \
     count(*) FILTER (WHERE job.seq IS NULL) FROM @job FULL JOIN (SELECT seq, count(*) AS stages FROM (\
         SELECT seq FROM @ready UNION ALL SELECT seq FROM @scheduled UNION ALL SELECT seq FROM @blocked \
         UNION ALL SELECT seq FROM @claimed UNION ALL SELECT seq FROM @finished) AS stage GROUP BY seq) AS placed \
     ON placed.seq = job.seq WHERE job.seq IS NULL OR stages IS DISTINCT FROM 1";
pub(crate) const HELD: &str = "SELECT claimed.worker, worker.id IS NULL OR worker.ended_at_ms IS NOT NULL, count(*) \
     FROM @claimed LEFT JOIN @worker ON worker.id = claimed.worker GROUP BY claimed.worker, 2";
