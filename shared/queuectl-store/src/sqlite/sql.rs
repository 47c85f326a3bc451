//! Every statement of the SQLite store.
//!
//! `BEGIN IMMEDIATE` makes each verb the only writer, so no statement needs a
//! guard against another between two of them. Statements that a claim or a
//! result depends on have their plan pinned by a test.

use crate::transfer::copied;

/// The columns of a job, in the order in which `row::job` reads them.
macro_rules! job_columns {
    () => {
        "seq, id, state, queue, priority, attempts, max_retries, crashes, lease, worker, \
         cancel_at_ms IS NOT NULL, timeout_ms, created_at_ms, updated_at_ms, run_at_ms, started_at_ms, \
         finished_at_ms, exit_code, signal, last_error, env, cwd, command"
    };
}

/// The columns of a worker, in the order in which `row::worker` reads them.
macro_rules! worker_columns {
    () => {
        "id, host, pid, manager_pid, boot_id, pid_namespace, run, note_region, concurrency, path, \
         started_at_ms, ended_at_ms, stop, jobs_done, (SELECT count(*) FROM job WHERE worker = worker.id)"
    };
}

pub(crate) const LEDGER: &str = "SELECT next_place, pending, processing, completed, failed, dead, cancelled, \
     move_stage, move_id, move_place FROM queue";
pub(crate) const SAVE_LEDGER: &str = "UPDATE queue SET next_place = ?1, pending = ?2, processing = ?3, \
     completed = ?4, failed = ?5, dead = ?6, cancelled = ?7";
pub(crate) const RUN: &str = "SELECT run FROM queue";
pub(crate) const FILE: &str = "SELECT file FROM queue";
pub(crate) const NEW_FILE: &str = "UPDATE queue SET file = ?1, run = ?2";
pub(crate) const NEW_QUEUE: &str = "INSERT INTO queue (one, run, file, oldest_writer, stops, next_place, \
     pending, processing, completed, failed, dead, cancelled) VALUES (1, ?1, ?2, ?3, 0, 1, 0, 0, 0, 0, 0, 0)";
pub(crate) const NEW_SCHEMA: &str = "UPDATE queue SET oldest_writer = ?1";

// Intake

pub(crate) const ENQUEUE: &str = "INSERT INTO job (id, state, queue, priority, place, ready, max_retries, \
     timeout_ms, created_at_ms, updated_at_ms, run_at_ms, waits_since_ms, env, cwd, command) \
     VALUES (?1, 'pending', ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11, ?12) \
     ON CONFLICT (id) DO NOTHING";
pub(crate) const ID_IS_TAKEN: &str = "SELECT 1 FROM job WHERE id = ?1";

// Work

pub(crate) const REGISTER: &str = "INSERT INTO worker (host, pid, manager_pid, boot_id, pid_namespace, run, \
     note_region, concurrency, path, started_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
pub(crate) const REGIONS_IN_USE: &str =
    "SELECT note_region FROM worker WHERE ended_at_ms IS NULL ORDER BY note_region";
pub(crate) const ROSTER: &str = "SELECT id FROM worker WHERE ended_at_ms IS NULL";
pub(crate) const WHO_TAKES_JOBS: &str = "SELECT id FROM worker WHERE ended_at_ms IS NULL AND stop = 0";
pub(crate) const STOP_OF: &str = "SELECT stop FROM worker WHERE id = ?1 AND ended_at_ms IS NULL";
pub(crate) const REQUEST_STOP: &str =
    "UPDATE worker SET stop = max(stop, ?2) WHERE id = ?1 AND ended_at_ms IS NULL";
pub(crate) const COUNT_STOP: &str = "UPDATE queue SET stops = stops + 1";
pub(crate) const STOPS: &str = "SELECT stops FROM queue";
pub(crate) const WORKER_DID: &str = "UPDATE worker SET jobs_done = jobs_done + ?2 WHERE id = ?1";
pub(crate) const WORKER_ENDED: &str =
    "UPDATE worker SET ended_at_ms = ?2 WHERE id = ?1 AND ended_at_ms IS NULL";

pub(crate) const ANYTHING_IN_LINE: &str = "SELECT 1 FROM job WHERE ready IS NOT NULL LIMIT 1";
pub(crate) const ANYTHING_DUE: &str = "SELECT 1 FROM job WHERE ready IS NULL AND run_at_ms <= ?1 \
     UNION ALL SELECT 1 FROM job WHERE ready IS NULL AND run_at_ms IS NOT NULL AND waits_since_ms > ?2 LIMIT 1";
