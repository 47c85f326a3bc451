//! The statements of what people want of jobs, of one or of many.
//!
//! They differ from their twins in that one statement takes many jobs, and in that they look
//! again whether each is as the caller has seen it: others write at the same time.

use super::jobs::{JOBS_AMONG, JOBS_NOW};
use super::stages::{INTO_BLOCKED, INTO_FINISHED, INTO_READY, INTO_SCHEDULED, LEFT_DEAD, LEFT_WAITING, RANK};
use const_format::concatcp;
use queuectl_postgres::Query;

/// Where jobs stand, and for which time they wait; behind it stands which.
const STANDINGS_FROM: &str = concatcp!(
    "SELECT seq, id, queue, ",
    RANK,
    " AS rank, position, stage, state, attempts, crashes, lease, worker, run_at_ms, waits_since_ms, blocked_by, \
     unique_key IS NOT NULL AS has_key FROM "
);
/// Where a job of this id stands.
pub(crate) const STANDING_OF_JOB: &str = concatcp!(STANDINGS_FROM, JOBS_NOW, " WHERE id = $1");
/// Where jobs of these numbers ($1) stand; behind it stand conditions.
pub(crate) const STANDINGS_OF_JOBS: &str = concatcp!(STANDINGS_FROM, JOBS_AMONG, " WHERE true");

/// The jobs as the caller has seen them, and where each is to go.
const GIVEN: &str = "WITH given AS MATERIALIZED (SELECT * FROM unnest(:seq, :queue::text[], :rank::bigint[], \
         :position::bigint[], :state::text[], :lease::bigint[], :stage::text[], :new_state::text[], \
         :finished_at_ms::bigint[], :blocked_by::text[], :run_at_ms::bigint[], :waits_since_ms::bigint[]) \
         AS given (seq, queue, rank, position, state, lease, stage, new_state, finished_at_ms, blocked_by, \
         run_at_ms, waits_since_ms)), ";

/// Gives each job that was taken out of where it waits, and whether it has come to where it
/// is to go: not if another has claimed it and given it back since it was read.
const WHICH: &str = " SELECT left_waiting.seq, gone_on.seq IS NOT NULL AS has_gone_on \
     FROM left_waiting LEFT JOIN gone_on ON gone_on.seq = left_waiting.seq";

/// The jobs that were taken out of where they wait, in the order of acceptance. (A part of its
/// own, so that each is joined once with the next: where several are joined, the server may
/// compare each with each.)
const LEAVING: &str = ", leaving AS MATERIALIZED (SELECT given.seq, given.state, given.lease, stage, new_state, \
         finished_at_ms, blocked_by, coalesce(given.run_at_ms, left_waiting.run_at_ms) AS run_at_ms, \
         coalesce(given.waits_since_ms, left_waiting.waits_since_ms) AS waits_since_ms \
         FROM given JOIN left_waiting ON left_waiting.seq = given.seq ORDER BY given.seq)";

/// Has jobs that wait come to rest.
pub(crate) static FINISH_WAITING: Query = Query::new(concatcp!(
    GIVEN,
    LEFT_WAITING,
    LEAVING,
    ", gone_on AS (SELECT job.seq, leaving.new_state AS state, attempts, crashes, job.lease, :now AS updated_at_ms, \
         started_at_ms, finished_at_ms, exit_code, signal, last_error FROM @job JOIN leaving ON leaving.seq = job.seq \
         WHERE job.seq = ANY (:seq) AND job.lease = leaving.lease AND job.state = leaving.state), \
     to_finished AS (SELECT *, NULL::bigint AS worker, NULL::text AS outcome FROM gone_on), ",
    INTO_FINISHED,
    WHICH
));
/// Has jobs that wait go elsewhere, as what they are. Of those that become ready, the first
/// that was accepted comes first.
pub(crate) static MOVE_WAITING: Query = Query::new(concatcp!(
    GIVEN,
    LEFT_WAITING,
    LEAVING,
    ", placed AS MATERIALIZED (SELECT *, CASE WHEN stage = 'ready' THEN nextval('@position') END AS position \
         FROM leaving), \
     gone_on AS (UPDATE @job SET updated_at_ms = :now, position = coalesce(placed.position, job.position) FROM placed \
         WHERE job.seq = ANY (:seq) AND job.seq = placed.seq AND job.lease = placed.lease AND job.state = placed.state \
         RETURNING job.seq, job.queue, priority, job.position, job.crashes, placed.stage, placed.blocked_by, \
         placed.run_at_ms, placed.waits_since_ms), \
     to_ready AS (SELECT * FROM gone_on WHERE stage = 'ready'), ",
    INTO_READY,
    ", to_scheduled AS (SELECT * FROM gone_on WHERE stage = 'scheduled'), ",
    INTO_SCHEDULED,
    ", to_blocked AS (SELECT * FROM gone_on WHERE stage = 'blocked'), ",
    INTO_BLOCKED,
    WHICH
));
/// Asks for the end of leases ($1, $2); gives a row for each that is held.
pub(crate) const REQUEST_CANCEL: &str = "UPDATE @claimed SET cancel_at_ms = coalesce(cancel_at_ms, $3) \
     WHERE seq = ANY ($1) AND lease = ($2::bigint[])[array_position($1, seq)] RETURNING seq";
/// Of these jobs ($1) those that are dead, and that no other transaction changes any more.
pub(crate) const LOCK_DEAD: &str =
    "SELECT seq FROM @finished WHERE seq = ANY ($1) AND state = 'dead' ORDER BY seq FOR UPDATE";
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
