//! The statements of what people and programs do to jobs.

use super::jobs::JOBS_NOW;
use super::stages::{INTO_BLOCKED, INTO_FINISHED, INTO_READY, INTO_SCHEDULED, LEFT_DEAD, LEFT_WAITING, RANK};
use crate::columns::rules;
use crate::job_row::job;
use const_format::concatcp;
use queuectl_postgres::Query;

/// Accepts jobs, with the stage each goes to. Gives the id of each that was accepted: not
/// of those whose id is taken.
///
/// Differs from its twin in that numbers are taken for those too that are not accepted, so
/// that a batch is one statement; numbers only have to grow.
pub(crate) static ENQUEUE: Query = Query::new(concatcp!(
    "WITH given AS MATERIALIZED (SELECT nextval('@job_seq_seq') AS seq, given.* FROM unnest(:stage::text[], \
         :blocked_by::text[], :run_at_ms::bigint[], :waits_since_ms::bigint[]",
    job::AND_GIVEN_ARRAYS,
    ") AS given (stage, blocked_by, run_at_ms, waits_since_ms",
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
));
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

/// Where a job stands, and for which time it waits.
pub(crate) const STANDING_OF_JOB: &str = concatcp!(
    "SELECT seq, queue, stage, state, attempts, crashes, lease, worker, run_at_ms, waits_since_ms, blocked_by FROM ",
    JOBS_NOW,
    " WHERE id = $1"
);
/// Only a job that waits, and that nobody has claimed since its lease was read; gives a row
/// if it was.
pub(crate) static CANCEL: Query = Query::new(concatcp!(
    "WITH ",
    LEFT_WAITING,
    ", to_finished AS (SELECT seq, :state AS state, attempts, crashes, lease, :now AS updated_at_ms, started_at_ms, \
         :finished_at_ms AS finished_at_ms, exit_code, signal, last_error, NULL::bigint AS worker, \
         NULL::text AS outcome FROM @job WHERE seq IN (SELECT seq FROM left_waiting) AND lease = :lease), ",
    INTO_FINISHED,
    " SELECT seq FROM to_finished"
));
/// Only of a lease that is held; gives a row if it is.
pub(crate) const REQUEST_CANCEL: &str = "UPDATE @claimed SET cancel_at_ms = coalesce(cancel_at_ms, $3) WHERE seq = $1 AND lease = $2 RETURNING seq";
/// Only dead jobs; gives a row for each.
pub(crate) static REVIVE: Query = Query::new(concatcp!(
    "WITH ",
    LEFT_DEAD,
    ", placed AS (SELECT seq, nextval('@position') AS position FROM (SELECT seq FROM left_dead ORDER BY seq) AS dead), \
     to_ready AS (UPDATE @job SET state = :state, attempts = :attempts, crashes = :crashes, lease = left_dead.lease, \
         started_at_ms = left_dead.started_at_ms, exit_code = left_dead.exit_code, signal = left_dead.signal, \
         last_error = left_dead.last_error, position = placed.position, updated_at_ms = :now \
         FROM left_dead JOIN placed ON placed.seq = left_dead.seq \
         WHERE job.seq = ANY (:seqs) AND job.seq = left_dead.seq \
         RETURNING job.seq, job.queue, priority, job.position, job.crashes, NULL::bigint AS run_at_ms, \
         NULL::bigint AS waits_since_ms), ",
    INTO_READY,
    ", recorded AS (INSERT INTO @attempt (seq, lease, worker, started_at_ms, ended_at_ms, outcome, code, error) \
         SELECT seq, lease, worker, started_at_ms, finished_at_ms, outcome, coalesce(exit_code, signal), last_error \
         FROM left_dead WHERE outcome IS NOT NULL) SELECT seq, queue FROM to_ready"
));
/// Gives a scheduled job another time; gives a row if it was scheduled.
pub(crate) static RESCHEDULE: Query = Query::new(concatcp!(
    "WITH left_scheduled AS (DELETE FROM @scheduled WHERE seq = :seq RETURNING seq), \
     to_scheduled AS (UPDATE @job SET updated_at_ms = :now WHERE seq IN (SELECT seq FROM left_scheduled) \
         RETURNING seq, queue, :run_at_ms AS run_at_ms, :waits_since_ms AS waits_since_ms), ",
    INTO_SCHEDULED,
    " SELECT seq FROM to_scheduled"
));
/// Takes a job out of `blocked` that is blocked by this; gives a row if it was.
pub(crate) static UNBLOCK: Query = Query::new(concatcp!(
    "WITH left_blocked AS (DELETE FROM @blocked WHERE seq = :seq AND blocked_by = :blocked_by RETURNING seq), \
     unblocked AS (UPDATE @job SET updated_at_ms = :now, \
         position = CASE WHEN :stage = 'ready' THEN nextval('@position') ELSE position END \
         WHERE seq IN (SELECT seq FROM left_blocked) RETURNING seq, queue, priority, position, crashes, \
         :run_at_ms AS run_at_ms, :waits_since_ms AS waits_since_ms), \
     to_ready AS (SELECT * FROM unblocked WHERE :stage = 'ready'), ",
    INTO_READY,
    ", to_scheduled AS (SELECT * FROM unblocked WHERE :stage = 'scheduled'), ",
    INTO_SCHEDULED,
    " SELECT seq FROM unblocked"
));
/// Only a job that has come to rest, and nobody else is about to change.
pub(crate) const FINISHED: &str = "SELECT finished.seq, queue FROM @finished JOIN @job ON job.seq = finished.seq \
     WHERE finished.seq = $1 FOR UPDATE OF finished";
pub(crate) const OLDEST_DEAD: &str = "SELECT seq FROM @finished WHERE state = 'dead' AND seq > $1 ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED";
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
