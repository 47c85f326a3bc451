//! How jobs are worked on.

use super::ledger::Ledger;
use super::{SqliteStore, Trouble, line, roster, row, sql};
use crate::doorbell::{self, FifoDoorbell};
use crate::liveness::{LockFile, Taken, lock_file_path};
use crate::planted::Bug;
use crate::work::{Ended, Exchange, Exchanged, NewWorker, Registration, Rescued, Work};
use crate::worker::Stop;
use crate::worker::Worker;
use crate::{Result, StoreError, machine, stored};
use queuectl_core::{
    Ending, Lease, Outcome, RetryPolicy, Standing, State, Timestamp, Verdict, WorkerId, settle,
};
use rusqlite::{Connection, OptionalExtension};
use std::path::PathBuf;
use std::time::Duration;

impl Work for SqliteStore {
    fn register(&mut self, worker: &NewWorker, now: Timestamp) -> Result<Registration> {
        let database = self.path.clone();
        let registration = self.change(|connection, _| {
            let neighbours = roster(connection)?;
            let region = free_region(connection)?;
            let run: String = connection.prepare_cached(sql::RUN)?.query_row([], |row| row.get(0))?;
            connection.prepare_cached(sql::REGISTER)?.execute((
                &worker.host,
                worker.pid,
                worker.manager_pid,
                &worker.boot_id,
                worker.pid_namespace.cast_signed(),
                &run,
                region,
                worker.concurrency,
                &worker.path,
                now.as_millis(),
            ))?;
            let id = WorkerId(connection.last_insert_rowid());
            // The lock is held before the row can be seen, so a row without a
            // lock is a dead worker, always.
            let lock_file = lock_file_for(connection, &database, id, &worker.boot_id)?;
            let entry = worker.entry(id, &run, None);
            let presence = lock_file.hold(&entry, region, Duration::ZERO)?.guard(&database);
            let doorbell = Box::new(FifoDoorbell::hang(&database, id));
            Ok(Registration { id, run, presence, doorbell, neighbours })
        })?;
        // They look after the newcomer from now on.
        self.ring_all(&registration.neighbours);
        Ok(registration)
    }

    fn exchange(&mut self, worker: WorkerId, exchange: &Exchange<'_>, now: Timestamp) -> Result<Exchanged> {
        self.check_not_replaced()?;
        let hands_in = !(exchange.ended.is_empty()
            && exchange.unstarted.is_empty()
            && exchange.output.is_empty()
            && exchange.trims.is_empty());
        if !hands_in {
            let (nothing_to_claim, news) = self.read(|connection| {
                let nothing = exchange.want == 0 || !line::anything_to_claim(connection, now)?;
                let counts = Ledger::open(connection)?.counts;
                Ok((nothing, news(connection, worker, counts)?))
            })?;
            if nothing_to_claim {
                return Ok(news);
            }
        }
        self.write(|connection, ledger| {
            let mut superseded = add_output(connection, worker, exchange)?;
            let mut settled = Vec::new();
            for ended in exchange.ended {
                match record(connection, ledger, worker, ended, exchange.policy, now)? {
                    Some(verdict) => settled.push((ended.lease, verdict)),
                    None => superseded.push(ended.lease),
                }
            }
            for &lease in exchange.unstarted {
                if hand_back(connection, ledger, worker, lease, exchange.policy, now)?.is_none() {
                    superseded.push(lease);
                }
            }
            if !exchange.ended.is_empty() {
                connection.prepare_cached(sql::WORKER_DID)?.execute((worker.0, settled.len()))?;
            }
            let mut claimed = line::Claimed::default();
            if exchange.want > 0 && stop_of(connection, worker)? == Listed::At(None) {
                line::promote(connection, ledger, exchange.want, now)?;
                claimed = line::claim(connection, ledger, worker, exchange, now)?;
            }
            superseded.sort_unstable();
            superseded.dedup();
            let counts = ledger.counts;
            let line::Claimed { jobs: claimed, set_aside } = claimed;
            Ok(Exchanged { claimed, set_aside, settled, superseded, ..news(connection, worker, counts)? })
        })
    }

    fn retire(&mut self, worker: WorkerId, policy: &RetryPolicy, now: Timestamp) -> Result<()> {
        let database = self.path.clone();
        self.write(|connection, ledger| {
            for lease in claims(connection, worker)? {
                hand_back(connection, ledger, worker, lease, policy, now)?;
            }
            connection.prepare_cached(sql::WORKER_ENDED)?.execute((worker.0, now.as_millis()))?;
            // Before the commit: after it nobody would look for a bell that a kill
            // has left. Should the commit fail, the poll is the backstop.
            doorbell::take_down(&database, worker);
            Ok(())
        })
    }

