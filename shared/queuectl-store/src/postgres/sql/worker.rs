//! The statements about workers.

use super::clock::SILENCE;
use crate::columns::worker;
use const_format::concatcp;
use queuectl_core::WorkerId;
use queuectl_postgres::Query;

/// Regions of notes are given out one at a time.
pub(crate) const ONE_NEWCOMER: &str = "LOCK TABLE @worker IN SHARE ROW EXCLUSIVE MODE";
pub(crate) static REGISTER: Query = Query::new(concatcp!(
    "WITH begun AS (INSERT INTO @worker (lock_file",
    worker::AND_GIVEN,
    ") SELECT * FROM unnest(ARRAY[:lock_file]",
    worker::AND_GIVEN_ARRAYS,
    ") RETURNING id), \
     alive AS (INSERT INTO @heartbeat (worker, beat_at, lease_ms) SELECT id, clock_timestamp(), :lease_ms FROM begun) \
     SELECT id FROM begun"
));
pub(crate) const REGIONS_IN_USE: &str =
    "SELECT note_region FROM @worker WHERE lock_file = $1 AND ended_at_ms IS NULL ORDER BY note_region";
pub(crate) const ROSTER: &str = "SELECT id FROM @worker WHERE ended_at_ms IS NULL";
/// Held by the worker during an exchange, against any other program that would call it dead.
/// (It comes with the beginning of the transaction, where there are no values.)
pub(crate) fn stop_of(worker: WorkerId) -> String {
    format!("SELECT stop FROM @worker WHERE id = {worker} AND ended_at_ms IS NULL FOR SHARE")
}

/// The same after an answer was lost: waits until what was sent before has come to an
/// end, and makes void what is still to come.
pub(crate) fn give_up_connection(worker: WorkerId) -> String {
    format!(
        "UPDATE @worker SET connection = connection + 1 WHERE id = {worker} AND ended_at_ms IS NULL RETURNING stop"
    )
}

pub(crate) const CONNECTION_OF: &str = "SELECT connection FROM @worker WHERE id = $1 AND ended_at_ms IS NULL";
pub(crate) const REQUEST_STOP: &str = "UPDATE @worker SET stop = greatest(stop, $2) \
     WHERE id = ANY ($1) AND ended_at_ms IS NULL";
pub(crate) const COUNT_STOP: &str = "INSERT INTO @machine (lock_file, stops) \
     SELECT lock_file, 1 FROM @worker WHERE id = ANY ($1) UNION SELECT $2, 1 \
     ON CONFLICT (lock_file) DO UPDATE SET stops = machine.stops + 1";
pub(crate) const STOPS: &str = "SELECT coalesce((SELECT stops FROM @machine WHERE lock_file = $1), 0)";
/// Locks the row, so that only one can end a worker, and no exchange of its own is
/// under way.
pub(crate) const STILL_AT_WORK: &str =
    "SELECT lock_file, connection FROM @worker WHERE id = $1 AND ended_at_ms IS NULL FOR UPDATE";
/// For how long nothing was heard of a worker.
pub(crate) const SILENCE_OF: &str = concatcp!(
    "SELECT ",
    SILENCE,
    " FROM @worker JOIN @heartbeat ON heartbeat.worker = worker.id WHERE id = $1 AND ended_at_ms IS NULL"
);
/// The same; locks the row of the lease, so that a renewal has come before or comes too
/// late.
pub(crate) const SILENCE_FOR_GOOD: &str = concatcp!(
    "SELECT ",
    SILENCE,
    " FROM @worker JOIN @heartbeat ON heartbeat.worker = worker.id WHERE id = $1 FOR UPDATE OF heartbeat"
);
pub(crate) const WORKER_ENDED: &str = "WITH silent AS (DELETE FROM @heartbeat WHERE worker = $1) \
     UPDATE @worker SET ended_at_ms = $2 WHERE id = $1 AND ended_at_ms IS NULL";
pub(crate) const BEAT: &str =
    "UPDATE @heartbeat SET beat_at = clock_timestamp() WHERE worker = $1 RETURNING worker";
/// Who is where, for how long nothing was heard of them, and when each lease was last
/// renewed, as a number that changes then: only between machines.
pub(crate) const NEIGHBOURS: &str = concatcp!(
    "SELECT id, lock_file, \
     coalesce(CASE WHEN isfinite(beat_at) THEN extract(epoch FROM beat_at) * 1000000 END, 0)::bigint, ",
    SILENCE,
    " FROM @worker LEFT JOIN @heartbeat ON heartbeat.worker = worker.id WHERE ended_at_ms IS NULL"
);
/// When a lost attempt began: who claims looks at the clock before its turn comes,
/// which may be long after an attempt has ended. And what it had written.
pub(crate) const LOST: &str = "SELECT coalesce((SELECT started_at_ms FROM @attempt WHERE seq = $1 AND lease = $2), \
     greatest(claimed_at_ms, (SELECT max(ended_at_ms) FROM @attempt WHERE seq = $1))) AS started_at_ms, \
     (SELECT coalesce(sum(length(bytes)), 0)::bigint FROM @output WHERE seq = $1 AND lease = $2) AS output_bytes \
     FROM @claimed WHERE seq = $1";
pub(crate) const CLAIMS: &str = "SELECT seq, lease FROM @claimed WHERE worker = $1 ORDER BY seq";
/// The order in which a worker starts what it has claimed.
pub(crate) const CLAIMS_IN_ORDER: &str = "SELECT claimed.seq, claimed.lease FROM @claimed JOIN @job ON job.seq = claimed.seq \
     WHERE worker = $1 ORDER BY claimed_at_ms, priority DESC, position LIMIT $2";
