//! One connection to the queue on a server: how it is made, and made again.

use super::cache::Cache;
use super::enter::{enter, explain, location, no_answer, refused};
use super::migrations::MIGRATIONS;
use super::sql;
use super::trouble::Trouble;
use crate::clock::Clock;
use crate::lease::LeaseTimes;
use crate::lease_clock::LeaseClock;
use crate::liveness::LockFile;
use crate::location::{Access, Location, OpenOptions};
use crate::{Result, ServerProblem, StoreError};
use queuectl_postgres::Address;
use queuectl_postgres::session::Session;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The oldest server that will do: it has `txid_status` and everything else here.
const OLDEST_SERVER: i64 = 120_000;

/// A server that refuses connections may just be starting anew; so long it is
/// asked again before that is an error.
const STARTS_WITHIN: Duration = Duration::from_secs(2);

/// A worker asks again by itself, and must hear other things meanwhile.
const PATIENCE_OF_A_WORKER: Duration = Duration::from_secs(1);

/// One try to connect again takes so long at most: a network that comes back
/// must not be waited for behind a packet it has swallowed.
pub(super) const RECONNECT_TAKES: Duration = Duration::from_secs(3);

/// A notification has room for a little less than 8,000 bytes.
const MOST_NAMED_BYTES: usize = 7_900;

/// A queue on a server, seen through one connection.
pub struct PostgresStore {
    pub(crate) address: Address,
    /// None after the connection was lost.
    pub(super) session: Option<Session>,
    pub(crate) options: OpenOptions,
    pub(super) clock: Clock,
    /// How long a verb may try to get a lost connection back.
    pub(super) patience: Duration,
    /// How long each answer may take.
    pub(crate) answers_within: Duration,
    /// It is the connection of a worker.
    pub(super) works: bool,
    pub(crate) after_silence: AfterSilence,
    /// Whether the tables are those of this program.
    pub(super) tables: Tables,
    /// Whether the session is known to be ours alone, so that statements are prepared.
    pub(super) prepares: bool,
    pub(super) cache: Cache,
    /// Of the worker that this connection has registered.
    pub(super) lease_clock: Option<Arc<LeaseClock>>,
    /// Stands for the database where a queue in a file has one: what lies beside
    /// it on this machine lies beside this.
    pub(crate) stand_in: PathBuf,
    /// What makes the schema of this program.
    pub(super) migrations: &'static [&'static str],
}

/// What a worker knows of the tables it works with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tables {
    #[default]
    Ours,
    /// A statement was refused: the next connection is to look at them.
    InDoubt,
    /// They are away since then.
    Away(Instant),
}

/// What is done after a server has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterSilence {
    AsksAgain,
    /// There are many questions, and each would wait for as long.
    AsksNoMore,
    /// It has not answered one of them.
    HasBeenSilent,
}

impl PostgresStore {
    /// A queue that nobody has asked for yet.
    pub(crate) fn unconnected(address: Address, options: &OpenOptions) -> Self {
        let stand_in = stand_in(&address, options);
        // A lock may keep an answer for one of them, the network for the other.
        let answers_within = options.busy_timeout + address.connect_timeout();
        Self {
            address,
            session: None,
            options: options.clone(),
            clock: Clock::of_a_server(),
            patience: options.busy_timeout,
            answers_within,
            works: false,
            after_silence: AfterSilence::AsksAgain,
            tables: Tables::Ours,
            prepares: false,
            cache: Cache::default(),
            lease_clock: None,
            stand_in,
            migrations: &MIGRATIONS,
        }
    }

