//! The one door into each stage of a job.
//!
//! The core says where a job goes; here that becomes columns, and nothing else writes
//! them. The counts are kept here as well.

use super::counters::Counters;
use super::{sql, unique};
use crate::job_row;
use crate::planted::Bug;
use crate::worker::Ended;
use queuectl_core::{Effect, Job, NewJob, Next, Position, Seq, Stage, State, Timestamp, Wait};
use rusqlite::types::Null;
use rusqlite::{CachedStatement, Connection, ErrorCode, Result, ToSql};

/// A job before it goes on.
pub(super) struct Before<'a> {
    pub(super) seq: Seq,
    /// None if its name cannot be read.
    pub(super) queue: Option<&'a str>,
    /// Its last one among the ready.
    pub(super) position: Option<i64>,
    pub(super) is_blocked: bool,
    /// It has a unique key, or had one before it came to rest.
    pub(super) has_key: bool,
}

impl<'a> Before<'a> {
    /// A job that was read; the position that it had is kept, or no longer counts.
    pub(super) fn of(job: &'a Job) -> Self {
        let (is_blocked, has_key) = (job.blocked_by.is_some(), job.unique_key.is_some());
        Self { seq: job.seq, queue: Some(&job.queue), position: None, is_blocked, has_key }
    }
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

/// A statement and how much of it is bound.
struct Binder<'c> {
    statement: CachedStatement<'c>,
    bound: usize,
}

impl<'c> Binder<'c> {
    fn of(connection: &'c Connection, statement: &str) -> Result<Self> {
        Ok(Self { statement: connection.prepare_cached(statement)?, bound: 0 })
    }

    /// Binds the next value.
    fn bind(&mut self, value: impl ToSql) -> Result<()> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)
    }

    /// Binds what a stage has that is told of a job there.
    fn bind_stage(&mut self, next: &Next, position: Option<i64>) -> Result<()> {
        match *next {
            Next::Ready(_) => self.bind(position),
            Next::Scheduled(wait) => self.bind_wait(Some(wait)),
            Next::Blocked { by, wait } => {
                self.bind(by.as_str())?;
                self.bind_wait(wait)
            }
            Next::Claimed { worker, lease } => {
                self.bind(worker.0)?;
                self.bind(lease)
            }
            Next::Finished { at } => self.bind(at.as_millis()),
        }
    }

    fn bind_wait(&mut self, wait: Option<Wait>) -> Result<()> {
        self.bind(wait.map(|wait| wait.due_at.as_millis()))?;
        self.bind(wait.map(|wait| wait.since.as_millis()))
    }

    fn bind_state(&mut self, effect: &Effect, now: Timestamp) -> Result<()> {
        self.bind(now.as_millis())?;
        self.bind(effect.state.as_str())?;
        self.bind(effect.attempts)?;
        self.bind(effect.crashes)
    }

    /// Has it done; tells how many rows it has written.
    fn execute(mut self) -> Result<usize> {
        self.statement.raw_execute()
    }
}

/// The position that a job gets, if it comes among the ready with a new one.
fn new_position(next: &Next, old: Option<i64>, counters: &mut Counters) -> Option<i64> {
    match next {
        Next::Ready(Position::Kept) if old.is_some() => None,
        Next::Ready(_) => Some(counters.next_position()),
        _ => None,
    }
}

fn into(statements: &sql::ByStage, next: &Next) -> &'static str {
    statements[next.stage() as usize]
}

