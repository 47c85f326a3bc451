//! What a move asks a server.

use crate::columns::{attempt, output, rules, unique_key, worker};
use crate::job_row::job;
use crate::postgres::sql::{
    ATTEMPTS_AFTER, DONE_SINCE, INTO_BLOCKED, INTO_CLAIMED, INTO_FINISHED, INTO_READY, INTO_SCHEDULED,
    JOBS_AFTER, LAST_ATTEMPTS_NOW,
};
use const_format::concatcp;
use queuectl_postgres::Query;

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

/// The keys of the last record of each kind; -1 if there is none.
macro_rules! last_of_each {
    ($attempts:expr) => {
        concatcp!(
            "SELECT coalesce((SELECT max(id) FROM @rules), -1), coalesce((SELECT max(seq) FROM @unique_key), -1), \
             coalesce((SELECT max(id) FROM @worker), -1), \
             coalesce((SELECT max(seq) FROM @job), -1), \
             coalesce(a.seq, -1), coalesce(a.lease, -1), coalesce(o.seq, -1), coalesce(o.lease, -1), coalesce(o.n, -1) \
             FROM (SELECT 1) AS one LEFT JOIN (SELECT seq, lease FROM ",
            $attempts,
            " ORDER BY seq DESC, lease DESC LIMIT 1) AS a ON true LEFT JOIN (\
             SELECT seq, lease, n FROM @output ORDER BY seq DESC, lease DESC, n DESC LIMIT 1) AS o ON true"
        )
    };
}

pub(super) const LAST_COPIED: &str = last_of_each!(LAST_ATTEMPTS_NOW);
/// The same where nothing but copies is: there each attempt has a record of its own.
pub(super) const LAST_IMPORTED: &str = last_of_each!("@attempt");
pub(super) const HOW_MUCH: &str = "SELECT (SELECT count(*) FROM @worker), (SELECT count(*) FROM @attempt) \
     + (SELECT count(*) FROM @finished WHERE outcome IS NOT NULL), count(*), coalesce(sum(length(bytes)), 0)::bigint, \
     (SELECT count(*) FROM @rules), (SELECT count(*) FROM @unique_key) FROM @output";
pub(super) const NUMBERS: &str = "SELECT coalesce(pg_sequence_last_value('@job_seq_seq'), 0), \
     coalesce(pg_sequence_last_value('@worker_id_seq'), 0), coalesce(pg_sequence_last_value('@position'), 0) + 1";
pub(super) const SET_NUMBERS: &str = concat!(
    "SELECT ",
    gives_out_no_more!("@job_seq_seq", "$1"),
    ", ",
    gives_out_no_more!("@worker_id_seq", "$2"),
    ", ",
    gives_out_no_more!("@position", "$3 - 1"),
);
pub(super) const REQUEST_STOP_OF_ALL: &str =
    "UPDATE @worker SET stop = greatest(stop, $1) WHERE ended_at_ms IS NULL";
/// Also on machines whose last worker has died and is about to be replaced.
pub(super) const COUNT_STOP_OF_ALL: &str = "INSERT INTO @machine (lock_file, stops) \
     SELECT lock_file, 1 FROM @worker UNION SELECT lock_file, 1 FROM @machine \
     ON CONFLICT (lock_file) DO UPDATE SET stops = machine.stops + 1";
pub(super) const EXPORT_RULES: &str =
    concatcp!("SELECT ", rules::LIST, " FROM @rules WHERE id > $1 ORDER BY id LIMIT $2");
pub(super) const EXPORT_UNIQUE_KEYS: &str =
    concatcp!("SELECT ", unique_key::LIST, " FROM @unique_key WHERE seq > $1 ORDER BY seq LIMIT $2");
/// The jobs that a worker has ended stand in its row, and in changes that are not folded.
pub(super) const EXPORT_WORKERS: &str = concatcp!(
    "SELECT ",
    worker::LIST,
    ", ",
    DONE_SINCE,
    " FROM @worker AS w WHERE id > $1 ORDER BY id LIMIT $2"
);
/// Ends when so many bytes were read.
pub(super) const EXPORT_JOBS: &str = concatcp!(
    "SELECT ",
    job::LIST,
    " FROM (SELECT *, sum(octet_length(command) + coalesce(octet_length(env), 0)) OVER (ORDER BY seq \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM (SELECT * FROM ",
    JOBS_AFTER,
    " ORDER BY seq LIMIT $2) AS page) AS summed WHERE coalesce(before, 0) < $3 ORDER BY seq"
);
pub(super) const EXPORT_ATTEMPTS: &str =
    concatcp!("SELECT ", attempt::LIST, " FROM ", ATTEMPTS_AFTER, " ORDER BY seq, lease LIMIT $3");