    fn lock_file(&mut self) -> Result<LockFile> {
        if let Some(lock_file) = LockFile::open_existing(&self.path)? {
            return Ok(lock_file);
        }
        let workers = self.read(|connection| Ok(roster(connection)?.len()))?;
        Err(StoreError::LockFileMissing { path: lock_file_path(&self.path), workers })
    }

    fn lock_file_path(&self) -> PathBuf {
        lock_file_path(&self.path)
    }

    fn take(&mut self, worker: &Worker) -> Result<Option<Taken>> {
        self.lock_file()?.take(worker.id, worker.note_region)
    }

    fn claims(&mut self, worker: WorkerId) -> Result<Vec<Lease>> {
        self.read(|connection| Ok(claims(connection, worker)?))
    }

    fn rescue(
        &mut self,
        worker: WorkerId,
        started: &[Lease],
        policy: &RetryPolicy,
        now: Timestamp,
    ) -> Result<Rescued> {
        let database = self.path.clone();
        let (rescued, workers) = self.write(|connection, ledger| {
            let mut jobs = Vec::new();
            for lease in claims(connection, worker)? {
                let verdict = if started.contains(&lease) {
                    let ended = lost(connection, lease, now)?;
                    record(connection, ledger, worker, &ended, policy, now)?
                } else {
                    hand_back(connection, ledger, worker, lease, policy, now)?
                };
                jobs.extend(verdict.map(|verdict| (lease, verdict)));
            }
            connection.prepare_cached(sql::WORKER_ENDED)?.execute((worker.0, now.as_millis()))?;
            // Before the commit, as in `retire`.
            doorbell::take_down(&database, worker);
            Ok((Rescued { jobs }, roster(connection)?))
        })?;
        self.ring_all(&workers);
        Ok(rescued)
    }

    fn request_stop(&mut self, workers: &[WorkerId], stop: Stop, _now: Timestamp) -> Result<()> {
        self.write(|connection, _| {
            for worker in workers {
                connection
                    .prepare_cached(sql::REQUEST_STOP)?
                    .execute((worker.0, stored::stop_number(stop)))?;
            }
            connection.prepare_cached(sql::COUNT_STOP)?.execute([])?;
            Ok(())
        })?;
        self.ring_all(workers);
        Ok(())
    }

    fn note_stop(&mut self, worker: WorkerId, stop: Stop) -> Result<()> {
        self.write(|connection, _| {
            connection.prepare_cached(sql::REQUEST_STOP)?.execute((worker.0, stored::stop_number(stop)))?;
            Ok(())
        })
    }

    fn stops(&mut self) -> Result<i64> {
        self.read(|connection| Ok(connection.prepare_cached(sql::STOPS)?.query_row([], |row| row.get(0))?))
    }

    fn ring(&mut self) -> Result<()> {
        let workers = self.read(|connection| Ok(roster(connection)?))?;
        self.ring_all(&workers);
        Ok(())
    }
}

/// The lowest region of notes that no worker at work uses.
fn free_region(connection: &Connection) -> rusqlite::Result<u32> {
    let numbers: Vec<i64> = connection
        .prepare_cached(sql::REGIONS_IN_USE)?
        .query_map([], |row| Ok(row.get(0).unwrap_or(-1)))?
        .collect::<rusqlite::Result<_>>()?;
    // What cannot be a region is in nobody's way: another worker's row may be spoilt.
    let in_use: Vec<u32> = numbers.into_iter().filter_map(|number| u32::try_from(number).ok()).collect();
    Ok((0..).zip(&in_use).find(|(free, used)| free != *used).map_or(in_use.len() as u32, |(free, _)| free))
}

/// The lock file, which is made when there is none and nobody can miss it.
fn lock_file_for(
    connection: &Connection,
    database: &std::path::Path,
    newcomer: WorkerId,
    boot_id: &str,
) -> Result<LockFile, Trouble> {
    if let Some(lock_file) = LockFile::open_existing(database)? {
        return Ok(lock_file);
    }
    // Workers of another boot are dead whatever the file says.
    let mut others = connection.prepare_cached(sql::WORKERS)?;
    let others =
        others.query_map([], |found| Ok(row::worker(found)))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let workers = others
        .iter()
        .filter(|other| other.id != newcomer && other.boot_id == boot_id && !machine::is_surely_gone(other))
        .count();
    if workers > 0 {
        return Err(StoreError::LockFileMissing { path: lock_file_path(database), workers }.into());
    }
    Ok(LockFile::open_or_create(database)?)
}

