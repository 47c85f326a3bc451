//! Every statement of the PostgreSQL store.
//!
//! Named and ordered like their twins in `sqlite/sql.rs`, so that what differs is
//! what the databases differ in: many writers at once, so whoever decides about a
//! row locks it first; whole batches in one statement, since each costs a round
//! trip. `@` stands for the schema. Places in line come from a sequence.

use crate::transfer::copied;

/// The columns of a job, in the order in which `row::job` reads them.
macro_rules! job_columns {
    () => {
        "seq, id, state, queue, priority, attempts, max_retries, crashes, lease, worker, \
         cancel_at_ms IS NOT NULL, timeout_ms, created_at_ms, updated_at_ms, run_at_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, last_error, env, cwd, command"
    };
}

/// Has a sequence go on after a number. Who may only take numbers takes them all.
macro_rules! gives_out_no_more {
    ($sequence:literal, $last:literal) => {
        concat!(
            "(SELECT CASE WHEN has_sequence_privilege('",
            $sequence,
            "', 'UPDATE') THEN setval('",
            $sequence,
            "', ",
            $last,
            ") ELSE (SELECT max(nextval('",
            $sequence,
            "')) FROM generate_series(coalesce(pg_sequence_last_value('",
            $sequence,
            "'), 0) + 1, ",
            $last,
            ")) END WHERE ",
            $last,
            " > coalesce(pg_sequence_last_value('",
            $sequence,
            "'), 0))"
        )
    };
}

/// All jobs as they are now, under the name `job`, with a column for everything that
/// is known of one: what its row says, or where it is says otherwise. All, or those
/// after one; the server does not see by itself that this holds for the joined too.
macro_rules! jobs_now {
    () => {
        concat!(jobs_now!(columns), "LEFT JOIN @wait ON wait.seq = job.seq LEFT JOIN @claim ON claim.seq = job.seq \
            LEFT JOIN @settled ON settled.seq = job.seq) AS job")
    };
    (after $seq:literal) => {
        concat!(
            jobs_now!(columns),
            "LEFT JOIN @wait ON wait.seq = job.seq AND wait.seq > ",
            $seq,
            " LEFT JOIN @claim ON claim.seq = job.seq AND claim.seq > ",
            $seq,
            " LEFT JOIN @settled ON settled.seq = job.seq AND settled.seq > ",
            $seq,
            " WHERE job.seq > ",
            $seq,
            ") AS job"
        )
    };
    (columns) => {
        "(SELECT job.seq, id, queue, priority, max_retries, timeout_ms, created_at_ms, env, cwd, command, \
         CASE WHEN claim.seq IS NOT NULL THEN 'processing' ELSE coalesce(settled.state, job.state) END AS state, \
         job.place, line.place AS ready, coalesce(settled.attempts, claim.attempts, job.attempts) AS attempts, \
         coalesce(settled.crashes, job.crashes) AS crashes, \
         coalesce(settled.lease, claim.lease, job.lease) AS lease, claim.worker, cancel_at_ms, \
         coalesce(settled.updated_at_ms, greatest(claimed_at_ms, cancel_at_ms), job.updated_at_ms) AS updated_at_ms, \
         coalesce(wait.run_at_ms, line.run_at_ms) AS run_at_ms, \
         coalesce(wait.waits_since_ms, line.waits_since_ms) AS waits_since_ms, \
         CASE WHEN settled.seq IS NOT NULL THEN settled.started_at_ms \
             ELSE coalesce(claimed_at_ms, job.started_at_ms) END AS started_at_ms, finished_at_ms, \
         CASE WHEN settled.seq IS NOT NULL THEN settled.exit_code ELSE job.exit_code END AS exit_code, \
         CASE WHEN settled.seq IS NOT NULL THEN settled.signal ELSE job.signal END AS signal, \
         CASE WHEN settled.seq IS NOT NULL THEN settled.last_error ELSE job.last_error END AS last_error \
         FROM @job LEFT JOIN @line ON line.rank = -greatest(job.priority, -9223372036854775807) \
         AND line.place = job.place "
    };
}

/// The records of all attempts, wherever they are; or of some in each place, so that
/// the server need not put all of them in order.
macro_rules! attempts_now {
    () => {
        attempts_now!("", "")
    };
    ($some:literal, $some_settled:literal) => {
        concat!(
            "((SELECT seq, lease, worker, started_at_ms, ended_at_ms, outcome, code, error, output_bytes, \
             dropped_bytes FROM @attempt",
            $some,
            ") UNION ALL (SELECT seq, lease, worker, started_at_ms, finished_at_ms, outcome, \
             coalesce(exit_code, signal), last_error, 0, 0 FROM @settled WHERE outcome IS NOT NULL",
            $some_settled,
            ")) AS attempt"
        )
    };
}

/// The keys of the last record of each kind; -1 if there is none.
macro_rules! last_of_each {
    ($attempts:expr) => {
        concat!(
            "SELECT coalesce((SELECT max(id) FROM @worker), -1), coalesce((SELECT max(seq) FROM @job), -1), \
             coalesce(a.seq, -1), coalesce(a.lease, -1), coalesce(o.seq, -1), coalesce(o.lease, -1), coalesce(o.n, -1) \
             FROM (SELECT 1) AS one LEFT JOIN (SELECT seq, lease FROM ",
            $attempts,
            " ORDER BY seq DESC, lease DESC LIMIT 1) AS a ON true LEFT JOIN (\
             SELECT seq, lease, n FROM @output ORDER BY seq DESC, lease DESC, n DESC LIMIT 1) AS o ON true"
        )
    };
}

/// Tells from its crashes whether a job may be what kills its workers: at
/// `SUSPECT_AFTER_CRASHES`.
macro_rules! is_suspect {
    () => {
        "crashes >= 2"
    };
}

/// A worker's lease, for how long it was not renewed, and how old the server is, in
/// milliseconds. What follows from that is said in one place, `row::Silence`.
macro_rules! silence {
    () => {
        "coalesce(lease_ms, 0), (CASE WHEN NOT isfinite(beat_at) THEN 9000000000000000 \
         ELSE coalesce(extract(epoch FROM clock_timestamp() - beat_at), 0) * 1000 END)::bigint, \
         (extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) * 1000)::bigint"
    };
}

/// The columns of a worker, in the order in which `row::worker` reads them. How
/// many jobs it has ended stands in its row, and in changes that are not folded.
macro_rules! worker_columns {
    () => {
        concat!(
            "id, host, pid, manager_pid, boot_id, pid_namespace, run, note_region, concurrency, path, \
         started_at_ms, ended_at_ms, stop, \
         jobs_done + coalesce((SELECT sum(done) FROM @change WHERE worker = w.id), 0)::bigint, \
         (SELECT count(*) FROM @claim WHERE worker = w.id), lock_file, \
         ",
            silence!(),
            ", (CASE WHEN isfinite(beat_at) THEN extract(epoch FROM beat_at) * 1000 END)::bigint"
        )
    };
}

/// What `Origin::of_row` reads.
macro_rules! this_table {
    () => {
        "concat_ws('.', (SELECT oid FROM pg_database WHERE datname = current_database()), '@queue'::regclass::oid), \
         has_function_privilege('pg_control_system()', 'EXECUTE')"
    };
}

/// The server's clock, in milliseconds.
macro_rules! time {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}

/// The sums of all changes.
macro_rules! sums {
    () => {
        "SELECT coalesce(sum(pending), 0)::bigint AS pending, coalesce(sum(processing), 0)::bigint AS processing, \
         coalesce(sum(completed), 0)::bigint AS completed, coalesce(sum(failed), 0)::bigint AS failed, \
         coalesce(sum(dead), 0)::bigint AS dead, coalesce(sum(cancelled), 0)::bigint AS cancelled, \
         count(*) AS changes FROM @change"
    };
}

/// How much an exchange reads that it can do without: 0 nothing, 1 all that is short,
/// 2 all. The sums are long when the table is large with what no vacuum may remove.
macro_rules! has_sums {
    ($reads:literal) => {
        concat!("(", $reads, " = 2 OR (", $reads, " = 1 AND pg_relation_size('@change') < 1048576))")
    };
}

/// What a worker is told each time, in the order in which `News::read` has it: how it
/// is to stop, the seq and the lease of each claim that is to end, the time.
macro_rules! news_columns {
    ($stop:literal) => {
        concat!(
            $stop,
            " AS stop, ARRAY(SELECT unnest(ARRAY[seq, lease]) FROM @claim \
             WHERE worker = $1 AND cancel_at_ms IS NOT NULL) AS cancel, ",
            time!(),
            " AS time"
        )
    };
}

