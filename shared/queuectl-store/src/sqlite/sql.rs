//! Every statement of the SQLite store.
//!
//! `BEGIN IMMEDIATE` makes each verb the only writer, so no statement needs a
//! guard against another between two of them. Statements that a claim or a
//! result depends on have their plan pinned by a test.

use crate::columns::{Column, Has, attempt, output, rules, unique_key, worker};
use crate::job_row::job;
use crate::transfer::Kind;
use const_format::{concatcp, str_repeat};
use queuectl_core::Stage;

/// A placeholder for each of so many values.
macro_rules! placeholders {
    ($number:expr) => {
        concatcp!("?", str_repeat!(", ?", $number - 1))
    };
}

pub(crate) const QUEUE: &str = "SELECT next_position, move_stage, move_id, move_place FROM queue";
pub(crate) const SAVE_NEXT_POSITION: &str = "UPDATE queue SET next_position = ?1";
pub(crate) const RUN: &str = "SELECT run FROM queue";
pub(crate) const FILE: &str = "SELECT file FROM queue";
pub(crate) const NEW_FILE: &str = "UPDATE queue SET file = ?1, run = ?2";
pub(crate) const NEW_QUEUE: &str = "INSERT INTO queue (one, run, file, oldest_writer, stops, next_position) \
     VALUES (1, ?1, ?2, ?3, 0, 1)";
pub(crate) const NEW_SCHEMA: &str = "UPDATE queue SET oldest_writer = ?1";

// Counts

const COUNTED: &str = "pending, processing, completed, failed, dead, cancelled, blocked";
/// The rules of the table refuse what would be fewer than no jobs.
pub(crate) const ADD_COUNTS: &str = "UPDATE counts SET pending = pending + ?1, processing = processing + ?2, \
     completed = completed + ?3, failed = failed + ?4, dead = dead + ?5, cancelled = cancelled + ?6, \
     blocked = blocked + ?7 WHERE queue = ?8";
pub(crate) const ALL_COUNTS: &str = concatcp!("SELECT ", COUNTED, ", queue FROM counts");
pub(crate) const SAVE_COUNTS: &str =
    concatcp!("INSERT OR REPLACE INTO counts (", COUNTED, ", queue) VALUES (", placeholders!(8), ")");
pub(crate) const FORGET_COUNTS: &str = "DELETE FROM counts";
/// Only of a queue that has no jobs any more, so that names which were used once do not stay.
pub(crate) const FORGET_EMPTY_COUNTS: &str = "DELETE FROM counts WHERE queue = ?1 \
     AND max(pending, processing, completed, failed, dead, cancelled, blocked) = 0";
/// What `COUNTED` is, from the jobs themselves.
const COUNT: &str = "SELECT count(*) FILTER (WHERE state = 'pending') AS pending, \
     count(*) FILTER (WHERE state = 'processing') AS processing, \
     count(*) FILTER (WHERE state = 'completed') AS completed, count(*) FILTER (WHERE state = 'failed') AS failed, \
     count(*) FILTER (WHERE state = 'dead') AS dead, count(*) FILTER (WHERE state = 'cancelled') AS cancelled, \
     count(*) FILTER (WHERE stage = 'blocked' AND (state = 'pending' OR state = 'failed')) AS blocked, \
     CAST(queue AS TEXT) AS queue, count(*) AS jobs FROM job";
pub(crate) const COUNT_ALL: &str = concatcp!(COUNT, " GROUP BY 8");
pub(crate) const COUNT_QUEUE: &str = concatcp!(COUNT, " WHERE queue = ?1");
/// The counts of all queues, after `FORGET_COUNTS`.
pub(crate) const COUNT_QUEUES: &str =
    concatcp!("INSERT INTO counts (", COUNTED, ", queue) SELECT ", COUNTED, ", queue FROM (", COUNT_ALL, ")");
pub(crate) const LAST_POSITION: &str =
    "SELECT coalesce(max(position), 0) FROM job WHERE typeof(position) = 'integer'";

// Rules

/// What a claim has to know; there are few rows, and mostly none.
pub(crate) const GATES: &str =
    "SELECT queue, paused_at_ms IS NOT NULL, paused_until_ms, job_limit FROM rules";