pub(crate) const DUE: &str = "SELECT seq FROM job WHERE ready IS NULL AND run_at_ms <= ?1 \
     ORDER BY run_at_ms LIMIT ?2";
/// A due time further away than the delay it was given: the clock was set back.
pub(crate) const DUE_BY_ANOTHER_CLOCK: &str = "SELECT seq FROM job WHERE ready IS NULL \
     AND run_at_ms IS NOT NULL AND waits_since_ms > ?1 ORDER BY waits_since_ms LIMIT ?2";
pub(crate) const NEXT_DUE: &str =
    "SELECT min(run_at_ms) FROM job WHERE ready IS NULL AND run_at_ms IS NOT NULL";
pub(crate) const PUT_IN_LINE: &str = "UPDATE job SET place = ?2, ready = ?2 WHERE seq = ?1";

pub(crate) const IN_LINE: &str = "SELECT count(*) FROM (SELECT 1 FROM job WHERE ready IS NOT NULL LIMIT ?1)";
pub(crate) const FIRST_IN_LINE: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM job WHERE ready IS NOT NULL ORDER BY priority DESC, ready LIMIT ?1"
);
/// Passes over jobs that may be what kills their workers; there are few.
pub(crate) const FIRST_UNSUSPECTED: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM job WHERE ready IS NOT NULL AND crashes < ?2 ORDER BY priority DESC, ready LIMIT ?1"
);
pub(crate) const CLAIM: &str = "UPDATE job SET state = ?2, ready = NULL, run_at_ms = NULL, waits_since_ms = NULL, \
     worker = ?3, lease = ?4, attempts = ?5, started_at_ms = ?6, updated_at_ms = ?6 WHERE seq = ?1";
pub(crate) const STATE_OF_SEQ: &str = "SELECT state FROM job WHERE seq = ?1";
/// Keeps what was accepted as it is, whatever that is.
pub(crate) const SET_ASIDE: &str = "UPDATE job SET state = 'dead', ready = NULL, run_at_ms = NULL, \
     waits_since_ms = NULL, worker = NULL, cancel_at_ms = NULL, finished_at_ms = ?2, updated_at_ms = ?2, \
     last_error = ?3 WHERE seq = ?1";
/// The same where values are of another type than their columns, with which no row can
/// be written: they become what they are as that type.
pub(crate) const SET_ASIDE_BY_FORCE: &str = "UPDATE job SET state = 'dead', ready = NULL, run_at_ms = NULL, \
     waits_since_ms = NULL, worker = NULL, cancel_at_ms = NULL, finished_at_ms = ?2, updated_at_ms = ?2, \
     last_error = ?3, id = CAST(id AS TEXT), queue = CAST(queue AS TEXT), env = CAST(env AS TEXT), \
     cwd = CAST(cwd AS TEXT), command = CAST(command AS TEXT), priority = CAST(priority AS INTEGER), \
     place = CAST(place AS INTEGER), attempts = CAST(attempts AS INTEGER), \
     max_retries = CAST(max_retries AS INTEGER), crashes = CAST(crashes AS INTEGER), \
     lease = CAST(lease AS INTEGER), timeout_ms = CAST(timeout_ms AS INTEGER), \
     created_at_ms = CAST(created_at_ms AS INTEGER), started_at_ms = CAST(started_at_ms AS INTEGER), \
     exit_code = CAST(exit_code AS INTEGER), signal = CAST(signal AS INTEGER) WHERE seq = ?1";
pub(crate) const STANDING: &str = "SELECT state, attempts, max_retries, crashes, cancel_at_ms IS NOT NULL, \
     place FROM job WHERE seq = ?1 AND lease = ?2 AND worker = ?3";
/// Only for `Bug::NoLeaseCheck`.
pub(crate) const STANDING_OF_ANY_LEASE: &str = "SELECT state, attempts, max_retries, crashes, \
     cancel_at_ms IS NOT NULL, place FROM job WHERE seq = ?1 AND ?2 IS NOT NULL AND ?3 IS NOT NULL";