/// What a worker is told now and then, after `news_columns!`; the last parameter says
/// how much is read, and what began to wait after the one before it was given its time
/// by another clock.
macro_rules! more_news_columns {
    ($now:literal, $other_clock:literal, $reads:literal) => {
        concat!(
            "CASE WHEN ",
            $reads,
            " > 0 THEN ARRAY(SELECT id FROM @worker WHERE ended_at_ms IS NULL) END, CASE WHEN ",
            $reads,
            " > 0 THEN (SELECT min(run_at_ms) FROM @wait) END, ",
            $reads,
            " > 0 AND (EXISTS (SELECT FROM @wait WHERE run_at_ms <= ",
            $now,
            ") OR EXISTS (SELECT FROM @wait WHERE waits_since_ms > ",
            $other_clock,
            ")), (SELECT ",
            has_sums!($reads),
            "), pending, processing, completed, failed, dead, cancelled, changes FROM (",
            sums!(),
            " WHERE (SELECT ",
            has_sums!($reads),
            ")) AS books"
        )
    };
}

/// The parts of an exchange. The worker, held against whoever would call it dead;
/// nobody if this comes late, over a connection that the worker has given up.
macro_rules! worker_itself {
    ($connection:literal) => {
        concat!(
            "me AS (SELECT stop FROM @worker WHERE id = $1 AND ended_at_ms IS NULL AND connection = ",
            $connection,
            " FOR SHARE)"
        )
    };
}

/// Takes the claims away of the attempts that ended. Unless it is certain that all are
/// held and none is to be cancelled, leaves out what is not so.
///
/// They are looked for by their keys alone, here as everywhere: a join might begin with
/// the whole table if the server believes that it is empty, which is how a vacuum
/// mostly finds it.
macro_rules! claims_in {
    ($is_certain:literal, $arrays:literal, $columns:literal) => {
        concat!(
            "gone AS (DELETE FROM @claim WHERE seq = ANY ($3) AND lease = ($4::bigint[])[array_position($3, seq)] \
                 AND worker = $1 AND (cancel_at_ms IS NULL OR ",
            $is_certain,
            ") AND EXISTS (SELECT FROM me) RETURNING seq), \
             ended AS (SELECT * FROM unnest(",
            $arrays,
            ") AS ended (",
            $columns,
            ") WHERE seq = ANY (ARRAY(SELECT seq FROM gone)))"
        )
    };
}

/// Records the ends of attempts, and puts back what has not come to rest with them.
macro_rules! results_in {
    () => {
        concat!(
            "settled AS (INSERT INTO @settled (seq, state, attempts, crashes, lease, updated_at_ms, started_at_ms, \
                 finished_at_ms, exit_code, signal, last_error) SELECT seq, state, attempts, crashes, lease, $2, \
                 started_at, finished_at, exit_code, signal, error FROM ended WHERE finished_at IS NOT NULL), \
             recorded AS (INSERT INTO @attempt (seq, lease, worker, started_at_ms, ended_at_ms, outcome, code, error, \
                 output_bytes, dropped_bytes) SELECT seq, lease, $1, started_at, ended_at, outcome, code, error, \
                 output_bytes, dropped_bytes FROM ended ON CONFLICT (seq, lease) DO UPDATE \
                 SET ended_at_ms = excluded.ended_at_ms, outcome = excluded.outcome, code = excluded.code, \
                 error = excluded.error, output_bytes = excluded.output_bytes, dropped_bytes = excluded.dropped_bytes \
                 WHERE attempt.ended_at_ms IS NULL), \
             again AS (UPDATE @job SET state = ended.state, attempts = ended.attempts, crashes = ended.crashes, \
                 lease = ended.lease, started_at_ms = started_at, exit_code = ended.exit_code, signal = ended.signal, \
                 last_error = error, updated_at_ms = $2 FROM ended \
                 WHERE job.seq = ANY ($3) AND job.seq = ended.seq AND finished_at IS NULL \
                 RETURNING job.seq, priority, place, job.crashes, due, waits_since), \
             waits AS (INSERT INTO @wait (seq, run_at_ms, waits_since_ms) \
                 SELECT seq, due, waits_since FROM again WHERE due IS NOT NULL), \
             back AS (INSERT INTO @line (rank, place, seq, suspect) SELECT -priority, place, seq, ",
            is_suspect!(),
            " FROM again WHERE due IS NULL)"
        )
    };
}

/// How many jobs may be claimed: what is wanted, unless the worker is to stop.
macro_rules! wanted {
    ($want:literal) => {
        concat!("coalesce((SELECT CASE WHEN stop = 0 THEN ", $want, " END FROM me), 0)")
    };
}

/// Claims what was taken out of the line, and adds all of it to the books.
macro_rules! claims_out {
    () => {
        "picked AS (SELECT * FROM @job WHERE seq = ANY (ARRAY(SELECT seq FROM taken))), \
         claimed AS (INSERT INTO @claim (seq, lease, worker, attempts, claimed_at_ms) \
             SELECT seq, lease + 1, $1, attempts + 1, $2 FROM picked), \
         noted AS (INSERT INTO @change (worker, done, pending, processing, completed, failed, dead, cancelled) \
             SELECT $1, done, e.pending - c.pending, c.jobs - e.jobs, completed, e.failed - c.failed, dead, cancelled \
             FROM (SELECT count(*) AS jobs, count(*) FILTER (WHERE outcome <> 'worker-lost') AS done, \
                     count(*) FILTER (WHERE state = 'pending') AS pending, \
                     count(*) FILTER (WHERE state = 'completed') AS completed, \
                     count(*) FILTER (WHERE state = 'failed') AS failed, count(*) FILTER (WHERE state = 'dead') AS dead, \
                     count(*) FILTER (WHERE state = 'cancelled') AS cancelled FROM ended) AS e, \
                 (SELECT count(*) AS jobs, count(*) FILTER (WHERE state = 'pending') AS pending, \
                     count(*) FILTER (WHERE state = 'failed') AS failed FROM picked) AS c WHERE e.jobs + c.jobs > 0)"
    };
}

/// What `row::claimed` reads of a job that was claimed, and the state that it was
/// claimed from; then its place in the line, and how many ends were written.
macro_rules! claimed_columns {
    () => {
        "picked.seq, id, state, queue, priority, attempts + 1, max_retries, crashes, lease + 1, timeout_ms, \
         created_at_ms, exit_code, signal, last_error, env, cwd, command, place, (SELECT count(*) FROM gone)"
    };
}

/// How many pages of the line's index this connection has read in all.
macro_rules! pages_walked {
    () => {
        "pg_stat_get_xact_blocks_fetched('@line_pkey'::regclass)"
    };
}

/// Has jobs that wait for a time join the end of the line, in this order, at most so
/// many ($2); gives a row for each. Passes over what others are about to move.
macro_rules! put_in_line {
    ($which:literal) => {
        concat!(
            "WITH due AS (SELECT seq FROM @wait WHERE ",
            $which,
            " LIMIT $2 FOR UPDATE SKIP LOCKED), placed AS (SELECT seq, nextval('@place') AS place FROM due), \
             gone AS (DELETE FROM @wait USING placed WHERE wait.seq = ANY (ARRAY(SELECT seq FROM placed)) \
                 AND wait.seq = placed.seq RETURNING placed.*, run_at_ms, \
                 waits_since_ms), \
             moved AS (UPDATE @job SET place = gone.place FROM gone \
                 WHERE job.seq = ANY (ARRAY(SELECT seq FROM gone)) AND job.seq = gone.seq \
                 RETURNING job.seq, priority, job.place, crashes, run_at_ms, waits_since_ms) \
             INSERT INTO @line (rank, place, seq, suspect, run_at_ms, waits_since_ms) \
                 SELECT -priority, place, seq, ",
            is_suspect!(),
            ", run_at_ms, waits_since_ms FROM moved RETURNING seq"
        )
    };
}

// The connection

