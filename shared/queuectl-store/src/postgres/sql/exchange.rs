//! The statements of an exchange.

use super::clock::TIME;
use super::counters::{SUMS_OF_A_WORKER, has_sums};
use super::stages::{
    CLAIMED_NUMBERS, INTO_CLAIMED, INTO_FINISHED, INTO_READY, INTO_SCHEDULED, OPEN, PAUSED, is_not_paused,
    is_served, queues_in,
};
use crate::columns::{ended, plain_ended};
use crate::job_row::job;
use const_format::concatcp;
use queuectl_postgres::Query;

/// The worker, held against a rescue that would call it dead; none if this comes late, over a
/// connection that the worker has given up.
const ITSELF: &str = "WITH itself AS (SELECT stop FROM @worker WHERE id = :worker AND ended_at_ms IS NULL \
     AND connection = :connection FOR SHARE)";

/// Takes the claims away of the attempts that ended. Unless it is certain that all are
/// held and none is to be cancelled, leaves out what is not so.
///
/// They are looked for by their keys alone, here as everywhere: a join might begin with
/// the whole table if the server believes that it is empty, which is how a vacuum
/// mostly finds it.
macro_rules! ended {
    ($columns:ident) => {
        concatcp!(
            LEFT_CLAIMED,
            ", ended AS (SELECT * FROM unnest(",
            $columns::ARRAYS,
            ") AS ended (",
            $columns::LIST,
            ") WHERE seq = ANY (ARRAY(SELECT seq FROM left_claimed)))"
        )
    };
}

/// Takes the claims away, which only one can do.
const LEFT_CLAIMED: &str = "left_claimed AS (DELETE FROM @claimed WHERE seq = ANY (:seq) \
         AND lease = (:lease::bigint[])[array_position(:seq, seq)] AND worker = :worker \
         AND (cancel_at_ms IS NULL OR :is_certain) AND EXISTS (SELECT FROM itself) RETURNING seq)";

/// Records the ends of attempts, and puts each job where it goes.
const RESULTS: &str = concatcp!(
    "to_finished AS (SELECT seq, state, attempts, crashes, lease, :now AS updated_at_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, error AS last_error, NULL::bigint AS worker, NULL::text AS outcome \
         FROM ended WHERE finished_at_ms IS NOT NULL), ",
    INTO_FINISHED,
    ", recorded AS (INSERT INTO @attempt (seq, lease, worker, started_at_ms, ended_at_ms, outcome, code, error, \
         output_bytes, dropped_bytes) SELECT seq, lease, :worker, started_at_ms, ended_at_ms, outcome, code::integer, \
         error, output_bytes, dropped_bytes FROM ended ON CONFLICT (seq, lease) DO UPDATE \
         SET ended_at_ms = excluded.ended_at_ms, outcome = excluded.outcome, code = excluded.code, \
         error = excluded.error, output_bytes = excluded.output_bytes, dropped_bytes = excluded.dropped_bytes \
         WHERE attempt.ended_at_ms IS NULL), \
     returned AS (UPDATE @job SET state = ended.state, attempts = ended.attempts, crashes = ended.crashes, \
         lease = ended.lease, started_at_ms = ended.started_at_ms, exit_code = ended.exit_code::integer, \
         signal = ended.signal::integer, last_error = error, updated_at_ms = :now FROM ended \
         WHERE job.seq = ANY (:seq) AND job.seq = ended.seq AND finished_at_ms IS NULL \
         RETURNING job.seq, job.queue, priority, position, job.crashes, ended.run_at_ms, ended.waits_since_ms), \
     to_scheduled AS (SELECT * FROM returned WHERE run_at_ms IS NOT NULL), ",
    INTO_SCHEDULED,
    ", to_ready AS (SELECT * FROM returned WHERE run_at_ms IS NULL), ",
    INTO_READY
);

/// The same where all jobs have come to rest with their attempts, which had no output: how
/// they came to rest is the record of the attempt too.
const PLAIN_RESULTS: &str = concatcp!(
    "to_finished AS (SELECT seq, state, attempts, crashes, lease, :now AS updated_at_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, error AS last_error, :worker AS worker, outcome FROM ended), ",
    INTO_FINISHED
);