pub(crate) const HOLDS: &str = "SELECT 1 FROM job WHERE seq = ?1 AND lease = ?2 AND worker = ?3";
pub(crate) const SETTLE: &str = "UPDATE job SET state = ?2, attempts = ?3, crashes = ?4, worker = NULL, \
     cancel_at_ms = NULL, ready = ?5, run_at_ms = ?6, waits_since_ms = ?7, started_at_ms = ?8, \
     finished_at_ms = ?9, exit_code = ?10, signal = ?11, last_error = ?12, updated_at_ms = ?13 WHERE seq = ?1";
pub(crate) const HAND_BACK: &str = "UPDATE job SET state = ?2, attempts = ?3, worker = NULL, \
     cancel_at_ms = NULL, ready = ?4, started_at_ms = NULL, finished_at_ms = ?5, updated_at_ms = ?6 WHERE seq = ?1";
pub(crate) const ATTEMPT_BEGAN: &str = "INSERT INTO attempt (seq, lease, worker, started_at_ms) \
     VALUES (?1, ?2, ?3, ?4) ON CONFLICT (seq, lease) DO NOTHING";
pub(crate) const ATTEMPT_ENDED: &str = "INSERT INTO attempt (seq, lease, worker, started_at_ms, ended_at_ms, \
     outcome, code, error, output_bytes, dropped_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
     ON CONFLICT (seq, lease) DO UPDATE SET ended_at_ms = excluded.ended_at_ms, outcome = excluded.outcome, \
     code = excluded.code, error = excluded.error, output_bytes = excluded.output_bytes, \
     dropped_bytes = excluded.dropped_bytes WHERE attempt.ended_at_ms IS NULL";
pub(crate) const ATTEMPT_STARTED_AT: &str = "SELECT started_at_ms FROM attempt WHERE seq = ?1 AND lease = ?2";
pub(crate) const OUTPUT_STORED: &str =
    "SELECT coalesce(sum(length(bytes)), 0) FROM output WHERE seq = ?1 AND lease = ?2";
pub(crate) const ADD_OUTPUT: &str = "INSERT INTO output (seq, lease, n, stream, at_ms, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
     ON CONFLICT (seq, lease, n) DO NOTHING";
pub(crate) const TRIM_OUTPUT: &str =
    "DELETE FROM output WHERE seq = ?1 AND lease = ?2 AND n BETWEEN ?3 AND ?4";
pub(crate) const TO_CANCEL: &str =
    "SELECT seq, lease FROM job WHERE worker = ?1 AND cancel_at_ms IS NOT NULL";
pub(crate) const CLAIMS: &str = "SELECT seq, lease FROM job WHERE worker = ?1 ORDER BY seq";
pub(crate) const LAST_TOUCHED: &str = "SELECT coalesce(max(updated_at_ms), 0) FROM job WHERE worker = ?1";
/// Who claims looks at the clock before its turn comes, which may be long after an
/// attempt has ended.
pub(crate) const CLAIMED_AT: &str = "SELECT max(started_at_ms, \
     coalesce((SELECT max(ended_at_ms) FROM attempt WHERE seq = ?1), 0)) FROM job WHERE seq = ?1";

// Inspect

pub(crate) const JOB: &str = concat!("SELECT ", job_columns!(), " FROM job WHERE id = ?1");
pub(crate) const JOBS: &str = concat!("SELECT ", job_columns!(), " FROM job WHERE seq > ?1");
pub(crate) const JOBS_ORDER: &str = " ORDER BY seq LIMIT ?2";
pub(crate) const JOB_OF_NUMBER: &str =
    concat!("SELECT ", job_columns!(), " FROM job WHERE seq = ?1 LIMIT ?2");
pub(crate) const LAST_JOB: &str =
    concat!("SELECT ", job_columns!(), " FROM job WHERE seq = (SELECT max(seq) FROM job) LIMIT ?1");
/// By the index of the ids, as the next.
pub(crate) const JOBS_THAT_BEGIN: &str =
    concat!("SELECT ", job_columns!(), " FROM job WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3");