/// What must be known of a server, and, for `#`, the settings that are needed. (Nothing
/// but functions: with the first operator the server would read half its catalogue.)
pub(crate) const SERVER: &str = concat!(
    "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'), \
     pg_is_in_recovery(), current_setting('synchronous_commit'), current_setting('fsync'), ",
    time!(),
    ", current_setting('server_encoding'), #"
);
/// Where a text may be of any bytes, the server would refuse to send what is not UTF-8,
/// with all rows that are sent with it.
pub(crate) const TEXTS_AS_THEY_ARE: &str = "SET client_encoding = 'SQL_ASCII'";
pub(crate) const BACK_END: &str = "SELECT pg_backend_pid()";
/// What became of a transaction whose commit was sent and never answered.
pub(crate) const WHAT_BECAME_OF: &str = "SELECT txid_status($1)";

// The schema

/// How many tables a schema has, whether one of them says that it is a queue, and of
/// which this role is not shown all rows.
pub(crate) const WHAT_IS_THERE: &str = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = s.oid \
         AND relkind IN ('r', 'p', 'v', 'm', 'f')), \
     EXISTS (SELECT FROM pg_constraint WHERE connamespace = s.oid AND conname = 'it_is_ours'), \
     (SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class WHERE relnamespace = s.oid AND relrowsecurity \
         AND row_security_active(pg_class.oid)) \
     FROM (SELECT (SELECT oid FROM pg_namespace WHERE nspname = $1) AS oid) AS s";
/// Whose rights count here: not whose connection it is after `SET role`.
pub(crate) const CURRENT_USER: &str = "SELECT current_user::text";
/// Its number, and where the queue stands in a move; of that an old schema says nothing.
pub(crate) const SCHEMA: &str = "SELECT schema, to_json(queue) ->> 'move_stage', to_json(queue) ->> 'move_id', \
     to_json(queue) ->> 'move_place' FROM @queue AS queue";
/// Which table this is, which no two of a server have in common; whether this role may
/// ask for the server's name.
pub(crate) const TABLE: &str = concat!("SELECT ", this_table!());
/// The server's name, which a standby has from its primary.
pub(crate) const SERVER_NAME: &str = "SELECT system_identifier::text FROM pg_control_system()";
/// The same; where the queue was made, and whether this role may say that it is elsewhere.
pub(crate) const ORIGIN: &str =
    concat!("SELECT ", this_table!(), ", origin, has_table_privilege('@queue', 'UPDATE') FROM @queue");
/// Gives a row if it still has the origin $1: only one makes it a queue of its own.
pub(crate) const NEW_ORIGIN: &str = "UPDATE @queue SET origin = $2, run = $3 WHERE origin = $1 RETURNING run";
pub(crate) const SCHEMA_IS_THERE: &str = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
pub(crate) const ENCODING: &str = "SELECT getdatabaseencoding()";
/// Held until the end of the transaction.
pub(crate) const ONE_MIGRATES: &str = "SELECT pg_advisory_xact_lock(hashtextextended('queuectl ' || $1, 0))";
pub(crate) const NEW_QUEUE: &str = "INSERT INTO @queue (one, application, run, origin, schema, oldest_writer) \
     VALUES (1, 'queuectl', $1, $2, $3, $3)";
pub(crate) const NEW_SCHEMA: &str = "UPDATE @queue SET schema = $1, oldest_writer = $1";

// The books

pub(crate) const LEDGER: &str = sums!();
pub(crate) const TRANSACTION: &str = "SELECT txid_current()";
/// Gives the number of the transaction, by which its end can be asked for later.
pub(crate) const SAVE_LEDGER: &str = "WITH noted AS (INSERT INTO @change (pending, processing, completed, failed, \
         dead, cancelled) SELECT $1, $2, $3, $4, $5, $6 \
         WHERE $1 <> 0 OR $2 <> 0 OR $3 <> 0 OR $4 <> 0 OR $5 <> 0 OR $6 <> 0) SELECT txid_current()";
/// Makes one change of many. Whoever else is at it takes others.
/// What workers have done that have ended goes into their rows, which nobody else writes
/// any more; what others have done stays with them.
pub(crate) const FOLD: &str = "WITH gone AS (DELETE FROM @change WHERE ctid = ANY (ARRAY(\
         SELECT ctid FROM @change LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING *), \
     did AS (SELECT worker AS id, sum(done) AS done FROM gone WHERE worker IS NOT NULL GROUP BY worker), \
     over AS (SELECT id FROM @worker WHERE id IN (SELECT id FROM did) AND ended_at_ms IS NOT NULL \
         FOR UPDATE SKIP LOCKED), \
     noted AS (UPDATE @worker SET jobs_done = jobs_done + did.done FROM did, over \
         WHERE worker.id = did.id AND did.id = over.id RETURNING worker.id) \
     INSERT INTO @change SELECT CASE WHEN noted.id IS NULL THEN worker END, \
     coalesce(sum(done) FILTER (WHERE noted.id IS NULL), 0), sum(pending), sum(processing), sum(completed), \
     sum(failed), sum(dead), sum(cancelled) FROM gone LEFT JOIN noted ON noted.id = worker GROUP BY 1";
pub(crate) const RUN: &str = "SELECT run FROM @queue";

// Intake

pub(crate) const ENQUEUE: &str = "WITH added AS (INSERT INTO @job (id, queue, priority, place, max_retries, \
         timeout_ms, created_at_ms, updated_at_ms, first_run_at_ms, env, cwd, command) \
     SELECT id, queue, priority, CASE WHEN run_at_ms IS NULL THEN nextval('@place') END, max_retries, timeout_ms, \
         $1, $1, run_at_ms, env, cwd, command \
     FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], \
         $8::text[], $9::text[], $10::text[]) \
     AS given (id, queue, priority, max_retries, timeout_ms, run_at_ms, env, cwd, command) \
     ON CONFLICT (id) DO NOTHING RETURNING seq, id, priority, place, first_run_at_ms), \
     lined AS (INSERT INTO @line (rank, place, seq, suspect) \
         SELECT -priority, place, seq, false FROM added WHERE place IS NOT NULL), \
     waits AS (INSERT INTO @wait (seq, run_at_ms, waits_since_ms) \
         SELECT seq, first_run_at_ms, $1 FROM added WHERE place IS NULL) SELECT id FROM added";
pub(crate) const IDS_TAKEN: &str = "SELECT id FROM @job WHERE id = ANY ($1)";

// Work

/// Regions of notes are given out one at a time.
pub(crate) const ONE_NEWCOMER: &str = "LOCK TABLE @worker IN SHARE ROW EXCLUSIVE MODE";
pub(crate) const REGISTER: &str = "WITH begun AS (INSERT INTO @worker (host, pid, manager_pid, boot_id, \
         pid_namespace, run, note_region, concurrency, path, started_at_ms, lock_file) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id), \
     alive AS (INSERT INTO @heartbeat (worker, beat_at, lease_ms) SELECT id, clock_timestamp(), $12 FROM begun) \
     SELECT id FROM begun";
pub(crate) const REGIONS_IN_USE: &str =
    "SELECT note_region FROM @worker WHERE lock_file = $1 AND ended_at_ms IS NULL ORDER BY note_region";
pub(crate) const ROSTER: &str = "SELECT id FROM @worker WHERE ended_at_ms IS NULL";
/// Held by the worker during an exchange, against whoever would call it dead.
pub(crate) const STOP_OF: &str = "SELECT stop FROM @worker WHERE id = $1 AND ended_at_ms IS NULL FOR SHARE";
/// The same after an answer was lost: waits until what was sent before has come to an
/// end, and makes void what is still to come.
pub(crate) const GIVE_UP_CONNECTION: &str = "UPDATE @worker SET connection = connection + 1 \
     WHERE id = $1 AND ended_at_ms IS NULL RETURNING stop";
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
pub(crate) const SILENCE_OF: &str = concat!(
    "SELECT ",
    silence!(),
    " FROM @worker JOIN @heartbeat ON heartbeat.worker = worker.id WHERE id = $1 AND ended_at_ms IS NULL"
);
/// The same; locks the row of the lease, so that a renewal has come before or comes too
/// late.
pub(crate) const SILENCE_FOR_GOOD: &str = concat!(
    "SELECT ",
    silence!(),
    " FROM @worker JOIN @heartbeat ON heartbeat.worker = worker.id WHERE id = $1 FOR UPDATE OF heartbeat"
);
pub(crate) const WORKER_ENDED: &str = "WITH silent AS (DELETE FROM @heartbeat WHERE worker = $1) \
     UPDATE @worker SET ended_at_ms = $2 WHERE id = $1 AND ended_at_ms IS NULL";
pub(crate) const BEAT: &str =
    "UPDATE @heartbeat SET beat_at = clock_timestamp() WHERE worker = $1 RETURNING worker";
