//! What is known of jobs and of attempts, wherever their rows are.

use crate::columns::attempt;
use crate::job_row::job;
use const_format::concatcp;

/// The columns of a job from its row and from that of its stage, and the row among the
/// ready, whose key has no seq.
const COLUMNS: &str = concatcp!(
    "(SELECT job.seq",
    job::AND_GIVEN_QUALIFIED,
    ", CASE WHEN claimed.seq IS NOT NULL THEN 'claimed' WHEN finished.seq IS NOT NULL THEN 'finished' \
         WHEN ready.seq IS NOT NULL THEN 'ready' WHEN scheduled.seq IS NOT NULL THEN 'scheduled' \
         WHEN blocked.seq IS NOT NULL THEN 'blocked' END AS stage, \
     CASE WHEN claimed.seq IS NOT NULL THEN 'processing' ELSE coalesce(finished.state, job.state) END AS state, \
     job.position, coalesce(finished.attempts, claimed.attempts, job.attempts) AS attempts, \
     coalesce(finished.crashes, job.crashes) AS crashes, \
     coalesce(finished.lease, claimed.lease, job.lease) AS lease, claimed.worker, cancel_at_ms, \
     coalesce(finished.updated_at_ms, greatest(claimed_at_ms, cancel_at_ms), job.updated_at_ms) AS updated_at_ms, \
     coalesce(scheduled.run_at_ms, ready.run_at_ms, blocked.run_at_ms) AS run_at_ms, \
     coalesce(scheduled.waits_since_ms, ready.waits_since_ms, blocked.waits_since_ms) AS waits_since_ms, blocked_by, \
     CASE WHEN finished.seq IS NOT NULL THEN finished.started_at_ms \
         ELSE coalesce(claimed_at_ms, job.started_at_ms) END AS started_at_ms, finished_at_ms, \
     CASE WHEN finished.seq IS NOT NULL THEN finished.exit_code ELSE job.exit_code END AS exit_code, \
     CASE WHEN finished.seq IS NOT NULL THEN finished.signal ELSE job.signal END AS signal, \
     CASE WHEN finished.seq IS NOT NULL THEN finished.last_error ELSE job.last_error END AS last_error \
     FROM @job LEFT JOIN @ready ON ready.queue = job.queue \
     AND ready.rank = -greatest(job.priority, -9223372036854775807) AND ready.position = job.position "
);

/// All jobs as they are now, under the name `job`, with every column of one: what its row
/// says, or the row of its stage says otherwise.
pub(crate) const JOBS_NOW: &str = concatcp!(
    COLUMNS,
    "LEFT JOIN @scheduled ON scheduled.seq = job.seq LEFT JOIN @blocked ON blocked.seq = job.seq \
     LEFT JOIN @claimed ON claimed.seq = job.seq LEFT JOIN @finished ON finished.seq = job.seq) AS job"
);

macro_rules! jobs_with_seq {
    ($condition:literal) => {
        concatcp!(
            COLUMNS,
            "LEFT JOIN @scheduled ON scheduled.seq = job.seq AND scheduled.seq ",
            $condition,
            " LEFT JOIN @blocked ON blocked.seq = job.seq AND blocked.seq ",
            $condition,
            " LEFT JOIN @claimed ON claimed.seq = job.seq AND claimed.seq ",
            $condition,
            " LEFT JOIN @finished ON finished.seq = job.seq AND finished.seq ",
            $condition,
            " WHERE job.seq ",
            $condition,
            ") AS job"
        )
    };
}

/// The same of the jobs after one ($1), of those before one, and of those of some numbers; the
/// server does not see by itself that this holds for what is joined as well.
pub(crate) const JOBS_AFTER: &str = jobs_with_seq!("> $1");
pub(crate) const JOBS_BEFORE: &str = jobs_with_seq!("< $1");
pub(crate) const JOBS_AMONG: &str = jobs_with_seq!("= ANY ($1)");

/// Jobs that have come to rest; other jobs are not looked at.
pub(crate) const JOBS_FINISHED: &str = "@finished JOIN @job ON job.seq = finished.seq";

const OF_FINISHED: &str = "SELECT seq, lease, worker, started_at_ms, finished_at_ms AS ended_at_ms, outcome, \
     coalesce(exit_code, signal) AS code, last_error AS error, 0::bigint AS output_bytes, 0::bigint AS dropped_bytes \
     FROM @finished WHERE outcome IS NOT NULL";

/// The records of all attempts, wherever they are, under the name `attempt`.
pub(crate) const ATTEMPTS_NOW: &str =
    concatcp!("((SELECT ", attempt::LIST, " FROM @attempt) UNION ALL (", OF_FINISHED, ")) AS attempt");

/// The last of all attempts; so the server need not put all of them in order.
pub(crate) const LAST_ATTEMPTS_NOW: &str = concatcp!(
    "((SELECT ",
    attempt::LIST,
    " FROM @attempt ORDER BY seq DESC, lease DESC LIMIT 1) UNION ALL (",
    OF_FINISHED,
    " ORDER BY seq DESC LIMIT 1)) AS attempt"
);

/// So many ($3) attempts after one ($1, $2), of each place.
pub(crate) const ATTEMPTS_AFTER: &str = concatcp!(
    "((SELECT ",
    attempt::LIST,
    " FROM @attempt WHERE (seq, lease) > ($1, $2) ORDER BY seq, lease LIMIT $3) UNION ALL (",
    OF_FINISHED,
    " AND seq >= $1 AND (seq, lease) > ($1, $2) ORDER BY seq LIMIT $3)) AS attempt"
);
