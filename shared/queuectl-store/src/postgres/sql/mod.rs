//! Every statement of the PostgreSQL store, by who asks.
//!
//! They do what their twins in `sqlite/sql.rs` do, under the same names where there is one
//! for one. All differ from those in two ways, which are harmless for the same reasons: many
//! write at once, so who decides about a row locks it first; and a batch is one statement,
//! since each costs a round trip. What else differs is said at the statement. `@` stands for
//! the schema; positions come from a sequence, so one that is not used is left out.

mod exchange;
mod jobs;
mod queue;
mod reader;
mod stages;
mod worker;

pub(crate) use exchange::*;
pub(crate) use jobs::*;
pub(crate) use queue::*;
pub(crate) use reader::*;
pub(crate) use stages::{INTO_BLOCKED, INTO_CLAIMED, INTO_FINISHED, INTO_READY, INTO_SCHEDULED};
pub(crate) use worker::*;

use const_format::concatcp;

/// What `Origin::of_row` reads.
const THIS_TABLE: &str = "concat_ws('.', (SELECT oid FROM pg_database WHERE datname = current_database()), '@queue'::regclass::oid), \
     has_function_privilege('pg_control_system()', 'EXECUTE')";

/// The server's clock, in milliseconds.
pub(crate) const TIME: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The sums of all changes.
pub(crate) const SUMS: &str = "SELECT coalesce(sum(pending), 0)::bigint AS pending, \
     coalesce(sum(processing), 0)::bigint AS processing, coalesce(sum(completed), 0)::bigint AS completed, \
     coalesce(sum(failed), 0)::bigint AS failed, coalesce(sum(dead), 0)::bigint AS dead, \
     coalesce(sum(cancelled), 0)::bigint AS cancelled, coalesce(sum(blocked), 0)::bigint AS blocked, \
     count(*) AS changes FROM @change";

/// How much an exchange reads that it can do without: 0 nothing, 1 all that is short,
/// 2 all. The sums are long when the table is large with what no vacuum may remove.
macro_rules! has_sums {
    ($reads:literal) => {
        concat!("(", $reads, " = 2 OR (", $reads, " = 1 AND pg_relation_size('@change') < 1048576))")
    };
}
pub(crate) use has_sums;

/// A worker's lease, for how long it was not renewed, and how old the server is, in
/// milliseconds. What follows from that is said in one place, `row::Silence`.
pub(crate) const SILENCE: &str = "coalesce(lease_ms, 0) AS lease_ms, (CASE WHEN NOT isfinite(beat_at) THEN 9000000000000000 \
         ELSE coalesce(extract(epoch FROM clock_timestamp() - beat_at), 0) * 1000 END)::bigint AS silent_ms, \
     (extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) * 1000)::bigint AS server_runs_ms";

// The connection

/// What must be known of a server, and, for `#`, the settings that are needed. (Nothing
/// but functions: with the first operator the server would read half its catalogue.)
pub(crate) const SERVER: &str = concatcp!(
    "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'), \
     pg_is_in_recovery(), current_setting('synchronous_commit'), current_setting('fsync'), ",
    TIME,
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
pub(crate) const SCHEMA: &str = "SELECT schema, to_json(queue) ->> 'move_stage' AS move_stage, to_json(queue) ->> 'move_id' AS move_id, \
     to_json(queue) ->> 'move_place' AS move_place FROM @queue AS queue";
/// Which table this is, which no two of a server have in common; whether this role may
/// ask for the server's name.
pub(crate) const TABLE: &str = concatcp!("SELECT ", THIS_TABLE);
/// The server's name, which a standby has from its primary.
pub(crate) const SERVER_NAME: &str = "SELECT system_identifier::text FROM pg_control_system()";
/// The same; where the queue was made, and whether this role may say that it is elsewhere.
pub(crate) const ORIGIN: &str =
    concatcp!("SELECT ", THIS_TABLE, ", origin, has_table_privilege('@queue', 'UPDATE') FROM @queue");
/// Gives a row if it still has the origin $1: only one makes it a queue of its own.
pub(crate) const NEW_ORIGIN: &str = "UPDATE @queue SET origin = $2, run = $3 WHERE origin = $1 RETURNING run";
pub(crate) const SCHEMA_IS_THERE: &str = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
pub(crate) const ENCODING: &str = "SELECT getdatabaseencoding()";
/// Held until the end of the transaction.
pub(crate) const ONE_MIGRATES: &str = "SELECT pg_advisory_xact_lock(hashtextextended('queuectl ' || $1, 0))";
pub(crate) const NEW_QUEUE: &str = "INSERT INTO @queue (one, application, run, origin, schema, oldest_writer) \
     VALUES (1, 'queuectl', $1, $2, $3, $3)";
pub(crate) const NEW_SCHEMA: &str = "UPDATE @queue SET schema = $1, oldest_writer = $1";

// The counters

pub(crate) const COUNTS: &str = SUMS;
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
/// Makes one change of many, for each queue; another transaction at the same time takes
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
     FROM gone LEFT JOIN noted ON noted.id = worker GROUP BY 1, 2 RETURNING 1";
pub(crate) const RUN: &str = "SELECT run FROM @queue";

// The move

pub(crate) const STAGE: &str = "SELECT run, move_stage, move_id, move_place FROM @queue";
pub(crate) const SET_STAGE: &str = "UPDATE @queue SET move_stage = $1, move_id = $2, move_place = $3";
/// Where the queue stands, if it is, or was, in a move; whoever marks it waits until
/// this transaction has ended.
pub(crate) const STAGE_TOGETHER: &str = "SELECT 1 WHERE pg_advisory_xact_lock_shared(hashtextextended('queuectl move @', 0)) IS NULL; \
     SELECT json_build_array(move_stage, move_id, move_place) FROM @queue WHERE move_stage IS NOT NULL";
/// The same for whoever marks it: waits until all others have ended.
pub(crate) const STAGE_ALONE: &str = "SELECT 1 WHERE pg_advisory_xact_lock(hashtextextended('queuectl move @', 0)) IS NULL; \
     SELECT json_build_array(move_stage, move_id, move_place) FROM @queue WHERE move_stage IS NOT NULL";