/// Who is where, for how long nothing was heard of them, and when each lease was last
/// renewed, as a number that changes then: only between machines.
pub(crate) const NEIGHBOURS: &str = concat!(
    "SELECT id, lock_file, \
     coalesce(CASE WHEN isfinite(beat_at) THEN extract(epoch FROM beat_at) * 1000000 END, 0)::bigint, ",
    silence!(),
    " FROM @worker LEFT JOIN @heartbeat ON heartbeat.worker = worker.id WHERE ended_at_ms IS NULL"
);

pub(crate) const PUT_DUE_IN_LINE: &str = put_in_line!("run_at_ms <= $1 ORDER BY run_at_ms");
/// A due time further away than the delay it was given: the clock was set back.
pub(crate) const PUT_DUE_BY_ANOTHER_CLOCK_IN_LINE: &str =
    put_in_line!("waits_since_ms > $1 ORDER BY waits_since_ms");

pub(crate) const STANDINGS: &str = "SELECT claim.seq, claim.lease, claim.attempts, max_retries, crashes, \
     cancel_at_ms IS NOT NULL FROM unnest($2::bigint[], $3::bigint[]) AS held (seq, lease) \
     JOIN @claim ON claim.seq = held.seq AND claim.lease = held.lease JOIN @job ON job.seq = held.seq \
     WHERE claim.seq = ANY ($2) AND job.seq = ANY ($2) AND claim.worker = $1 \
     ORDER BY claim.seq FOR UPDATE OF claim";
/// Which of these attempts a worker has recorded the ends of.
pub(crate) const RECORDED: &str = concat!(
    "SELECT seq, lease FROM unnest($2::bigint[], $3::bigint[]) AS ended (seq, lease) JOIN ",
    attempts_now!(),
    " USING (seq, lease) WHERE worker = $1 AND ended_at_ms IS NOT NULL AND outcome <> 'worker-lost'"
);
/// The life of a worker: writes what became of the attempts that ended, takes the
/// first in line from a rank and a place on ($22, $23) with at most so many suspects
/// ($24) among them, adds both to the books, and reads the news, which show nothing
/// of this yet. Gives a row for each job it has taken, in no order, or one without a
/// job.
///
/// One statement is one round trip. It may be, since it waits for nobody: whoever
/// claims passes over rows that others delete, and nobody else writes what a worker
/// holds but those who cancel a job.
pub(crate) const EXCHANGE: &str = concat!(
    "WITH ",
    worker_itself!("$27"),
    ", ",
    claims_in!(
        "$20",
        "$3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], \
         $10::integer[], $11::integer[], $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::integer[], \
         $17::bigint[], $18::bigint[], $19::bigint[]",
        "seq, lease, state, attempts, crashes, started_at, finished_at, exit_code, signal, error, outcome, due, \
         waits_since, code, output_bytes, dropped_bytes, ended_at"
    ),
    ", ",
    results_in!(),
    ", wanted AS (SELECT ",
    wanted!("$21"),
    " AS jobs), \
     sound AS (SELECT ctid AS at, rank, place FROM @line WHERE (rank, place) >= ($22, $23) AND NOT suspect \
         ORDER BY rank, place LIMIT (SELECT jobs FROM wanted) FOR UPDATE SKIP LOCKED), \
     suspects AS (SELECT ctid AS at, rank, place FROM @line WHERE suspect \
         ORDER BY rank, place LIMIT (SELECT least(jobs, $24) FROM wanted) FOR UPDATE SKIP LOCKED), \
     first AS (SELECT * FROM sound UNION ALL SELECT * FROM suspects ORDER BY rank, place \
         LIMIT (SELECT jobs FROM wanted)), \
     taken AS (DELETE FROM @line WHERE ctid = ANY (ARRAY(SELECT at FROM first)) RETURNING seq), ",
    claims_out!(),
    " SELECT ",
    claimed_columns!(),
    ", (SELECT count(*) FROM again WHERE due IS NULL), EXISTS (SELECT FROM @line WHERE suspect), ",
    pages_walked!(),
    ", news.* FROM (SELECT ",
    news_columns!("(SELECT stop FROM me)"),
    ", ",
    more_news_columns!("$2", "$25", "$26"),
    ") AS news LEFT JOIN picked ON true"
);
/// The same where all jobs have come to rest with their attempts, which had no output,
/// no suspect is expected and little is to be read: what a statement could do costs
/// time even if it has nothing to do. It passes over suspects, and says if it has.
pub(crate) const QUICK_EXCHANGE: &str = concat!(
    "WITH ",
    worker_itself!("$18"),
    ", ",
    claims_in!(
        "$14",
        "$3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], \
         $10::integer[], $11::integer[], $12::text[], $13::text[]",
        "seq, lease, state, attempts, crashes, started_at, finished_at, exit_code, signal, error, outcome"
    ),
    ", settled AS (INSERT INTO @settled (seq, state, attempts, crashes, lease, updated_at_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, last_error, worker, outcome) SELECT seq, state, attempts, crashes, lease, \
         $2, started_at, finished_at, exit_code, signal, error, $1, outcome FROM ended), \
     first AS (SELECT ctid AS at, suspect FROM @line WHERE (rank, place) >= ($16, $17) ORDER BY rank, place LIMIT ",
    wanted!("$15"),
    " FOR UPDATE SKIP LOCKED), \
     taken AS (DELETE FROM @line WHERE ctid = ANY (ARRAY(SELECT at FROM first WHERE NOT suspect)) RETURNING seq), ",
    claims_out!(),
    " SELECT ",
    claimed_columns!(),
    ", 0::bigint, EXISTS (SELECT FROM first WHERE suspect), ",
    pages_walked!(),
    ", news.* FROM (SELECT ",
    news_columns!("(SELECT stop FROM me)"),
    ", NULL::bigint[]) AS news LEFT JOIN picked ON true"
);
/// Jobs by their numbers, as `row::job` reads them.
pub(crate) const JOBS_OF_SEQS: &str =
    concat!("SELECT ", job_columns!(), " FROM ", jobs_now!(), " WHERE seq = ANY ($1)");
pub(crate) const FIRST_IN_LINE: &str = "SELECT seq FROM @line ORDER BY rank, place LIMIT $1";
/// Has jobs be dead that nobody can run ($2, with the errors $3), if they are in line or
/// claimed by this worker ($4); their own rows stay as they are. Gives for each whether
/// it was claimed, and as what it had waited.
pub(crate) const SET_ASIDE: &str = "WITH bad AS (SELECT * FROM unnest($2::bigint[], $3::text[]) AS bad (seq, error)), \
     left_line AS (DELETE FROM @line WHERE seq = ANY ($2) RETURNING seq), \
     left_claim AS (DELETE FROM @claim WHERE seq = ANY ($2) AND worker = $4 RETURNING seq, lease), \
     gone AS (SELECT seq, NULL::bigint AS lease FROM left_line UNION ALL SELECT seq, lease FROM left_claim), \
     settled AS (INSERT INTO @settled (seq, state, attempts, crashes, lease, updated_at_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, last_error) SELECT gone.seq, 'dead', attempts, crashes, \
         coalesce(gone.lease, job.lease), $1, started_at_ms, $1, exit_code, signal, error \
         FROM gone JOIN bad ON bad.seq = gone.seq JOIN @job ON job.seq = gone.seq WHERE job.seq = ANY ($2)) \
     SELECT gone.seq, gone.lease IS NOT NULL, state FROM gone JOIN @job ON job.seq = gone.seq WHERE job.seq = ANY ($2)";
pub(crate) const HAND_BACK: &str = concat!(
    "WITH gone AS (DELETE FROM @claim USING unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[], \
         $6::boolean[]) AS back (seq, lease, state, attempts, settled) \
         WHERE claim.seq = ANY ($2) AND claim.seq = back.seq AND claim.lease = back.lease RETURNING back.*), \
     again AS (UPDATE @job SET state = gone.state, attempts = gone.attempts, lease = gone.lease, \
         started_at_ms = NULL, updated_at_ms = $1 FROM gone \
         WHERE job.seq = ANY ($2) AND job.seq = gone.seq AND NOT settled \
         RETURNING job.seq, priority, place, crashes), \
     back AS (INSERT INTO @line (rank, place, seq, suspect) SELECT -priority, place, seq, ",
    is_suspect!(),
    " FROM again) \
     INSERT INTO @settled (seq, state, attempts, crashes, lease, updated_at_ms, finished_at_ms, exit_code, signal, \
         last_error) SELECT gone.seq, gone.state, gone.attempts, crashes, gone.lease, $1, $1, exit_code, signal, \
         last_error FROM gone JOIN @job ON job.seq = gone.seq WHERE job.seq = ANY ($2) AND settled"
);
pub(crate) const ATTEMPTS_BEGAN: &str = "INSERT INTO @attempt (seq, lease, worker, started_at_ms) \
     SELECT seq, lease, $1, started_at FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) \
     AS begun (seq, lease, started_at) ON CONFLICT (seq, lease) DO NOTHING";
