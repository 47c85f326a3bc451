//! The ready: how scheduled jobs come among them, and how the first are claimed.

use super::counters::Counters;
use super::queues::{Head, Served, first_of, heads};
use super::row::Name;
use super::stages::{self, Attempt, Before};
use super::trouble::Trouble;
use super::{row, set_aside, sql};
use crate::worker::{Exchange, SetAside, Suspects};
use queuectl_core::{
    Effect, Event, Job, Next, Promotion, SUSPECT_AFTER_CRASHES, Seq, Timestamp, WorkerId, effect,
};
use rusqlite::{Connection, Result, Row};
use std::cmp::Reverse;

/// Most jobs that are set aside in one transaction.
const MOST_SET_ASIDE: usize = 1000;

/// The order of the ready, whichever queue they are in, and which job it is.
type ReadyKey = (Reverse<i64>, i64, i64);

/// When a job falls due, and which it is.
type DueKey = (i64, i64);

/// What was taken from the ready.
#[derive(Default)]
pub(super) struct Claimed {
    /// Jobs that the worker holds now.
    pub(super) jobs: Vec<Job>,
    /// Jobs that no worker can run, and that are dead now.
    pub(super) set_aside: Vec<SetAside>,
}

/// Tells whether a job of these queues is ready, or due.
pub(super) fn anything_to_claim(
    connection: &Connection,
    served: &Served<'_>,
    now: Timestamp,
) -> Result<bool> {
    if !ready(connection, served)?.is_empty() {
        return Ok(true);
    }
    let is_due = |head: &Head<DueKey>| head.key.0 <= now.as_millis();
    Ok(scheduled(connection, served)?.iter().any(is_due)
        || !due_by_another_clock(connection, served, now, 1)?.is_empty())
}

/// When the next job of these queues falls due, or the first pause ends by itself.
pub(super) fn next_due(connection: &Connection, served: &Served<'_>) -> Result<Option<Timestamp>> {
    let due = scheduled(connection, served)?.into_iter().map(|head| Timestamp::from_millis(head.key.0));
    Ok(due.chain(served.paused.next_end(served.queues)).min())
}

fn ready(connection: &Connection, served: &Served<'_>) -> Result<Vec<Head<ReadyKey>>> {
    heads(connection, sql::NEXT_READY_QUEUE, served, |found| ready_key(found, 1))
}

/// Reads the key of a job that is ready from three columns.
fn ready_key(found: &Row<'_>, first: usize) -> Result<ReadyKey> {
    Ok((Reverse(row::nearest(found, first)), row::nearest(found, first + 1), found.get(first + 2)?))
}

fn scheduled(connection: &Connection, served: &Served<'_>) -> Result<Vec<Head<DueKey>>> {
    heads(connection, sql::NEXT_SCHEDULED_QUEUE, served, |found| Ok((row::nearest(found, 1), found.get(2)?)))
}

/// Has scheduled jobs of the served queues become ready, as many as [`Promotion`] says, and
/// takes the first of the ready, as [`claim`] does.
pub(super) fn promote_and_claim(
    connection: &Connection,
    counters: &mut Counters,
    worker: WorkerId,
    exchange: &Exchange<'_>,
    served: &Served<'_>,
    now: Timestamp,
) -> Result<Claimed, Trouble> {
    let mut heads = ready(connection, served)?;
    if promote(connection, counters, exchange.want, served, &heads, now)? > 0 {
        heads = ready(connection, served)?;
    }
    claim(connection, counters, worker, exchange, served, heads, now)
}

/// Has scheduled jobs of the served queues become ready; tells how many.
fn promote(
    connection: &Connection,
    counters: &mut Counters,
    want: u32,
    served: &Served<'_>,
    heads: &[Head<ReadyKey>],
    now: Timestamp,
) -> Result<usize> {
    let promotion = Promotion::new(want, now);
    let mut ready_jobs = 0;
    if !promotion.is_due_all_the_same() {
        for head in heads {
            let mut how_many = connection.prepare_cached(sql::HOW_MANY_READY)?;
            let most = served.room(&head.queue, want as usize);
            ready_jobs += how_many.query_row((&head.queue, most), |row| row.get::<_, u32>(0))?;
            if ready_jobs >= want {
                break;
            }
        }
    }
    let limit = promotion.number(ready_jobs) as usize;
    if limit == 0 {
        return Ok(0);
    }
    let due = due(connection, served, promotion.due_until(), limit)?;
    become_ready(connection, counters, &due)?;
    let others = due_by_another_clock(connection, served, now, limit - due.len())?;
    become_ready(connection, counters, &others)?;
    Ok(due.len() + others.len())
}

