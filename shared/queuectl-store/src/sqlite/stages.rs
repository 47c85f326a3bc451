//! The one door into each stage of a job.
//!
//! The core says where a job goes; here that becomes columns, and nothing else writes
//! them. The counts are kept here as well.

use super::counters::Counters;
use super::sql;
use crate::job_row;
use crate::worker::Ended;
use queuectl_core::{Effect, Job, NewJob, Next, Position, Seq, Stage, State, Timestamp, Wait};
use rusqlite::{Connection, ErrorCode, Result, ToSql, params_from_iter};

/// A job before it goes on.
pub(super) struct Before<'a> {
    pub(super) seq: Seq,
    /// None if its name cannot be read.
    pub(super) queue: Option<&'a str>,
    /// Its last one among the ready.
    pub(super) position: Option<i64>,
    pub(super) is_blocked: bool,
}

/// What of its last attempt is written with an effect.
pub(super) enum Attempt<'a> {
    /// Nothing: it stays what it was.
    Same,
    /// It begins.
    Begins(Timestamp),
    /// It was never started.
    Unstarted,
    /// It has ended.
    Ended(&'a Ended),
}

/// The columns of a stage, in the order of the statements.
#[derive(Default)]
struct Columns {
    stage: &'static str,
    /// Two that a job which is ready keeps.
    run_at: Option<i64>,
    waits_since: Option<i64>,
    blocked_by: Option<&'static str>,
    worker: Option<i64>,
    finished_at: Option<i64>,
    /// Two that stay as they are where there is nothing new.
    position: Option<i64>,
    lease: Option<i64>,
}

impl Columns {
    /// Those of the stage that a job goes to.
    fn of(next: &Next, position: Option<i64>, counters: &mut Counters) -> Self {
        let mut columns = Self { stage: next.stage().as_str(), ..Self::default() };
        match *next {
            Next::Ready(Position::Kept) if position.is_some() => {}
            Next::Ready(_) => columns.position = Some(counters.next_position()),
            Next::Scheduled(wait) => columns.wait(Some(wait)),
            Next::Blocked { by, wait } => {
                columns.blocked_by = Some(by.as_str());
                columns.wait(wait);
            }
            Next::Claimed { worker, lease } => {
                (columns.worker, columns.lease) = (Some(worker.0), Some(lease));
            }
            Next::Finished { at } => columns.finished_at = Some(at.as_millis()),
        }
        columns
    }

    fn wait(&mut self, wait: Option<Wait>) {
        self.run_at = wait.map(|wait| wait.due_at.as_millis());
        self.waits_since = wait.map(|wait| wait.since.as_millis());
    }

    fn of_stage(&self) -> [&dyn ToSql; 6] {
        [&self.stage, &self.run_at, &self.waits_since, &self.blocked_by, &self.worker, &self.finished_at]
    }

    fn kept_unless_new(&self) -> [&dyn ToSql; 2] {
        [&self.position, &self.lease]
    }
}

/// Puts a new job into its stage; tells whether its id was free.
pub(super) fn accept(
    connection: &Connection,
    counters: &mut Counters,
    job: &NewJob,
    effect: &Effect,
    now: Timestamp,
) -> Result<bool> {
    let columns = Columns::of(&effect.next, None, counters);
    let (lease, now_ms, state) = (columns.lease.unwrap_or(0), now.as_millis(), effect.state.as_str());
    let given = job_row::given(job, now);
    let values = columns
        .of_stage()
        .into_iter()
        .chain([&columns.position as &dyn ToSql, &lease, &now_ms, &state, &effect.attempts, &effect.crashes])
        .chain(given.iter().map(|cell| -> &dyn ToSql { cell }));
    let is_new = connection.prepare_cached(sql::ACCEPT)?.execute(params_from_iter(values))? > 0;
    if is_new {
        counters.add(Some(&job.queue), effect.state, 1);
        counters.add_blocked(Some(&job.queue), i64::from(effect.next.stage() == Stage::Blocked));
    }
    Ok(is_new)
}