/// How many jobs of a queue workers hold: the rows of the claimed themselves.
pub(crate) const HELD_OF_QUEUE: &str = "SELECT count(*) FROM job WHERE worker IS NOT NULL AND queue = ?1";
pub(crate) const RULES: &str = concatcp!("SELECT ", rules::LIST, " FROM rules ORDER BY queue");
/// A later pause takes the place of an earlier one.
pub(crate) const PAUSE: &str = "INSERT INTO rules (queue, paused_at_ms, paused_until_ms, paused_by, paused_reason) \
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (queue) DO UPDATE SET paused_at_ms = excluded.paused_at_ms, \
     paused_until_ms = excluded.paused_until_ms, paused_by = excluded.paused_by, \
     paused_reason = excluded.paused_reason";
pub(crate) const PAUSED_UNTIL: &str =
    "SELECT paused_until_ms FROM rules WHERE queue = ?1 AND paused_at_ms IS NOT NULL";
pub(crate) const RESUME: &str = "UPDATE rules SET paused_at_ms = NULL, paused_until_ms = NULL, paused_by = NULL, \
     paused_reason = NULL WHERE queue = ?1";
pub(crate) const SET_LIMITS: &str = "INSERT INTO rules (queue, job_limit) VALUES (?1, ?2) \
     ON CONFLICT (queue) DO UPDATE SET job_limit = excluded.job_limit";
/// What says nothing any more.
pub(crate) const FORGET_EMPTY_RULES: &str =
    "DELETE FROM rules WHERE queue = ?1 AND paused_at_ms IS NULL AND job_limit IS NULL";

// Stages: what `stages` binds, in its order

/// The columns that say where a job is, by stage. Only what a stage has is bound, since a
/// value that is bound costs more than a `NULL` that stands there; what a ready job waited
/// for, and its lease, stay.
const INTO_READY: &str = "stage = 'ready', position = coalesce(?, position), blocked_by = NULL, worker = NULL, \
     finished_at_ms = NULL, cancel_at_ms = NULL";
const INTO_SCHEDULED: &str = "stage = 'scheduled', run_at_ms = ?, waits_since_ms = ?, blocked_by = NULL, \
     worker = NULL, finished_at_ms = NULL, cancel_at_ms = NULL";
const INTO_BLOCKED: &str = "stage = 'blocked', blocked_by = ?, run_at_ms = ?, waits_since_ms = ?, worker = NULL, \
     finished_at_ms = NULL, cancel_at_ms = NULL";
const INTO_CLAIMED: &str = "stage = 'claimed', worker = ?, lease = ?, run_at_ms = NULL, waits_since_ms = NULL, \
     blocked_by = NULL, finished_at_ms = NULL, cancel_at_ms = NULL";
const INTO_FINISHED: &str = "stage = 'finished', finished_at_ms = ?, run_at_ms = NULL, waits_since_ms = NULL, \
     blocked_by = NULL, worker = NULL, cancel_at_ms = NULL";
const OF_JOB: &str = " WHERE seq = ?";

