//! What a worker has running beside its work: it renews the worker's lease, hears
//! rings, and knows of every neighbour whether its lease has run out.
//!
//! It has a connection of its own, so that neither a long exchange nor a full disk
//! keeps it from saying that the worker lives, and it never waits for anything
//! longer than a renewal may take.

use super::enter::{self, enter, explain, unreachable_without_reason};
use super::row::{self, one};
use super::sql;
use super::store::{RECONNECT_TAKES, pause};
use super::trouble::Trouble;
use crate::doorbell::Doorbell;
use crate::lease::{LeaseTimes, boot_clock};
use crate::lease_clock::{LeaseClock, Neighbour};
use crate::{Result, ServerProblem, StoreError};
use queuectl_core::WorkerId;
use queuectl_postgres::Address;
use queuectl_postgres::session::{Session, values};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A ring that is sent when a worker begins is heard within this, or never.
const RING_TAKES: Duration = Duration::from_secs(3);

/// A heartbeat that is connected and listens, and has not begun.
pub(crate) struct Heartbeat {
    address: Address,
    session: Session,
    /// Whether sessions are handed around, so that what one listens to is heard by
    /// another, or by nobody.
    is_pooled: bool,
}

/// Rings when the server notifies.
pub(super) struct ServerBell {
    rings: Receiver<()>,
    stopped: Arc<AtomicBool>,
}

/// A heartbeat that has begun.
struct Beating {
    address: Address,
    session: Option<Session>,
    worker: WorkerId,
    /// The lock file of this machine.
    here: String,
    lease_clock: Arc<LeaseClock>,
    ring: SyncSender<()>,
    stopped: Arc<AtomicBool>,
    /// When it was cut off itself, if it was: others' silence until then means nothing.
    was_cut_off: Option<Instant>,
    /// The last renewal of each neighbour, and when it was first seen.
    renewals: HashMap<WorkerId, (i64, Instant)>,
    /// Until when the first ring is waited for.
    first_ring_until: Option<Instant>,
    is_pooled: bool,
    next_beat: Instant,
    next_look: Instant,
}

impl Heartbeat {
    /// Connects and listens.
    pub(crate) fn connect(address: &Address, lease: LeaseTimes) -> Result<Self> {
        let session = connect(address, address.connect_timeout(), lease)?;
        Ok(Self { address: address.clone(), session, is_pooled: false })
    }