/// How many jobs may be claimed: what is wanted, unless the worker is to stop.
const WANTED: &str =
    "wanted AS (SELECT coalesce((SELECT CASE WHEN stop = 0 THEN :want END FROM itself), 0) AS jobs)";

/// The first of the ready of each queue of `OPEN`, no more than it has room for, and of
/// these the first of all.
macro_rules! heads {
    ($name:literal, $columns:literal, $which:literal) => {
        concat!(
            $name,
            " AS (SELECT head.* FROM open AS of CROSS JOIN LATERAL (SELECT ctid AS at, ",
            $columns,
            " FROM @ready WHERE ready.queue = of.queue AND (rank, position) >= (from_rank, from_position)",
            $which,
            " ORDER BY rank, position LIMIT least((SELECT jobs FROM wanted), of.room) FOR UPDATE SKIP LOCKED) AS head \
             ORDER BY rank, position LIMIT (SELECT jobs FROM wanted))"
        )
    };
}

/// Claims what has left the ready, and adds all of it to the counters.
const CLAIMS: &str = concatcp!(
    "picked AS (SELECT * FROM @job WHERE seq = ANY (ARRAY(SELECT seq FROM left_ready))), \
     to_claimed AS (SELECT seq, ",
    CLAIMED_NUMBERS,
    ", :worker AS worker, :now AS claimed_at_ms, NULL::bigint AS cancel_at_ms FROM picked), ",
    INTO_CLAIMED,
    // What ended went from `processing` to what it becomes, what is claimed the other way.
    // (A comparison with NULL costs next to nothing.)
    ", moved AS (SELECT queue, outcome, state AS becomes, NULL AS was FROM ended \
         UNION ALL SELECT queue, NULL, NULL, state FROM picked), \
     counted AS (INSERT INTO @change (worker, queue, done, pending, processing, completed, failed, dead, cancelled) \
         SELECT :worker, queue, count(*) FILTER (WHERE outcome <> 'worker-lost'), \
         count(*) FILTER (WHERE becomes = 'pending') - count(*) FILTER (WHERE was = 'pending'), \
         count(was) - count(becomes), \
         count(*) FILTER (WHERE becomes = 'completed'), \
         count(*) FILTER (WHERE becomes = 'failed') - count(*) FILTER (WHERE was = 'failed'), \
         count(*) FILTER (WHERE becomes = 'dead'), count(*) FILTER (WHERE becomes = 'cancelled') FROM moved GROUP BY queue)"
);

/// What is told of a job that was claimed: its row as it waited.
const PICKED: &str = concatcp!(
    "picked.seq",
    job::AND_GIVEN,
    ", state, position, attempts, crashes, lease, updated_at_ms, exit_code, signal, last_error, \
     (SELECT count(*) FROM left_claimed) AS ended_jobs"
);

/// How many pages of the index of the ready this connection has read in all.
const PAGES_WALKED: &str = "pg_stat_get_xact_blocks_fetched('@ready_pkey'::regclass) AS pages_walked";

/// What a worker is told each time: the seq and the lease of each claim of its own that is
/// to end, the queues that are paused, those that have a limit, the time.
const SIGNALS: &str = concatcp!(
    "ARRAY(SELECT queue FROM paused) AS paused, ARRAY(SELECT paused_until_ms FROM paused) AS paused_until, \
     ARRAY(SELECT queue FROM limited WHERE ",
    is_served!("limited.queue"),
    ") AS limited, ARRAY(SELECT queue FROM limited WHERE ",
    is_served!("limited.queue"),
    " AND ",
    is_not_paused!("limited.queue"),
    " AND EXISTS (SELECT FROM @ready WHERE ready.queue = limited.queue)) AS limited_and_ready, \
     ARRAY(SELECT unnest(ARRAY[seq, lease]) FROM @claimed WHERE worker = :worker AND cancel_at_ms IS NOT NULL) \
     AS cancel, ",
    TIME,
    " AS time"
);

