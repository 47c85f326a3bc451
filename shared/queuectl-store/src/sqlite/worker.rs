//! How jobs are worked on.

use super::connection::SqliteStore;
use super::queues::Served;
use super::ready::{self, Claimed};
use super::roster::{Listed, free_note_region, roster, stop_of};
use super::trouble::Trouble;
use super::{counters, ends, row, sql};
use crate::counts::Counts;
use crate::doorbell::{self, FifoDoorbell};
use crate::liveness::{LockFile, Taken, lock_file_path};
use crate::rows;
use crate::worker::{Exchange, Exchanged, NewWorker, Registration, Rescued, Worker};
use crate::worker_record::{Stop, WorkerRecord};
use crate::{Result, StoreError, machine, stored};
use queuectl_core::{Lease, RetryPolicy, Timestamp, WorkerId};
use rusqlite::{Connection, params_from_iter};
use std::path::PathBuf;
use std::time::Duration;

impl Worker for SqliteStore {
    fn register(&mut self, worker: &NewWorker, now: Timestamp) -> Result<Registration> {
        let database = self.path.clone();
        let registration = self.change(|connection, _| {
            let neighbours = roster(connection)?;
            let region = free_note_region(connection)?;
            let run: String = connection.prepare_cached(sql::RUN)?.query_row([], |row| row.get(0))?;
            let given = rows::given_worker(worker, &run, region, now);
            connection.prepare_cached(sql::REGISTER)?.execute(params_from_iter(given))?;
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
            let (nothing_to_claim, reply) = self.read(|connection| {
                let served = Served::read(connection, exchange, now)?;
                let nothing = exchange.want == 0 || !ready::anything_to_claim(connection, &served, now)?;
                let counts = counters::counts(connection, &served)?;
                Ok((nothing, reply(connection, worker, served, counts)?))
            })?;
            if nothing_to_claim {
                return Ok(reply);
            }
        }
        self.write(|connection, counters| {
            let mut superseded = add_output(connection, worker, exchange)?;
            let mut finished = Vec::new();
            for ended in exchange.ended {
                match ends::record(connection, counters, worker, ended, exchange.policy, now)? {
                    Some(effect) => finished.push((ended.lease, effect)),
                    None => superseded.push(ended.lease),
                }
            }
            for &lease in exchange.unstarted {
                if ends::hand_back(connection, counters, worker, lease, exchange.policy, now)?.is_none() {
                    superseded.push(lease);
                }
            }
            if !exchange.ended.is_empty() {
                connection.prepare_cached(sql::WORKER_DID)?.execute((worker.0, finished.len()))?;
            }
            let served = Served::read(connection, exchange, now)?;
            let mut claimed = Claimed::default();
            if exchange.want > 0 && stop_of(connection, worker)? == Listed::At(None) {
                claimed = ready::promote_and_claim(connection, counters, worker, exchange, &served, now)?;
            }
            superseded.sort_unstable();
            superseded.dedup();
            let counts = counters.counts(connection, &served)?;
            let Claimed { jobs: claimed, set_aside } = claimed;
            let reply = reply(connection, worker, served, counts)?;
            Ok(Exchanged { claimed, set_aside, finished, superseded, ..reply })
        })
    }

    fn retire(&mut self, worker: WorkerId, policy: &RetryPolicy, now: Timestamp) -> Result<()> {
        let database = self.path.clone();
        self.write(|connection, counters| {
            for lease in ends::claims(connection, worker)? {
                ends::hand_back(connection, counters, worker, lease, policy, now)?;
            }
            connection.prepare_cached(sql::WORKER_ENDED)?.execute((worker.0, now.as_millis()))?;
            // Before the commit: after it no worker would look for a bell that a kill
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

    fn take(&mut self, worker: &WorkerRecord) -> Result<Option<Taken>> {
        self.lock_file()?.take(worker.id, worker.note_region)
    }

    fn claims(&mut self, worker: WorkerId) -> Result<Vec<Lease>> {
        self.read(|connection| Ok(ends::claims(connection, worker)?))
    }

    fn rescue(
        &mut self,
        worker: WorkerId,
        started: &[Lease],
        policy: &RetryPolicy,
        now: Timestamp,
    ) -> Result<Rescued> {
        let database = self.path.clone();
        let (rescued, workers) = self.write(|connection, counters| {
            let mut jobs = Vec::new();
            for lease in ends::claims(connection, worker)? {
                let effect = if started.contains(&lease) {
                    let ended = ends::lost(connection, lease, now)?;
                    ends::record(connection, counters, worker, &ended, policy, now)?
                } else {
                    ends::hand_back(connection, counters, worker, lease, policy, now)?
                };
                jobs.extend(effect.map(|effect| (lease, effect)));
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

/// The lock file, which is made when there is none and no worker can miss it.
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

/// What a worker gets each time.
fn reply(
    connection: &Connection,
    worker: WorkerId,
    served: Served<'_>,
    counts: Counts,
) -> rusqlite::Result<Exchanged> {
    let cancel = connection
        .prepare_cached(sql::TO_CANCEL)?
        .query_map([worker.0], row::lease)?
        .collect::<rusqlite::Result<_>>()?;
    let next_due = ready::next_due(connection, &served)?;
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
        limited_waits: served.limited_waits(connection)?,
        limited: served.limited(),
        paused: served.paused,
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
