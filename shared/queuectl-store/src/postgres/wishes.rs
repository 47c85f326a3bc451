//! What people want of jobs, of one or of many.
//!
//! The core says for each what comes of it; then one statement does it to all that come to
//! the same stage. Other transactions write meanwhile: a job that has moved on since it was
//! read is not among those to which it was done.

use super::arrays::Arrays;
use super::counters::Counters;
use super::known::{self, Known};
use super::row::{self, all};
use super::trouble::Trouble;
use super::{filter, sql};
use crate::columns::{Cell, Column, Has};
use crate::queue::{self, Requested};
use queuectl_core::{
    Blocker, Effect, Filter, Granted, JobId, Next, Refusal, Seq, Stage, State, Timestamp, Wish, WorkerId,
    effect,
};
use queuectl_postgres::session::{Session, named, values};
use queuectl_postgres::{Named, Query};
use std::collections::HashSet;

/// So often it looks again at jobs that have moved on while it wanted something of them.
const LOOKS: usize = 3;

/// What is told of the stage a job goes to.
pub(super) const STAGE: [Column; 4] = [
    Column { name: "stage", has: Has::Text },
    Column { name: "blocked_by", has: Has::Text },
    Column { name: "run_at_ms", has: Has::Number },
    Column { name: "waits_since_ms", has: Has::Number },
];

/// What is told of a job that goes there, beside that.
const BEFORE: [Column; 8] = [
    Column { name: "seq", has: Has::Number },
    Column { name: "queue", has: Has::Text },
    Column { name: "rank", has: Has::Number },
    Column { name: "position", has: Has::Number },
    Column { name: "state", has: Has::Text },
    Column { name: "lease", has: Has::Number },
    Column { name: "new_state", has: Has::Text },
    Column { name: "finished_at_ms", has: Has::Number },
];

/// The stage that a job goes to, in the order of [`STAGE`].
pub(super) fn stage_cells(next: &Next) -> [Cell<'static>; STAGE.len()] {
    let (blocked_by, wait) = match *next {
        Next::Scheduled(wait) => (None, Some(wait)),
        Next::Blocked { by, wait } => (Some(by), wait),
        Next::Ready(_) | Next::Claimed { .. } | Next::Finished { .. } => (None, None),
    };
    [
        next.stage().as_str().into(),
        blocked_by.map(Blocker::as_str).into(),
        wait.map(|wait| wait.due_at.as_millis()).into(),
        wait.map(|wait| wait.since.as_millis()).into(),
    ]
}

/// What a verb gives, if it has changed as many as it found; else they have changed
/// since it looked, and it looks again.
pub(super) fn still_there<T>(changed: usize, found: usize, gives: T) -> Result<T, Trouble> {
    if changed == found { Ok(gives) } else { Err(Trouble::Stale) }
}

