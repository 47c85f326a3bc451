-- The queue, from nothing. Times are milliseconds since 1970-01-01 UTC.
--
-- Checks are written with OR: for IN with more than two values SQLite builds a
-- table of them at every statement, which cost a third of the rate.

-- What is true of the queue as a whole: exactly one row.
CREATE TABLE queue (
    one             INTEGER PRIMARY KEY CONSTRAINT there_is_one_queue CHECK (one = 1),
    run             TEXT    NOT NULL,   -- random; marks the processes of this queue's jobs
    file            TEXT    NOT NULL,   -- the file it lives in, as device:inode; a copy differs
    oldest_writer   INTEGER NOT NULL,   -- the oldest schema whose programs may write here
    stops           INTEGER NOT NULL,   -- requests to stop its workers, ever
    next_place      INTEGER NOT NULL,   -- the next place in the line
    pending         INTEGER NOT NULL,   -- jobs by state, kept by each verb
    processing      INTEGER NOT NULL,
    completed       INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    dead            INTEGER NOT NULL,
    cancelled       INTEGER NOT NULL,
    CONSTRAINT counts_are_never_negative CHECK (
        min(pending, processing, completed, failed, dead, cancelled) >= 0)
) STRICT;

CREATE TABLE worker (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,  -- also the byte it locks
    host            TEXT    NOT NULL,
    pid             INTEGER NOT NULL,
    manager_pid     INTEGER NOT NULL,
    boot_id         TEXT    NOT NULL,
    pid_namespace   INTEGER NOT NULL,
    run             TEXT    NOT NULL,   -- the queue's when it began
    note_region     INTEGER NOT NULL,   -- where its notes are in the lock file
    concurrency     INTEGER NOT NULL,
    path            TEXT    NOT NULL,   -- where its jobs look for programs
    started_at_ms   INTEGER NOT NULL,
    ended_at_ms     INTEGER,            -- NULL: works, or nobody has noticed
    stop            INTEGER NOT NULL DEFAULT 0 CONSTRAINT stop_is_known CHECK (stop BETWEEN 0 AND 2),
    jobs_done       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX worker_at_work ON worker (note_region) WHERE ended_at_ms IS NULL;

CREATE TABLE job (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT    NOT NULL UNIQUE,
    state           TEXT    NOT NULL CONSTRAINT state_is_known CHECK (
        state = 'pending' OR state = 'processing' OR state = 'completed'
        OR state = 'failed' OR state = 'dead' OR state = 'cancelled'),
    queue           TEXT    NOT NULL,
    priority        INTEGER NOT NULL,
    place           INTEGER,            -- its last place in the line, to hand it back to
    ready           INTEGER,            -- its place in the line, while it may be claimed
    attempts        INTEGER NOT NULL DEFAULT 0 CONSTRAINT attempts_are_counted CHECK (attempts >= 0),
    max_retries     INTEGER NOT NULL,
    crashes         INTEGER NOT NULL DEFAULT 0,
    lease           INTEGER NOT NULL DEFAULT 0,
    worker          INTEGER,            -- who holds it
    cancel_at_ms    INTEGER,            -- when its end was asked for while it was held
    timeout_ms      INTEGER,
    created_at_ms   INTEGER NOT NULL,
    updated_at_ms   INTEGER NOT NULL,
    run_at_ms       INTEGER,            -- when it falls due, while it waits for a time
    waits_since_ms  INTEGER,            -- when that wait began
    started_at_ms   INTEGER,
    finished_at_ms  INTEGER,            -- when it came to rest
    exit_code       INTEGER,
    signal          INTEGER,
    last_error      TEXT,
    env             TEXT,               -- a JSON object, or NULL for none
    cwd             TEXT    NOT NULL,
    command         TEXT    NOT NULL,
    CONSTRAINT a_held_job_is_processing CHECK ((worker IS NOT NULL) = (state = 'processing')),
    CONSTRAINT only_waiting_jobs_are_in_line CHECK (
        ready IS NULL OR (ready = place AND (state = 'pending' OR state = 'failed'))),
    CONSTRAINT only_waiting_jobs_fall_due CHECK (
        run_at_ms IS NULL OR state = 'pending' OR state = 'failed'),
    CONSTRAINT a_wait_has_a_beginning CHECK ((run_at_ms IS NULL) = (waits_since_ms IS NULL)),
    CONSTRAINT waiting_jobs_can_be_reached CHECK (
        (state <> 'pending' AND state <> 'failed') OR ready IS NOT NULL OR run_at_ms IS NOT NULL),
    CONSTRAINT settled_jobs_have_an_end CHECK (
        (finished_at_ms IS NOT NULL) = (state = 'completed' OR state = 'dead' OR state = 'cancelled'))
) STRICT;

-- The line: a claim reads this and nothing else.
CREATE INDEX job_in_line ON job (priority DESC, ready) WHERE ready IS NOT NULL;

-- Jobs that wait for a time; the second finds those whose wait began in the
-- future, after the clock was set back.
CREATE INDEX job_due ON job (run_at_ms) WHERE ready IS NULL AND run_at_ms IS NOT NULL;
CREATE INDEX job_waits ON job (waits_since_ms) WHERE ready IS NULL AND run_at_ms IS NOT NULL;

-- Every update of a job opens every index: they are few on purpose.
CREATE INDEX job_held ON job (worker, cancel_at_ms) WHERE worker IS NOT NULL;
CREATE INDEX job_in_trouble ON job (state) WHERE state = 'failed' OR state = 'dead';
CREATE INDEX job_settled ON job (state, finished_at_ms) WHERE finished_at_ms IS NOT NULL;

-- One row for each attempt that had output or an end.
CREATE TABLE attempt (
    seq             INTEGER NOT NULL,
    lease           INTEGER NOT NULL,
    worker          INTEGER NOT NULL,
    started_at_ms   INTEGER NOT NULL,
    ended_at_ms     INTEGER,
    outcome         TEXT CONSTRAINT outcome_is_known CHECK (
        outcome = 'exit' OR outcome = 'signal' OR outcome = 'timeout' OR outcome = 'spawn-failed'
        OR outcome = 'no-folder' OR outcome = 'worker-lost' OR outcome = 'interrupted' OR outcome = 'cancelled'),
    code            INTEGER,
    error           TEXT,
    output_bytes    INTEGER NOT NULL DEFAULT 0,
    dropped_bytes   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (seq, lease),
    CONSTRAINT an_end_has_an_outcome CHECK ((ended_at_ms IS NULL) = (outcome IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE output (
    seq             INTEGER NOT NULL,
    lease           INTEGER NOT NULL,
    n               INTEGER NOT NULL,
    stream          INTEGER NOT NULL CONSTRAINT stream_is_known CHECK (stream = 1 OR stream = 2),
    at_ms           INTEGER NOT NULL,
    bytes           BLOB    NOT NULL,
    PRIMARY KEY (seq, lease, n)
) STRICT;
