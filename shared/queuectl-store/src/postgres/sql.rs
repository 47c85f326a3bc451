//! Every statement of the PostgreSQL store.
//!
//! Named and ordered like their twins in `sqlite/sql.rs`, so that what differs is
//! what the databases differ in: many writers at once, so whoever decides about a
//! row locks it first; whole batches in one statement, since each costs a round
//! trip. `@` stands for the schema. Places in line come from a sequence.

/// The columns of a job, in the order in which `row::job` reads them.
macro_rules! job_columns {
    () => {
        "seq, id, state, queue, priority, attempts, max_retries, crashes, lease, worker, \
         cancel_at_ms IS NOT NULL, timeout_ms, created_at_ms, updated_at_ms, run_at_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, last_error, env, cwd, command"
    };
}

/// The columns that are copied to another place: all that every store has, the key
/// first, in the same order in every store.
macro_rules! copied {
    (worker) => {
        "id, host, pid, manager_pid, boot_id, pid_namespace, run, note_region, concurrency, path, \
         started_at_ms, ended_at_ms, stop, jobs_done"
    };
    (job) => {
        "seq, id, state, queue, priority, place, ready, attempts, max_retries, crashes, lease, worker, \
         cancel_at_ms, timeout_ms, created_at_ms, updated_at_ms, run_at_ms, waits_since_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, last_error, env, cwd, command"
    };
    (attempt) => {
        "seq, lease, worker, started_at_ms, ended_at_ms, outcome, code, error, output_bytes, dropped_bytes"
    };
    (output) => {
        "seq, lease, n, stream, at_ms, bytes"
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

/// The columns of a worker, in the order in which `row::worker` reads them. How
/// many jobs it has ended stands in its row, and in changes that are not folded.
macro_rules! worker_columns {
    () => {
        "id, host, pid, manager_pid, boot_id, pid_namespace, run, note_region, concurrency, path, \
         started_at_ms, ended_at_ms, stop, \
         jobs_done + coalesce((SELECT sum(done) FROM @change WHERE worker = w.id), 0)::bigint, \
         (SELECT count(*) FROM @job WHERE worker = w.id), lock_file, \
         (extract(epoch FROM beat_at) * 1000)::bigint, \
         coalesce(clock_timestamp() - beat_at > make_interval(secs => $1), false), \
         clock_timestamp() - pg_postmaster_start_time() > make_interval(secs => $1)"
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

/// The same, unless the table is large with what no vacuum may remove: then only if
/// the parameter insists. `counted` says whether it was done.
macro_rules! thrifty_sums {
    ($insists:literal) => {
        concat!(sums!(), " WHERE (SELECT pg_relation_size('@change') < 1048576 OR ", $insists, ")")
    };
}

/// Adds to the books what this transaction has changed.
macro_rules! noted {
    () => {
        "noted AS (INSERT INTO @change (worker, done, pending, processing, completed, failed, dead, cancelled) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8 \
         WHERE $2 <> 0 OR $3 <> 0 OR $4 <> 0 OR $5 <> 0 OR $6 <> 0 OR $7 <> 0 OR $8 <> 0)"
    };
}

/// What a worker is told each time, in the order in which `work::news` reads it.
macro_rules! news_columns {
    ($insists:literal) => {
        concat!(
            "(SELECT stop FROM @worker WHERE id = $1 AND ended_at_ms IS NULL), \
             (SELECT min(run_at_ms) FROM @job WHERE ready IS NULL AND run_at_ms IS NOT NULL), \
             ARRAY(SELECT id FROM @worker WHERE ended_at_ms IS NULL), \
             ARRAY(SELECT seq FROM @job WHERE worker = $1 AND cancel_at_ms IS NOT NULL ORDER BY seq), \
             ARRAY(SELECT lease FROM @job WHERE worker = $1 AND cancel_at_ms IS NOT NULL ORDER BY seq), \
             pending, processing, completed, failed, dead, cancelled, changes, ",
            time!(),
            ", (SELECT pg_relation_size('@change') < 1048576 OR ",
            $insists,
            ")"
        )
    };
}

// The connection

/// What must be known of a server.
pub(super) const SERVER: &str = concat!(
    "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'), \
     pg_is_in_recovery(), current_setting('synchronous_commit'), current_setting('fsync'), ",
    time!()
);
pub(super) const BACK_END: &str = "SELECT pg_backend_pid()";
/// What became of a transaction whose commit was sent and never answered.
pub(super) const WHAT_BECAME_OF: &str = "SELECT txid_status($1)";

// The schema

/// How many tables a schema has, and whether one of them says that it is a queue.
pub(super) const WHAT_IS_THERE: &str = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = s.oid \
         AND relkind IN ('r', 'p', 'v', 'm', 'f')), \
     EXISTS (SELECT FROM pg_constraint WHERE connamespace = s.oid AND conname = 'it_is_ours') \
     FROM (SELECT (SELECT oid FROM pg_namespace WHERE nspname = $1) AS oid) AS s";
/// Its number, and where the queue stands in a move; of that an old schema says nothing.
pub(super) const SCHEMA: &str = "SELECT schema, to_json(queue) ->> 'move_stage', to_json(queue) ->> 'move_id', \
     to_json(queue) ->> 'move_place' FROM @queue AS queue";
pub(super) const SCHEMA_IS_THERE: &str = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
pub(super) const ENCODING: &str = "SELECT getdatabaseencoding()";
/// Held until the end of the transaction.
pub(super) const ONE_MIGRATES: &str = "SELECT pg_advisory_xact_lock(hashtextextended('queuectl ' || $1, 0))";
pub(super) const NEW_QUEUE: &str =
    "INSERT INTO @queue (one, application, run, schema, oldest_writer) VALUES (1, 'queuectl', $1, $2, $2)";
pub(super) const NEW_SCHEMA: &str = "UPDATE @queue SET schema = $1, oldest_writer = $1";

// The books

pub(super) const LEDGER: &str = sums!();
pub(super) const TRANSACTION: &str = "SELECT txid_current()";
/// Gives the number of the transaction, by which its end can be asked for later.
pub(super) const SAVE_LEDGER: &str = concat!("WITH ", noted!(), " SELECT txid_current()");
/// Makes one change of many. Whoever else is at it takes others.
pub(super) const FOLD: &str = "WITH gone AS (DELETE FROM @change WHERE ctid = ANY (ARRAY(\
         SELECT ctid FROM @change LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING *) \
     INSERT INTO @change SELECT worker, sum(done), sum(pending), sum(processing), sum(completed), sum(failed), \
     sum(dead), sum(cancelled) FROM gone GROUP BY worker";
pub(super) const RUN: &str = "SELECT run FROM @queue";

// Intake

pub(super) const ENQUEUE: &str = "INSERT INTO @job (id, state, queue, priority, place, ready, max_retries, \
     timeout_ms, created_at_ms, updated_at_ms, run_at_ms, waits_since_ms, env, cwd, command) \
     SELECT id, 'pending', queue, priority, place, place, max_retries, timeout_ms, $1, $1, run_at_ms, \
     CASE WHEN run_at_ms IS NOT NULL THEN $1 END, env, cwd, command FROM (\
         SELECT *, CASE WHEN run_at_ms IS NULL THEN nextval('@place') END AS place \
         FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], \
             $8::text[], $9::text[], $10::text[]) \
         AS given (id, queue, priority, max_retries, timeout_ms, run_at_ms, env, cwd, command)) AS placed \
     ON CONFLICT (id) DO NOTHING RETURNING id";
pub(super) const IDS_TAKEN: &str = "SELECT id FROM @job WHERE id = ANY ($1)";

// Work

/// Regions of notes are given out one at a time.
pub(super) const ONE_NEWCOMER: &str = "LOCK TABLE @worker IN SHARE ROW EXCLUSIVE MODE";
pub(super) const REGISTER: &str = "WITH begun AS (INSERT INTO @worker (host, pid, manager_pid, boot_id, \
         pid_namespace, run, note_region, concurrency, path, started_at_ms, lock_file) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id), \
     alive AS (INSERT INTO @heartbeat (worker, beat_at) SELECT id, clock_timestamp() FROM begun) \
     SELECT id FROM begun";
pub(super) const REGIONS_IN_USE: &str =
    "SELECT note_region FROM @worker WHERE lock_file = $1 AND ended_at_ms IS NULL ORDER BY note_region";
pub(super) const ROSTER: &str = "SELECT id FROM @worker WHERE ended_at_ms IS NULL";
/// Held by the worker during an exchange, against whoever would call it dead.
pub(super) const STOP_OF: &str = "SELECT stop FROM @worker WHERE id = $1 AND ended_at_ms IS NULL FOR SHARE";
pub(super) const REQUEST_STOP: &str = "UPDATE @worker SET stop = greatest(stop, $2) \
     WHERE id = ANY ($1) AND ended_at_ms IS NULL";
pub(super) const COUNT_STOP: &str = "INSERT INTO @machine (lock_file, stops) \
     SELECT lock_file, 1 FROM @worker WHERE id = ANY ($1) UNION SELECT $2, 1 \
     ON CONFLICT (lock_file) DO UPDATE SET stops = machine.stops + 1";
pub(super) const STOPS: &str = "SELECT coalesce((SELECT stops FROM @machine WHERE lock_file = $1), 0)";
/// Locks the row, so that only one can end a worker, and no exchange of its own is
/// under way.
pub(super) const STILL_AT_WORK: &str =
    "SELECT lock_file FROM @worker WHERE id = $1 AND ended_at_ms IS NULL FOR UPDATE";
/// Whether its lease has run out, and whether that means anything: for as long as
/// a lease, nobody could renew one before the server had started.
pub(super) const HAS_LAPSED: &str = "SELECT clock_timestamp() - beat_at > make_interval(secs => $2) \
         AND clock_timestamp() - pg_postmaster_start_time() > make_interval(secs => $2) \
     FROM @worker JOIN @heartbeat ON heartbeat.worker = worker.id WHERE id = $1 AND ended_at_ms IS NULL";
/// The same; locks the row, so that a renewal has come before or comes too late.
pub(super) const HAS_LAPSED_FOR_GOOD: &str = "SELECT clock_timestamp() - beat_at > make_interval(secs => $2) \
         AND clock_timestamp() - pg_postmaster_start_time() > make_interval(secs => $2) \
     FROM @heartbeat WHERE worker = $1 FOR UPDATE";
pub(super) const WORKER_ENDED: &str = "WITH silent AS (DELETE FROM @heartbeat WHERE worker = $1) \
     UPDATE @worker SET ended_at_ms = $2 WHERE id = $1 AND ended_at_ms IS NULL";
pub(super) const BEAT: &str =
    "UPDATE @heartbeat SET beat_at = clock_timestamp() WHERE worker = $1 RETURNING worker";
/// Who is where, and whose lease has run out: only between machines.
pub(super) const NEIGHBOURS: &str = "SELECT id, lock_file, \
         coalesce(clock_timestamp() - beat_at > make_interval(secs => $1) \
         AND clock_timestamp() - pg_postmaster_start_time() > make_interval(secs => $1), false) \
     FROM @worker LEFT JOIN @heartbeat ON heartbeat.worker = worker.id WHERE ended_at_ms IS NULL";

pub(super) const DUE: &str = "SELECT seq, nextval('@place') FROM (\
         SELECT seq FROM @job WHERE ready IS NULL AND run_at_ms <= $1 \
         ORDER BY run_at_ms LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) AS due";
/// A due time further away than the delay it was given: the clock was set back.
pub(super) const DUE_BY_ANOTHER_CLOCK: &str = "SELECT seq, nextval('@place') FROM (\
         SELECT seq FROM @job WHERE ready IS NULL AND run_at_ms IS NOT NULL AND waits_since_ms > $1 \
         ORDER BY waits_since_ms LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED) AS due";
pub(super) const PUT_IN_LINE: &str = "UPDATE @job SET place = due.place, ready = due.place \
     FROM unnest($1::bigint[], $2::bigint[]) AS due (seq, place) WHERE job.seq = due.seq";

pub(super) const FIRST_IN_LINE: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM @job WHERE ready IS NOT NULL ORDER BY (-priority), ready LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED"
);
/// The first in line from a rank and a place on ($2, $3), which are locked, and with
/// each of them, or alone, whether any job is due.
///
/// A statement of its own: had it waited for something since its snapshot, it would
/// find rows that others have claimed meanwhile, pass over them, and keep their locks.
pub(super) const LOOK: &str = concat!(
    "WITH first AS (SELECT * FROM @job WHERE ready IS NOT NULL AND ((-priority), ready) >= ($2, $3) \
         ORDER BY (-priority), ready LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED) \
     SELECT ",
    job_columns!(),
    ", ready, anything_due FROM (SELECT EXISTS (SELECT FROM @job WHERE ready IS NULL AND run_at_ms <= $4) \
         OR EXISTS (SELECT FROM @job WHERE ready IS NULL AND run_at_ms IS NOT NULL AND waits_since_ms > $5) \
         AS anything_due) AS waiting LEFT JOIN first ON true ORDER BY (-priority), ready"
);
/// Passes over jobs that may be what kills their workers; there are few.
pub(super) const FIRST_UNSUSPECTED: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM @job WHERE ready IS NOT NULL AND crashes < $2 ORDER BY (-priority), ready LIMIT $1 \
     FOR NO KEY UPDATE SKIP LOCKED"
);
pub(super) const STANDINGS: &str = "SELECT job.seq, job.lease, state, attempts, max_retries, crashes, \
     cancel_at_ms IS NOT NULL FROM unnest($2::bigint[], $3::bigint[]) AS held (seq, lease) \
     JOIN @job ON job.seq = held.seq AND job.lease = held.lease \
     WHERE job.worker = $1 ORDER BY job.seq FOR NO KEY UPDATE OF job";
/// Writes what became of the jobs, and the records of their attempts; gives how many
/// were written. Unless the standings are certain ($20), leaves out what is no longer
/// so.
pub(super) const SETTLE: &str = "WITH ended AS (SELECT * FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], \
         $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::integer[], $13::integer[], $14::text[], \
         $15::text[], $16::integer[], $17::bigint[], $18::bigint[], $19::bigint[]) \
         AS ended (seq, lease, state, attempts, crashes, due, waits_since, started_at, finished_at, exit_code, \
         signal, error, outcome, code, output_bytes, dropped_bytes, ended_at)), \
     settled AS (UPDATE @job SET state = ended.state, attempts = ended.attempts, crashes = ended.crashes, \
         worker = NULL, cancel_at_ms = NULL, \
         ready = CASE WHEN ended.state = 'pending' THEN job.place END, \
         run_at_ms = ended.due, waits_since_ms = ended.waits_since, started_at_ms = ended.started_at, \
         finished_at_ms = ended.finished_at, exit_code = ended.exit_code, signal = ended.signal, \
         last_error = ended.error, updated_at_ms = $2 FROM ended WHERE job.seq = ended.seq \
         AND job.lease = ended.lease AND job.worker = $1 AND (job.cancel_at_ms IS NULL OR $20) \
         RETURNING job.seq), \
     recorded AS (INSERT INTO @attempt (seq, lease, worker, started_at_ms, ended_at_ms, outcome, code, error, \
         output_bytes, dropped_bytes) SELECT seq, lease, $1, started_at, ended_at, outcome, code, error, \
         output_bytes, dropped_bytes FROM ended WHERE seq IN (SELECT seq FROM settled) \
     ON CONFLICT (seq, lease) DO UPDATE SET ended_at_ms = excluded.ended_at_ms, outcome = excluded.outcome, \
         code = excluded.code, error = excluded.error, output_bytes = excluded.output_bytes, \
         dropped_bytes = excluded.dropped_bytes WHERE attempt.ended_at_ms IS NULL) \
     SELECT count(*) FROM settled";
pub(super) const HAND_BACK: &str = "UPDATE @job SET state = back.state, attempts = back.attempts, worker = NULL, \
     cancel_at_ms = NULL, ready = CASE WHEN back.state = 'pending' THEN job.place END, started_at_ms = NULL, \
     finished_at_ms = CASE WHEN back.settled THEN $1 END, updated_at_ms = $1 \
     FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::boolean[]) AS back (seq, state, attempts, settled) \
     WHERE job.seq = back.seq";
pub(super) const ATTEMPTS_BEGAN: &str = "INSERT INTO @attempt (seq, lease, worker, started_at_ms) \
     SELECT seq, lease, $1, started_at FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) \
     AS begun (seq, lease, started_at) ON CONFLICT (seq, lease) DO NOTHING";
/// When a lost attempt began: who claims looks at the clock before its turn comes,
/// which may be long after an attempt has ended. And what it had written.
pub(super) const LOST: &str = "SELECT coalesce((SELECT started_at_ms FROM @attempt WHERE seq = $1 AND lease = $2), \
     greatest(started_at_ms, (SELECT max(ended_at_ms) FROM @attempt WHERE seq = $1))), \
     (SELECT coalesce(sum(length(bytes)), 0)::bigint FROM @output WHERE seq = $1 AND lease = $2) \
     FROM @job WHERE seq = $1";
pub(super) const ADD_OUTPUT: &str = "INSERT INTO @output (seq, lease, n, stream, at_ms, bytes) \
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[]) \
     ON CONFLICT (seq, lease, n) DO NOTHING";
pub(super) const TRIM_OUTPUT: &str = "DELETE FROM @output USING unnest($1::bigint[], $2::bigint[], $3::bigint[], \
     $4::bigint[]) AS trim (seq, lease, first, last) WHERE output.seq = trim.seq AND output.lease = trim.lease \
     AND output.n BETWEEN trim.first AND trim.last";
pub(super) const CLAIMS: &str = "SELECT seq, lease FROM @job WHERE worker = $1 ORDER BY seq";
/// The order in which a worker starts what it has claimed.
pub(super) const CLAIMS_IN_ORDER: &str =
    "SELECT seq, lease FROM @job WHERE worker = $1 ORDER BY started_at_ms, priority DESC, place LIMIT $2";
/// The news, and whether there is a job in line, or one that is due. Looks at the line
/// from a rank and a place on ($4, $5); insists on the books if $6 says so.
pub(super) const NEWS_AND_WORK: &str = concat!(
    "SELECT ",
    news_columns!("$6"),
    ", EXISTS (SELECT FROM @job WHERE ready IS NOT NULL AND ((-priority), ready) >= ($4, $5)) \
     OR EXISTS (SELECT FROM @job WHERE ready IS NULL AND run_at_ms <= $2) \
     OR EXISTS (SELECT FROM @job WHERE ready IS NULL AND run_at_ms IS NOT NULL AND waits_since_ms > $3) \
     FROM (",
    thrifty_sums!("$6"),
    ") AS books"
);
/// The end of an exchange: writes the claim, adds to the books, and reads the news,
/// which show neither yet; gives the number of the transaction, and how many entries
/// of the line were walked past.
pub(super) const CLAIM_SAVE_LEDGER_AND_NEWS: &str = concat!(
    "WITH ",
    noted!(),
    ", taken AS (UPDATE @job SET state = claimed.state, ready = NULL, run_at_ms = NULL, waits_since_ms = NULL, \
         worker = $1, lease = claimed.lease, attempts = claimed.attempts, started_at_ms = $13, updated_at_ms = $13 \
         FROM unnest($9::bigint[], $10::text[], $11::bigint[], $12::bigint[]) \
         AS claimed (seq, state, lease, attempts) WHERE job.seq = claimed.seq) SELECT ",
    news_columns!("$14"),
    ", txid_current(), pg_stat_get_xact_tuples_returned('@job_in_line'::regclass) FROM (",
    thrifty_sums!("$14"),
    ") AS books"
);

// Inspect

pub(super) const JOB: &str = concat!("SELECT ", job_columns!(), " FROM @job WHERE id = $1");
pub(super) const JOBS: &str = concat!("SELECT ", job_columns!(), " FROM @job WHERE seq > $1");
pub(super) const JOBS_ORDER: &str = " ORDER BY seq LIMIT $2";
pub(super) const ATTEMPTS: &str = "SELECT lease, worker, coalesce(host, ''), attempt.started_at_ms, \
     attempt.ended_at_ms, outcome, code, error, output_bytes, dropped_bytes \
     FROM @attempt LEFT JOIN @worker ON worker.id = attempt.worker WHERE seq = $1 ORDER BY lease";
pub(super) const OUTPUT: &str = "SELECT n, stream, at_ms, bytes, coalesce((SELECT started_at_ms FROM @attempt \
     WHERE attempt.seq = output.seq AND attempt.lease = output.lease), at_ms) \
     FROM @output WHERE seq = $1 AND lease = $2 AND n >= $3 ORDER BY n LIMIT $4";
pub(super) const WORKER: &str = concat!(
    "SELECT ",
    worker_columns!(),
    " FROM @worker AS w LEFT JOIN @heartbeat AS h ON h.worker = w.id WHERE w.id = $2"
);
pub(super) const WORKERS: &str = concat!(
    "SELECT ",
    worker_columns!(),
    " FROM @worker AS w LEFT JOIN @heartbeat AS h ON h.worker = w.id WHERE ended_at_ms IS NULL ORDER BY w.id"
);

// Upkeep

pub(super) const STATE_OF: &str =
    "SELECT seq, state, lease, worker FROM @job WHERE id = $1 FOR NO KEY UPDATE";
pub(super) const CANCEL: &str = "UPDATE @job SET state = $2, ready = NULL, run_at_ms = NULL, \
     waits_since_ms = NULL, finished_at_ms = $3, updated_at_ms = $3 WHERE seq = $1";
pub(super) const REQUEST_CANCEL: &str =
    "UPDATE @job SET cancel_at_ms = coalesce(cancel_at_ms, $2), updated_at_ms = $2 WHERE seq = $1";
pub(super) const REVIVE: &str = "UPDATE @job SET state = $2, attempts = 0, crashes = 0, finished_at_ms = NULL, \
     place = revived.place, ready = revived.place, updated_at_ms = $3 \
     FROM (SELECT seq, nextval('@place') AS place FROM unnest($1::bigint[]) AS revived (seq)) AS revived \
     WHERE job.seq = revived.seq";
pub(super) const OLDEST_DEAD: &str =
    "SELECT seq FROM @job WHERE state = 'dead' ORDER BY seq LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED";
pub(super) const SETTLED_BEFORE: &str = "SELECT seq FROM @job WHERE state = $1 AND finished_at_ms IS NOT NULL \
     AND finished_at_ms < $2 ORDER BY finished_at_ms LIMIT $3 FOR UPDATE SKIP LOCKED";
pub(super) const DELETE: &str = "WITH output AS (DELETE FROM @output WHERE seq = ANY ($1)), \
     attempts AS (DELETE FROM @attempt WHERE seq = ANY ($1)) DELETE FROM @job WHERE seq = ANY ($1)";
pub(super) const COUNT_BY_STATE: &str = "SELECT state, count(*) FROM @job GROUP BY state";
pub(super) const HELD: &str = "SELECT job.worker, worker.id IS NULL OR worker.ended_at_ms IS NOT NULL, count(*) \
     FROM @job LEFT JOIN @worker ON worker.id = job.worker WHERE job.worker IS NOT NULL GROUP BY job.worker, 2";

// Doctor

/// What the server says of itself, and of this connection. (A network address of
/// its own is a client on the same machine.)
pub(super) const SURROUNDINGS: &str = "SELECT current_setting('server_version'), pg_is_in_recovery(), \
     CASE WHEN NOT current_setting('fsync')::boolean THEN 'fsync' \
         WHEN NOT current_setting('full_page_writes')::boolean THEN 'full_page_writes' END, \
     current_setting('synchronous_commit'), current_setting('server_encoding'), \
     coalesce(inet_client_addr() = inet_server_addr() OR inet_client_addr() <<= '127.0.0.0/8', true), \
     (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), quote_ident(current_user)";
/// How many connections there are, and how many there may be. Of those of other
/// roles not everybody is told the type.
pub(super) const CONNECTIONS: &str = "WITH client AS (SELECT usesysid, datid FROM pg_stat_activity \
         WHERE usesysid IS NOT NULL AND datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend') \
     SELECT 'the server', (SELECT count(*) FROM client), current_setting('max_connections')::bigint \
         - current_setting('superuser_reserved_connections')::bigint \
         - coalesce(current_setting('reserved_connections', true), '0')::bigint \
     UNION ALL SELECT 'the role ' || rolname, (SELECT count(*) FROM client WHERE usesysid = pg_roles.oid), rolconnlimit \
         FROM pg_roles WHERE rolname = current_user AND rolconnlimit >= 0 AND NOT rolsuper \
     UNION ALL SELECT 'the database ' || datname, (SELECT count(*) FROM client WHERE datid = pg_database.oid), datconnlimit \
         FROM pg_database WHERE datname = current_database() AND datconnlimit >= 0";
/// Whether a queue may be made; and how large one is that is there.
pub(super) const ROOM: &str = "SELECT has_database_privilege(current_database(), 'CREATE'), \
     coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1), false), \
     EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), \
     (SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::bigint FROM pg_class \
         JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relkind = 'r')";
/// What the role may not do with the schema, these tables and these sequences.
pub(super) const RIGHTS_MISSING: &str = "SELECT 'USAGE', 'the schema ' || nspname FROM pg_namespace \
         WHERE nspname = $1 AND NOT has_schema_privilege(oid, 'USAGE') \
     UNION ALL SELECT wanted, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
         CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted \
         WHERE nspname = $1 AND relname = ANY ($2) AND NOT has_table_privilege(pg_class.oid, wanted) \
     UNION ALL SELECT 'USAGE', relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
         WHERE nspname = $1 AND relname = ANY ($3) AND NOT has_sequence_privilege(pg_class.oid, 'USAGE')";
/// Who may grant rights to the schema: its owner, or that of the database, whom
/// PostgreSQL has own the schema `public`.
pub(super) const OWNER: &str = "SELECT coalesce(\
     (SELECT nullif(pg_get_userbyid(nspowner), 'pg_database_owner') FROM pg_namespace WHERE nspname = $1), \
     (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()))::text";
pub(super) const TABLES_AND_SEQUENCES: &str = "SELECT relname FROM pg_class \
     JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = $1 AND relkind IN ('r', 'p', 'S')";
/// Every index, whether the server uses it, and how often it has.
pub(super) const INDEXES: &str = "SELECT index.relname, of.relname, indisvalid AND indisready, coalesce(idx_scan, 0) \
     FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS of ON of.oid = indrelid \
     JOIN pg_namespace ON pg_namespace.oid = of.relnamespace \
     LEFT JOIN pg_stat_user_indexes ON pg_stat_user_indexes.indexrelid = pg_index.indexrelid \
     WHERE nspname = $1 ORDER BY 2, 1";
/// Every rule for rows, and whether all of them were found to keep it.
pub(super) const CONSTRAINTS: &str = "SELECT conname, convalidated, relname FROM pg_constraint \
     JOIN pg_class ON pg_class.oid = conrelid JOIN pg_namespace ON pg_namespace.oid = connamespace \
     WHERE nspname = $1 AND contype = 'c'";
pub(super) const CHANGES: &str = "SELECT count(*) FROM @change";
pub(super) const IS_VACUUMED: &str =
    "SELECT current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean";
/// Dead rows beside living ones, how many seconds ago they were last taken away
/// (less than 0: never), how many there may be before they are, and whether they
/// are at all.
pub(super) const DEAD_ROWS: &str = "SELECT stat.relname, n_live_tup, n_dead_tup, \
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
pub(super) const HOLDS_BACK: &str = "SELECT * FROM (\
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
pub(super) const SEES_OTHERS: &str = "SELECT pg_has_role('pg_read_all_stats', 'USAGE')";

// Transfer

pub(super) const STAGE: &str = "SELECT run, move_stage, move_id, move_place FROM @queue";
pub(super) const SET_STAGE: &str = "UPDATE @queue SET move_stage = $1, move_id = $2, move_place = $3";
/// Where the queue stands, if it is, or was, in a move; whoever marks it waits until
/// this transaction has ended.
pub(super) const STAGE_TOGETHER: &str = "SELECT 1 WHERE pg_advisory_xact_lock_shared(hashtextextended('queuectl move @', 0)) IS NULL; \
     SELECT json_build_array(move_stage, move_id, move_place) FROM @queue WHERE move_stage IS NOT NULL";
/// The same for whoever marks it: waits until all others have ended.
pub(super) const STAGE_ALONE: &str = "SELECT 1 WHERE pg_advisory_xact_lock(hashtextextended('queuectl move @', 0)) IS NULL; \
     SELECT json_build_array(move_stage, move_id, move_place) FROM @queue WHERE move_stage IS NOT NULL";
/// The keys of the last record of each kind; -1 if there is none.
pub(super) const LAST_COPIED: &str = "SELECT coalesce((SELECT max(id) FROM @worker), -1), \
     coalesce((SELECT max(seq) FROM @job), -1), coalesce(a.seq, -1), coalesce(a.lease, -1), \
     coalesce(o.seq, -1), coalesce(o.lease, -1), coalesce(o.n, -1) FROM (SELECT 1) AS one \
     LEFT JOIN (SELECT seq, lease FROM @attempt ORDER BY seq DESC, lease DESC LIMIT 1) AS a ON true \
     LEFT JOIN (SELECT seq, lease, n FROM @output ORDER BY seq DESC, lease DESC, n DESC LIMIT 1) AS o ON true";
pub(super) const HOW_MUCH: &str = "SELECT (SELECT count(*) FROM @worker), (SELECT count(*) FROM @attempt), \
     count(*), coalesce(sum(length(bytes)), 0)::bigint FROM @output";
pub(super) const NUMBERS: &str = "SELECT coalesce(pg_sequence_last_value('@job_seq_seq'), 0), \
     coalesce(pg_sequence_last_value('@worker_id_seq'), 0), coalesce(pg_sequence_last_value('@place'), 0) + 1";
pub(super) const SET_NUMBERS: &str = concat!(
    "SELECT ",
    gives_out_no_more!("@job_seq_seq", "$1"),
    ", ",
    gives_out_no_more!("@worker_id_seq", "$2"),
    ", ",
    gives_out_no_more!("@place", "$3 - 1"),
);
pub(super) const REQUEST_STOP_OF_ALL: &str =
    "UPDATE @worker SET stop = greatest(stop, $1) WHERE ended_at_ms IS NULL";
/// Also on machines whose last worker has died and is about to be replaced.
pub(super) const COUNT_STOP_OF_ALL: &str = "INSERT INTO @machine (lock_file, stops) \
     SELECT lock_file, 1 FROM @worker UNION SELECT lock_file, 1 FROM @machine \
     ON CONFLICT (lock_file) DO UPDATE SET stops = machine.stops + 1";
/// The jobs that a worker has ended stand in its row, and in changes that are not folded.
pub(super) const EXPORT_WORKERS: &str = concat!(
    "SELECT ",
    copied!(worker),
    " + coalesce((SELECT sum(done) FROM @change WHERE worker = w.id), 0)::bigint \
     FROM @worker AS w WHERE id > $1 ORDER BY id LIMIT $2"
);
/// Ends when so many bytes were read.
pub(super) const EXPORT_JOBS: &str = concat!(
    "SELECT ",
    copied!(job),
    " FROM (SELECT *, sum(octet_length(command) + coalesce(octet_length(env), 0)) OVER (ORDER BY seq \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before \
         FROM (SELECT * FROM @job WHERE seq > $1 ORDER BY seq LIMIT $2) AS page) AS summed \
     WHERE coalesce(before, 0) < $3 ORDER BY seq"
);
pub(super) const EXPORT_ATTEMPTS: &str = concat!(
    "SELECT ",
    copied!(attempt),
    " FROM @attempt WHERE (seq, lease) > ($1, $2) ORDER BY seq, lease LIMIT $3"
);
/// Ends when so many bytes were read.
pub(super) const EXPORT_OUTPUT: &str = concat!(
    "SELECT ",
    copied!(output),
    " FROM (SELECT *, sum(octet_length(bytes)) OVER (ORDER BY seq, lease, n \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before \
         FROM (SELECT * FROM @output WHERE (seq, lease, n) > ($1, $2, $3) ORDER BY seq, lease, n LIMIT $4) \
         AS page) AS summed WHERE coalesce(before, 0) < $5 ORDER BY seq, lease, n"
);
/// No worker that was copied locks a file here.
pub(super) const IMPORT_WORKERS: &str = concat!(
    "INSERT INTO @worker (",
    copied!(worker),
    ", lock_file) SELECT *, '' FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], \
     $6::bigint[], $7::text[], $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], \
     $13::bigint[], $14::bigint[])"
);
pub(super) const IMPORT_JOBS: &str = concat!(
    "INSERT INTO @job (",
    copied!(job),
    ") SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], \
     $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], \
     $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], \
     $21::bigint[], $22::bigint[], $23::text[], $24::text[], $25::text[], $26::text[])"
);
pub(super) const IMPORT_ATTEMPTS: &str = concat!(
    "INSERT INTO @attempt (",
    copied!(attempt),
    ") SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], \
     $7::bigint[], $8::text[], $9::bigint[], $10::bigint[])"
);
pub(super) const IMPORT_OUTPUT: &str = concat!(
    "INSERT INTO @output (",
    copied!(output),
    ") SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])"
);
/// One after the other.
pub(super) const FORGET_EVERYTHING: [&str; 5] = [
    "DELETE FROM @output",
    "DELETE FROM @attempt",
    "DELETE FROM @job",
    "DELETE FROM @worker",
    "DELETE FROM @change",
];
