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
    next_position   INTEGER NOT NULL,   -- the next position among the ready
    -- The queue can be moved. Both places say where the other is, and know the move by
    -- the same random id; what is not moved says nothing.
    move_stage      TEXT CONSTRAINT move_stage_is_known CHECK (
        move_stage = 'leaving' OR move_stage = 'switching' OR move_stage = 'left' OR move_stage = 'staying'
        OR move_stage = 'arriving' OR move_stage = 'arrived'),
    move_id         TEXT CONSTRAINT a_move_has_an_id CHECK ((move_id IS NULL) = (move_stage IS NULL)),
    move_place      TEXT                -- the other place, without a password
        CONSTRAINT a_move_has_two_places CHECK ((move_place IS NULL) = (move_stage IS NULL))
) STRICT;

-- How many jobs of each name of a queue there are, by state; kept by each verb.
CREATE TABLE counts (
    queue           TEXT    PRIMARY KEY,
    pending         INTEGER NOT NULL DEFAULT 0,
    processing      INTEGER NOT NULL DEFAULT 0,
    completed       INTEGER NOT NULL DEFAULT 0,
    failed          INTEGER NOT NULL DEFAULT 0,
    dead            INTEGER NOT NULL DEFAULT 0,
    cancelled       INTEGER NOT NULL DEFAULT 0,
    blocked         INTEGER NOT NULL DEFAULT 0, -- of the pending and the failed
    CONSTRAINT counts_are_never_negative CHECK (
        min(pending, processing, completed, failed, dead, cancelled, blocked) >= 0)
) STRICT, WITHOUT ROWID;

-- What people have said of a queue, by its name, or of all of them (`*`).
CREATE TABLE rules (
    id              INTEGER PRIMARY KEY,
    queue           TEXT    NOT NULL UNIQUE,
    paused_at_ms    INTEGER,            -- since when no job of it is started
    paused_until_ms INTEGER,            -- when that ends; NULL: when a person says so
    paused_by       TEXT,
    paused_reason   TEXT,
    job_limit       INTEGER             -- so many of its jobs may be held by workers at a time
        CONSTRAINT a_limit_lets_jobs_run CHECK (job_limit >= 1),
    CONSTRAINT a_pause_has_a_beginning CHECK ((paused_at_ms IS NULL) = (paused_by IS NULL)
        AND (paused_at_ms IS NOT NULL OR (paused_until_ms IS NULL AND paused_reason IS NULL)))
) STRICT;

-- Keys that jobs have, each of one job at most.
CREATE TABLE unique_key (
    seq             INTEGER PRIMARY KEY,    -- the job that has it, also one that is deleted
    key             TEXT    NOT NULL UNIQUE,
    job_id          TEXT    NOT NULL,
    is_held         INTEGER NOT NULL CONSTRAINT a_key_is_held_or_not CHECK (is_held = 0 OR is_held = 1),
    until_ms        INTEGER             -- it stays taken until then, whatever becomes of the job
) STRICT;

-- Windows that can have ended.
CREATE INDEX unique_key_windows ON unique_key (until_ms) WHERE is_held = 0;

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
    queues          TEXT,               -- a JSON array of the queues it serves, or NULL for all
    started_at_ms   INTEGER NOT NULL,
    ended_at_ms     INTEGER,            -- NULL: works, or no other worker has noticed its end
    stop            INTEGER NOT NULL DEFAULT 0 CONSTRAINT stop_is_known CHECK (stop BETWEEN 0 AND 2),
    jobs_done       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX worker_at_work ON worker (note_region) WHERE ended_at_ms IS NULL;

CREATE TABLE job (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT    NOT NULL UNIQUE,
    stage           TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    queue           TEXT    NOT NULL,
    priority        INTEGER NOT NULL,
    position        INTEGER,            -- among the ready; its last one, to hand it back to
    attempts        INTEGER NOT NULL DEFAULT 0 CONSTRAINT attempts_are_counted CHECK (attempts >= 0),
    max_retries     INTEGER NOT NULL,
    crashes         INTEGER NOT NULL DEFAULT 0,
    lease           INTEGER NOT NULL DEFAULT 0,
    worker          INTEGER,            -- who holds it
    cancel_at_ms    INTEGER,            -- when its end was asked for while it was held
    timeout_ms      INTEGER,
    created_at_ms   INTEGER NOT NULL,
    unique_key      TEXT,               -- what it has in the table of that name until it is at rest
    updated_at_ms   INTEGER NOT NULL,
    run_at_ms       INTEGER,            -- when it falls due, while it waits for a time
    waits_since_ms  INTEGER,            -- when that wait began
    blocked_by      TEXT,               -- what it waits for that is no time
    started_at_ms   INTEGER,
    finished_at_ms  INTEGER,            -- when it came to rest
    exit_code       INTEGER,
    signal          INTEGER,
    last_error      TEXT,
    env             TEXT,               -- a JSON object, or NULL for none
    cwd             TEXT    NOT NULL,
    command         TEXT    NOT NULL,
    -- One rule for all stages, since each that is looked at costs every claim and every end.
    CONSTRAINT a_job_is_what_its_stage_says CHECK (CASE stage
        WHEN 'claimed' THEN state = 'processing' AND worker IS NOT NULL
            AND run_at_ms IS NULL AND blocked_by IS NULL AND finished_at_ms IS NULL
        WHEN 'finished' THEN (state = 'completed' OR state = 'dead' OR state = 'cancelled')
            AND finished_at_ms IS NOT NULL AND run_at_ms IS NULL AND blocked_by IS NULL AND worker IS NULL
        WHEN 'ready' THEN (state = 'pending' OR state = 'failed') AND position IS NOT NULL
            AND blocked_by IS NULL AND worker IS NULL AND finished_at_ms IS NULL
        WHEN 'scheduled' THEN (state = 'pending' OR state = 'failed') AND run_at_ms IS NOT NULL
            AND blocked_by IS NULL AND worker IS NULL AND finished_at_ms IS NULL
        WHEN 'blocked' THEN (state = 'pending' OR state = 'failed') AND blocked_by IS NOT NULL
            AND worker IS NULL AND finished_at_ms IS NULL
        ELSE false END),
    CONSTRAINT a_wait_has_a_beginning CHECK ((run_at_ms IS NULL) = (waits_since_ms IS NULL))
) STRICT;

-- The ready: a claim reads this and nothing else.
CREATE INDEX job_ready ON job (queue, priority DESC, position) WHERE stage = 'ready';

-- The scheduled; the second finds those whose wait began in the future, after the clock
-- was set back.
CREATE INDEX job_due ON job (queue, run_at_ms) WHERE stage = 'scheduled';
CREATE INDEX job_waits ON job (waits_since_ms) WHERE stage = 'scheduled';

-- Every update of a job opens every index: they are few on purpose.
CREATE INDEX job_claimed ON job (worker, cancel_at_ms) WHERE worker IS NOT NULL;
CREATE INDEX job_in_trouble ON job (state) WHERE state = 'failed' OR state = 'dead';
CREATE INDEX job_finished ON job (state, finished_at_ms) WHERE finished_at_ms IS NOT NULL;

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