/// A statement for each stage that a job can go to, in their order.
pub(crate) type ByStage = [&'static str; Stage::ALL.len()];

macro_rules! into_stage {
    ($rest:expr) => {
        [
            concatcp!("UPDATE job SET ", INTO_READY, $rest, OF_JOB),
            concatcp!("UPDATE job SET ", INTO_SCHEDULED, $rest, OF_JOB),
            concatcp!("UPDATE job SET ", INTO_BLOCKED, $rest, OF_JOB),
            concatcp!("UPDATE job SET ", INTO_CLAIMED, $rest, OF_JOB),
            concatcp!("UPDATE job SET ", INTO_FINISHED, $rest, OF_JOB),
        ]
    };
}

/// Only for what leaves the state as it is.
pub(crate) const MOVE: ByStage = into_stage!(", updated_at_ms = coalesce(?, updated_at_ms)");
const STATE: &str = ", updated_at_ms = ?, state = ?, attempts = ?, crashes = ?";
pub(crate) const APPLY: ByStage = into_stage!(STATE);
pub(crate) const APPLY_AND_START: ByStage = into_stage!(concatcp!(STATE, ", started_at_ms = ?"));
pub(crate) const APPLY_AND_RECORD: ByStage =
    into_stage!(concatcp!(STATE, ", started_at_ms = ?, exit_code = ?, signal = ?, last_error = ?"));
const SET_ASIDE_COLUMNS: &str =
    concatcp!("UPDATE job SET ", INTO_FINISHED, ", updated_at_ms = ?, state = ?, last_error = ?");
/// Keeps what was accepted as it is, whatever that is.
pub(crate) const SET_ASIDE: &str = concatcp!(SET_ASIDE_COLUMNS, OF_JOB);

macro_rules! accept_into {
    ($columns:literal, $values:literal) => {
        concatcp!(
            "INSERT INTO job (stage, ",
            $columns,
            ", updated_at_ms, state, attempts, crashes",
            job::AND_GIVEN,
            ") VALUES (",
            $values,
            ", ",
            placeholders!(4 + job::GIVEN.len()),
            ") ON CONFLICT (id) DO NOTHING"
        )
    };
}

/// A new job that is ready.
pub(crate) const ACCEPT_READY: &str = accept_into!("position", "'ready', ?");
/// A new job that waits for a time.
pub(crate) const ACCEPT_SCHEDULED: &str = accept_into!("run_at_ms, waits_since_ms", "'scheduled', ?, ?");
/// A new job that waits for something else.
pub(crate) const ACCEPT_BLOCKED: &str =
    accept_into!("blocked_by, run_at_ms, waits_since_ms", "'blocked', ?, ?, ?");

/// [`SET_ASIDE`] where values are of another type than their columns, with which no row
/// can be written: they become what they are as that type.
pub(crate) fn set_aside_by_force() -> String {
    let is_left = |column: &&Column| !SET_ASIDE.contains(&format!(" {} = ", column.name));
    let casts = job::COLUMNS.iter().filter(is_left).map(|column| {
        let kind = match column.has {
            Has::Number => "INTEGER",
            Has::Text => "TEXT",
            Has::Bytes => "BLOB",
        };
        format!(", {0} = CAST({0} AS {kind})", column.name)
    });
    format!("{SET_ASIDE_COLUMNS}{}{OF_JOB}", casts.collect::<String>())
}

// Accepting

pub(crate) const ID_IS_TAKEN: &str = "SELECT 1 FROM job WHERE id = ?1";

// Unique keys

const HOLDERS: &str = "SELECT seq, job_id, is_held <> 0, until_ms FROM unique_key";
pub(crate) const HOLDER: &str = concatcp!(HOLDERS, " WHERE key = ?1");
/// In the place of a row that is stale, or of the job's own.
pub(crate) const TAKE_KEY: &str =
    concatcp!("INSERT OR REPLACE INTO unique_key (", unique_key::LIST, ") VALUES (?1, ?2, ?3, 1, ?4)");
/// A key without a window has no row once it is free.
pub(crate) const GIVE_KEY_BACK: [&str; 2] = [
    "DELETE FROM unique_key WHERE seq = ?1 AND (until_ms IS NULL OR until_ms <= ?2)",
    "UPDATE unique_key SET is_held = 0 WHERE seq = ?1 AND until_ms > ?2",
];
/// Keys whose windows have ended, so that they do not pile up.
pub(crate) const FORGET_STALE_KEYS: &str = "DELETE FROM unique_key WHERE seq IN (\
     SELECT seq FROM unique_key WHERE is_held = 0 AND until_ms <= ?1 ORDER BY until_ms LIMIT ?2)";
/// Held keys of jobs that are at rest, gone, or have another.
pub(crate) const STRAY_KEYS: &str = "SELECT count(*) FROM unique_key LEFT JOIN job ON job.seq = unique_key.seq \
     AND job.stage <> 'finished' AND job.unique_key = unique_key.key WHERE is_held <> 0 AND job.seq IS NULL";
/// Jobs that are not at rest and do not have their keys.
pub(crate) const KEYS_MISSING: &str = "SELECT count(*) FROM job LEFT JOIN unique_key ON unique_key.seq = job.seq \
     AND unique_key.key = job.unique_key AND is_held <> 0 WHERE job.unique_key IS NOT NULL \
     AND job.stage <> 'finished' AND unique_key.seq IS NULL";
/// What another job of the same key replaces, after it has been put where it goes.
pub(crate) const REPLACE_JOB: &str = "UPDATE job SET priority = ?, max_retries = ?, timeout_ms = ?, env = ?, cwd = ?, \
     command = ?, run_at_ms = iif(stage = 'ready', NULL, run_at_ms), \
     waits_since_ms = iif(stage = 'ready', NULL, waits_since_ms) WHERE seq = ?";

// Work

pub(crate) const REGISTER: &str = concatcp!(
    "INSERT INTO worker (id",
    worker::AND_GIVEN,
    ") VALUES (NULL, ",
    placeholders!(worker::GIVEN.len()),
    ")"
);
pub(crate) const REGIONS_IN_USE: &str = "SELECT note_region FROM worker WHERE ended_at_ms IS NULL";
pub(crate) const ROSTER: &str = "SELECT id FROM worker WHERE ended_at_ms IS NULL";
pub(crate) const WHO_TAKES_JOBS: &str =
    "SELECT id, queues FROM worker WHERE ended_at_ms IS NULL AND stop = 0";
pub(crate) const STOP_OF: &str = "SELECT stop FROM worker WHERE id = ?1 AND ended_at_ms IS NULL";
pub(crate) const REQUEST_STOP: &str =
    "UPDATE worker SET stop = max(stop, ?2) WHERE id = ?1 AND ended_at_ms IS NULL";
pub(crate) const COUNT_STOP: &str = "UPDATE queue SET stops = stops + 1";
pub(crate) const STOPS: &str = "SELECT stops FROM queue";
pub(crate) const WORKER_DID: &str = "UPDATE worker SET jobs_done = jobs_done + ?2 WHERE id = ?1";
pub(crate) const WORKER_ENDED: &str =
    "UPDATE worker SET ended_at_ms = ?2 WHERE id = ?1 AND ended_at_ms IS NULL";

/// The first queue from a name on that has a job which is ready, and its first job.
pub(crate) const NEXT_READY_QUEUE: &str = "SELECT queue, priority, position, seq FROM job \
     WHERE stage = 'ready' AND queue >= ?1 ORDER BY queue, priority DESC, position LIMIT 1";
/// The first queue from a name on that has a scheduled job, and its first job.
pub(crate) const NEXT_SCHEDULED_QUEUE: &str = "SELECT queue, run_at_ms, seq FROM job \
     WHERE stage = 'scheduled' AND queue >= ?1 ORDER BY queue, run_at_ms LIMIT 1";
pub(crate) const HOW_MANY_READY: &str =
    "SELECT count(*) FROM (SELECT 1 FROM job WHERE stage = 'ready' AND queue = ?1 LIMIT ?2)";
const READY_OF_QUEUE: &str = " FROM job WHERE stage = 'ready' AND queue = ?1";
const READY_IN_ORDER: &str = " ORDER BY priority DESC, position LIMIT ?2";
/// Passes over jobs that may be what kills their workers; there are few.
const UNSUSPECTED: &str = " AND crashes < ?3";
pub(crate) const READY: &str = concatcp!("SELECT ", job::LIST, READY_OF_QUEUE, READY_IN_ORDER);
pub(crate) const READY_UNSUSPECTED: &str =
    concatcp!("SELECT ", job::LIST, READY_OF_QUEUE, UNSUSPECTED, READY_IN_ORDER);
/// Where several queues are merged: nothing but the index is read.
pub(crate) const READY_KEYS: &str =
    concatcp!("SELECT priority, position, seq", READY_OF_QUEUE, READY_IN_ORDER);
pub(crate) const READY_KEYS_UNSUSPECTED: &str =
    concatcp!("SELECT priority, position, seq", READY_OF_QUEUE, UNSUSPECTED, READY_IN_ORDER);
pub(crate) const DUE: &str = "SELECT run_at_ms, seq FROM job WHERE stage = 'scheduled' AND queue = ?1 \
     AND run_at_ms <= ?2 ORDER BY run_at_ms LIMIT ?3";
/// A due time further away than the delay it was given: the clock was set back.
pub(crate) const DUE_BY_ANOTHER_CLOCK: &str = "SELECT queue, seq FROM job WHERE stage = 'scheduled' \
     AND waits_since_ms > ?1 ORDER BY waits_since_ms";

pub(crate) const STATE_AND_QUEUE: &str = "SELECT state, queue FROM job WHERE seq = ?1";
const STANDING_COLUMNS: &str = "SELECT seq, queue, state, position, blocked_by IS NOT NULL, attempts, crashes, \
     lease, worker, max_retries, cancel_at_ms IS NOT NULL, run_at_ms, waits_since_ms, stage, blocked_by, \
     unique_key IS NOT NULL FROM job WHERE ";
/// What is known of a job when something happens to it.
pub(crate) const STANDING: &str = concatcp!(STANDING_COLUMNS, "id = ?1");
/// The same of one of many, behind which conditions stand: see `filter`.
pub(crate) const STANDING_OF_SEQ: &str = concatcp!(STANDING_COLUMNS, "seq = ?1");
pub(crate) const STANDING_OF_LEASE: &str =
    concatcp!(STANDING_COLUMNS, "seq = ?1 AND lease = ?2 AND worker = ?3");
/// Only for `Bug::NoLeaseCheck`.
pub(crate) const STANDING_OF_ANY_LEASE: &str =
    concatcp!(STANDING_COLUMNS, "seq = ?1 AND ?2 IS NOT NULL AND ?3 IS NOT NULL");
pub(crate) const HOLDS: &str = "SELECT 1 FROM job WHERE seq = ?1 AND lease = ?2 AND worker = ?3";
pub(crate) const ATTEMPT_BEGAN: &str = "INSERT INTO attempt (seq, lease, worker, started_at_ms) \
     VALUES (?1, ?2, ?3, ?4) ON CONFLICT (seq, lease) DO NOTHING";
pub(crate) const ATTEMPT_ENDED: &str = concatcp!(
    "INSERT INTO attempt (",
    attempt::LIST,
    ") VALUES (",
    placeholders!(attempt::COLUMNS.len()),
    ") ON CONFLICT (seq, lease) DO UPDATE SET ended_at_ms = excluded.ended_at_ms, outcome = excluded.outcome, \
     code = excluded.code, error = excluded.error, output_bytes = excluded.output_bytes, \
     dropped_bytes = excluded.dropped_bytes WHERE attempt.ended_at_ms IS NULL"
);
pub(crate) const ATTEMPT_STARTED_AT: &str = "SELECT started_at_ms FROM attempt WHERE seq = ?1 AND lease = ?2";
pub(crate) const OUTPUT_STORED: &str =
    "SELECT coalesce(sum(length(bytes)), 0) FROM output WHERE seq = ?1 AND lease = ?2";
pub(crate) const ADD_OUTPUT: &str = concatcp!(
    "INSERT INTO output (",
    output::LIST,
    ") VALUES (",
    placeholders!(output::COLUMNS.len()),
    ") ON CONFLICT (seq, lease, n) DO NOTHING"
);
pub(crate) const TRIM_OUTPUT: &str =
    "DELETE FROM output WHERE seq = ?1 AND lease = ?2 AND n BETWEEN ?3 AND ?4";
pub(crate) const TO_CANCEL: &str =
    "SELECT seq, lease FROM job WHERE worker = ?1 AND cancel_at_ms IS NOT NULL";
pub(crate) const CLAIMS: &str = "SELECT seq, lease FROM job WHERE worker = ?1 ORDER BY seq";
pub(crate) const LAST_TOUCHED: &str = "SELECT coalesce(max(updated_at_ms), 0) FROM job WHERE worker = ?1";
/// Who claims looks at the clock before its transaction begins, which may be long after
/// an attempt has ended.
pub(crate) const CLAIMED_AT: &str = "SELECT max(started_at_ms, \
     coalesce((SELECT max(ended_at_ms) FROM attempt WHERE seq = ?1), 0)) FROM job WHERE seq = ?1";

// Reading

const JOB_COLUMNS: &str = concatcp!("SELECT ", job::LIST, " FROM job");
pub(crate) const JOB: &str = concatcp!(JOB_COLUMNS, " WHERE id = ?1");
pub(crate) const STATE_OF_SEQ: &str = "SELECT state FROM job WHERE seq = ?1";
/// Beginnings of statements, behind which conditions stand: see `filter`.
pub(crate) const JOBS: &str = concatcp!(JOB_COLUMNS, " WHERE true");
pub(crate) const JOBS_AFTER: &str = concatcp!(JOB_COLUMNS, " WHERE seq > ?1");
pub(crate) const JOBS_BEFORE: &str = concatcp!(JOB_COLUMNS, " WHERE seq < ?1");
pub(crate) const COUNT_JOBS: &str = "SELECT count(*) FROM (SELECT 1 FROM job WHERE true";
pub(crate) const SEQS: &str = "SELECT seq FROM job WHERE true";
pub(crate) const SEQS_AND_QUEUES: &str = "SELECT seq, queue FROM job WHERE true";
pub(crate) const FIRST_OF: &str = "SELECT min(seq) FROM ";
pub(crate) const JOB_OF_SEQ: &str = concatcp!(JOB_COLUMNS, " WHERE seq = ?1");
pub(crate) const JOB_OF_NUMBER: &str = concatcp!(JOB_OF_SEQ, " LIMIT ?2");
pub(crate) const LAST_JOB: &str = concatcp!(JOB_COLUMNS, " WHERE seq = (SELECT max(seq) FROM job) LIMIT ?1");
/// By the index of the ids, as the next.
pub(crate) const JOBS_THAT_BEGIN: &str =
    concatcp!(JOB_COLUMNS, " WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3");
/// Reads the ids of all jobs, and nothing else of those that are not meant.
pub(crate) const JOBS_THAT_END: &str = concatcp!(
    JOB_COLUMNS,
    " WHERE seq IN (SELECT seq FROM job INDEXED BY sqlite_autoindex_job_1 \
     WHERE id >= '' AND substr(id, -?2) = ?1 LIMIT ?3)"
);
pub(crate) const ATTEMPTS: &str = concatcp!(
    "SELECT ",
    attempt::LIST,
    ", coalesce((SELECT host FROM worker WHERE id = attempt.worker), '') FROM attempt WHERE seq = ?1 ORDER BY lease"
);
const OUTPUT_COLUMNS: &str = concatcp!(
    "SELECT ",
    output::LIST,
    ", coalesce((SELECT started_at_ms FROM attempt \
     WHERE attempt.seq = output.seq AND attempt.lease = output.lease), at_ms) FROM output WHERE seq = ?1 AND lease = ?2"
);
pub(crate) const OUTPUT: &str = concatcp!(OUTPUT_COLUMNS, " AND n >= ?3 ORDER BY n LIMIT ?4");
/// Read until there is enough of it.
pub(crate) const OUTPUT_END: &str = concatcp!(OUTPUT_COLUMNS, " ORDER BY n DESC");
const WORKER_COLUMNS: &str =
    concatcp!("SELECT ", worker::LIST, ", (SELECT count(*) FROM job WHERE worker = worker.id) FROM worker");
pub(crate) const WORKER: &str = concatcp!(WORKER_COLUMNS, " WHERE id = ?1");
pub(crate) const WORKERS: &str = concatcp!(WORKER_COLUMNS, " WHERE ended_at_ms IS NULL ORDER BY id");

// Queue

pub(crate) const REQUEST_CANCEL: &str =
    "UPDATE job SET cancel_at_ms = coalesce(cancel_at_ms, ?2), updated_at_ms = ?2 WHERE seq = ?1";
pub(crate) const ID_OF: &str = "SELECT id FROM job WHERE seq = ?1";
pub(crate) const DELETE_JOB: &str = "DELETE FROM job WHERE seq = ?1";
pub(crate) const DELETE_ATTEMPTS: &str = "DELETE FROM attempt WHERE seq = ?1";
pub(crate) const DELETE_OUTPUT: &str = "DELETE FROM output WHERE seq = ?1";
pub(crate) const DELETE_SOME_OUTPUT: &str =
    "DELETE FROM output WHERE rowid IN (SELECT rowid FROM output WHERE seq = ?1 LIMIT ?2)";
pub(crate) const HELD: &str = "SELECT job.worker, worker.id IS NULL OR worker.ended_at_ms IS NOT NULL, count(*) \
     FROM job LEFT JOIN worker ON worker.id = job.worker WHERE job.worker IS NOT NULL GROUP BY job.worker";

// Doctor

pub(crate) const ALL_JOBS: &str = JOB_COLUMNS;
pub(crate) const ALL_WORKERS: &str = WORKER_COLUMNS;
pub(crate) const ALL_ATTEMPTS: &str = concatcp!("SELECT ", attempt::LIST, ", '' FROM attempt");
/// Without their bytes.
pub(crate) const ALL_OUTPUT: &str = concatcp!(
    "SELECT ",
    output::LIST,
    ", at_ms FROM (SELECT seq, lease, n, stream, at_ms, CASE typeof(bytes) WHEN 'blob' THEN x'' ELSE '' END AS bytes \
     FROM output)"
);

// Transfer

pub(crate) const MOVE_STAGE: &str = "SELECT run, move_stage, move_id, move_place FROM queue";
pub(crate) const SET_MOVE_STAGE: &str = "UPDATE queue SET move_stage = ?1, move_id = ?2, move_place = ?3";
/// The keys of the last record of each kind; -1 if there is none.
pub(crate) const LAST_COPIED: &str = "SELECT coalesce((SELECT max(id) FROM rules), -1), \
     coalesce((SELECT max(seq) FROM unique_key), -1), coalesce((SELECT max(id) FROM worker), -1), \
     coalesce((SELECT max(seq) FROM job), -1), coalesce(a.seq, -1), coalesce(a.lease, -1), \
     coalesce(o.seq, -1), coalesce(o.lease, -1), coalesce(o.n, -1) FROM (SELECT 1) \
     LEFT JOIN (SELECT seq, lease FROM attempt ORDER BY seq DESC, lease DESC LIMIT 1) AS a ON true \
     LEFT JOIN (SELECT seq, lease, n FROM output ORDER BY seq DESC, lease DESC, n DESC LIMIT 1) AS o ON true";
pub(crate) const HOW_MUCH: &str = "SELECT (SELECT count(*) FROM worker), (SELECT count(*) FROM attempt), \
     count(*), coalesce(sum(length(bytes)), 0), (SELECT count(*) FROM rules), \
     (SELECT count(*) FROM unique_key) FROM output";
pub(crate) const NUMBERS: &str = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'job'), 0), \
     coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'worker'), 0), next_position FROM queue";
pub(crate) const BEGIN_NUMBERS: &str = "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0 \
     WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)";
pub(crate) const SET_NUMBERS: &str = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
/// One after the other.
pub(crate) const FORGET_EVERYTHING: [&str; 7] = [
    "DELETE FROM output",
    "DELETE FROM attempt",
    "DELETE FROM job",
    "DELETE FROM worker",
    "DELETE FROM rules",
    "DELETE FROM unique_key",
    FORGET_COUNTS,
];

/// Reads the records of a kind that come after a key, in their order.
pub(crate) fn export(kind: Kind) -> String {
    let key = names(&kind.columns()[..kind.key_columns()]);
    let after = vec!["?"; kind.key_columns()].join(", ");
    let (columns, table) = (names(kind.columns()), kind.as_str());
    format!("SELECT {columns} FROM {table} WHERE ({key}) > ({after}) ORDER BY {key} LIMIT ?")
}

/// Writes a record of a kind.
pub(crate) fn import(kind: Kind) -> String {
    let values = vec!["?"; kind.columns().len()].join(", ");
    format!("INSERT INTO {} ({}) VALUES ({values})", kind.as_str(), names(kind.columns()))
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}