/// What a worker is told now and then, in the queues that it serves: `:reads` says how
/// much is read, and what began to wait after `:other_clock` was given its time by another
/// clock. Of the queues that have ready jobs nothing is said where `:from_cursors`.
const MORE_SIGNALS: &str = concatcp!(
    "CASE WHEN :reads > 0 THEN ARRAY(SELECT id FROM @worker WHERE ended_at_ms IS NULL) END AS roster, \
     CASE WHEN :reads > 0 AND NOT :from_cursors THEN ARRAY(SELECT queue FROM ",
    queues_in!("@ready"),
    " AS of) END AS ready_queues, CASE WHEN :reads > 0 THEN (SELECT min(first) FROM (SELECT (SELECT min(run_at_ms) \
         FROM @scheduled WHERE scheduled.queue = of.queue) AS first FROM ",
    queues_in!("@scheduled"),
    " AS of WHERE ",
    is_served!("of.queue"),
    " AND ",
    is_not_paused!("of.queue"),
    ") AS of) END AS next_due, :reads > 0 AND EXISTS (SELECT FROM @scheduled WHERE waits_since_ms > :other_clock AND ",
    is_served!("scheduled.queue"),
    " AND ",
    is_not_paused!("scheduled.queue"),
    ") AS due_by_another_clock, (SELECT ",
    has_sums!(":reads"),
    ") AS was_added_up, pending, processing, completed, failed, dead, cancelled, blocked, changes FROM (",
    SUMS_OF_A_WORKER,
    " WHERE (SELECT ",
    has_sums!(":reads"),
    ") AND ",
    is_served!("queue"),
    ") AS sums"
);

/// How an exchange begins in which jobs may go anywhere: up to which queues are looked at.
const HANDED_IN: &str =
    concatcp!(ITSELF, ", ", ended!(ended), ", ", RESULTS, ", ", WANTED, ", ", OPEN, ", ",);

/// How it ends, once `left_ready` has what is claimed.
const CLAIMED_AND_TOLD: &str = concatcp!(
    CLAIMS,
    " SELECT ",
    PICKED,
    ", (SELECT count(*) FROM to_ready) AS returned_jobs, \
     EXISTS (SELECT FROM @ready WHERE suspect AND queue = ANY (ARRAY(SELECT queue FROM open))) AS any_suspect, ",
    PAGES_WALKED,
    ", signals.* FROM (SELECT (SELECT stop FROM itself) AS stop, ",
    SIGNALS,
    ", ",
    MORE_SIGNALS,
    ") AS signals LEFT JOIN picked ON true"
);

/// The life of a worker: writes what became of the attempts that ended, claims the first of
/// the ready of the queues it serves with at most so many suspects among them, adds both to
/// the counters, and reads the signals, which show nothing of this yet. Gives a row for each
/// job it has claimed, in no order, or one without a job.
///
/// Differs from its twins in SQLite in that it is one statement, since a round trip costs
/// more than what is done in it. That is harmless: it waits for no other transaction, since
/// each passes over rows that another deletes, and nobody else writes what a worker holds
/// but those who cancel a job.
pub(crate) static EXCHANGE: Query = Query::new(concatcp!(
    HANDED_IN,
    heads!("sound", "rank, position", " AND NOT suspect"),
    ", suspects AS (SELECT ctid AS at, rank, position FROM @ready WHERE suspect \
         AND queue = ANY (ARRAY(SELECT queue FROM open)) \
         ORDER BY rank, position LIMIT (SELECT least(jobs, :most_suspects) FROM wanted) FOR UPDATE SKIP LOCKED), \
     first AS (SELECT * FROM sound UNION ALL SELECT * FROM suspects ORDER BY rank, position \
         LIMIT (SELECT jobs FROM wanted)), \
     left_ready AS (DELETE FROM @ready WHERE ctid = ANY (ARRAY(SELECT at FROM first)) RETURNING seq), ",
    CLAIMED_AND_TOLD,
));

