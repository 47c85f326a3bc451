//! What a worker has running beside its work: it renews the worker's lease, hears
//! rings, and knows of every neighbour whether its lease has run out.
//!
//! It has a connection of its own, so that neither a long exchange nor a full disk
//! keeps it from saying that the worker lives, and it never waits for anything
//! longer than a renewal may take.

use super::address::Address;
use super::session::{Session, values};
use super::{RECONNECT_TAKES, Trouble, pause, row, sql};
use crate::doorbell::Doorbell;
use crate::lease::boot_clock;
use crate::pulse::{Neighbour, Pulse};
use crate::{Result, StoreError};
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;
use queuectl_core::WorkerId;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// A ring that is sent when a worker begins is heard within this, or never.
const RING_TAKES: Duration = Duration::from_secs(3);

/// A heart that is connected and listens, and does not beat yet.
pub(super) struct Heart {
    address: Address,
    client: Client,
    /// Whether sessions are handed around, so that what one listens to is heard by
    /// another, or by nobody.
    is_pooled: bool,
}

/// Rings when the server notifies.
pub(super) struct ServerBell {
    rings: Receiver<()>,
    stopped: Arc<AtomicBool>,
}

/// A heart that beats.
struct Beating {
    address: Address,
    client: Option<Client>,
    worker: WorkerId,
    /// The lock file of this machine.
    here: String,
    pulse: Arc<Pulse>,
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

impl Heart {
    /// Connects and listens.
    pub(super) fn connect(address: &Address, at_most: Duration) -> Result<Self> {
        let mut client = address.connect(at_most)?;
        listen(&mut client, address).map_err(|error| refused(address, &error))?;
        Ok(Self { address: address.clone(), client, is_pooled: false })
    }

