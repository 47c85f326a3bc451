//! Rows of queues' rules, workers, attempts and output: what they mean.

use crate::columns::{self, Cell, Column, Has, attempt, output, rules, worker};
use crate::output::OutputPart;
use crate::raw::{CANNOT_BE_READ, Raw, RowReader};
use crate::stored;
use crate::worker::NewWorker;
use crate::worker_record::{Life, WorkerRecord};
use queuectl_core::{Attempt, Lease, Limits, Outcome, Pause, QueueRules, Seq, Stream, Timestamp, WorkerId};

/// What the row of a queue that is paused says, behind its id and its name, in the order of
/// `rules`.
pub(crate) fn pause_cells(pause: &Pause) -> [Cell<'_>; 4] {
    [
        pause.since.as_millis().into(),
        pause.until.map(Timestamp::as_millis).into(),
        pause.by.as_str().into(),
        pause.reason.as_deref().into(),
    ]
}

/// Reads what people have said of a queue, as far as it can be read.
pub(crate) fn queue_rules<'a>(read: impl Fn(usize) -> Raw<'a>) -> QueueRules {
    let mut row = RowReader::new(rules::COLUMNS, read);
    let queue = row.text(rules::queue);
    let pause = row.optional(rules::paused_at_ms).map(|since| Pause {
        since: Timestamp::from_millis(since),
        until: row.optional(rules::paused_until_ms).map(Timestamp::from_millis),
        by: row.text(rules::paused_by),
        reason: row.optional_text(rules::paused_reason),
    });
    let limits = Limits { running: row.optional(rules::job_limit) };
    QueueRules { queue, pause, limits, unreadable: row.problem }
}

/// What is wrong with the unique keys, if so many are held by jobs that are at rest or gone,
/// and so many jobs that are not at rest lack theirs.
pub(crate) fn wrong_keys(stray: i64, missing: i64) -> Vec<String> {
    let mut problems = Vec::new();
    if stray > 0 {
        problems.push(format!("{stray} unique keys are held by jobs that are at rest or gone"));
    }
    if missing > 0 {
        problems.push(format!("{missing} jobs that are not at rest do not have their unique keys"));
    }
    problems
}

/// What a new worker's row is given, in the order of `worker::GIVEN`.
pub(crate) fn given_worker<'a>(
    worker: &'a NewWorker,
    run: &'a str,
    note_region: u32,
    now: Timestamp,
) -> [Cell<'a>; worker::GIVEN.len()] {
    [
        worker.host.as_str().into(),
        i64::from(worker.pid).into(),
        i64::from(worker.manager_pid).into(),
        worker.boot_id.as_str().into(),
        worker.pid_namespace.cast_signed().into(),
        run.into(),
        i64::from(note_region).into(),
        i64::from(worker.concurrency).into(),
        worker.path.as_str().into(),
        stored::queues_text(&worker.queues).into(),
        now.as_millis().into(),
    ]
}

/// The columns of a worker, and how many jobs it holds, which a statement counts.
pub(crate) const WORKER_AND_JOBS: [Column; worker::COLUMNS.len() + 1] =
    columns::and(worker::COLUMNS, Column { name: "jobs_now", has: Has::Number });
const JOBS_NOW: usize = worker::COLUMNS.len();

/// Reads a worker as far as it can be read; whether it lives, no row tells.
pub(crate) fn worker<'a>(read: impl Fn(usize) -> Raw<'a>) -> WorkerRecord {
    let mut row = RowReader::new(&WORKER_AND_JOBS, read);
    WorkerRecord {
        id: WorkerId(row.number(worker::id)),
        host: row.text(worker::host),
        pid: row.number(worker::pid),
        manager_pid: row.number(worker::manager_pid),
        boot_id: row.text(worker::boot_id),
        pid_namespace: row.number::<i64>(worker::pid_namespace).cast_unsigned(),
        run: row.text(worker::run),
        note_region: row.number(worker::note_region),
        concurrency: row.number(worker::concurrency),
        path: row.text(worker::path),
        queues: row.queues(worker::queues),
        started_at: row.time(worker::started_at_ms).unwrap_or_default(),
        ended_at: row.time(worker::ended_at_ms),
        is_here: true,
        heartbeat_at: None,
        lease: None,
        life: Life::Unknown,
        is_stalled: false,
        stop: stored::stop_from_number(row.number(worker::stop)),
        jobs_done: row.number(worker::jobs_done),
        jobs_now: row.number(JOBS_NOW),
        unreadable: row.problem,
    }
}

/// The columns of an attempt, and the machine it ran on, which a statement looks up.
pub(crate) const ATTEMPT_AND_HOST: [Column; attempt::COLUMNS.len() + 1] =
    columns::and(attempt::COLUMNS, Column { name: "host", has: Has::Text });
const HOST: usize = attempt::COLUMNS.len();

/// Reads an attempt as far as it can be read; what cannot is told as its error.
pub(crate) fn attempt<'a>(read: impl Fn(usize) -> Raw<'a>) -> Attempt {
    let mut row = RowReader::new(&ATTEMPT_AND_HOST, read);
    let (kind, code) = (row.optional_text(attempt::outcome), row.optional(attempt::code));
    let outcome = kind.and_then(|kind| {
        let outcome = Outcome::from_parts(&kind, code);
        if outcome.is_none() {
            row.complain(attempt::outcome, &format!("has {kind:?}, which with this code is no outcome"));
        }
        outcome
    });
    let read = Attempt {
        lease: Lease { seq: Seq(row.number(attempt::seq)), number: row.number(attempt::lease) },
        worker: WorkerId(row.number(attempt::worker)),
        host: row.text(HOST),
        started_at: row.time(attempt::started_at_ms).unwrap_or_default(),
        ended_at: row.time(attempt::ended_at_ms),
        outcome,
        error: row.optional_text(attempt::error),
        output_bytes: row.number(attempt::output_bytes),
        dropped_bytes: row.number(attempt::dropped_bytes),
    };
    match row.problem {
        Some(problem) => Attempt { error: Some(format!("{CANNOT_BE_READ}: {problem}")), ..read },
        None => read,
    }
}

/// The columns of a piece of output, and when its attempt was started, which a statement
/// looks up.
pub(crate) const OUTPUT_AND_START: [Column; output::COLUMNS.len() + 1] =
    columns::and(output::COLUMNS, Column { name: "started_at_ms", has: Has::Number });
const ATTEMPT_STARTED_AT: usize = output::COLUMNS.len();

/// Reads a piece of output as far as it can be read; and what cannot.
pub(crate) fn output<'a>(read: impl Fn(usize) -> Raw<'a>) -> (OutputPart, Option<String>) {
    let mut row = RowReader::new(&OUTPUT_AND_START, read);
    let stream: i64 = row.number(output::stream);
    if !(1..=2).contains(&stream) {
        row.complain(output::stream, &format!("has {stream}, which is no stream"));
    }
    let part = OutputPart {
        lease: Lease { seq: Seq(row.number(output::seq)), number: row.number(output::lease) },
        n: row.number(output::n),
        stream: if stream == 1 { Stream::Stdout } else { Stream::Stderr },
        at: row.time(output::at_ms).unwrap_or_default(),
        bytes: row.bytes(output::bytes),
        started_at: row.time(ATTEMPT_STARTED_AT).unwrap_or_default(),
    };
    (part, row.problem)
}
