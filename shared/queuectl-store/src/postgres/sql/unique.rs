//! The statements of unique keys.
//!
//! Who locks several keys does so in their order, after rows of dead jobs that are to be
//! revived, and before ids and rows of other stages: so no two transactions wait for each
//! other, however many put jobs in at once.

use super::stages::{INTO_BLOCKED, INTO_READY, INTO_SCHEDULED, LEFT_WAITING, RANK};
use crate::columns::unique_key;
use const_format::concatcp;
use queuectl_postgres::Query;

/// From `to_unique_key`: the seq and id of a job, its key, and until when; no key twice. A job takes a key that is
/// free, or that it had before, whose window it keeps. Gives the seq of each job that has
/// its key now; the rows of the other keys are locked all the same, and stay what they are.
const INTO_UNIQUE_KEY: &str = "into_unique_key AS (INSERT INTO @unique_key AS old (seq, key, job_id, is_held, until_ms) \
     SELECT seq, key, job_id, 1, until_ms FROM to_unique_key ORDER BY key COLLATE \"C\" \
     ON CONFLICT (key) DO UPDATE SET seq = excluded.seq, job_id = excluded.job_id, is_held = 1, \
         until_ms = CASE WHEN old.seq = excluded.seq THEN old.until_ms ELSE excluded.until_ms END \
         WHERE old.seq = excluded.seq OR (old.is_held = 0 AND (old.until_ms IS NULL OR old.until_ms <= :now)) \
     RETURNING old.seq)";

/// Gives new jobs their numbers, and those that have keys these; says of each, in their
/// order, whether it can go in.
pub(crate) static ADMIT: Query = Query::new(concatcp!(
    "WITH given AS MATERIALIZED (SELECT nextval('@job_seq_seq') AS seq, given.* FROM unnest(:key::text[], \
         :job_id::text[], :until_ms::bigint[]) WITH ORDINALITY AS given (key, job_id, until_ms, line)), \
     to_unique_key AS (SELECT * FROM given WHERE key IS NOT NULL), ",
    INTO_UNIQUE_KEY,
    " SELECT seq, key IS NULL OR seq IN (SELECT seq FROM into_unique_key) AS goes_in FROM given ORDER BY line"
));
/// Gives dead jobs their keys again; gives a row for each that has got it.
pub(crate) static TAKE_KEYS_AGAIN: Query = Query::new(concatcp!(
    "WITH to_unique_key AS (SELECT *, NULL::bigint AS until_ms FROM unnest(:seq::bigint[], :key::text[], \
         :job_id::text[]) AS given (seq, key, job_id)), ",
    INTO_UNIQUE_KEY,
    " SELECT seq FROM into_unique_key"
));
/// Who has these keys.
pub(crate) const HOLDERS: &str =
    concatcp!("SELECT ", unique_key::LIST, " FROM @unique_key WHERE key = ANY ($1)");
/// Keeps others from taking or giving back the keys of these jobs.
pub(crate) const LOCK_KEYS: &str = "SELECT seq FROM @unique_key WHERE seq = ANY ($1) ORDER BY key FOR UPDATE";
/// Gives the keys of jobs back; within their windows they stay taken.
pub(crate) const GIVE_KEYS_BACK: &str = "WITH given_back AS MATERIALIZED (SELECT seq FROM @unique_key \
         WHERE seq = ANY ($1) ORDER BY key FOR UPDATE), \
     freed AS (DELETE FROM @unique_key WHERE seq = ANY (ARRAY(SELECT seq FROM given_back)) \
         AND (until_ms IS NULL OR until_ms <= $2)) \
     UPDATE @unique_key SET is_held = 0 WHERE seq = ANY (ARRAY(SELECT seq FROM given_back)) AND until_ms > $2";
/// Of jobs that were not accepted in the end.
pub(crate) const FORGET_KEYS: &str = "DELETE FROM @unique_key WHERE seq = ANY ($1)";
/// Keys whose windows have ended, so that they do not pile up; waits for no other transaction.
pub(crate) const FORGET_STALE_KEYS: &str = "DELETE FROM @unique_key WHERE seq = ANY (ARRAY(SELECT seq FROM @unique_key \
     WHERE is_held = 0 AND until_ms <= $1 ORDER BY until_ms LIMIT $2 FOR UPDATE SKIP LOCKED))";
/// Has a job that waits say what another of the same key says, and puts it where that
/// leads; gives a row if it still waited there.
pub(crate) static REPLACE: Query = Query::new(concatcp!(
    "WITH given AS MATERIALIZED (SELECT seq, queue, ",
    RANK,
    " AS rank, position FROM @job WHERE seq = ANY (:seq)), ",
    LEFT_WAITING,
    ", replaced AS (UPDATE @job SET priority = (:priority::bigint[])[1], max_retries = (:max_retries::bigint[])[1], \
         timeout_ms = (:timeout_ms::bigint[])[1], env = (:env::text[])[1], cwd = (:cwd::text[])[1], \
         command = (:command::text[])[1], updated_at_ms = :now, \
         position = CASE WHEN :gets_position THEN nextval('@position') ELSE position END \
         WHERE seq IN (SELECT seq FROM left_waiting) RETURNING seq, queue, priority, position, crashes, \
         :run_at_ms::bigint AS run_at_ms, :waits_since_ms::bigint AS waits_since_ms, :blocked_by::text AS blocked_by), \
     to_ready AS (SELECT * FROM replaced WHERE :stage = 'ready'), ",
    INTO_READY,
    ", to_scheduled AS (SELECT * FROM replaced WHERE :stage = 'scheduled'), ",
    INTO_SCHEDULED,
    ", to_blocked AS (SELECT * FROM replaced WHERE :stage = 'blocked'), ",
    INTO_BLOCKED,
    " SELECT seq FROM replaced"
));
/// Held keys of jobs that are at rest, gone, or have another; and jobs that are not at rest
/// and do not have their keys.
pub(crate) const WRONG_KEYS: &str = "SELECT (SELECT count(*) FROM @unique_key WHERE is_held <> 0 AND (\
         EXISTS (SELECT FROM @finished WHERE finished.seq = unique_key.seq) \
         OR NOT EXISTS (SELECT FROM @job WHERE job.seq = unique_key.seq AND job.unique_key = unique_key.key))), \
     (SELECT count(*) FROM @job WHERE job.unique_key IS NOT NULL \
         AND NOT EXISTS (SELECT FROM @finished WHERE finished.seq = job.seq) \
         AND NOT EXISTS (SELECT FROM @unique_key AS held WHERE held.seq = job.seq AND held.key = job.unique_key \
             AND held.is_held <> 0))";