/// When a lost attempt began: who claims looks at the clock before its turn comes,
/// which may be long after an attempt has ended. And what it had written.
pub(crate) const LOST: &str = "SELECT coalesce((SELECT started_at_ms FROM @attempt WHERE seq = $1 AND lease = $2), \
     greatest(claimed_at_ms, (SELECT max(ended_at_ms) FROM @attempt WHERE seq = $1))), \
     (SELECT coalesce(sum(length(bytes)), 0)::bigint FROM @output WHERE seq = $1 AND lease = $2) \
     FROM @claim WHERE seq = $1";
pub(crate) const ADD_OUTPUT: &str = "INSERT INTO @output (seq, lease, n, stream, at_ms, bytes) \
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[]) \
     ON CONFLICT (seq, lease, n) DO NOTHING";
pub(crate) const TRIM_OUTPUT: &str = "DELETE FROM @output USING unnest($1::bigint[], $2::bigint[], $3::bigint[], \
     $4::bigint[]) AS trim (seq, lease, first, last) WHERE output.seq = trim.seq AND output.lease = trim.lease \
     AND output.n BETWEEN trim.first AND trim.last";
pub(crate) const CLAIMS: &str = "SELECT seq, lease FROM @claim WHERE worker = $1 ORDER BY seq";
/// The order in which a worker starts what it has claimed.
pub(crate) const CLAIMS_IN_ORDER: &str = "SELECT claim.seq, claim.lease FROM @claim JOIN @job ON job.seq = claim.seq \
     WHERE worker = $1 ORDER BY claimed_at_ms, priority DESC, place LIMIT $2";
/// The news, and before them whether there is a job in line from a rank and a place on
/// ($4, $5).
pub(crate) const NEWS_AND_WORK: &str = concat!(
    "SELECT EXISTS (SELECT FROM @line WHERE (rank, place) >= ($4, $5)), ",
    news_columns!("(SELECT stop FROM @worker WHERE id = $1 AND ended_at_ms IS NULL)"),
    ", ",
    more_news_columns!("$2", "$3", "$6"),
);

// Inspect

pub(crate) const JOB: &str = concat!("SELECT ", job_columns!(), " FROM ", jobs_now!(), " WHERE id = $1");
pub(crate) const JOBS: &str =
    concat!("SELECT ", job_columns!(), " FROM ", jobs_now!(after "$1"), " WHERE true");
/// Where the jobs of a state are, if there is such a place; not all that are there
/// must be in this state.
pub(crate) const PROCESSING: &str = "SELECT seq FROM @claim";
pub(crate) const PENDING: &str = "SELECT seq FROM @line UNION ALL SELECT seq FROM @wait";
pub(crate) const FAILED: &str =
    "SELECT seq FROM @wait UNION ALL SELECT seq FROM @line WHERE run_at_ms IS NOT NULL";
pub(crate) const DEAD: &str = "SELECT seq FROM @settled WHERE state = 'dead'";
pub(crate) const CANCELLED: &str = "SELECT seq FROM @settled WHERE state = 'cancelled'";
pub(crate) const JOBS_ORDER: &str = " ORDER BY seq LIMIT $2";
pub(crate) const JOBS_OF_NUMBERS: &str =
    concat!("SELECT ", job_columns!(), " FROM ", jobs_now!(), " WHERE seq = ANY ($1) ORDER BY seq");
/// The numbers of the jobs that are meant; what is to be known of them is read then.
pub(crate) const JOB_OF_NUMBER: &str = "SELECT seq FROM @job WHERE seq = $1 LIMIT $2";
pub(crate) const LAST_JOB: &str = "SELECT seq FROM @job ORDER BY seq DESC LIMIT least($1, 1)";
pub(crate) const JOBS_THAT_BEGIN: &str =
    "SELECT seq FROM @job WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3";
pub(crate) const JOBS_THAT_END: &str = "SELECT seq FROM @job WHERE right(id, $2::int) = $1 LIMIT $3";
pub(crate) const FIRST_OF_NEWEST: &str = "SELECT min(seq) FROM (SELECT seq FROM ";
pub(crate) const NEWEST_FIRST: &str = " ORDER BY seq DESC LIMIT $1) AS newest";
pub(crate) const ALL_JOBS: &str = "@job";
pub(crate) const JOBS_NOW: &str = jobs_now!();
/// Sorts all that are found: there is no index by the end.
pub(crate) const SETTLED_SINCE: &str = "SELECT seq FROM @settled WHERE state = $1 AND finished_at_ms >= $2 ORDER BY finished_at_ms, seq LIMIT $3";
pub(crate) const WAITING: &str = "SELECT count(*) FROM (SELECT FROM @wait LIMIT $1) AS waiting";
pub(crate) const ATTEMPTS: &str = concat!(
    "SELECT lease, worker, coalesce(host, ''), attempt.started_at_ms, attempt.ended_at_ms, outcome, code, error, \
     output_bytes, dropped_bytes FROM ",
    attempts_now!(),
    " LEFT JOIN @worker ON worker.id = attempt.worker WHERE seq = $1 ORDER BY lease"
);
pub(crate) const OUTPUT: &str = "SELECT n, stream, at_ms, bytes, coalesce((SELECT started_at_ms FROM @attempt \
     WHERE attempt.seq = output.seq AND attempt.lease = output.lease), at_ms) \
     FROM @output WHERE seq = $1 AND lease = $2 AND n >= $3 ORDER BY n LIMIT $4";
/// A part is sent if those after it have less than is wanted; the server looks at the
/// lengths alone, and at no more parts than can be needed, since each has a byte.
pub(crate) const OUTPUT_END: &str = "SELECT n, stream, at_ms, bytes, coalesce((SELECT started_at_ms FROM @attempt \
     WHERE attempt.seq = $1 AND attempt.lease = $2), at_ms) \
     FROM (SELECT *, sum(octet_length(bytes)) OVER (ORDER BY n DESC \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS after \
         FROM (SELECT * FROM @output WHERE seq = $1 AND lease = $2 ORDER BY n DESC LIMIT $3) AS page) AS summed \
     WHERE coalesce(after, 0) < $3 ORDER BY n";
pub(crate) const WORKER: &str = concat!(
    "SELECT ",
    worker_columns!(),
    " FROM @worker AS w LEFT JOIN @heartbeat AS h ON h.worker = w.id WHERE w.id = $1"
);
pub(crate) const WORKERS: &str = concat!(
    "SELECT ",
    worker_columns!(),
    " FROM @worker AS w LEFT JOIN @heartbeat AS h ON h.worker = w.id WHERE ended_at_ms IS NULL ORDER BY w.id"
);
/// Who may take jobs, and where they show that they live; reads neither counts nor claims.
pub(crate) const WHO_TAKES_JOBS: &str = concat!(
    "SELECT w.id, lock_file, ",
    silence!(),
    " FROM @worker AS w LEFT JOIN @heartbeat AS h ON h.worker = w.id WHERE ended_at_ms IS NULL AND stop = 0"
);

// Upkeep

pub(crate) const STATE_OF: &str =
    concat!("SELECT seq, state, lease, worker FROM ", jobs_now!(), " WHERE id = $1");
/// Only a job that is in line or waits for a time, and that nobody has claimed since its
/// lease was read ($4); gives a row if it was.
pub(crate) const CANCEL: &str = "WITH left_line AS (DELETE FROM @line USING @job WHERE job.seq = $1 \
         AND line.rank = -job.priority AND line.place = job.place RETURNING line.seq), \
     left_wait AS (DELETE FROM @wait WHERE seq = $1 RETURNING seq) \
     INSERT INTO @settled (seq, state, attempts, crashes, lease, updated_at_ms, started_at_ms, finished_at_ms, \
         exit_code, signal, last_error) SELECT seq, $2, attempts, crashes, lease, $3, started_at_ms, $3, exit_code, \
         signal, last_error FROM @job \
     WHERE seq IN (SELECT seq FROM left_line UNION ALL SELECT seq FROM left_wait) AND lease = $4 RETURNING seq";
