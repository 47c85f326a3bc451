//! How jobs are worked on.

use super::arrays::Arrays;
use super::cache::ReadBudget;
use super::counters::Counters;
use super::heartbeat::{Heartbeat, PROBE};
use super::request::Request;
use super::row::{self, all, one};
use super::sql;
use super::standings::Standings;
use super::store::PostgresStore;
use super::trouble::Trouble;
use crate::columns::worker as worker_columns;
use crate::lease::{boot_clock, millis};
use crate::lease_clock::LeaseClock;
use crate::liveness::{LockFile, Taken, lock_file_path};
use crate::note_region::free_region;
use crate::rows;
use crate::worker::{Ended, Exchange, Exchanged, NewWorker, Registration, Rescued, Worker};
use crate::worker_record::Stop;
use crate::worker_record::WorkerRecord;
use crate::{Result, StoreError, stored};
use queuectl_core::{Lease, Outcome, RetryPolicy, Timestamp, WorkerId};
use queuectl_postgres::Named;
use queuectl_postgres::session::{Session, named, values};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio_postgres::Row;

impl Worker for PostgresStore {
    fn register(&mut self, worker: &NewWorker, now: Timestamp) -> Result<Registration> {
        let stand_in = self.stand_in.clone();
        queuectl_files::check_new(&stand_in, self.options.owners)?;
        if let Some(folder) = stand_in.parent() {
            queuectl_files::make_folders(folder).map_err(|source| StoreError::Io {
                action: "make the folder",
                path: folder.to_owned(),
                source,
            })?;
        }
        let mut heartbeat = Heartbeat::connect(&self.address, worker.lease)?;
        let session = self.session(Instant::now() + self.patience)?;
        let hears = heartbeat.hears(session)?;
        self.prepares = hears && heartbeat.session_is_ours(session)?;
        if self.prepares
            && let Some(mut session) = self.session.take()
        {
            let prepared = session.prepare_from_now_on();
            self.session = Some(session);
            prepared.map_err(|error| self.explain(&error))?;
        }
        // Before anything is sent: nobody counts from later than this.
        let asked_at = boot_clock();
        let mut add = |session: &mut Session, _: &mut Counters| -> Result<_, Trouble> {
            session.batch(sql::ONE_NEWCOMER)?;
            let neighbours = roster(session)?;
            let lock_file = LockFile::open_or_create(&stand_in)?;
            let here = lock_file.identity()?;
            let region = free_note_region(session, &lock_file, &here)?;
            let run: String = row::get(&one(session.rows(sql::RUN, &[])?)?, "run")?;
            let mut given = Arrays::new(worker_columns::GIVEN);
            given.push(rows::given_worker(worker, &run, region, now));
            let mut values: Vec<Named<'_>> = given.named();
            let lease_ms = millis(worker.lease.length()).cast_signed();
            values.extend(named![lock_file: here, lease_ms]);
            let id = WorkerId(row::get(&one(session.ask(&sql::REGISTER, &values)?)?, "id")?);
            drop(values);
            // The lock is held before the row can be seen, so a row without a
            // lock is a dead worker, always.
            let entry = worker.entry(id, &run, Some(worker.lease));
            Ok((id, run, lock_file.hold(&entry, region, asked_at)?, here, neighbours))
        };
        let added = match self.change(&mut add) {
            // A number that was taken is used up: the next one may be free.
            Err(StoreError::NumbersTaken { .. }) => self.change(&mut add),
            added => added,
        };
        let (id, run, presence, here, neighbours) = added?;
        let lease_clock = Arc::new(LeaseClock::since(asked_at, worker.lease, Some(presence.renewals()?)));
        let doorbell = heartbeat.start(id, here, Arc::clone(&lease_clock))?;
        self.lease_clock = Some(Arc::clone(&lease_clock));
        // From now on the worker itself asks again, and listens in between.
        self.work_from_now_on();
        // Its heartbeat finds out whether rings arrive at all.
        self.notify(PROBE);
        let presence = presence.with_lease(lease_clock);
        Ok(Registration { id, run, presence, doorbell: Box::new(doorbell), neighbours })
    }

