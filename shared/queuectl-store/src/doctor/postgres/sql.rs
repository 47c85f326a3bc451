//! What the doctor asks a server.

use crate::columns::attempt;
use crate::job_row::job;
use crate::postgres::sql::{JOBS_AFTER, SELECT_WORKERS};
use const_format::concatcp;

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
pub(crate) const DOUBTFUL_JOBS: &str = concatcp!(
    "SELECT ",
    job::LIST,
    " FROM ",
    JOBS_AFTER,
    " WHERE $3 OR env IS NOT NULL OR priority NOT BETWEEN -2147483648 AND 2147483647 \
         OR attempts NOT BETWEEN 0 AND 4294967294 OR max_retries NOT BETWEEN 0 AND 4294967295 \
         OR crashes NOT BETWEEN 0 AND 4294967295 OR lease NOT BETWEEN 0 AND 9223372036854775806 OR timeout_ms < 0 \
         OR state NOT IN ('pending', 'processing', 'completed', 'failed', 'dead', 'cancelled') \
         OR blocked_by <> 'hold' OR command ~ '^\\s*$' OR octet_length(command) > 131071 ORDER BY seq LIMIT $2"
);
pub(crate) const ALL_WORKERS: &str = SELECT_WORKERS;
pub(crate) const DOUBTFUL_ATTEMPTS: &str = concatcp!(
    "SELECT ",
    attempt::LIST,
    ", '' AS host FROM @attempt WHERE $1 OR output_bytes < 0 OR dropped_bytes < 0 \
     OR (outcome IN ('exit', 'signal') AND code IS NULL) OR outcome NOT IN \
     ('exit', 'signal', 'timeout', 'spawn-failed', 'no-folder', 'worker-lost', 'interrupted', 'cancelled')"
);
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
         ('@position', greatest((SELECT max(position) FROM @ready), (SELECT max(position) FROM @job)))) AS s (name, taken) \
     JOIN pg_sequence ON seqrelid = name::regclass AND NOT seqcycle) AS s WHERE seqmax - last < $1";
/// Sequences that would give out numbers again which are taken: the name, the number that
/// it gave out last, if this role is told, and the largest that is there.
pub(crate) const SEQUENCES_BEHIND: &str = "SELECT name, last, taken FROM (SELECT name, \
         CASE WHEN has_sequence_privilege(name, 'USAGE, SELECT') \
             THEN coalesce(pg_sequence_last_value(name::regclass), 0) END AS last, taken FROM (VALUES \
         (pg_get_serial_sequence('@job', 'seq'), (SELECT max(seq) FROM @job)), \
         (pg_get_serial_sequence('@worker', 'id'), (SELECT max(id) FROM @worker)), \
         ('@position', greatest((SELECT max(position) FROM @ready), (SELECT max(position) FROM @job)))) AS s (name, taken) \
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