/// Only of a lease that is held; gives a row if it is.
pub(crate) const REQUEST_CANCEL: &str =
    "UPDATE @claim SET cancel_at_ms = coalesce(cancel_at_ms, $3) WHERE seq = $1 AND lease = $2 RETURNING seq";
/// Only dead jobs; gives a row for each.
pub(crate) const REVIVE: &str = "WITH gone AS (DELETE FROM @settled WHERE seq = ANY ($1) AND state = 'dead' \
         RETURNING *), \
     placed AS (SELECT seq, nextval('@place') AS place FROM (SELECT seq FROM gone ORDER BY seq) AS gone), \
     revived AS (UPDATE @job SET state = $2, attempts = 0, crashes = 0, lease = gone.lease, \
         started_at_ms = gone.started_at_ms, exit_code = gone.exit_code, signal = gone.signal, \
         last_error = gone.last_error, place = placed.place, updated_at_ms = $3 \
         FROM gone JOIN placed ON placed.seq = gone.seq WHERE job.seq = ANY ($1) AND job.seq = gone.seq \
         RETURNING job.seq, priority, job.place), \
     recorded AS (INSERT INTO @attempt (seq, lease, worker, started_at_ms, ended_at_ms, outcome, code, error) \
         SELECT seq, lease, worker, started_at_ms, finished_at_ms, outcome, coalesce(exit_code, signal), last_error \
         FROM gone WHERE outcome IS NOT NULL) \
     INSERT INTO @line (rank, place, seq, suspect) SELECT -priority, place, seq, false FROM revived RETURNING seq";
/// Of one that is in line already the wait is over.
pub(crate) const HURRY: &str = "WITH due AS (UPDATE @wait SET run_at_ms = $2, \
         waits_since_ms = least(waits_since_ms, $2) WHERE seq = $1 RETURNING seq) \
     UPDATE @job SET updated_at_ms = $2 WHERE seq IN (SELECT seq FROM due)";
/// Only a job that has come to rest, and nobody else is about to change.
pub(crate) const SETTLED: &str = "SELECT seq FROM @settled WHERE seq = $1 FOR UPDATE";
pub(crate) const OLDEST_DEAD: &str =
    "SELECT seq FROM @settled WHERE state = 'dead' AND seq > $1 ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED";
/// The oldest first; by the order of acceptance, since an index by the end would have to
/// be written for each job.
pub(crate) const SETTLED_BEFORE: &str = "SELECT seq FROM @settled WHERE state = $1 AND finished_at_ms < $2 \
     ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED";
pub(crate) const DELETE: &str = "WITH output AS (DELETE FROM @output WHERE seq = ANY ($1)), \
     attempts AS (DELETE FROM @attempt WHERE seq = ANY ($1)), settled AS (DELETE FROM @settled WHERE seq = ANY ($1)) \
     DELETE FROM @job WHERE seq = ANY ($1)";
pub(crate) const COUNT_BY_STATE: &str =
    concat!("SELECT state, count(*) FROM ", jobs_now!(), " GROUP BY state");
/// How many jobs are not in exactly one place; and how many places have no job.
pub(crate) const MISPLACED: &str = "SELECT count(*) FILTER (WHERE job.seq IS NOT NULL), \
     count(*) FILTER (WHERE job.seq IS NULL) FROM @job FULL JOIN (SELECT seq, count(*) AS places FROM (\
         SELECT seq FROM @line UNION ALL SELECT seq FROM @wait UNION ALL SELECT seq FROM @claim \
         UNION ALL SELECT seq FROM @settled) AS place GROUP BY seq) AS placed ON placed.seq = job.seq \
     WHERE job.seq IS NULL OR places IS DISTINCT FROM 1";
pub(crate) const HELD: &str = "SELECT claim.worker, worker.id IS NULL OR worker.ended_at_ms IS NOT NULL, count(*) \
     FROM @claim LEFT JOIN @worker ON worker.id = claim.worker GROUP BY claim.worker, 2";

// Doctor

/// What the server says of itself, and of this connection. (A network address of
/// its own is a client on the same machine.)
pub(crate) const SURROUNDINGS: &str = "SELECT current_setting('server_version'), pg_is_in_recovery(), \
     CASE WHEN NOT current_setting('fsync')::boolean THEN 'fsync' \
         WHEN NOT current_setting('full_page_writes')::boolean THEN 'full_page_writes' END, \
     current_setting('synchronous_commit'), current_setting('server_encoding'), \
     coalesce(inet_client_addr() = inet_server_addr() OR inet_client_addr() <<= '127.0.0.0/8', true), \
     (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), quote_ident(current_user)";
/// Jobs whose rows the server cannot tell to be readable, after one ($1), so many ($2);
/// $3 tells whether a text may be of any bytes.
pub(crate) const DOUBTFUL_JOBS: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM ",
    jobs_now!(after "$1"),
    " WHERE $3 OR env IS NOT NULL OR priority NOT BETWEEN -2147483648 AND 2147483647 \
         OR attempts NOT BETWEEN 0 AND 4294967294 OR max_retries NOT BETWEEN 0 AND 4294967295 \
         OR crashes NOT BETWEEN 0 AND 4294967295 OR lease NOT BETWEEN 0 AND 9223372036854775806 OR timeout_ms < 0 \
         OR state NOT IN ('pending', 'processing', 'completed', 'failed', 'dead', 'cancelled') \
         OR command ~ '^\\s*$' OR octet_length(command) > 131071 ORDER BY seq LIMIT $2"
);
pub(crate) const ALL_WORKERS: &str =
    concat!("SELECT ", worker_columns!(), " FROM @worker AS w LEFT JOIN @heartbeat AS h ON h.worker = w.id");
/// As `row::attempt` reads them, and whose they are.
pub(crate) const DOUBTFUL_ATTEMPTS: &str = "SELECT lease, worker, '', started_at_ms, ended_at_ms, outcome, code, error, \
     output_bytes, dropped_bytes, seq FROM @attempt WHERE $1 OR output_bytes < 0 OR dropped_bytes < 0 \
     OR (outcome IN ('exit', 'signal') AND code IS NULL) OR outcome NOT IN \
     ('exit', 'signal', 'timeout', 'spawn-failed', 'no-folder', 'worker-lost', 'interrupted', 'cancelled')";
/// How many connections there are, and how many there may be. Of those of other
/// roles not everybody is told the type.
/// As they are for everybody else with this role and database.
pub(crate) const SETTINGS_AMISS: &str = "SELECT name || ' = ' || reset_val || coalesce(unit, '') FROM pg_settings WHERE name = ANY ($1) ORDER BY name";
pub(crate) const CONNECTIONS: &str = "WITH client AS (SELECT usesysid, datid FROM pg_stat_activity \
         WHERE usesysid IS NOT NULL AND datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend') \
     SELECT 'the server', (SELECT count(*) FROM client), current_setting('max_connections')::bigint \
         - current_setting('superuser_reserved_connections')::bigint \
         - coalesce(current_setting('reserved_connections', true), '0')::bigint \
     UNION ALL SELECT 'the role ' || rolname, (SELECT count(*) FROM client WHERE usesysid = pg_roles.oid), rolconnlimit \
         FROM pg_roles WHERE rolname = current_user AND rolconnlimit >= 0 AND NOT rolsuper \
     UNION ALL SELECT 'the database ' || datname, (SELECT count(*) FROM client WHERE datid = pg_database.oid), datconnlimit \
         FROM pg_database WHERE datname = current_database() AND datconnlimit >= 0";
/// Whether a queue may be made; and how large one is that is there.
pub(crate) const ROOM: &str = "SELECT has_database_privilege(current_database(), 'CREATE'), \
     coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1), false), \
     EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), \
     (SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::bigint FROM pg_class \
         JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relkind = 'r')";
/// What the role may not do with the schema, these tables and these sequences.
pub(crate) const RIGHTS_MISSING: &str = "SELECT 'USAGE', 'the schema ' || nspname FROM pg_namespace \
         WHERE nspname = $1 AND NOT has_schema_privilege(oid, 'USAGE') \
     UNION ALL SELECT wanted, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
         CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted \
         WHERE nspname = $1 AND relname = ANY ($2) AND NOT has_table_privilege(pg_class.oid, wanted) \
     UNION ALL SELECT 'USAGE', relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
         WHERE nspname = $1 AND relname = ANY ($3) AND NOT has_sequence_privilege(pg_class.oid, 'USAGE')";