    /// Tells whether a session stays the same from one transaction to the next; it
    /// does not behind a pooler that hands sessions around.
    ///
    /// Two connections hold a session each and let go of them, in either order. A
    /// pooler gives back the one that came last, or that has waited longest: one of
    /// the two orders shows it. Only who [hears](Self::hears) may ask: a small pool would
    /// have each worker wait for its second session while it holds its first.
    pub(super) fn session_is_ours(&mut self, session: &mut Session) -> Result<bool> {
        let (mine, theirs) = (session, &mut self.session);
        let mut look = || -> std::result::Result<bool, Trouble> {
            let (my_end, their_end) = (back_end(mine)?, back_end(theirs)?);
            for mine_first in [true, false] {
                mine.begin_snapshot()?;
                let held = back_end(mine)?;
                theirs.begin_snapshot()?;
                let held_there = back_end(theirs)?;
                if mine_first {
                    mine.commit()?;
                    theirs.commit()?;
                } else {
                    theirs.commit()?;
                    mine.commit()?;
                }
                let again = back_end(mine)?;
                if [held, again] != [my_end, my_end] || held_there != their_end {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let is_ours = look().map_err(|trouble| refused(&self.address, trouble))?;
        self.is_pooled = !is_ours;
        if is_ours {
            let prepared = self.session.prepare_from_now_on();
            prepared.map_err(|error| explain(&self.address, &error))?;
        }
        Ok(is_ours)
    }

    /// Tells whether it hears what another connection sends. If not, sessions are handed
    /// around.
    ///
    /// It says nothing meanwhile: a pooler would lend it a session, perhaps the one that
    /// listens. And only what was sent for this counts, for others may be at the same.
    pub(crate) fn hears(&mut self, session: &mut Session) -> Result<bool> {
        let probe = format!("{PROBE} {}", Uuid::new_v4().simple());
        let until = Instant::now() + RING_TAKES;
        let mut listen = || -> std::result::Result<bool, tokio_postgres::Error> {
            session.notify(&probe)?;
            loop {
                let left = until.saturating_duration_since(Instant::now());
                match self.session.connection().next_notification(left)? {
                    Some(heard) if heard.payload() == probe => return Ok(true),
                    Some(_) => {}
                    None => return Ok(false),
                }
            }
        };
        let hears = listen().map_err(|error| explain(&self.address, &error))?;
        self.is_pooled = !hears;
        Ok(hears)
    }

    /// Beats from now on, until the bell is dropped.
    pub(super) fn start(
        self,
        worker: WorkerId,
        here: String,
        lease_clock: Arc<LeaseClock>,
    ) -> Result<ServerBell> {
        // One ring that is not heard yet is as good as many.
        let (ring, rings) = sync_channel(1);
        let stopped = Arc::new(AtomicBool::new(false));
        let now = Instant::now();
        let mut beating = Beating {
            address: self.address,
            session: Some(self.session),
            worker,
            here,
            next_beat: now + lease_clock.lease().renewed_every(),
            lease_clock,
            ring,
            stopped: Arc::clone(&stopped),
            was_cut_off: None,
            renewals: HashMap::new(),
            first_ring_until: Some(if self.is_pooled { now } else { now + RING_TAKES }),
            is_pooled: self.is_pooled,
            next_look: now,
        };
        thread::Builder::new().name("heartbeat".into()).spawn(move || beating.beat_on()).map_err(
            |source| StoreError::Io { action: "start a thread for", path: "the heartbeat".into(), source },
        )?;
        Ok(ServerBell { rings, stopped })
    }
}

impl Beating {
    fn beat_on(&mut self) {
        while !self.stopped.load(Ordering::Relaxed) {
            let Some(mut session) = self.session.take().or_else(|| self.connect_again()) else {
                pause();
                continue;
            };
            match self.turn(&mut session) {
                Ok(()) => self.session = Some(session),
                Err(error) => {
                    tracing::debug!("the heartbeat's connection was lost: {error:?}");
                    // Others' renewals may be as late as ours.
                    self.was_cut_off = Some(Instant::now());
                    pause();
                }
            }
        }
    }

    fn connect_again(&mut self) -> Option<Session> {
        let mut session = connect(&self.address, RECONNECT_TAKES, self.lease_clock.lease()).ok()?;
        if !self.is_pooled {
            session.prepare_from_now_on().ok()?;
        }
        self.next_beat = Instant::now();
        // What rang meanwhile was not heard.
        self.rings();
        Some(session)
    }

    /// Renews, looks, and listens until it is time again.
    fn turn(&mut self, session: &mut Session) -> std::result::Result<(), Trouble> {
        let now = Instant::now();
        if now >= self.next_beat {
            self.next_beat = now + self.lease_clock.lease().renewed_every();
            let asked_at = boot_clock();
            let renewed = session.rows(sql::BEAT, values![self.worker.0])?;
            if renewed.is_empty() {
                self.lease_clock.was_called_dead();
            } else {
                self.lease_clock.renewed(asked_at);
            }
        }
        if now >= self.next_look {
            self.next_look = now + self.look_at_neighbours(session)?;
        }
        let until = self.next_beat.min(self.next_look);
        let left = until.saturating_duration_since(Instant::now());
        let mut rings = false;
        let mut heard = session.connection().next_notification(left)?;
        // All that have come belong to one ring.
        while let Some(notification) = heard {
            if !self.is_pooled {
                self.first_ring_until = None;
            }
            rings |= is_for(notification.payload(), self.worker);
            heard = session.connection().next_notification(Duration::ZERO)?;
        }
        if rings {
            self.rings();
        }
        if self.first_ring_until.is_some_and(|until| Instant::now() >= until) {
            self.first_ring_until = None;
            tracing::warn!(
                "Notifications of {} do not arrive (is a pooler in between?); new jobs are noticed at each \
                 poll-interval.",
                self.address.host()
            );
        }
        Ok(())
    }

    /// Looks whose lease has run out; tells when that is to be done again.
    fn look_at_neighbours(&mut self, session: &mut Session) -> std::result::Result<Duration, Trouble> {
        let rows = session.rows(sql::NEIGHBOURS, &[])?;
        let now = Instant::now();
        let mut again_after = self.lease_clock.lease().looked_at_every();
        let mut neighbours = HashMap::with_capacity(rows.len());
        let mut renewals = HashMap::with_capacity(rows.len());
        for found in &rows {
            let (id, renewal) = (WorkerId(row::get(found, 0)?), row::get(found, 2)?);
            let known = self.renewals.get(&id).filter(|(known, _)| *known == renewal);
            let since = known.map_or(now, |(_, since)| *since);
            renewals.insert(id, (renewal, since));
            let silence = row::Silence::read(found)?;
            again_after = again_after.min(silence.lease.looked_at_every());
            // What kept this worker from the server may have kept others as long.
            let judges =
                self.was_cut_off.is_none_or(|cut_off| now - cut_off >= silence.lease.ends_jobs_after());
            let was_seen = now - since < silence.lease.seen_still_for();
            let lock_file: &str = row::get(found, 1)?;
            let neighbour = if lock_file == self.here {
                Neighbour::Here
            } else if silence.is_death() && judges && !was_seen {
                Neighbour::Silent
            } else {
                Neighbour::Elsewhere
            };
            neighbours.insert(id, neighbour);
        }
        self.renewals = renewals;
        self.lease_clock.set_neighbours(neighbours);
        Ok(again_after)
    }

    fn rings(&self) {
        self.lease_clock.rang();
        // Full means that it rings already.
        let _rings_already = self.ring.try_send(());
    }
}

impl Doorbell for ServerBell {
    fn wait(&mut self, at_most: Duration) -> bool {
        match self.rings.recv_timeout(at_most) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                // Its thread has panicked; the lease will run out.
                pause();
                false
            }
        }
    }
}

impl Drop for ServerBell {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// What is sent to find out whether notifications arrive; it wakes nobody.
pub(super) const PROBE: &str = "probe";

/// Tells whether a notification is for a worker: it names those it is for, or nobody.
fn is_for(payload: &str, worker: WorkerId) -> bool {
    payload.is_empty() || payload.split(',').any(|named| named.parse() == Ok(worker.0))
}

/// A session that listens; it waits for nobody's locks for longer than for an answer.
fn connect(address: &Address, at_most: Duration, lease: LeaseTimes) -> Result<Session> {
    let answered_within = lease.answered_within();
    let (mut session, _) = enter(address, at_most, answered_within, answered_within)?;
    let listen = format!("LISTEN \"{}\"", address.schema());
    session.batch(&listen).map_err(|error| explain(address, &error))?;
    Ok(session)
}

fn back_end(session: &mut Session) -> std::result::Result<i32, Trouble> {
    row::get(&one(session.rows_of(sql::BACK_END, &[])?)?, 0)
}

fn refused(address: &Address, trouble: Trouble) -> StoreError {
    match trouble {
        Trouble::Sql(error) => explain(address, &error),
        Trouble::Store(error) => error,
        Trouble::Foreign(reason) => {
            let problem = ServerProblem::Foreign { host: address.host().to_owned(), reason };
            enter::refused(address, problem)
        }
        Trouble::Row(_) | Trouble::Stale => unreachable_without_reason(address),
    }
}