    fn exchange(&mut self, worker: WorkerId, exchange: &Exchange<'_>, now: Timestamp) -> Result<Exchanged> {
        self.exchange_once(worker, exchange, now)
    }

    fn retire(&mut self, worker: WorkerId, policy: &RetryPolicy, now: Timestamp) -> Result<()> {
        self.write(|session, counters| {
            if still_at_work(session, worker)?.is_none() {
                return Ok(());
            }
            hand_back_all(session, counters, worker, policy, now)
        })
    }

    fn lock_file(&mut self) -> Result<LockFile> {
        if let Some(lock_file) = self.lock_file_here()? {
            return Ok(lock_file);
        }
        let workers = self.read(|session| Ok(roster(session)?.len()))?;
        Err(StoreError::LockFileMissing { path: lock_file_path(&self.stand_in), workers })
    }

    fn lock_file_path(&self) -> PathBuf {
        lock_file_path(&self.stand_in)
    }

    fn take(&mut self, worker: &WorkerRecord) -> Result<Option<Taken>> {
        if worker.is_here {
            return self.lock_file()?.take(worker.id, worker.note_region);
        }
        let most_started = i64::from(worker.concurrency);
        self.read(|session| {
            if !is_death(&session.rows(sql::SILENCE_OF, values![worker.id.0])?)? {
                return Ok(None);
            }
            // Its notes died with its machine. It starts claims in their order, and
            // never more than it has slots.
            let started = session.rows(sql::CLAIMS_IN_ORDER, values![worker.id.0, most_started])?;
            Ok(Some(Taken::elsewhere(all(&started, row::lease)?)))
        })
    }

    fn claims(&mut self, worker: WorkerId) -> Result<Vec<Lease>> {
        self.read(|session| claims(session, worker))
    }

    fn rescue(
        &mut self,
        worker: WorkerId,
        started: &[Lease],
        policy: &RetryPolicy,
        now: Timestamp,
    ) -> Result<Rescued> {
        let here = self.lock_file_here()?.map(|lock_file| lock_file.identity()).transpose()?;
        let rescued = self.write(|session, counters| {
            let Some((lock_file, connection)) = still_at_work(session, worker)? else {
                return Ok(Rescued::default());
            };
            // Of one that is here, the lock has told.
            if here != Some(lock_file) && !is_death(&session.rows(sql::SILENCE_FOR_GOOD, values![worker.0])?)?
            {
                return Err(StoreError::StillAlive { worker }.into());
            }
            let claims = claims(session, worker)?;
            let mut standings = Standings::read(session, worker, &claims)?;
            let (lost, untouched): (Vec<Lease>, Vec<Lease>) =
                claims.iter().partition(|lease| started.contains(lease));
            let ended = lost
                .iter()
                .map(|&lease| lost_attempt(session, lease, now))
                .collect::<Result<Vec<Ended>, Trouble>>()?;
            let outcome = standings.finish(&ended, policy, now)?;
            let back = standings.hand_back(session, counters, &untouched, policy, now)?;
            standings.give_keys_back(session, now)?;
            let budget = ReadBudget::of_results();
            let request = Request::of_results(worker, &outcome.ends, &budget, connection, now);
            if request.reply(session)?.ended < ended.len() as i64 {
                return Err(Trouble::Stale);
            }
            let mut jobs = outcome.effects;
            jobs.extend(back);
            jobs.sort_unstable_by_key(|(lease, _)| *lease);
            session.rows(sql::WORKER_ENDED, values![worker.0, now.as_millis()])?;
            Ok(Rescued { jobs })
        })?;
        self.ring_all();
        Ok(rescued)
    }

    fn request_stop(&mut self, workers: &[WorkerId], stop: Stop, _now: Timestamp) -> Result<()> {
        let workers: Vec<i64> = workers.iter().map(|worker| worker.0).collect();
        let here = self.lock_file_here()?.map(|lock_file| lock_file.identity()).transpose()?;
        let here = here.unwrap_or_default();
        self.write(|session, _| {
            session.rows(sql::REQUEST_STOP, values![workers, stored::stop_number(stop)])?;
            session.rows(sql::COUNT_STOP, values![workers, here])?;
            Ok(())
        })?;
        self.ring_only(&workers);
        Ok(())
    }