/// Who may grant rights to the schema: its owner, or that of the database, whom
/// PostgreSQL has own the schema `public`.
pub(crate) const OWNER: &str = "SELECT coalesce(\
     (SELECT nullif(pg_get_userbyid(nspowner), 'pg_database_owner') FROM pg_namespace WHERE nspname = $1), \
     (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()))::text";
pub(crate) const TABLES_AND_SEQUENCES: &str = "SELECT relname FROM pg_class \
     JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relkind IN ('r', 'p', 'S')";
/// Sequences that can give out fewer than $1 more numbers, and how many; of those that
/// cannot be given more, the largest number that is in use.
pub(crate) const SEQUENCES_EXHAUSTED: &str = "SELECT name, seqmax - last, \
         CASE WHEN seqmax = 9223372036854775807 THEN greatest(taken, 1) END FROM (SELECT name, seqmax, taken, \
         CASE WHEN has_sequence_privilege(name, 'USAGE, SELECT') \
             THEN coalesce(pg_sequence_last_value(name::regclass), 0) END AS last FROM (VALUES \
         (pg_get_serial_sequence('@job', 'seq'), (SELECT max(seq) FROM @job)), \
         (pg_get_serial_sequence('@worker', 'id'), (SELECT max(id) FROM @worker)), \
         ('@place', greatest((SELECT max(place) FROM @line), (SELECT max(place) FROM @job)))) AS s (name, taken) \
     JOIN pg_sequence ON seqrelid = name::regclass AND NOT seqcycle) AS s WHERE seqmax - last < $1";
/// Sequences that would give out numbers again which are taken: the name, the number that
/// it gave out last, if this role is told, and the largest that is there.
pub(crate) const SEQUENCES_BEHIND: &str = "SELECT name, last, taken FROM (SELECT name, \
         CASE WHEN has_sequence_privilege(name, 'USAGE, SELECT') \
             THEN coalesce(pg_sequence_last_value(name::regclass), 0) END AS last, taken FROM (VALUES \
         (pg_get_serial_sequence('@job', 'seq'), (SELECT max(seq) FROM @job)), \
         (pg_get_serial_sequence('@worker', 'id'), (SELECT max(id) FROM @worker)), \
         ('@place', greatest((SELECT max(place) FROM @line), (SELECT max(place) FROM @job)))) AS s (name, taken) \
     WHERE name IS NOT NULL) AS s WHERE last IS NULL OR taken > last";
/// Those of these tables whose rows have no identity, and whether they are published: then
/// none can be changed or deleted.
pub(crate) const WITHOUT_IDENTITY: &str = "SELECT relname, EXISTS (SELECT FROM pg_publication_tables \
         WHERE schemaname = nspname AND tablename = relname) FROM pg_class \
     JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relname = ANY ($2) \
     AND NOT (relreplident IN ('f', 'i') OR relreplident = 'd' \
         AND EXISTS (SELECT FROM pg_index WHERE indrelid = pg_class.oid AND indisprimary)) ORDER BY relname";
/// What is to be known of what a failover keeps: whether this connection waits for
/// standbys, for which; whether pages have checksums; how many follow, how many of them
/// commits wait for, and whether this role is told that; where the data is, if it is told.
pub(crate) const REPLICATION: &str = "SELECT current_setting('synchronous_commit'), \
     current_setting('synchronous_standby_names'), current_setting('data_checksums'), \
     count(*) FILTER (WHERE state IS DISTINCT FROM 'backup'), \
     count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')), bool_or(sync_state IS NULL), \
     (SELECT setting FROM pg_settings WHERE name = 'data_directory') FROM pg_stat_replication";
/// Roles and databases whose commits do not wait for standbys, and what ends that.
pub(crate) const COMMITS_LOCALLY: &str = "SELECT concat_ws(' in ', coalesce('the role ' || rolname, 'all roles'), \
         'the database ' || datname), CASE WHEN setrole = 0 THEN format('ALTER DATABASE %I', datname) \
         WHEN setdatabase = 0 THEN format('ALTER ROLE %I', rolname) \
         ELSE format('ALTER ROLE %I IN DATABASE %I', rolname, datname) END || ' RESET synchronous_commit' FROM pg_db_role_setting LEFT JOIN pg_roles ON pg_roles.oid = setrole \
     LEFT JOIN pg_database ON pg_database.oid = setdatabase \
     WHERE 'synchronous_commit=local' = ANY (setconfig) AND (setdatabase = 0 OR datname = current_database())";
/// Every index, whether the server uses it, and how often it has.
pub(crate) const INDEXES: &str = "SELECT index.relname, of.relname, indisvalid AND indisready, coalesce(idx_scan, 0) \
     FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS of ON of.oid = indrelid \
     JOIN pg_namespace ON pg_namespace.oid = of.relnamespace \
     LEFT JOIN pg_stat_user_indexes ON pg_stat_user_indexes.indexrelid = pg_index.indexrelid \
     WHERE nspname = $1 ORDER BY 2, 1";
/// Every rule for rows, and whether all of them were found to keep it.
pub(crate) const CONSTRAINTS: &str = "SELECT conname, convalidated, relname FROM pg_constraint \
     JOIN pg_class ON pg_class.oid = conrelid JOIN pg_namespace ON pg_namespace.oid = connamespace \
     WHERE nspname = $1 AND contype = 'c'";
pub(crate) const CHANGES: &str = "SELECT count(*) FROM @change";
pub(crate) const IS_VACUUMED: &str =
    "SELECT current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean";
/// Dead rows beside living ones, how many seconds ago they were last taken away
/// (less than 0: never), how many there may be before they are, and whether they
/// are at all.
pub(crate) const DEAD_ROWS: &str = "SELECT stat.relname, n_live_tup, n_dead_tup, \
     coalesce(extract(epoch FROM clock_timestamp() - greatest(last_vacuum, last_autovacuum)), -1)::bigint, \
     (coalesce(autovacuum_vacuum_threshold, current_setting('autovacuum_vacuum_threshold'))::float8 \
         + coalesce(autovacuum_vacuum_scale_factor, current_setting('autovacuum_vacuum_scale_factor'))::float8 \
         * greatest(reltuples, 0))::bigint, coalesce(autovacuum_enabled, 'on')::boolean \
     FROM pg_stat_user_tables AS stat JOIN pg_class ON pg_class.oid = relid CROSS JOIN LATERAL (SELECT \
         max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold') AS autovacuum_vacuum_threshold, \
         max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor') AS autovacuum_vacuum_scale_factor, \
         max(option_value) FILTER (WHERE option_name = 'autovacuum_enabled') AS autovacuum_enabled \
         FROM pg_options_to_table(reloptions)) AS option WHERE schemaname = $1 ORDER BY n_dead_tup DESC, 1";
/// What keeps dead rows from being taken away, for longer than so many seconds or,
/// where nobody says how long, than so many transactions: its kind, its name, whose
/// it is, the seconds, the transactions.
pub(crate) const HOLDS_BACK: &str = "SELECT * FROM (\
     SELECT 'session' AS kind, pid::text AS name, \
         concat_ws(', ', 'role ' || usename, nullif(application_name, ''), state) AS whose, \
         extract(epoch FROM clock_timestamp() - xact_start)::bigint AS seconds, \
         greatest(age(backend_xid), age(backend_xmin))::bigint AS transactions \
         FROM pg_stat_activity WHERE datname = current_database() AND usesysid IS NOT NULL \
         AND pid <> pg_backend_pid() AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL) \
     UNION ALL SELECT 'prepared', quote_literal(gid), 'role ' || owner, \
         extract(epoch FROM clock_timestamp() - prepared)::bigint, age(transaction)::bigint \
         FROM pg_prepared_xacts WHERE database = current_database() \
     UNION ALL SELECT 'slot', quote_literal(slot_name), CASE WHEN active THEN 'in use' ELSE 'not in use' END, \
         NULL, age(xmin)::bigint FROM pg_replication_slots WHERE xmin IS NOT NULL \
     UNION ALL SELECT 'standby', coalesce(nullif(application_name, ''), pid::text), \
         coalesce('at ' || host(client_addr), 'here'), NULL, age(backend_xmin)::bigint \
         FROM pg_stat_replication WHERE backend_xmin IS NOT NULL) AS holder \
     WHERE seconds > $1 OR (seconds IS NULL AND transactions > $2) ORDER BY transactions DESC LIMIT 5";