fn become_ready(connection: &Connection, counters: &mut Counters, due: &[Seq]) -> Result<()> {
    for &seq in due {
        // Neither its state nor what it is blocked by changes, so its queue is not asked for.
        let job = Before { seq, queue: None, position: None, is_blocked: false, has_key: false };
        stages::go_on(connection, counters, &job, &effect::promote(), None)?;
    }
    Ok(())
}

/// The jobs of these queues that are due, the longest waiting first.
fn due(connection: &Connection, served: &Served<'_>, until: Timestamp, limit: usize) -> Result<Vec<Seq>> {
    let mut heads = scheduled(connection, served)?;
    heads.retain(|head| head.key.0 <= until.as_millis());
    let due = first_of(heads, limit, |queue, limit, take| {
        let mut due = connection.prepare_cached(sql::DUE)?;
        let mut rows = due.query((queue, until.as_millis(), limit))?;
        while let Some(found) = rows.next()? {
            if !take((row::nearest(found, 0), found.get(1)?)) {
                break;
            }
        }
        Ok(())
    })?;
    Ok(due.into_iter().map(|(_, seq)| Seq(seq)).collect())
}

/// Jobs of these queues whose wait began in the future.
fn due_by_another_clock(
    connection: &Connection,
    served: &Served<'_>,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Seq>> {
    let mut due = Vec::new();
    let mut statement = connection.prepare_cached(sql::DUE_BY_ANOTHER_CLOCK)?;
    let mut rows = statement.query([Promotion::other_clock_after(now).as_millis()])?;
    while due.len() < limit
        && let Some(found) = rows.next()?
    {
        let queue: Name = found.get(0)?;
        if served.is_claimed_from(&queue) {
            due.push(Seq(found.get(1)?));
        }
    }
    Ok(due)
}

/// Takes the first of the served queues, at most one suspect among them. Those whose rows
/// cannot be read are no longer ready then: they would be in the way of all others.
fn claim(
    connection: &Connection,
    counters: &mut Counters,
    worker: WorkerId,
    exchange: &Exchange<'_>,
    served: &Served<'_>,
    mut heads: Vec<Head<ReadyKey>>,
    now: Timestamp,
) -> Result<Claimed, Trouble> {
    let mut claimed = Claimed::default();
    loop {
        let damaged = match first_to_claim(connection, exchange, served, &heads)? {
            First::Sound(jobs) => {
                claimed.jobs = jobs;
                break;
            }
            First::Damaged(damaged) => damaged,
        };
        for job in &damaged {
            claimed.set_aside.push(set_aside::set_aside(connection, counters, job, now)?);
        }
        if claimed.set_aside.len() >= MOST_SET_ASIDE {
            break;
        }
        heads = ready(connection, served)?;
    }
    for job in &mut claimed.jobs {
        let effect = effect::claim(job, worker)?;
        // Its position is kept.
        let before = Before::of(job);
        stages::apply(connection, counters, &before, job.state, &effect, &Attempt::Begins(now), now)?;
        as_claimed(job, &effect, worker, now);
    }
    Ok(claimed)
}

/// Has a job say what its row says now.
fn as_claimed(job: &mut Job, effect: &Effect, worker: WorkerId, now: Timestamp) {
    (job.state, job.stage) = (effect.state, effect.next.stage());
    job.attempts = effect.attempts;
    if let Next::Claimed { lease, .. } = effect.next {
        job.lease = lease;
    }
    (job.worker, job.run_at) = (Some(worker), None);
    (job.started_at, job.updated_at) = (Some(now), now);
}