/// Ends when so many bytes were read.
pub(super) const EXPORT_OUTPUT: &str = concatcp!(
    "SELECT ",
    output::LIST,
    " FROM (SELECT *, sum(octet_length(bytes)) OVER (ORDER BY seq, lease, n \
         ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before \
         FROM (SELECT * FROM @output WHERE (seq, lease, n) > ($1, $2, $3) ORDER BY seq, lease, n LIMIT $4) \
         AS page) AS summed WHERE coalesce(before, 0) < $5 ORDER BY seq, lease, n"
);
pub(super) static IMPORT_RULES: Query =
    Query::new(concatcp!("INSERT INTO @rules (", rules::LIST, ") SELECT * FROM unnest(", rules::ARRAYS, ")"));
pub(super) static IMPORT_UNIQUE_KEYS: Query = Query::new(concatcp!(
    "INSERT INTO @unique_key (",
    unique_key::LIST,
    ") SELECT * FROM unnest(",
    unique_key::ARRAYS,
    ")"
));
/// No worker that was copied locks a file here.
pub(super) static IMPORT_WORKERS: Query = Query::new(concatcp!(
    "INSERT INTO @worker (",
    worker::LIST,
    ", lock_file) SELECT *, '' FROM unnest(",
    worker::ARRAYS,
    ")"
));
/// Each into its stage too. What only a row of the table `job` says of one that waits
/// is never looked at of one that does not.
pub(super) static IMPORT_JOBS: Query = Query::new(concatcp!(
    "WITH given AS (SELECT * FROM unnest(",
    job::ARRAYS,
    ") AS given (",
    job::LIST,
    ")), to_ready AS (SELECT * FROM given WHERE stage = 'ready'), ",
    INTO_READY,
    ", to_scheduled AS (SELECT * FROM given WHERE stage = 'scheduled'), ",
    INTO_SCHEDULED,
    ", to_blocked AS (SELECT * FROM given WHERE stage = 'blocked'), ",
    INTO_BLOCKED,
    ", to_claimed AS (SELECT *, coalesce(started_at_ms, updated_at_ms) AS claimed_at_ms FROM given \
         WHERE stage = 'claimed'), ",
    INTO_CLAIMED,
    ", to_finished AS (SELECT seq, state, attempts, crashes, lease, updated_at_ms, started_at_ms, finished_at_ms, \
         exit_code, signal, last_error, NULL::bigint AS worker, NULL::text AS outcome FROM given \
         WHERE stage = 'finished'), ",
    INTO_FINISHED,
    " INSERT INTO @job (seq",
    job::AND_GIVEN,
    ", state, position, attempts, crashes, lease, updated_at_ms, started_at_ms, exit_code, signal, last_error) \
     SELECT seq",
    job::AND_GIVEN,
    ", CASE WHEN state = 'failed' THEN state ELSE 'pending' END, position, attempts, crashes, lease, updated_at_ms, \
         started_at_ms, exit_code::integer, signal::integer, last_error FROM given"
));
pub(super) static IMPORT_ATTEMPTS: Query = Query::new(concatcp!(
    "INSERT INTO @attempt (",
    attempt::LIST,
    ") SELECT seq, lease, worker, started_at_ms, ended_at_ms, outcome, code::integer, error, output_bytes, \
     dropped_bytes FROM unnest(",
    attempt::ARRAYS,
    ") AS given (",
    attempt::LIST,
    ")"
));
pub(super) static IMPORT_OUTPUT: Query = Query::new(concatcp!(
    "INSERT INTO @output (",
    output::LIST,
    ") SELECT * FROM unnest(",
    output::ARRAYS,
    ")"
));
/// One after the other.
pub(super) const FORGET_EVERYTHING: [&str; 11] = [
    "DELETE FROM @output",
    "DELETE FROM @attempt",
    "DELETE FROM @ready",
    "DELETE FROM @scheduled",
    "DELETE FROM @blocked",
    "DELETE FROM @claimed",
    "DELETE FROM @finished",
    "DELETE FROM @job",
    "DELETE FROM @worker",
    "DELETE FROM @rules",
    "DELETE FROM @unique_key",
];