/// The same where the gates of queues with a limit are held: no more jobs of a queue than
/// it has room for, suspects included.
pub(crate) static GATED_EXCHANGE: Query = Query::new(concatcp!(
    HANDED_IN,
    heads!("sound", "rank, position, of.queue, of.room", " AND NOT suspect"),
    ", suspects AS (SELECT ready.ctid AS at, rank, position, ready.queue, open.room FROM @ready JOIN open USING (queue) \
         WHERE suspect AND room IS DISTINCT FROM 0 ORDER BY rank, position \
         LIMIT (SELECT least(jobs, :most_suspects) FROM wanted) FOR UPDATE OF ready SKIP LOCKED), \
     found AS (SELECT *, row_number() OVER (PARTITION BY queue ORDER BY rank, position) AS nth FROM \
         (SELECT * FROM sound UNION ALL SELECT * FROM suspects) AS either), \
     first AS (SELECT at FROM found WHERE room IS NULL OR nth <= room ORDER BY rank, position \
         LIMIT (SELECT jobs FROM wanted)), \
     left_ready AS (DELETE FROM @ready WHERE ctid = ANY (ARRAY(SELECT at FROM first)) RETURNING seq), ",
    CLAIMED_AND_TOLD,
));

/// The same where all jobs have come to rest with their attempts, which had no output, no
/// suspect is expected and little is to be read: what a statement could do costs time even
/// if it has nothing to do. It passes over suspects, and says if it has.
pub(crate) static PLAIN_EXCHANGE: Query = Query::new(concatcp!(
    ITSELF,
    ", ",
    ended!(plain_ended),
    ", ",
    PLAIN_RESULTS,
    ", ",
    WANTED,
    ", ",
    OPEN,
    ", ",
    heads!("first", "suspect, rank, position", ""),
    ", left_ready AS (DELETE FROM @ready WHERE ctid = ANY (ARRAY(SELECT at FROM first WHERE NOT suspect)) \
         RETURNING seq), ",
    CLAIMS,
    " SELECT ",
    PICKED,
    ", 0::bigint AS returned_jobs, EXISTS (SELECT FROM first WHERE suspect) AS any_suspect, ",
    PAGES_WALKED,
    ", signals.* FROM (SELECT (SELECT stop FROM itself) AS stop, ",
    SIGNALS,
    ", NULL::bigint[] AS roster) AS signals LEFT JOIN picked ON true"
));

/// The signals, and whether one of these queues has a ready job from a rank and a position
/// on.
pub(crate) static LOOK: Query = Query::new(concatcp!(
    "WITH ",
    OPEN,
    " SELECT EXISTS (SELECT FROM open AS of WHERE EXISTS (SELECT FROM @ready WHERE ready.queue = of.queue \
         AND (rank, position) >= (from_rank, from_position))) AS any_ready, \
     (SELECT stop FROM @worker WHERE id = :worker AND ended_at_ms IS NULL) AS stop, ",
    SIGNALS,
    ", ",
    MORE_SIGNALS
));

/// Holds the gates of queues (`$1`) that no other worker holds; gives the limit of each.
/// A worker that claims from such a queue holds its gate until the claim is committed.
///
/// A gate is no lock of the row itself, so that a worker which stands still with it keeps
/// nobody from pausing the queue or changing its limit; and none is waited for, so that it
/// keeps no other worker from the jobs of other queues. SQLite has no twin of it: there each
/// exchange is the only writer.
pub(crate) const HOLD_GATES: &str = concatcp!(
    "SELECT queue, job_limit FROM (SELECT id, queue, job_limit FROM @rules WHERE queue = ANY ($1) \
         AND job_limit IS NOT NULL ORDER BY queue OFFSET 0) AS gate \
     WHERE pg_try_advisory_xact_lock('@rules'::regclass::oid::integer, id::integer)"
);
/// Only for `Bug::NoGate`.
pub(crate) const LOOK_AT_GATES: &str =
    "SELECT queue, job_limit FROM @rules WHERE queue = ANY ($1) AND job_limit IS NOT NULL ORDER BY queue";