/// What comes first among the ready.
enum First {
    Sound(Vec<Job>),
    /// Those among the first whose rows cannot be read.
    Damaged(Vec<Job>),
}

/// The first of the ready, at most one suspect among them, if all can be read.
fn first_to_claim(
    connection: &Connection,
    exchange: &Exchange<'_>,
    served: &Served<'_>,
    heads: &[Head<ReadyKey>],
) -> Result<First> {
    let room = |queue: &Name, want| served.room(queue, want);
    let mut room_for_suspect = exchange.suspects == Suspects::One;
    let mut first = match first_ready(connection, heads, exchange.want, room, Which::All)? {
        First::Sound(jobs) => jobs,
        damaged @ First::Damaged(_) => return Ok(damaged),
    };
    if first.iter().any(Job::is_suspect) {
        // Rare: the first suspect if there is room, and then those without suspicion.
        let suspect = first
            .iter()
            .position(|job| job.is_suspect() && std::mem::take(&mut room_for_suspect))
            .map(|index| first.swap_remove(index));
        let others = exchange.want - u32::from(suspect.is_some());
        let taken = suspect.as_ref().map(|suspect| Name::from(suspect.queue.as_str()));
        // The suspect is one of those that its queue has room for.
        let room = |queue: &Name, want| match &taken {
            Some(taken) if taken == queue => served.room(queue, want + 1).saturating_sub(1),
            _ => served.room(queue, want),
        };
        first = match first_ready(connection, heads, others, room, Which::Unsuspected)? {
            First::Sound(jobs) => jobs,
            damaged @ First::Damaged(_) => return Ok(damaged),
        };
        first.extend(suspect);
    }
    Ok(First::Sound(first))
}

/// Which jobs are asked for.
#[derive(Clone, Copy)]
enum Which {
    All,
    Unsuspected,
}

fn first_ready(
    connection: &Connection,
    heads: &[Head<ReadyKey>],
    want: u32,
    room: impl Fn(&Name, usize) -> usize,
    which: Which,
) -> Result<First> {
    let (whole, keys) = match which {
        Which::All => (sql::READY, sql::READY_KEYS),
        Which::Unsuspected => (sql::READY_UNSUSPECTED, sql::READY_KEYS_UNSUSPECTED),
    };
    let (mut sound, mut damaged) = (Vec::new(), Vec::new());
    let mut read = |job: Job| match why_not(&job) {
        None => sound.push(job),
        Some(problem) => damaged.push(Job { unreadable: Some(problem), ..job }),
    };
    match heads {
        [] => {}
        [only] => {
            of_queue(connection, whole, which, &only.queue, room(&only.queue, want as usize), |found| {
                read(row::job(found));
                Ok(true)
            })?;
        }
        several => {
            let first = first_of(several.to_vec(), want as usize, |queue, limit, take| {
                let limit = room(queue, limit);
                of_queue(connection, keys, which, queue, limit, |found| Ok(take(ready_key(found, 0)?)))
            })?;
            for (.., seq) in first {
                read(
                    connection
                        .prepare_cached(sql::JOB_OF_SEQ)?
                        .query_row([seq], |found| Ok(row::job(found)))?,
                );
            }
        }
    }
    Ok(if damaged.is_empty() { First::Sound(sound) } else { First::Damaged(damaged) })
}

/// Reads the first jobs of a queue until `read` has enough.
fn of_queue(
    connection: &Connection,
    statement: &str,
    which: Which,
    queue: &Name,
    limit: usize,
    mut read: impl FnMut(&Row<'_>) -> Result<bool>,
) -> Result<()> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = match which {
        Which::All => statement.query((queue, limit))?,
        Which::Unsuspected => statement.query((queue, limit, SUSPECT_AFTER_CRASHES))?,
    };
    while let Some(found) = rows.next()?
        && read(found)?
    {}
    Ok(())
}

/// Why no worker can run a job that is ready, if so.
fn why_not(job: &Job) -> Option<String> {
    let state = job.state;
    job.unreadable.clone().or_else(|| {
        let refused = state.after(Event::Claimed).is_err();
        refused.then(|| format!("column state has {:?}, and the job is ready", state.as_str()))
    })
}