/// Whether this role is told about the transactions of others.
pub(crate) const SEES_OTHERS: &str = "SELECT pg_has_role('pg_read_all_stats', 'USAGE')";

// Transfer

pub(crate) const STAGE: &str = "SELECT run, move_stage, move_id, move_place FROM @queue";
pub(crate) const SET_STAGE: &str = "UPDATE @queue SET move_stage = $1, move_id = $2, move_place = $3";
/// Where the queue stands, if it is, or was, in a move; whoever marks it waits until
/// this transaction has ended.
pub(crate) const STAGE_TOGETHER: &str = "SELECT 1 WHERE pg_advisory_xact_lock_shared(hashtextextended('queuectl move @', 0)) IS NULL; \
     SELECT json_build_array(move_stage, move_id, move_place) FROM @queue WHERE move_stage IS NOT NULL";
/// The same for whoever marks it: waits until all others have ended.
pub(crate) const STAGE_ALONE: &str = "SELECT 1 WHERE pg_advisory_xact_lock(hashtextextended('queuectl move @', 0)) IS NULL; \
     SELECT json_build_array(move_stage, move_id, move_place) FROM @queue WHERE move_stage IS NOT NULL";
pub(crate) const LAST_COPIED: &str = concat!(last_of_each!(attempts_now!(
    " ORDER BY seq DESC, lease DESC LIMIT 1",
    " ORDER BY seq DESC LIMIT 1"
)));
/// The same where nothing but copies is: there each attempt has a record of its own.
pub(crate) const LAST_IMPORTED: &str = concat!(last_of_each!("@attempt"));
pub(crate) const HOW_MUCH: &str = "SELECT (SELECT count(*) FROM @worker), (SELECT count(*) FROM @attempt) \
     + (SELECT count(*) FROM @settled WHERE outcome IS NOT NULL), count(*), coalesce(sum(length(bytes)), 0)::bigint FROM @output";
pub(crate) const NUMBERS: &str = "SELECT coalesce(pg_sequence_last_value('@job_seq_seq'), 0), \
     coalesce(pg_sequence_last_value('@worker_id_seq'), 0), coalesce(pg_sequence_last_value('@place'), 0) + 1";
pub(crate) const SET_NUMBERS: &str = concat!(
    "SELECT ",
    gives_out_no_more!("@job_seq_seq", "$1"),
    ", ",
    gives_out_no_more!("@worker_id_seq", "$2"),
    ", ",
    gives_out_no_more!("@place", "$3 - 1"),
);
pub(crate) const REQUEST_STOP_OF_ALL: &str =
    "UPDATE @worker SET stop = greatest(stop, $1) WHERE ended_at_ms IS NULL";
/// Also on machines whose last worker has died and is about to be replaced.
pub(crate) const COUNT_STOP_OF_ALL: &str = "INSERT INTO @machine (lock_file, stops) \
     SELECT lock_file, 1 FROM @worker UNION SELECT lock_file, 1 FROM @machine \
     ON CONFLICT (lock_file) DO UPDATE SET stops = machine.stops + 1";
/// The jobs that a worker has ended stand in its row, and in changes that are not folded.
pub(crate) const EXPORT_WORKERS: &str = concat!(
    "SELECT ",
    copied!(worker),
    " + coalesce((SELECT sum(done) FROM @change WHERE worker = w.id), 0)::bigint \
     FROM @worker AS w WHERE id > $1 ORDER BY id LIMIT $2"
);
/// Ends when so many bytes were read.
pub(crate) const EXPORT_JOBS: &str = concat!(
    "SELECT ",
    copied!(job),
    " FROM (SELECT *, sum(octet_length(command) + coalesce(octet_length(env), 0)) OVER (ORDER BY seq \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM (SELECT * FROM ",
    jobs_now!(after "$1"),
    " ORDER BY seq LIMIT $2) AS page) AS summed WHERE coalesce(before, 0) < $3 ORDER BY seq"
);
pub(crate) const EXPORT_ATTEMPTS: &str = concat!(
    "SELECT ",
    copied!(attempt),
    " FROM ",
    attempts_now!(
        " WHERE (seq, lease) > ($1, $2) ORDER BY seq, lease LIMIT $3",
        " AND seq >= $1 AND (seq, lease) > ($1, $2) ORDER BY seq LIMIT $3"
    ),
    " ORDER BY seq, lease LIMIT $3"
);
/// Ends when so many bytes were read.
pub(crate) const EXPORT_OUTPUT: &str = concat!(
    "SELECT ",
    copied!(output),
    " FROM (SELECT *, sum(octet_length(bytes)) OVER (ORDER BY seq, lease, n \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before \
         FROM (SELECT * FROM @output WHERE (seq, lease, n) > ($1, $2, $3) ORDER BY seq, lease, n LIMIT $4) \
         AS page) AS summed WHERE coalesce(before, 0) < $5 ORDER BY seq, lease, n"
);
/// No worker that was copied locks a file here.
pub(crate) const IMPORT_WORKERS: &str = concat!(
    "INSERT INTO @worker (",
    copied!(worker),
    ", lock_file) SELECT *, '' FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], \
     $6::bigint[], $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], \
     $13::bigint[], $14::bigint[])"
);
/// Each into its place too. What only a row of the table `job` says of one that waits
/// is never looked at of one that does not.
pub(crate) const IMPORT_JOBS: &str = concat!(
    "WITH given AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], \
         $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], \
         $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], \
         $20::bigint[], $21::bigint[], $22::bigint[], $23::text[], $24::text[], $25::text[], $26::text[]) AS given (",
    copied!(job),
    ")), lined AS (INSERT INTO @line (rank, place, seq, suspect, run_at_ms, waits_since_ms) \
         SELECT -priority, ready, seq, ",
    is_suspect!(),
    ", run_at_ms, waits_since_ms FROM given WHERE ready IS NOT NULL), \
     waits AS (INSERT INTO @wait (seq, run_at_ms, waits_since_ms) SELECT seq, run_at_ms, waits_since_ms FROM given \
         WHERE ready IS NULL AND run_at_ms IS NOT NULL), \
     held AS (INSERT INTO @claim (seq, lease, worker, attempts, claimed_at_ms, cancel_at_ms) \
         SELECT seq, lease, worker, attempts, coalesce(started_at_ms, updated_at_ms), cancel_at_ms FROM given \
         WHERE worker IS NOT NULL), \
     ended AS (INSERT INTO @settled (seq, state, attempts, crashes, lease, updated_at_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, last_error) SELECT seq, state, attempts, crashes, lease, updated_at_ms, \
         started_at_ms, finished_at_ms, exit_code::integer, signal::integer, last_error FROM given \
         WHERE finished_at_ms IS NOT NULL) \
     INSERT INTO @job (seq, id, queue, priority, max_retries, timeout_ms, created_at_ms, first_run_at_ms, env, cwd, \
         command, state, place, attempts, crashes, lease, updated_at_ms, started_at_ms, exit_code, signal, last_error) \
     SELECT seq, id, queue, priority, max_retries, timeout_ms, created_at_ms, \
         CASE WHEN state = 'pending' THEN run_at_ms END, env, cwd, command, \
         CASE WHEN state = 'failed' THEN state ELSE 'pending' END, place, attempts, crashes, lease, updated_at_ms, \
         started_at_ms, exit_code::integer, signal::integer, last_error FROM given"
);
pub(crate) const IMPORT_ATTEMPTS: &str = concat!(
    "INSERT INTO @attempt (",
    copied!(attempt),
    ") SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], \
     $7::bigint[], $8::text[], $9::bigint[], $10::bigint[])"
);
pub(crate) const IMPORT_OUTPUT: &str = concat!(
    "INSERT INTO @output (",
    copied!(output),
    ") SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])"
);
/// One after the other.
pub(crate) const FORGET_EVERYTHING: [&str; 8] = [
    "DELETE FROM @output",
    "DELETE FROM @attempt",
    "DELETE FROM @line",
    "DELETE FROM @wait",
    "DELETE FROM @claim",
    "DELETE FROM @settled",
    "DELETE FROM @job",
    "DELETE FROM @worker",
];

#[cfg(test)]
mod tests {
    use queuectl_core::SUSPECT_AFTER_CRASHES;

    #[test]
    fn the_server_suspects_whom_the_rules_suspect() {
        assert_eq!(is_suspect!(), format!("crashes >= {SUSPECT_AFTER_CRASHES}"));
    }
}
