//! What people want of jobs, of one or of many.

use super::counters::Counters;
use super::stages::{self, Attempt};
use super::standing::{self, Known};
use super::trouble::Trouble;
use super::{filter, row, sql, unique};
use crate::queue::{self, Requested};
use queuectl_core::{Filter, Granted, Job, JobId, Refusal, Seq, State, Timestamp, Wish};
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// So long one step may write: no other program can meanwhile.
const WRITES_AT_MOST: Duration = Duration::from_millis(20);

/// After so many jobs it looks how long it has written.
const JOBS_BETWEEN_LOOKS: usize = 16;

/// Does what is wanted of one job, if it can come true.
pub(super) fn grant(
    connection: &Connection,
    counters: &mut Counters,
    job: &Known,
    wish: Wish,
    now: Timestamp,
) -> Result<Result<Granted, Refusal>, Trouble> {
    let granted = match wish.grant(&job.waiting(), now) {
        Ok(granted) => granted,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match &granted {
        Granted::Becomes(effect) => {
            stages::apply(connection, counters, &job.before(), job.state, effect, &Attempt::Same, now)?;
        }
        Granted::Goes(next) => stages::go_on(connection, counters, &job.before(), next, Some(now))?,
        Granted::OfWorker => {
            let parameters = (job.seq.0, now.as_millis());
            connection.prepare_cached(sql::REQUEST_CANCEL)?.execute(parameters)?;
        }
        Granted::IsSo => {}
    }
    Ok(Ok(granted))
}

/// Does it to those of many jobs that a filter still means, until it has written for long
/// enough.
pub(super) fn grant_some(
    connection: &Connection,
    counters: &mut Counters,
    wish: Wish,
    filter: &Filter,
    jobs: &[Seq],
    now: Timestamp,
) -> Result<queue::Granted, Trouble> {
    let began = Instant::now();
    let filter::Statement { text, mut values } = filter::standing(filter);
    let mut statement = connection.prepare_cached(&text)?;
    let mut all = queue::Granted::default();
    for seq in jobs {
        if all.looked_at % JOBS_BETWEEN_LOOKS == 0 && began.elapsed() >= WRITES_AT_MOST {
            break;
        }
        all.looked_at += 1;
        values[0] = seq.0.into();
        let Some(job) = standing::found_by(&mut statement, &values)? else { continue };
        if wish == Wish::Retry && job.state == State::Dead {
            let dead = dead(connection, *seq)?;
            if let Some(reason) = dead.unreadable {
                all.unreadable.push((*seq, dead.id, reason));
                continue;
            }
            if unique::take_again(connection, &dead, now)?.is_some() {
                all.key_taken += 1;
                continue;
            }
        }
        match grant(connection, counters, &job, wish, now)? {
            Ok(Granted::Becomes(_) | Granted::Goes(_)) => all.done += 1,
            Ok(Granted::OfWorker) => all.requested.extend(requested(connection, &job)?),
            Ok(Granted::IsSo) | Err(_) => {}
        }
    }
    Ok(all)
}

/// A dead job, with what is wrong with its row, and its unique key.
fn dead(connection: &Connection, seq: Seq) -> Result<Job, Trouble> {
    let mut statement = connection.prepare_cached(sql::JOB_OF_SEQ)?;
    Ok(statement.query_row([seq.0], |found| Ok(row::job(found)))?)
}

/// Whom to wait for; none if the row does not say who holds the job.
fn requested(connection: &Connection, job: &Known) -> Result<Option<Requested>, Trouble> {
    let Some(worker) = job.worker else { return Ok(None) };
    let id: String = connection.prepare_cached(sql::ID_OF)?.query_row([job.seq.0], |found| found.get(0))?;
    Ok(Some(Requested { id: JobId::trusted(id), lease: job.last_lease(), worker }))
}