/// Puts a job into the stage that an effect leads to.
pub(super) fn apply(
    connection: &Connection,
    counters: &mut Counters,
    job: &Before<'_>,
    from: State,
    effect: &Effect,
    attempt: &Attempt<'_>,
    now: Timestamp,
) -> Result<()> {
    let columns = Columns::of(&effect.next, job.position, counters);
    let (now, state) = (now.as_millis(), effect.state.as_str());
    let of_state: [&dyn ToSql; 4] = [&now, &state, &effect.attempts, &effect.crashes];
    let record = Record::of(attempt);
    let (statement, of_attempt) = match attempt {
        Attempt::Same => (sql::APPLY, &[][..]),
        Attempt::Begins(_) | Attempt::Unstarted => {
            (sql::APPLY_AND_START, &[&record.started_at as &dyn ToSql][..])
        }
        Attempt::Ended(_) => (
            sql::APPLY_AND_RECORD,
            &[&record.started_at as &dyn ToSql, &record.exit_code, &record.signal, &record.error][..],
        ),
    };
    let values = columns.of_stage().into_iter().chain(columns.kept_unless_new()).chain(of_state);
    let values = values.chain(of_attempt.iter().copied()).chain([&job.seq.0 as &dyn ToSql]);
    connection.prepare_cached(statement)?.execute(params_from_iter(values))?;
    counters.moved(job.queue, from, effect.state);
    count_blocked(counters, job, &effect.next);
    Ok(())
}

/// Puts a job into another stage, in which its state is the same; `touched` is when it was
/// changed, if that is to be seen.
pub(super) fn go_on(
    connection: &Connection,
    counters: &mut Counters,
    job: &Before<'_>,
    next: &Next,
    touched: Option<Timestamp>,
) -> Result<()> {
    let columns = Columns::of(next, job.position, counters);
    let touched = touched.map(Timestamp::as_millis);
    let values = columns.of_stage().into_iter().chain(columns.kept_unless_new());
    let values = values.chain([&touched as &dyn ToSql, &job.seq.0]);
    connection.prepare_cached(sql::MOVE)?.execute(params_from_iter(values))?;
    count_blocked(counters, job, next);
    Ok(())
}

/// Has a job whose row cannot be read be at rest, with the reason as its last error. All
/// else that the row says stays as it is; so nothing is counted here.
pub(super) fn set_aside(
    connection: &Connection,
    counters: &mut Counters,
    job: &Job,
    effect: &Effect,
    error: &str,
    now: Timestamp,
) -> Result<()> {
    let columns = Columns::of(&effect.next, None, counters);
    let (now, state) = (now.as_millis(), effect.state.as_str());
    let values = columns.of_stage().into_iter().chain([&now as &dyn ToSql, &state, &error, &job.seq.0]);
    let values: Vec<&dyn ToSql> = values.collect();
    // The row may break rules that were switched off by hand, and must be written all the same.
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    let written = match connection.execute(sql::SET_ASIDE, &*values) {
        Err(refused) if refused.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            connection.execute(&sql::set_aside_by_force(), &*values)
        }
        written => written,
    };
    connection.pragma_update(None, "ignore_check_constraints", false)?;
    written.map(drop)
}

fn count_blocked(counters: &mut Counters, job: &Before<'_>, next: &Next) {
    match (job.is_blocked, next.stage() == Stage::Blocked) {
        (true, false) => counters.add_blocked(job.queue, -1),
        (false, true) => counters.add_blocked(job.queue, 1),
        _ => {}
    }
}

/// What a job's row says of its last attempt.
#[derive(Default)]
struct Record<'a> {
    started_at: Option<i64>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    error: Option<&'a str>,
}

impl<'a> Record<'a> {
    fn of(attempt: &Attempt<'a>) -> Self {
        match attempt {
            Attempt::Same | Attempt::Unstarted => Self::default(),
            Attempt::Begins(at) => Self { started_at: Some(at.as_millis()), ..Self::default() },
            Attempt::Ended(ended) => Self {
                started_at: Some(ended.started_at.as_millis()),
                exit_code: ended.outcome.exit_code(),
                signal: ended.outcome.signal(),
                error: ended.error.as_deref(),
            },
        }
    }
}