    /// Connects, and waits for a server that is just starting or full.
    pub(super) fn connect_at_first(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            let error = match self.connect(self.address.connect_timeout()) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let patience = match &error {
                StoreError::Server {
                    problem: ServerProblem::NotNow { .. } | ServerProblem::Failed { .. },
                    ..
                } => self.options.busy_timeout,
                StoreError::Server { problem: ServerProblem::Unreachable { .. }, .. } => STARTS_WITHIN,
                _ => Duration::ZERO,
            };
            if began.elapsed() >= patience {
                return Err(error);
            }
            pause();
        }
    }

    /// Connects again, as long as patience lasts.
    pub(super) fn reconnect(&mut self, until: Instant) -> Result<()> {
        loop {
            match self.connect(self.address.connect_timeout().min(RECONNECT_TAKES)) {
                Err(error) if error.is_passing() && Instant::now() < until => pause(),
                connected => return connected,
            }
        }
    }

    pub(crate) fn connect(&mut self, at_most: Duration) -> Result<()> {
        let (mut session, server) = enter(&self.address, at_most, self.answers_within, self.lock_timeout())?;
        let host = self.address.host().to_owned();
        if server.number < OLDEST_SERVER {
            let found = server.version;
            return Err(self.refused(ServerProblem::TooOld { host, found, wanted: "12" }));
        }
        if server.is_standby && self.options.access != Access::Read {
            return Err(self.refused(ServerProblem::Standby { host }));
        }
        if server.encoding == "SQL_ASCII" {
            session.batch(sql::TEXTS_AS_THEY_ARE).map_err(|error| explain(&self.address, &error))?;
        }
        self.clock.set(server.time, server.told_at);
        if self.prepares {
            session.prepare_from_now_on().map_err(|error| explain(&self.address, &error))?;
        }
        self.session = Some(session);
        Ok(())
    }

    /// The lease of the worker that this connection has registered.
    pub(super) fn lease(&self) -> LeaseTimes {
        self.lease_clock.as_ref().map_or(LeaseTimes::USUAL, |lease_clock| lease_clock.lease())
    }

    /// How long a statement may wait for what another transaction has locked. A worker
    /// asks again by itself, and what it has to hand in waits meanwhile.
    fn lock_timeout(&self) -> Duration {
        let busy_timeout = self.options.busy_timeout;
        if self.works { busy_timeout.min(self.lease().answered_within() / 2) } else { busy_timeout }
    }

    /// How long an answer may take if the last one came in time. Each time in a row that
    /// none came, a worker is twice as patient, up to the patience of a command: a server
    /// that is only slow is not asked the same again and again.
    pub(super) fn usual_patience(&self) -> Duration {
        // A lock may keep an answer for one of them, the network for the other.
        let of_a_command = self.options.busy_timeout + self.address.connect_timeout();
        if self.works { of_a_command.min(self.lease().answered_within()) } else { of_a_command }
    }

    /// Is a worker's from now on, who asks again by itself and must not wait for long.
    pub(super) fn work_from_now_on(&mut self) {
        (self.works, self.patience) = (true, PATIENCE_OF_A_WORKER);
        self.answers_within = self.usual_patience();
        let lock_timeout = self.lock_timeout();
        if let Some(session) = &mut self.session
            && let Err(error) = session.set_patience(lock_timeout, self.answers_within)
        {
            tracing::debug!("the connection was lost: {error}");
            self.session = None;
        }
    }

    /// Wakes all workers. A lost ring only costs time.
    pub(crate) fn ring_all(&mut self) {
        self.notify("");
    }

    /// Wakes these workers.
    pub(super) fn ring_only(&mut self, workers: &[i64]) {
        let named: Vec<String> = workers.iter().map(i64::to_string).collect();
        // What does not fit into a notification goes to everybody.
        let payload = named.join(",");
        self.notify(if payload.len() < MOST_NAMED_BYTES { &payload } else { "" });
    }

    pub(super) fn notify(&mut self, payload: &str) {
        if let Some(session) = &mut self.session
            && let Err(error) = session.notify(payload)
        {
            tracing::debug!("the workers could not be woken: {error}");
        }
    }

    /// The lock file of this machine, if any worker was ever here.
    pub(crate) fn lock_file_here(&self) -> Result<Option<LockFile>> {
        LockFile::open_existing(&self.stand_in)
    }

    pub(super) fn explain_trouble(&self, trouble: Trouble) -> StoreError {
        match trouble {
            Trouble::Store(error) => error,
            Trouble::Sql(error) => self.explain(&error),
            Trouble::Row(unreadable) => {
                StoreError::Database { queue: self.location(), source: Box::new(unreadable) }
            }
            Trouble::Foreign(reason) => {
                self.refused(ServerProblem::Foreign { host: self.address.host().to_owned(), reason })
            }
            Trouble::Stale => StoreError::Busy { queue: self.location(), waited_s: self.patience.as_secs() },
        }
    }

    /// Says what an error of the server means for the queue.
    pub(super) fn explain(&self, error: &tokio_postgres::Error) -> StoreError {
        match self.session.as_ref().and_then(Session::unanswered_for) {
            Some(waited) => self.refused(no_answer(&self.address, waited)),
            None => match explain(&self.address, error) {
                StoreError::Busy { queue, .. } => {
                    StoreError::Busy { queue, waited_s: self.lock_timeout().as_secs() }
                }
                explained => explained,
            },
        }
    }

    pub(super) fn refused(&self, problem: ServerProblem) -> StoreError {
        refused(&self.address, problem)
    }

    pub(crate) fn location(&self) -> Location {
        location(&self.address)
    }
}

/// Where what belongs to this queue on this machine lies: all programs of a user
/// find the same place, however they spell the server.
pub(super) fn stand_in(address: &Address, options: &OpenOptions) -> PathBuf {
    let name = Uuid::new_v5(&Uuid::NAMESPACE_URL, address.identity().as_bytes());
    let folder = options.state_folder.clone().unwrap_or_else(std::env::temp_dir);
    folder.join(format!("postgres-{}", name.simple()))
}

/// Another program may be faster: not all that were thrown out come back at once.
#[expect(clippy::disallowed_methods, reason = "there is nothing to wait for but the server's time")]
pub(super) fn pause() {
    std::thread::sleep(Duration::from_millis(fastrand::u64(50..250)));
}
