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
use super::{filter, sql, unique};
use crate::StoreError;
use crate::columns::{Cell, Column, Has};
use crate::queue::{self, Requested};
use queuectl_core::{
    Blocker, Effect, Filter, Granted, JobId, Next, Refusal, Seq, Stage, State, Timestamp, Wait, Wish,
    WorkerId, effect,
};
use queuectl_postgres::session::{Session, named, values};
use queuectl_postgres::{Named, Query};
use std::collections::{HashMap, HashSet};

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

/// What a job waits for where it goes.
pub(super) fn waits_for(next: &Next) -> (Option<Blocker>, Option<Wait>) {
    match *next {
        Next::Scheduled(wait) => (None, Some(wait)),
        Next::Blocked { by, wait } => (Some(by), wait),
        Next::Ready(_) | Next::Claimed { .. } | Next::Finished { .. } => (None, None),
    }
}

/// The stage that a job goes to, in the order of [`STAGE`].
pub(super) fn stage_cells(next: &Next) -> [Cell<'static>; STAGE.len()] {
    let (blocked_by, wait) = waits_for(next);
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
        let Carried { done, key_taken } = wanted.carry_out(session, counters, now)?;
        if let Some(taken) = key_taken.into_values().next() {
            return Err(taken.into());
        }
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
    let Carried { done, .. } = wanted.carry_out(session, counters, now)?;
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
        let Carried { done, key_taken } = wanted.carry_out(session, counters, now)?;
        for job in wanted.running.iter().filter(|job| done.contains(&job.seq.0)) {
            let worker = WorkerId(job.worker.unwrap_or_default());
            let id = JobId::trusted(job.id.clone());
            all.requested.push(Requested { id, lease: job.last_lease(), worker });
        }
        all.done +=
            (done.len() - wanted.running.iter().filter(|job| done.contains(&job.seq.0)).count()) as u64;
        all.key_taken += key_taken.len() as u64;
        let is_settled = |seq: &i64| done.contains(seq) || key_taken.contains_key(seq);
        left = asked.iter().map(|job| job.seq.0).filter(|seq| !is_settled(seq)).collect();
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

    /// Does it. Rows that workers hold are locked before keys, as where these come to rest,
    /// and keys before rows of what waits.
    fn carry_out(
        &self,
        session: &mut Session,
        counters: &mut Counters,
        now: Timestamp,
    ) -> Result<Carried, Trouble> {
        let mut carried = Carried::default();
        if !self.running.is_empty() {
            let seqs: Vec<i64> = self.running.iter().map(|job| job.seq.0).collect();
            let leases: Vec<i64> = self.running.iter().map(|job| job.lease).collect();
            let asked = session.rows(sql::REQUEST_CANCEL, values![seqs, leases, now.as_millis()])?;
            carried.done.extend(all::<i64>(&asked, |found| row::get(found, "seq"))?);
        }
        let keyed = self.finished.iter().filter(|(job, ..)| job.has_key).map(|(job, ..)| job.seq.0);
        let mut keyed: Vec<i64> = keyed.collect();
        unique::lock(session, &keyed)?;
        for (statement, jobs) in [(&sql::FINISH_WAITING, &self.finished), (&sql::MOVE_WAITING, &self.moved)] {
            carried.done.extend(put(session, counters, statement, jobs, now)?);
        }
        keyed.retain(|seq| carried.done.contains(seq));
        unique::give_back(session, &keyed, now)?;
        if !self.revived.is_empty() {
            let Carried { done, key_taken } = revive(session, counters, &self.revived, now)?;
            carried.done.extend(done);
            carried.key_taken = key_taken;
        }
        Ok(carried)
    }
}

/// What has come of it.
#[derive(Default)]
struct Carried {
    /// The numbers of those to which it was done.
    done: HashSet<i64>,
    /// Those that stay dead, since other jobs have their unique keys.
    key_taken: HashMap<i64, StoreError>,
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

/// Takes jobs out of the dead letter queue that have no unique key, or can have it again.
fn revive(
    session: &mut Session,
    counters: &mut Counters,
    jobs: &[&Known],
    now: Timestamp,
) -> Result<Carried, Trouble> {
    let mut carried = Carried::default();
    let mut seqs: Vec<i64> = jobs.iter().map(|job| job.seq.0).collect();
    if jobs.iter().any(|job| job.has_key) {
        (seqs, carried.key_taken) = take_keys_again(session, &seqs, now)?;
    }
    if seqs.is_empty() {
        return Ok(carried);
    }
    let effect = effect::revive(State::Dead)?;
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
    carried.done = all(&revived, |found| row::get(found, "seq")).map(HashSet::from_iter)?;
    Ok(carried)
}

/// Takes the unique keys of dead jobs again; gives those that can go on, and those that
/// cannot. They are locked before: a key is not given to a job that is dead no longer.
fn take_keys_again(
    session: &mut Session,
    seqs: &[i64],
    now: Timestamp,
) -> Result<(Vec<i64>, HashMap<i64, StoreError>), Trouble> {
    let dead: Vec<i64> =
        all(&session.rows(sql::LOCK_DEAD, values![seqs.to_vec()])?, |found| row::get(found, "seq"))?;
    let mut jobs = row::jobs(&session.rows(sql::JOBS_OF_SEQS, values![dead])?)?;
    // Of several of one key the first that was accepted gets it.
    jobs.sort_unstable_by_key(|job| job.seq);
    let mut holders = unique::take_again(session, &jobs, now)?;
    let (mut sound, mut key_taken) = (Vec::new(), HashMap::new());
    for job in jobs {
        match (holders.remove(&job.seq), job.unique_key) {
            (Some(holder), Some(key)) => {
                key_taken.insert(job.seq.0, StoreError::KeyTaken { id: job.id, key, holder });
            }
            _ => sound.push(job.seq.0),
        }
    }
    Ok((sound, key_taken))
}