/// How many jobs of these queues workers hold: the rows of the claimed themselves. A
/// statement of its own behind `HOLD_GATES`, so that it sees what was committed before.
pub(crate) const HELD_OF_QUEUES: &str = "SELECT queue, count(*) AS jobs FROM @claimed \
     JOIN @job ON job.seq = claimed.seq WHERE queue = ANY ($1) GROUP BY queue";

/// Has scheduled jobs become ready that are chosen by a part `due`; gives the queue
/// of each.
/// Passes over what others are about to move.
macro_rules! promotes {
    ($due:expr) => {
        concatcp!(
            "WITH ",
            PAUSED,
            ", due AS (",
            $due,
            "), placed AS (SELECT seq, nextval('@position') AS position FROM due), \
             left_scheduled AS (DELETE FROM @scheduled USING placed WHERE scheduled.seq = ANY (ARRAY(SELECT seq \
                 FROM placed)) AND scheduled.seq = placed.seq RETURNING placed.*, run_at_ms, waits_since_ms), \
             to_ready AS (UPDATE @job SET position = left_scheduled.position FROM left_scheduled \
                 WHERE job.seq = ANY (ARRAY(SELECT seq FROM left_scheduled)) AND job.seq = left_scheduled.seq \
                 RETURNING job.seq, job.queue, priority, job.position, crashes, run_at_ms, waits_since_ms), ",
            INTO_READY,
            " SELECT queue FROM to_ready"
        )
    };
}

/// Those that were to be ready by `:since`, the longest due first, at most `:most`.
pub(crate) static PROMOTE_DUE: Query = Query::new(promotes!(concatcp!(
    "SELECT head.seq FROM ",
    queues_in!("@scheduled"),
    " AS of CROSS JOIN LATERAL (SELECT seq, run_at_ms FROM @scheduled WHERE scheduled.queue = of.queue \
         AND run_at_ms <= :since ORDER BY run_at_ms LIMIT :most FOR UPDATE SKIP LOCKED) AS head WHERE ",
    is_served!("of.queue"),
    " AND ",
    is_not_paused!("of.queue"),
    " ORDER BY run_at_ms LIMIT :most"
)));

/// Those whose wait began after `:since`: the clock was set back.
pub(crate) static PROMOTE_DUE_BY_ANOTHER_CLOCK: Query = Query::new(promotes!(concatcp!(
    "SELECT seq FROM @scheduled WHERE waits_since_ms > :since AND ",
    is_served!("queue"),
    " AND ",
    is_not_paused!("scheduled.queue"),
    " ORDER BY waits_since_ms LIMIT :most FOR UPDATE SKIP LOCKED"
)));

/// The standing of claims, and locks them.
pub(crate) const STANDINGS: &str = "SELECT claimed.seq, claimed.lease, claimed.attempts, max_retries, crashes, \
     cancel_at_ms IS NOT NULL AS cancel_requested, queue, unique_key IS NOT NULL AS has_key \
     FROM unnest($2::bigint[], $3::bigint[]) AS asked (seq, lease) \
     JOIN @claimed ON claimed.seq = asked.seq AND claimed.lease = asked.lease JOIN @job ON job.seq = asked.seq \
     WHERE claimed.seq = ANY ($2) AND job.seq = ANY ($2) AND claimed.worker = $1 \
     ORDER BY claimed.seq FOR UPDATE OF claimed";

/// Which of these attempts a worker has recorded the ends of.
pub(crate) const RECORDED: &str = concatcp!(
    "SELECT seq, lease FROM unnest($2::bigint[], $3::bigint[]) AS ended (seq, lease) JOIN ",
    super::jobs::ATTEMPTS_NOW,
    " USING (seq, lease) WHERE worker = $1 AND ended_at_ms IS NOT NULL AND outcome <> 'worker-lost'"
);