/// Whether a worker is on the list of those at work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    /// It is, and this is how it was asked to stop.
    At(Option<Stop>),
    /// It has ended, as far as anybody knows.
    No,
}

fn stop_of(connection: &Connection, worker: WorkerId) -> rusqlite::Result<Listed> {
    let stop = connection.prepare_cached(sql::STOP_OF)?.query_row([worker.0], |row| row.get(0)).optional()?;
    Ok(stop.map_or(Listed::No, |number| Listed::At(stored::stop_from_number(number))))
}

/// What a worker is told each time.
fn news(connection: &Connection, worker: WorkerId, counts: crate::Counts) -> rusqlite::Result<Exchanged> {
    let cancel = connection
        .prepare_cached(sql::TO_CANCEL)?
        .query_map([worker.0], row::lease)?
        .collect::<rusqlite::Result<_>>()?;
    let next_due =
        connection.prepare_cached(sql::NEXT_DUE)?.query_row([], |row| row::optional_time(row, 0))?;
    let (stop, was_called_dead) = match stop_of(connection, worker)? {
        Listed::At(stop) => (stop, false),
        Listed::No => (None, true),
    };
    Ok(Exchanged {
        cancel,
        stop,
        was_called_dead,
        counts,
        next_due,
        roster: roster(connection)?,
        ..Exchanged::default()
    })
}

/// Appends and forgets output; gives back the leases that are no longer held.
fn add_output(
    connection: &Connection,
    worker: WorkerId,
    exchange: &Exchange<'_>,
) -> rusqlite::Result<Vec<Lease>> {
    let mut superseded = Vec::new();
    let mut holds = connection.prepare_cached(sql::HOLDS)?;
    for part in exchange.output {
        let Lease { seq, number } = part.lease;
        if !holds.exists((seq.0, number, worker.0))? {
            superseded.push(part.lease);
            continue;
        }
        if part.n == 0 {
            connection.prepare_cached(sql::ATTEMPT_BEGAN)?.execute((
                seq.0,
                number,
                worker.0,
                part.started_at.as_millis(),
            ))?;
        }
        connection.prepare_cached(sql::ADD_OUTPUT)?.execute((
            seq.0,
            number,
            part.n,
            stored::stream_number(part.stream),
            part.at.as_millis(),
            &part.bytes,
        ))?;
    }
    for trim in exchange.trims {
        let Lease { seq, number } = trim.lease;
        if holds.exists((seq.0, number, worker.0))? {
            connection.prepare_cached(sql::TRIM_OUTPUT)?.execute((seq.0, number, trim.from, trim.to))?;
        }
    }
    Ok(superseded)
}

/// What a held job is, as the core wants to know it, and its place in line.
fn standing(
    connection: &Connection,
    worker: WorkerId,
    lease: Lease,
) -> rusqlite::Result<Option<(Standing, Option<i64>)>> {
    let statement = if Bug::NoLeaseCheck.is_planted() { sql::STANDING_OF_ANY_LEASE } else { sql::STANDING };
    connection
        .prepare_cached(statement)?
        .query_row((lease.seq.0, lease.number, worker.0), |found| {
            // What has become of its row since it was claimed must not keep its end from
            // being recorded. Who holds a job has it processing.
            let standing = Standing {
                state: row::state(found, 0).unwrap_or(State::Processing),
                attempts: row::nearest(found, 1),
                max_retries: row::nearest(found, 2),
                crashes: row::nearest(found, 3),
                cancel_requested: found.get(4)?,
            };
            Ok((standing, found.get(5).unwrap_or_default()))
        })
        .optional()
}