    fn note_stop(&mut self, worker: WorkerId, stop: Stop) -> Result<()> {
        self.write(|session, _| {
            session.rows(sql::REQUEST_STOP, values![vec![worker.0], stored::stop_number(stop)])?;
            Ok(())
        })
    }

    fn stops(&mut self) -> Result<i64> {
        let Some(lock_file) = self.lock_file_here()? else { return Ok(0) };
        let here = lock_file.identity()?;
        self.read(|session| row::get(&one(session.rows(sql::STOPS, values![here])?)?, 0))
    }

    fn ring(&mut self) -> Result<()> {
        self.read(|session| Ok(session.notify("")?))
    }
}

/// Takes a worker off the list, and back what it holds and has not started.
pub(super) fn hand_back_all(
    session: &mut Session,
    counters: &mut Counters,
    worker: WorkerId,
    policy: &RetryPolicy,
    now: Timestamp,
) -> Result<(), Trouble> {
    let claims = claims(session, worker)?;
    let mut standings = Standings::read(session, worker, &claims)?;
    standings.hand_back(session, counters, &claims, policy, now)?;
    standings.give_keys_back(session, now)?;
    session.rows(sql::WORKER_ENDED, values![worker.0, now.as_millis()])?;
    Ok(())
}

pub(super) fn roster(session: &mut Session) -> Result<Vec<WorkerId>, Trouble> {
    all(&session.rows(sql::ROSTER, &[])?, |found| row::get(found, 0).map(WorkerId))
}

/// The lowest region of this lock file that no worker at work uses, and where no other
/// worker looks for what a dead one has left.
fn free_note_region(session: &mut Session, lock_file: &LockFile, here: &str) -> Result<u32, Trouble> {
    let in_use: Vec<i64> =
        all(&session.rows(sql::REGIONS_IN_USE, values![here])?, |found| row::get(found, "note_region"))?;
    free_region(&in_use, |region| Ok(lock_file.has_room_at(region)?))
}

/// The lock file of a worker that has not ended, which now only this transaction can
/// end, and how often it has given up a connection.
fn still_at_work(session: &mut Session, worker: WorkerId) -> Result<Option<(String, i64)>, Trouble> {
    let found = session.rows(sql::STILL_AT_WORK, values![worker.0])?;
    found.first().map(|found| Ok((row::get(found, 0)?, row::get(found, 1)?))).transpose()
}

/// Tells whether a worker's silence means its death; no if it has no lease.
fn is_death(rows: &[Row]) -> Result<bool, Trouble> {
    rows.first().map_or(Ok(false), |found| Ok(row::Silence::read(found)?.is_death()))
}

/// The end of an attempt whose worker died without a word.
fn lost_attempt(session: &mut Session, lease: Lease, now: Timestamp) -> Result<Ended, Trouble> {
    let found = one(session.rows(sql::LOST, values![lease.seq.0, lease.number])?)?;
    Ok(Ended {
        lease,
        started_at: row::optional_time(&found, "started_at_ms")?.unwrap_or(now).min(now),
        ended_at: now,
        outcome: Outcome::WorkerLost,
        error: Some("its worker died".into()),
        output_bytes: row::number(&found, "output_bytes")?,
        dropped_bytes: 0,
    })
}

pub(super) fn claims(session: &mut Session, worker: WorkerId) -> Result<Vec<Lease>, Trouble> {
    all(&session.rows(sql::CLAIMS, values![worker.0])?, row::lease)
}

/// Tells from what the first statement of an exchange gives whether the worker may claim.
pub(super) fn may_claim(stop: Option<&str>) -> bool {
    stop.and_then(|number| number.parse().ok())
        .is_some_and(|number| stored::stop_from_number(number).is_none())
}