/// Takes back claims that were never started: of those that come to rest so (`:finished`),
/// and of the others.
pub(crate) static HAND_BACK: Query = Query::new(concatcp!(
    "WITH left_claimed AS (DELETE FROM @claimed USING unnest(:seqs::bigint[], :leases::bigint[], :states::text[], \
         :attempts::bigint[], :finished::boolean[]) AS back (seq, lease, state, attempts, finished) \
         WHERE claimed.seq = ANY (:seqs) AND claimed.seq = back.seq AND claimed.lease = back.lease RETURNING back.*), \
     to_ready AS (UPDATE @job SET state = left_claimed.state, attempts = left_claimed.attempts, \
         lease = left_claimed.lease, started_at_ms = NULL, updated_at_ms = :now FROM left_claimed \
         WHERE job.seq = ANY (:seqs) AND job.seq = left_claimed.seq AND NOT finished \
         RETURNING job.seq, job.queue, priority, position, crashes, NULL::bigint AS run_at_ms, \
         NULL::bigint AS waits_since_ms), ",
    INTO_READY,
    ", to_finished AS (SELECT left_claimed.seq, left_claimed.state, left_claimed.attempts, crashes, \
         left_claimed.lease, :now AS updated_at_ms, NULL::bigint AS started_at_ms, :now AS finished_at_ms, exit_code, \
         signal, last_error, NULL::bigint AS worker, NULL::text AS outcome FROM left_claimed \
         JOIN @job ON job.seq = left_claimed.seq WHERE job.seq = ANY (:seqs) AND finished), ",
    INTO_FINISHED,
    " SELECT seq FROM left_claimed"
));

/// Has jobs be dead that nobody can run (`:seqs`, with the `:errors`), if they are ready or
/// claimed by this worker; their own rows stay as they are. Gives for each whether it was
/// claimed, as what it had waited, and its queue.
pub(crate) static SET_ASIDE: Query = Query::new(concatcp!(
    "WITH spoilt AS (SELECT * FROM unnest(:seqs::bigint[], :errors::text[]) AS spoilt (seq, error)), \
     left_ready AS (DELETE FROM @ready WHERE seq = ANY (:seqs) RETURNING seq), \
     left_claimed AS (DELETE FROM @claimed WHERE seq = ANY (:seqs) AND worker = :worker RETURNING seq, lease), \
     aside AS (SELECT seq, NULL::bigint AS lease FROM left_ready UNION ALL SELECT seq, lease FROM left_claimed), \
     to_finished AS (SELECT aside.seq, (:state)::text AS state, attempts, crashes, coalesce(aside.lease, job.lease) AS lease, \
         :now AS updated_at_ms, started_at_ms, :now AS finished_at_ms, exit_code, signal, error AS last_error, \
         NULL::bigint AS worker, NULL::text AS outcome \
         FROM aside JOIN spoilt ON spoilt.seq = aside.seq JOIN @job ON job.seq = aside.seq WHERE job.seq = ANY (:seqs)), ",
    INTO_FINISHED,
    " SELECT aside.seq, aside.lease IS NOT NULL AS was_claimed, job.state, queue FROM aside \
     JOIN @job ON job.seq = aside.seq WHERE job.seq = ANY (:seqs)"
));

pub(crate) const ATTEMPTS_BEGAN: &str = "INSERT INTO @attempt (seq, lease, worker, started_at_ms) \
     SELECT seq, lease, $1, started_at_ms FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) \
     AS begun (seq, lease, started_at_ms) ON CONFLICT (seq, lease) DO NOTHING";
pub(crate) const ADD_OUTPUT: &str = "INSERT INTO @output (seq, lease, n, stream, at_ms, bytes) \
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[]) \
     ON CONFLICT (seq, lease, n) DO NOTHING";
pub(crate) const TRIM_OUTPUT: &str = "DELETE FROM @output USING unnest($1::bigint[], $2::bigint[], $3::bigint[], \
     $4::bigint[]) AS trim (seq, lease, first, last) WHERE output.seq = trim.seq AND output.lease = trim.lease \
     AND output.n BETWEEN trim.first AND trim.last";
/// The first of the ready of all queues, for who looks for the one that cannot be claimed.
pub(crate) const FIRST_READY: &str = "SELECT seq FROM @ready ORDER BY rank, position LIMIT $1";