/// Records the end of an attempt; none if the lease is no longer this worker's.
fn record(
    connection: &Connection,
    ledger: &mut Ledger,
    worker: WorkerId,
    ended: &Ended,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Option<Verdict>, Trouble> {
    let Lease { seq, number } = ended.lease;
    let Some((standing, place)) = standing(connection, worker, ended.lease)? else { return Ok(None) };
    let verdict = settle(&standing, Ending::Ran(ended.outcome), policy).map_err(unlawful)?;
    let ready = (verdict.state == State::Pending).then(|| place.unwrap_or_else(|| ledger.next_place()));
    // An end in the future was noted before the clock was set back: it waits from now.
    let waits_since = ended.ended_at.min(now);
    let due = verdict.delay.map(|delay| waits_since.after(delay).as_millis());
    let (exit_code, signal) = match ended.outcome {
        Outcome::Exit(code) => (Some(code), None),
        Outcome::Signal(signal) => (None, Some(signal)),
        _ => (None, None),
    };
    connection.prepare_cached(sql::SETTLE)?.execute(rusqlite::params![
        seq.0,
        verdict.state.as_str(),
        verdict.attempts,
        verdict.crashes,
        ready,
        due,
        due.map(|_| waits_since.as_millis()),
        ended.started_at.as_millis(),
        verdict.state.is_settled().then_some(ended.ended_at.as_millis()),
        exit_code,
        signal,
        ended.error,
        now.as_millis(),
    ])?;
    connection.prepare_cached(sql::ATTEMPT_ENDED)?.execute((
        seq.0,
        number,
        worker.0,
        ended.started_at.as_millis(),
        ended.ended_at.as_millis(),
        ended.outcome.as_str(),
        ended.outcome.code(),
        &ended.error,
        ended.output_bytes,
        ended.dropped_bytes,
    ))?;
    ledger.counts.moved(standing.state, verdict.state);
    Ok(Some(verdict))
}

/// Takes back a claim that was never started; none if it is no longer this worker's.
fn hand_back(
    connection: &Connection,
    ledger: &mut Ledger,
    worker: WorkerId,
    lease: Lease,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<Option<Verdict>, Trouble> {
    let Some((standing, place)) = standing(connection, worker, lease)? else { return Ok(None) };
    let verdict = settle(&standing, Ending::Unstarted, policy).map_err(unlawful)?;
    let ready = (verdict.state == State::Pending).then(|| place.unwrap_or_else(|| ledger.next_place()));
    connection.prepare_cached(sql::HAND_BACK)?.execute((
        lease.seq.0,
        verdict.state.as_str(),
        verdict.attempts,
        ready,
        verdict.state.is_settled().then_some(now.as_millis()),
        now.as_millis(),
    ))?;
    ledger.counts.moved(standing.state, verdict.state);
    Ok(Some(verdict))
}

/// Hands back all that a worker holds and ends it, in a queue it never worked on.
pub(super) fn hand_back_all(
    connection: &Connection,
    ledger: &mut Ledger,
    worker: WorkerId,
) -> Result<(), Trouble> {
    let now = connection.prepare_cached(sql::LAST_TOUCHED)?.query_row([worker.0], |row| row::time(row, 0))?;
    // Nothing ran here, so no policy is asked.
    let policy = RetryPolicy { base: 0.0, max: std::time::Duration::ZERO, crash_limit: u32::MAX };
    for lease in claims(connection, worker)? {
        hand_back(connection, ledger, worker, lease, &policy, now)?;
    }
    connection.prepare_cached(sql::WORKER_ENDED)?.execute((worker.0, now.as_millis()))?;
    Ok(())
}

/// The end of an attempt whose worker died without a word.
fn lost(connection: &Connection, lease: Lease, now: Timestamp) -> rusqlite::Result<Ended> {
    let Lease { seq, number } = lease;
    let recorded = connection
        .prepare_cached(sql::ATTEMPT_STARTED_AT)?
        .query_row((seq.0, number), |row| row::time(row, 0))
        .optional()?;
    let claimed =
        connection.prepare_cached(sql::CLAIMED_AT)?.query_row([seq.0], |row| row::optional_time(row, 0))?;
    let output_bytes =
        connection.prepare_cached(sql::OUTPUT_STORED)?.query_row((seq.0, number), |row| row.get(0))?;
    Ok(Ended {
        lease,
        started_at: recorded.or(claimed).unwrap_or(now).min(now),
        ended_at: now,
        outcome: Outcome::WorkerLost,
        error: Some("its worker died".into()),
        output_bytes,
        dropped_bytes: 0,
    })
}

fn claims(connection: &Connection, worker: WorkerId) -> rusqlite::Result<Vec<Lease>> {
    connection.prepare_cached(sql::CLAIMS)?.query_map([worker.0], row::lease)?.collect()
}

/// The row says something that the rules of a job do not allow.
pub(super) fn unlawful(error: queuectl_core::IllegalTransition) -> Trouble {
    Trouble::Sql(rusqlite::Error::ToSqlConversionFailure(error.to_string().into()))
}
