//! The statements of the counters.

macro_rules! sums {
    ($blocked:literal) => {
        concat!(
            "SELECT coalesce(sum(pending), 0)::bigint AS pending, \
             coalesce(sum(processing), 0)::bigint AS processing, coalesce(sum(completed), 0)::bigint AS completed, \
             coalesce(sum(failed), 0)::bigint AS failed, coalesce(sum(dead), 0)::bigint AS dead, \
             coalesce(sum(cancelled), 0)::bigint AS cancelled, coalesce(sum(",
            $blocked,
            "), 0)::bigint AS blocked, count(*) AS changes FROM @change"
        )
    };
}

/// The same for a worker, in a statement that has the part `PAUSED`: what waits in a queue
/// that is paused until a person says otherwise is blocked, whatever it waits for.
pub(super) const SUMS_OF_A_WORKER: &str = sums!(
    "CASE WHEN (SELECT bool_or(queue = '*') FROM paused WHERE paused_until_ms IS NULL) \
     OR queue = ANY (ARRAY(SELECT queue FROM paused WHERE paused_until_ms IS NULL)) \
     THEN pending + failed ELSE blocked END"
);

/// How much an exchange reads that it can do without: 0 nothing, 1 all that is short,
/// 2 all. The sums are long when the table is large with what no vacuum may remove.
macro_rules! has_sums {
    ($reads:literal) => {
        concat!("(", $reads, " = 2 OR (", $reads, " = 1 AND pg_relation_size('@change') < 1048576))")
    };
}
pub(super) use has_sums;

/// The sums of all changes.
pub(crate) const COUNTS: &str = sums!("blocked");
/// The sums for each name of a queue.
pub(crate) const COUNTS_BY_QUEUE: &str = "SELECT queue, sum(pending)::bigint AS pending, sum(processing)::bigint \
     AS processing, sum(completed)::bigint AS completed, sum(failed)::bigint AS failed, sum(dead)::bigint AS dead, \
     sum(cancelled)::bigint AS cancelled, sum(blocked)::bigint AS blocked FROM @change GROUP BY queue ORDER BY queue";
pub(crate) const TRANSACTION: &str = "SELECT txid_current() AS number";
/// Adds changes, and gives the number of the transaction, by which its end can be asked for
/// later.
pub(crate) const ADD_CHANGES: &str = "WITH added AS (INSERT INTO @change (queue, pending, processing, completed, \
         failed, dead, cancelled, blocked) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], \
         $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])) SELECT txid_current() AS number";
/// Makes one change of many, for each queue, and none where they add up to nothing; another transaction at the same time takes
/// others. What workers have done that have ended goes into their rows, which nobody else
/// writes any more; what others have done stays with them.
pub(crate) const FOLD: &str = "WITH gone AS (DELETE FROM @change WHERE ctid = ANY (ARRAY(\
         SELECT ctid FROM @change LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING *), \
     did AS (SELECT worker AS id, sum(done) AS done FROM gone WHERE worker IS NOT NULL GROUP BY worker), \
     over AS (SELECT id FROM @worker WHERE id IN (SELECT id FROM did) AND ended_at_ms IS NOT NULL \
         FOR UPDATE SKIP LOCKED), \
     noted AS (UPDATE @worker SET jobs_done = jobs_done + did.done FROM did, over \
         WHERE worker.id = did.id AND did.id = over.id RETURNING worker.id) \
     INSERT INTO @change (worker, queue, done, pending, processing, completed, failed, dead, cancelled, blocked) \
     SELECT CASE WHEN noted.id IS NULL THEN worker END, queue, coalesce(sum(done) FILTER (WHERE noted.id IS NULL), 0), \
     sum(pending), sum(processing), sum(completed), sum(failed), sum(dead), sum(cancelled), sum(blocked) \
     FROM gone LEFT JOIN noted ON noted.id = worker GROUP BY 1, 2 \
     HAVING coalesce(sum(done) FILTER (WHERE noted.id IS NULL), 0) <> 0 OR sum(pending) <> 0 OR sum(processing) <> 0 \
     OR sum(completed) <> 0 OR sum(failed) <> 0 OR sum(dead) <> 0 OR sum(cancelled) <> 0 OR sum(blocked) <> 0 \
     RETURNING 1";
