//! The statements of who looks.

use super::clock::SILENCE;
use super::jobs::{ATTEMPTS_NOW, JOBS_AFTER, JOBS_BEFORE, JOBS_FINISHED, JOBS_NOW};
use crate::columns::{attempt, output, worker};
use crate::job_row::job;
use const_format::concatcp;

const SELECT_JOBS: &str = concatcp!("SELECT ", job::LIST, " FROM ", JOBS_NOW);

pub(crate) const JOB: &str = concatcp!(SELECT_JOBS, " WHERE id = $1");
/// The states of jobs by their numbers. Differs from its twin, which is asked for one job
/// after the other: each question to a server costs a round trip.
pub(crate) const STATES_OF_SEQS: &str = "SELECT job.seq, CASE WHEN claimed.seq IS NOT NULL THEN 'processing' \
     ELSE coalesce(finished.state, job.state) END AS state FROM @job \
     LEFT JOIN @claimed ON claimed.seq = job.seq LEFT JOIN @finished ON finished.seq = job.seq \
     WHERE job.seq = ANY ($1)";
/// Statements of which the rest, the conditions, is made by `filter`.
pub(crate) const SELECT_JOBS_AFTER: &str =
    concatcp!("SELECT ", job::LIST, " FROM ", JOBS_AFTER, " WHERE true");
pub(crate) const SELECT_SEQS_AFTER: &str = concatcp!(NUMBERS_OF, JOBS_AFTER, " WHERE true");
pub(crate) const SELECT_JOBS_BEFORE: &str =
    concatcp!("SELECT ", job::LIST, " FROM ", JOBS_BEFORE, " WHERE true");
pub(crate) const SELECT_FINISHED: &str =
    concatcp!("SELECT finished.seq, job.queue FROM ", JOBS_FINISHED, " WHERE true");
/// The numbers of a page of jobs as one value, since a row for each is ten times as large.
const NUMBERS_OF: &str = "SELECT coalesce(array_agg(seq ORDER BY seq), '{}') AS seqs FROM (SELECT seq FROM ";
pub(crate) const COUNT_OF: &str = "SELECT count(*) FROM (SELECT FROM ";
pub(crate) const FIRST_OF: &str = "SELECT min(seq) FROM ";
/// Jobs by their numbers.
pub(crate) const JOBS_OF_SEQS: &str = concatcp!(SELECT_JOBS, " WHERE seq = ANY ($1)");
/// Where the jobs of a stage or a state are, if there is such a place; not all that are there
/// must be in this state.
pub(crate) const READY_ONES: &str = "SELECT seq FROM @ready";
pub(crate) const SCHEDULED_ONES: &str = "SELECT seq FROM @scheduled";
pub(crate) const BLOCKED_ONES: &str = "SELECT seq FROM @blocked";
pub(crate) const CLAIMED: &str = "SELECT seq FROM @claimed";
pub(crate) const PENDING: &str =
    "SELECT seq FROM @ready UNION ALL SELECT seq FROM @scheduled UNION ALL SELECT seq FROM @blocked";
pub(crate) const FAILED: &str = "SELECT seq FROM @scheduled UNION ALL SELECT seq FROM @blocked \
     UNION ALL SELECT seq FROM @ready WHERE run_at_ms IS NOT NULL";
pub(crate) const DEAD: &str = "SELECT seq FROM @finished WHERE state = 'dead'";
pub(crate) const CANCELLED: &str = "SELECT seq FROM @finished WHERE state = 'cancelled'";
pub(crate) const JOBS_OF_NUMBERS: &str = concatcp!(SELECT_JOBS, " WHERE seq = ANY ($1) ORDER BY seq");
/// The numbers of the jobs that are meant; what is to be known of them is read then.
pub(crate) const JOB_OF_NUMBER: &str = "SELECT seq FROM @job WHERE seq = $1 LIMIT $2";
pub(crate) const LAST_JOB: &str = "SELECT seq FROM @job ORDER BY seq DESC LIMIT least($1, 1)";
pub(crate) const JOBS_THAT_BEGIN: &str =
    "SELECT seq FROM @job WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3";
pub(crate) const JOBS_THAT_END: &str = "SELECT seq FROM @job WHERE right(id, $2::int) = $1 LIMIT $3";
pub(crate) const ALL_JOBS: &str = "@job";
pub(crate) const ATTEMPTS: &str = concatcp!(
    "SELECT ",
    attempt::LIST,
    ", coalesce((SELECT host FROM @worker WHERE id = worker), '') AS host FROM ",
    ATTEMPTS_NOW,
    " WHERE seq = $1 ORDER BY lease"
);
const ATTEMPT_STARTED: &str = ", coalesce((SELECT started_at_ms FROM @attempt WHERE attempt.seq = output.seq \
     AND attempt.lease = output.lease), at_ms) AS started_at_ms FROM ";
pub(crate) const OUTPUT: &str = concatcp!(
    "SELECT ",
    output::LIST,
    ATTEMPT_STARTED,
    "@output WHERE seq = $1 AND lease = $2 AND n >= $3 ORDER BY n LIMIT $4"
);
/// A part is sent if those after it have less than is wanted; the server looks at the
/// lengths alone, and at no more parts than can be needed, since each has a byte.
pub(crate) const OUTPUT_END: &str = concatcp!(
    "SELECT ",
    output::LIST,
    ATTEMPT_STARTED,
    "(SELECT *, sum(octet_length(bytes)) OVER (ORDER BY n DESC \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS after \
         FROM (SELECT * FROM @output WHERE seq = $1 AND lease = $2 ORDER BY n DESC LIMIT $3) AS page) AS output \
     WHERE coalesce(after, 0) < $3 ORDER BY n"
);
/// How many jobs a worker has ended that are not folded into its row.
pub(crate) const DONE_SINCE: &str =
    "coalesce((SELECT sum(done) FROM @change WHERE change.worker = w.id), 0)::bigint AS done_since";
pub(crate) const SELECT_WORKERS: &str = concatcp!(
    "SELECT ",
    worker::LIST,
    ", (SELECT count(*) FROM @claimed WHERE claimed.worker = w.id) AS jobs_now, ",
    DONE_SINCE,
    ", lock_file, ",
    SILENCE,
    ", (CASE WHEN isfinite(beat_at) THEN extract(epoch FROM beat_at) * 1000 END)::bigint AS beat_at_ms \
     FROM @worker AS w LEFT JOIN @heartbeat AS h ON h.worker = w.id"
);
pub(crate) const WORKER: &str = concatcp!(SELECT_WORKERS, " WHERE w.id = $1");
pub(crate) const WORKERS: &str = concatcp!(SELECT_WORKERS, " WHERE ended_at_ms IS NULL ORDER BY w.id");
/// Who may take jobs, of which queues, and where they show that they live; reads neither
/// counts nor claims.
pub(crate) const WHO_TAKES_JOBS: &str = concatcp!(
    "SELECT w.id, queues, lock_file, ",
    SILENCE,
    " FROM @worker AS w LEFT JOIN @heartbeat AS h ON h.worker = w.id WHERE ended_at_ms IS NULL AND stop = 0"
);