/// Puts a new job into its stage; tells whether its id was free.
pub(super) fn accept(
    connection: &Connection,
    counters: &mut Counters,
    job: &NewJob,
    effect: &Effect,
    now: Timestamp,
) -> Result<bool> {
    let statement = match effect.next {
        Next::Scheduled(_) => sql::ACCEPT_SCHEDULED,
        Next::Blocked { .. } => sql::ACCEPT_BLOCKED,
        // No other effect is that of an acceptance.
        Next::Ready(_) | Next::Claimed { .. } | Next::Finished { .. } => sql::ACCEPT_READY,
    };
    let mut accept = Binder::of(connection, statement)?;
    accept.bind_stage(&effect.next, new_position(&effect.next, None, counters))?;
    accept.bind_state(effect, now)?;
    for cell in job_row::given(job, now) {
        accept.bind(cell)?;
    }
    let is_new = accept.execute()? > 0;
    if is_new {
        if let Some(unique) = &job.unique {
            // It was free when it was looked at, in this transaction.
            let seq = Seq(connection.last_insert_rowid());
            unique::take(connection, &unique.key, (seq, &job.id), unique.until(now), now)?;
        }
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
    let statements = match attempt {
        Attempt::Same => &sql::APPLY,
        Attempt::Begins(_) | Attempt::Unstarted => &sql::APPLY_AND_START,
        Attempt::Ended(_) => &sql::APPLY_AND_RECORD,
    };
    let mut apply = Binder::of(connection, into(statements, &effect.next))?;
    apply.bind_stage(&effect.next, new_position(&effect.next, job.position, counters))?;
    apply.bind_state(effect, now)?;
    match attempt {
        Attempt::Same => {}
        Attempt::Begins(at) => apply.bind(at.as_millis())?,
        Attempt::Unstarted => apply.bind(Null)?,
        Attempt::Ended(ended) => {
            apply.bind(ended.started_at.as_millis())?;
            apply.bind(ended.outcome.exit_code())?;
            apply.bind(ended.outcome.signal())?;
            apply.bind(ended.error.as_deref())?;
        }
    }
    apply.bind(job.seq.0)?;
    apply.execute()?;
    let is_over = effect.next.stage() == Stage::Finished
        || (Bug::KeyGivenBackEarly.is_planted() && matches!(attempt, Attempt::Ended(_)));
    if job.has_key && is_over {
        unique::give_back(connection, job.seq, now)?;
    }
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
    let mut go_on = Binder::of(connection, into(&sql::MOVE, next))?;
    go_on.bind_stage(next, new_position(next, job.position, counters))?;
    go_on.bind(touched.map(Timestamp::as_millis))?;
    go_on.bind(job.seq.0)?;
    go_on.execute()?;
    count_blocked(counters, job, next);
    Ok(())
}

/// Has a job whose row cannot be read be at rest, with the reason as its last error. All
/// else that the row says stays as it is; so nothing is counted here.
pub(super) fn set_aside(
    connection: &Connection,
    job: &Job,
    effect: &Effect,
    error: &str,
    now: Timestamp,
) -> Result<()> {
    let values = (now.as_millis(), now.as_millis(), effect.state.as_str(), error, job.seq.0);
    // The row may break rules that were switched off by hand, and must be written all the same.
    connection.pragma_update(None, "ignore_check_constraints", true)?;
    let written = match connection.execute(sql::SET_ASIDE, values) {
        Err(refused) if refused.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            connection.execute(&sql::set_aside_by_force(), values)
        }
        written => written,
    };
    connection.pragma_update(None, "ignore_check_constraints", false)?;
    if job.unique_key.is_some() {
        unique::give_back(connection, job.seq, now)?;
    }
    written.map(drop)
}

/// Has a job say what another of the same unique key says, and puts it where that leads.
pub(super) fn replace(
    connection: &Connection,
    counters: &mut Counters,
    job: &Before<'_>,
    new: &NewJob,
    next: &Next,
    now: Timestamp,
) -> Result<()> {
    go_on(connection, counters, job, next, Some(now))?;
    let mut replace = Binder::of(connection, sql::REPLACE_JOB)?;
    for cell in job_row::replaced(new, now) {
        replace.bind(cell)?;
    }
    replace.bind(job.seq.0)?;
    replace.execute()?;
    Ok(())
}

fn count_blocked(counters: &mut Counters, job: &Before<'_>, next: &Next) {
    match (job.is_blocked, next.stage() == Stage::Blocked) {
        (true, false) => counters.add_blocked(job.queue, -1),
        (false, true) => counters.add_blocked(job.queue, 1),
        _ => {}
    }
}