    /// Tells whether a session stays the same from one transaction to the next; it
    /// does not behind a pooler that hands sessions around.
    ///
    /// Two connections hold a session each and let go of them, in either order. A
    /// pooler gives back the one that came last, or that has waited longest: one of
    /// the two orders shows it.
    pub(super) fn session_is_ours(&mut self, session: &mut Session) -> Result<bool> {
        let mut look = || -> std::result::Result<bool, postgres::Error> {
            let (mine, theirs) = (back_end(session.client())?, back_end(&mut self.client)?);
            for mine_first in [true, false] {
                session.client().batch_execute("BEGIN")?;
                let held = back_end(session.client())?;
                self.client.batch_execute("BEGIN")?;
                let held_there = back_end(&mut self.client)?;
                if mine_first {
                    session.client().batch_execute("COMMIT")?;
                    self.client.batch_execute("COMMIT")?;
                } else {
                    self.client.batch_execute("COMMIT")?;
                    session.client().batch_execute("COMMIT")?;
                }
                let again = back_end(session.client())?;
                if [held, again] != [mine, mine] || held_there != theirs {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let is_ours = look().map_err(|error| refused(&self.address, &error))?;
        self.is_pooled = !is_ours;
        Ok(is_ours)
    }

    /// Tells whether it hears what another connection sends.
    pub(super) fn hears(&mut self, session: &mut Session) -> Result<bool> {
        let mut listen = || -> std::result::Result<bool, postgres::Error> {
            session.notify(PROBE)?;
            Ok(self.client.notifications().timeout_iter(RING_TAKES).next()?.is_some())
        };
        listen().map_err(|error| refused(&self.address, &error))
    }

    /// Beats from now on, until the bell is dropped.
    pub(super) fn start(self, worker: WorkerId, here: String, pulse: Arc<Pulse>) -> Result<ServerBell> {
        // One ring that is not heard yet is as good as many.
        let (ring, rings) = sync_channel(1);
        let stopped = Arc::new(AtomicBool::new(false));
        let now = Instant::now();
        let mut beating = Beating {
            address: self.address,
            client: Some(self.client),
            worker,
            here,
            next_beat: now + pulse.lease().renewed_every(),
            pulse,
            ring,
            stopped: Arc::clone(&stopped),
            was_cut_off: None,
            renewals: HashMap::new(),
            first_ring_until: Some(if self.is_pooled { now } else { now + RING_TAKES }),
            is_pooled: self.is_pooled,
            next_look: now,
        };
        thread::Builder::new().name("heart".into()).spawn(move || beating.beat_on()).map_err(|source| {
            StoreError::Io { action: "start a thread for", path: "the heartbeat".into(), source }
        })?;
        Ok(ServerBell { rings, stopped })
    }
}

impl Beating {
    fn beat_on(&mut self) {
        while !self.stopped.load(Ordering::Relaxed) {
            let Some(mut client) = self.client.take().or_else(|| self.connect_again()) else {
                pause();
                continue;
            };
            match self.turn(&mut client) {
                Ok(()) => self.client = Some(client),
                Err(error) => {
                    tracing::debug!("the heartbeat's connection was lost: {error:?}");
                    // Others' renewals may be as late as ours.
                    self.was_cut_off = Some(Instant::now());
                    pause();
                }
            }
        }
    }

    fn connect_again(&mut self) -> Option<Client> {
        let mut client = self.address.connect(RECONNECT_TAKES).ok()?;
        listen(&mut client, &self.address).ok()?;
        self.next_beat = Instant::now();
        // What rang meanwhile was not heard.
        self.rings();
        Some(client)
    }

    /// Renews, looks, and listens until it is time again.
    fn turn(&mut self, client: &mut Client) -> std::result::Result<(), Trouble> {
        let now = Instant::now();
        if now >= self.next_beat {
            self.next_beat = now + self.pulse.lease().renewed_every();
            let asked_at = boot_clock();
            let renewed = client.query_typed(&self.statement(sql::BEAT), values![self.worker.0])?;
            if renewed.is_empty() {
                self.pulse.was_called_dead();
            } else {
                self.pulse.renewed(asked_at);
            }
        }
        if now >= self.next_look {
            self.next_look = now + self.look_at_neighbours(client)?;
        }
        let until = self.next_beat.min(self.next_look);
        let left = until.saturating_duration_since(Instant::now());
        let mut rings = false;
        {
            let mut notifications = client.notifications();
            let mut heard = notifications.timeout_iter(left).next()?;
            // All that have come belong to one ring.
            while let Some(notification) = heard {
                if !self.is_pooled {
                    self.first_ring_until = None;
                }
                rings |= is_for(notification.payload(), self.worker);
                heard = notifications.iter().next()?;
            }
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
    fn look_at_neighbours(&mut self, client: &mut Client) -> std::result::Result<Duration, Trouble> {
        let rows = client.query_typed(&self.statement(sql::NEIGHBOURS), &[])?;
        let now = Instant::now();
        let mut again_after = self.pulse.lease().looked_at_every();
        let mut neighbours = HashMap::with_capacity(rows.len());
        let mut renewals = HashMap::with_capacity(rows.len());
        for found in &rows {
            let (id, renewal) = (WorkerId(row::get(found, 0)?), row::get(found, 2)?);
            let known = self.renewals.get(&id).filter(|(known, _)| *known == renewal);
            let since = known.map_or(now, |(_, since)| *since);
            renewals.insert(id, (renewal, since));
            let silence = row::Silence::read(found, 3)?;
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
        self.pulse.set_neighbours(neighbours);
        Ok(again_after)
    }

    fn statement(&self, sql: &str) -> String {
        super::session::in_schema(sql, self.address.schema())
    }

    fn rings(&self) {
        self.pulse.rang();
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

fn listen(client: &mut Client, address: &Address) -> std::result::Result<(), postgres::Error> {
    client.batch_execute(&format!("LISTEN \"{}\"", address.schema()))
}

fn back_end(client: &mut Client) -> std::result::Result<i32, postgres::Error> {
    Ok(client.query_typed_one(sql::BACK_END, &[])?.get(0))
}

fn refused(address: &Address, error: &postgres::Error) -> StoreError {
    address.refusal(error).unwrap_or_else(|| StoreError::Database {
        queue: address.location().clone(),
        source: super::message(error).into(),
    })
}