/// Does what is wanted of one job, if it can come true.
pub(super) fn grant(
    session: &mut Session,
    counters: &mut Counters,
    job: &Known,
    wish: Wish,
    now: Timestamp,
) -> Result<Result<Granted, Refusal>, Trouble> {
    let granted = match wish.grant(&job.waiting, now) {
        Ok(granted) => granted,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut wanted = Wanted::default();
    if wanted.add(job, granted) {
        let done = wanted.carry_out(session, counters, now)?;
        still_there(done.len(), 1, ())?;
    }
    Ok(Ok(granted))
}

/// Puts one job where it goes on as what it is.
pub(super) fn go_on(
    session: &mut Session,
    counters: &mut Counters,
    job: &Known,
    next: Next,
    now: Timestamp,
) -> Result<(), Trouble> {
    let mut wanted = Wanted::default();
    wanted.moved.push((job, next, job.waiting.state));
    let done = wanted.carry_out(session, counters, now)?;
    still_there(done.len(), 1, ())
}

/// Does it to those of many jobs that a filter still means.
pub(super) fn grant_some(
    session: &mut Session,
    counters: &mut Counters,
    wish: Wish,
    filter: &Filter,
    jobs: &[Seq],
    now: Timestamp,
) -> Result<queue::Granted, Trouble> {
    let mut all = queue::Granted { looked_at: jobs.len(), ..queue::Granted::default() };
    let mut left: Vec<i64> = jobs.iter().map(|seq| seq.0).collect();
    for _ in 0..LOOKS {
        if left.is_empty() {
            break;
        }
        let mut known = known::of_rows(&filter::standings(filter).rows_among(session, &left)?)?;
        if wish == Wish::Retry {
            let dead = known.iter().filter(|job| job.waiting.state == State::Dead).map(|job| job.seq.0);
            let unreadable = unreadable(session, &dead.collect::<Vec<i64>>())?;
            known.retain(|job| unreadable.iter().all(|(seq, ..)| *seq != job.seq));
            all.unreadable.extend(unreadable);
        }
        let (mut wanted, mut asked) = (Wanted::default(), Vec::new());
        for job in &known {
            if let Ok(granted) = wish.grant(&job.waiting, now)
                && wanted.add(job, granted)
            {
                asked.push(job);
            }
        }
        let done = wanted.carry_out(session, counters, now)?;
        for job in wanted.running.iter().filter(|job| done.contains(&job.seq.0)) {
            let worker = WorkerId(job.worker.unwrap_or_default());
            let id = JobId::trusted(job.id.clone());
            all.requested.push(Requested { id, lease: job.last_lease(), worker });
        }
        all.done +=
            (done.len() - wanted.running.iter().filter(|job| done.contains(&job.seq.0)).count()) as u64;
        left = asked.iter().map(|job| job.seq.0).filter(|seq| !done.contains(seq)).collect();
    }
    all.requested.sort_unstable_by_key(|requested| requested.lease.seq);
    Ok(all)
}

/// What is wrong with the rows of jobs that cannot be read.
pub(super) fn unreadable(session: &mut Session, seqs: &[i64]) -> Result<Vec<(Seq, JobId, String)>, Trouble> {
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    let jobs = row::jobs(&session.rows(sql::JOBS_OF_SEQS, values![seqs.to_vec()])?)?;
    let told = jobs.into_iter().filter_map(|job| Some((job.seq, job.id, job.unreadable?)));
    Ok(told.collect())
}

/// Jobs, by the statement that does what is wanted of them; with where each goes, and as
/// what.
#[derive(Default)]
struct Wanted<'a> {
    finished: Vec<(&'a Known, Next, State)>,
    moved: Vec<(&'a Known, Next, State)>,
    revived: Vec<&'a Known>,
    running: Vec<&'a Known>,
}

impl<'a> Wanted<'a> {
    /// Adds a job, unless it is as it is wanted already; tells whether it has.
    fn add(&mut self, job: &'a Known, granted: Granted) -> bool {
        match granted {
            Granted::Becomes(Effect { next: next @ Next::Finished { .. }, state, .. }) => {
                self.finished.push((job, next, state));
            }
            // No other effect is that of a wish.
            Granted::Becomes(_) => self.revived.push(job),
            Granted::Goes(next) => self.moved.push((job, next, job.waiting.state)),
            Granted::OfWorker => self.running.push(job),
            Granted::IsSo => return false,
        }
        true
    }

    /// Does it; gives the numbers of those to which it was done.
    fn carry_out(
        &self,
        session: &mut Session,
        counters: &mut Counters,
        now: Timestamp,
    ) -> Result<HashSet<i64>, Trouble> {
        let mut done = HashSet::new();
        for (statement, jobs) in [(&sql::FINISH_WAITING, &self.finished), (&sql::MOVE_WAITING, &self.moved)] {
            done.extend(put(session, counters, statement, jobs, now)?);
        }
        if !self.revived.is_empty() {
            done.extend(revive(session, counters, &self.revived, now)?);
        }
        if !self.running.is_empty() {
            let seqs: Vec<i64> = self.running.iter().map(|job| job.seq.0).collect();
            let leases: Vec<i64> = self.running.iter().map(|job| job.lease).collect();
            let asked = session.rows(sql::REQUEST_CANCEL, values![seqs, leases, now.as_millis()])?;
            done.extend(all::<i64>(&asked, |found| row::get(found, "seq"))?);
        }
        Ok(done)
    }
}

/// Takes jobs out of where they wait and puts them where they go.
fn put(
    session: &mut Session,
    counters: &mut Counters,
    statement: &'static Query,
    jobs: &[(&Known, Next, State)],
    now: Timestamp,
) -> Result<HashSet<i64>, Trouble> {
    if jobs.is_empty() {
        return Ok(HashSet::new());
    }
    let (mut before, mut stages) = (Arrays::new(&BEFORE), Arrays::new(&STAGE));
    for (job, next, state) in jobs {
        let finished_at = if let Next::Finished { at } = next { Some(at.as_millis()) } else { None };
        let cells: [Cell<'_>; BEFORE.len()] = [
            job.seq.0.into(),
            job.queue.as_str().into(),
            job.rank.into(),
            job.position.into(),
            job.waiting.state.as_str().into(),
            job.lease.into(),
            state.as_str().into(),
            finished_at.into(),
        ];
        before.push(cells);
        stages.push(stage_cells(next));
    }
    let at = now.as_millis();
    let mut values: Vec<Named<'_>> = before.named();
    values.extend(stages.named());
    values.extend(named![now: at]);
    let rows = session.ask(statement, &values)?;
    let mut done = HashSet::with_capacity(rows.len());
    for left in &rows {
        // It was claimed and given back since it was read: it is not what it was.
        still_there(usize::from(row::get::<bool>(left, "has_gone_on")?), 1, ())?;
        done.insert(row::get(left, "seq")?);
    }
    for (job, next, state) in jobs.iter().filter(|(job, ..)| done.contains(&job.seq.0)) {
        let counts = counters.of(&job.queue);
        counts.moved(job.waiting.state, *state);
        counts.blocked +=
            i64::from(next.stage() == Stage::Blocked) - i64::from(job.waiting.blocked_by.is_some());
    }
    Ok(done)
}

/// Takes jobs out of the dead letter queue.
fn revive(
    session: &mut Session,
    counters: &mut Counters,
    jobs: &[&Known],
    now: Timestamp,
) -> Result<HashSet<i64>, Trouble> {
    let effect = effect::revive(State::Dead)?;
    let seqs: Vec<i64> = jobs.iter().map(|job| job.seq.0).collect();
    let revived = session.ask(
        &sql::REVIVE,
        &named![
            seqs: seqs,
            state: effect.state.as_str(),
            attempts: i64::from(effect.attempts),
            crashes: i64::from(effect.crashes),
            now: now.as_millis(),
        ],
    )?;
    for found in &revived {
        counters.of(row::get(found, "queue")?).moved(State::Dead, effect.state);
    }
    all(&revived, |found| row::get(found, "seq")).map(HashSet::from_iter)
}