/// Reads the ids of all jobs, and nothing else of those that are not meant.
pub(crate) const JOBS_THAT_END: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM job WHERE seq IN (SELECT seq FROM job INDEXED BY sqlite_autoindex_job_1 \
     WHERE id >= '' AND substr(id, -?2) = ?1 LIMIT ?3)"
);
pub(crate) const FIRST_OF_NEWEST: &str = "SELECT min(seq) FROM (SELECT seq FROM job WHERE true";
pub(crate) const NEWEST_FIRST: &str = " ORDER BY seq DESC LIMIT ?1)";
pub(crate) const SETTLED_SINCE: &str = concat!(
    "SELECT ",
    job_columns!(),
    " FROM job WHERE state = ?1 AND finished_at_ms >= ?2 ORDER BY finished_at_ms, seq LIMIT ?3"
);
pub(crate) const WAITING: &str =
    "SELECT count(*) FROM (SELECT 1 FROM job WHERE ready IS NULL AND run_at_ms IS NOT NULL LIMIT ?1)";
pub(crate) const ATTEMPTS: &str = "SELECT lease, worker, coalesce(host, ''), attempt.started_at_ms, \
     attempt.ended_at_ms, outcome, code, error, output_bytes, dropped_bytes \
     FROM attempt LEFT JOIN worker ON worker.id = attempt.worker WHERE seq = ?1 ORDER BY lease";
pub(crate) const OUTPUT: &str = "SELECT n, stream, at_ms, bytes, coalesce((SELECT started_at_ms FROM attempt \
     WHERE attempt.seq = output.seq AND attempt.lease = output.lease), at_ms) \
     FROM output WHERE seq = ?1 AND lease = ?2 AND n >= ?3 ORDER BY n LIMIT ?4";
/// Read until there is enough of it.
pub(crate) const OUTPUT_END: &str = "SELECT n, stream, at_ms, bytes, coalesce((SELECT started_at_ms FROM attempt \
     WHERE attempt.seq = output.seq AND attempt.lease = output.lease), at_ms) \
     FROM output WHERE seq = ?1 AND lease = ?2 ORDER BY n DESC";
pub(crate) const WORKER: &str = concat!("SELECT ", worker_columns!(), " FROM worker WHERE id = ?1");
pub(crate) const WORKERS: &str =
    concat!("SELECT ", worker_columns!(), " FROM worker WHERE ended_at_ms IS NULL ORDER BY id");

// Upkeep

pub(crate) const STATE_OF: &str = "SELECT seq, state, lease, worker FROM job WHERE id = ?1";
pub(crate) const CANCEL: &str = "UPDATE job SET state = ?2, ready = NULL, run_at_ms = NULL, \
     waits_since_ms = NULL, finished_at_ms = ?3, updated_at_ms = ?3 WHERE seq = ?1";
pub(crate) const REQUEST_CANCEL: &str =
    "UPDATE job SET cancel_at_ms = coalesce(cancel_at_ms, ?2), updated_at_ms = ?2 WHERE seq = ?1";
pub(crate) const REVIVE: &str = "UPDATE job SET state = ?2, attempts = 0, crashes = 0, finished_at_ms = NULL, \
     place = ?3, ready = ?3, updated_at_ms = ?4 WHERE seq = ?1";
/// Of one that is in line already the wait is over.
pub(crate) const HURRY: &str = "UPDATE job SET run_at_ms = ?2, waits_since_ms = min(waits_since_ms, ?2), \
     updated_at_ms = ?2 WHERE seq = ?1 AND ready IS NULL";
pub(crate) const OLDEST_DEAD: &str =
    concat!("SELECT ", job_columns!(), " FROM job WHERE state = 'dead' AND seq > ?1 ORDER BY seq LIMIT ?2");
pub(crate) const SETTLED_BEFORE: &str =
    "SELECT seq FROM job WHERE state = ?1 AND finished_at_ms < ?2 ORDER BY finished_at_ms LIMIT ?3";
pub(crate) const DELETE_JOB: &str = "DELETE FROM job WHERE seq = ?1";
pub(crate) const DELETE_ATTEMPTS: &str = "DELETE FROM attempt WHERE seq = ?1";
pub(crate) const DELETE_OUTPUT: &str = "DELETE FROM output WHERE seq = ?1";
pub(crate) const LAST_PLACE: &str = "SELECT coalesce(max(place), 0) FROM job WHERE typeof(place) = 'integer'";
pub(crate) const DELETE_SOME_OUTPUT: &str =
    "DELETE FROM output WHERE rowid IN (SELECT rowid FROM output WHERE seq = ?1 LIMIT ?2)";
