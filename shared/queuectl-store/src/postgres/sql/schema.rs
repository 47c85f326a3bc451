//! The statements about the queue as a whole: its server, its tables, its move.

use super::clock::TIME;
use const_format::concatcp;

/// What `Origin::of_row` reads.
const THIS_TABLE: &str = "concat_ws('.', (SELECT oid FROM pg_database WHERE datname = current_database()), '@queue'::regclass::oid), \
     has_function_privilege('pg_control_system()', 'EXECUTE')";

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

// The tables

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
pub(crate) const RUN: &str = "SELECT run FROM @queue";

// The move

pub(crate) const STAGE: &str = "SELECT run, move_stage, move_id, move_place FROM @queue";
pub(crate) const SET_STAGE: &str = "UPDATE @queue SET move_stage = $1, move_id = $2, move_place = $3";
/// Where the queue stands, if it is, or was, in a move; a program that marks it waits until
/// this transaction has ended.
pub(crate) const STAGE_TOGETHER: &str = "SELECT 1 WHERE pg_advisory_xact_lock_shared(hashtextextended('queuectl move @', 0)) IS NULL; \
     SELECT json_build_array(move_stage, move_id, move_place) FROM @queue WHERE move_stage IS NOT NULL";
/// The same for a program that marks it: waits until all others have ended.
pub(crate) const STAGE_ALONE: &str = "SELECT 1 WHERE pg_advisory_xact_lock(hashtextextended('queuectl move @', 0)) IS NULL; \
     SELECT json_build_array(move_stage, move_id, move_place) FROM @queue WHERE move_stage IS NOT NULL";