pub(crate) const COUNT_BY_STATE: &str = "SELECT state, count(*) FROM job GROUP BY state";
pub(crate) const HELD: &str = "SELECT job.worker, worker.id IS NULL OR worker.ended_at_ms IS NOT NULL, count(*) \
     FROM job LEFT JOIN worker ON worker.id = job.worker WHERE job.worker IS NOT NULL GROUP BY job.worker";

// Doctor

pub(crate) const ALL_JOBS: &str = concat!("SELECT ", job_columns!(), " FROM job");
pub(crate) const ALL_WORKERS: &str = concat!("SELECT ", worker_columns!(), " FROM worker");
/// As `row::attempt` reads them, and whose they are.
pub(crate) const ALL_ATTEMPTS: &str = "SELECT lease, worker, '', started_at_ms, ended_at_ms, outcome, code, error, \
     output_bytes, dropped_bytes, seq FROM attempt";
/// As `row::output` reads them, without their bytes, and whose they are.
pub(crate) const ALL_OUTPUT: &str = "SELECT n, stream, at_ms, CASE typeof(bytes) WHEN 'blob' THEN x'' ELSE '' END, \
     at_ms, seq, lease FROM output";

// Transfer

pub(crate) const STAGE: &str = "SELECT run, move_stage, move_id, move_place FROM queue";
pub(crate) const SET_STAGE: &str = "UPDATE queue SET move_stage = ?1, move_id = ?2, move_place = ?3";
/// The keys of the last record of each kind; -1 if there is none.
pub(crate) const LAST_COPIED: &str = "SELECT coalesce((SELECT max(id) FROM worker), -1), \
     coalesce((SELECT max(seq) FROM job), -1), coalesce(a.seq, -1), coalesce(a.lease, -1), \
     coalesce(o.seq, -1), coalesce(o.lease, -1), coalesce(o.n, -1) FROM (SELECT 1) \
     LEFT JOIN (SELECT seq, lease FROM attempt ORDER BY seq DESC, lease DESC LIMIT 1) AS a ON true \
     LEFT JOIN (SELECT seq, lease, n FROM output ORDER BY seq DESC, lease DESC, n DESC LIMIT 1) AS o ON true";
pub(crate) const HOW_MUCH: &str = "SELECT (SELECT count(*) FROM worker), (SELECT count(*) FROM attempt), \
     count(*), coalesce(sum(length(bytes)), 0) FROM output";
pub(crate) const NUMBERS: &str = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'job'), 0), \
     coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'worker'), 0), next_place FROM queue";
pub(crate) const BEGIN_NUMBERS: &str = "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, 0 \
     WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)";
pub(crate) const SET_NUMBERS: &str = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
pub(crate) const EXPORT_WORKERS: &str =
    concat!("SELECT ", copied!(worker), " FROM worker WHERE id > ?1 ORDER BY id LIMIT ?2");
pub(crate) const EXPORT_JOBS: &str =
    concat!("SELECT ", copied!(job), " FROM job WHERE seq > ?1 ORDER BY seq LIMIT ?2");
pub(crate) const EXPORT_ATTEMPTS: &str = concat!(
    "SELECT ",
    copied!(attempt),
    " FROM attempt WHERE (seq, lease) > (?1, ?2) ORDER BY seq, lease LIMIT ?3"
);
pub(crate) const EXPORT_OUTPUT: &str = concat!(
    "SELECT ",
    copied!(output),
    " FROM output WHERE (seq, lease, n) > (?1, ?2, ?3) ORDER BY seq, lease, n LIMIT ?4"
);
pub(crate) const IMPORT_WORKERS: &str = concat!(
    "INSERT INTO worker (",
    copied!(worker),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
);
pub(crate) const IMPORT_JOBS: &str = concat!(
    "INSERT INTO job (",
    copied!(job),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, \
     ?21, ?22, ?23, ?24, ?25, ?26)"
);
pub(crate) const IMPORT_ATTEMPTS: &str =
    concat!("INSERT INTO attempt (", copied!(attempt), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
pub(crate) const IMPORT_OUTPUT: &str =
    concat!("INSERT INTO output (", copied!(output), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
/// One after the other.
pub(crate) const FORGET_EVERYTHING: [&str; 4] =
    ["DELETE FROM output", "DELETE FROM attempt", "DELETE FROM job", "DELETE FROM worker"];
