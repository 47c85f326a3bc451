//! The queue on a PostgreSQL server, shared by many machines.
//!
//! What one writer at a time gives SQLite, row locks give here: whoever decides
//! about a job locks its row first, and a claim skips what others have locked.
//! Every verb is one transaction at READ COMMITTED. Only the server's clock counts
//! between machines; see [`pulse`](crate::pulse). A connection that is lost is made
//! anew inside the verb, and a commit that was sent and never answered is asked
//! for by its number, so that no verb happens twice.

mod address;
mod backup;
mod books;
mod connect;
mod connection;
mod doctor;
mod ends;
mod exchange;
mod heart;
mod held;
mod inspect;
mod intake;
mod line;
mod meaning;
mod memory;
mod migrate;
mod news;
mod row;
mod session;
mod set_aside;
mod settings;
mod sql;
mod tls;
mod transfer;
mod turn;
mod upkeep;
mod work;

pub(crate) use doctor::diagnose;

use crate::clock::Clock;
use crate::lease::LeaseTimes;
use crate::liveness::LockFile;
use crate::location::{Access, Location, OpenOptions};
use crate::pulse::Pulse;
use crate::{Result, ServerProblem, StoreError};
use address::Address;
use books::Books;
use meaning::{Meaning, meaning};
use queuectl_core::Timestamp;
use session::{Session, Terms, values};
use settings::Amiss;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::error::{Severity, SqlState};
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
const RECONNECT_TAKES: Duration = Duration::from_secs(3);

/// Conflicts between transactions are rare; so often in a row is a bug.
const MOST_CONFLICTS: u32 = 20;

/// After so many in a row others are let through first.
const CONFLICTS_AT_ONCE: u32 = 5;

/// A notification has room for a little less than 8,000 bytes.
const MOST_NAMED_BYTES: usize = 7_900;

/// A queue on a server, seen through one connection.
pub struct PostgresStore {
    address: Address,
    /// None after the connection was lost.
    session: Option<Session>,
    options: OpenOptions,
    clock: Clock,
    /// How long a verb may try to get a lost connection back.
    patience: Duration,
    /// How long each answer may take.
    answers_within: Duration,
    /// It is the connection of a worker.
    works: bool,
    after_silence: AfterSilence,
    /// Whether the tables are those of this program.
    tables: Tables,
    /// Whether the session is known to be ours alone, so that statements are prepared.
    prepares: bool,
    memory: memory::Memory,
    /// Of the worker that this connection has registered.
    pulse: Option<Arc<Pulse>>,
    /// Stands for the database where a queue in a file has one: what lies beside
    /// it on this machine lies beside this.
    stand_in: PathBuf,
}

/// What a worker knows of the tables it works with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tables {
    #[default]
    Ours,
    /// A statement was refused: the next connection is to look at them.
    InDoubt,
    /// They are away since then.
    Away(Instant),
}

/// What is done after a server has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterSilence {
    AsksAgain,
    /// There are many questions, and each would wait for as long.
    AsksNoMore,
    /// It has not answered one of them.
    HasBeenSilent,
}

/// What can go wrong inside a verb, before it is said what it means.
#[derive(Debug)]
enum Trouble {
    Sql(tokio_postgres::Error),
    Row(row::Unreadable),
    /// The server has answered what no server with a queue would.
    Foreign(String),
    Store(StoreError),
    /// What the verb remembered was no longer so.
    Stale,
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How a transaction came out.
enum Came<T> {
    Through(T),
    /// The commit was sent; this is the transaction's number.
    Unclear(T, i64),
}

impl PostgresStore {
    /// Opens the queue at a server.
    ///
    /// # Errors
    ///
    /// Everything that makes the server unfit, and the place no queue: see [`StoreError`].
    pub fn open(url: &str, options: &OpenOptions) -> Result<Box<dyn crate::Store>> {
        let mut store = Self::unconnected(Address::find(url, options.connect_timeout)?, options);
        store.connect_at_first()?;
        if migrate::bring_up_to_date(&mut store)? == migrate::Found::Nothing {
            // What is not there reads as an empty queue.
            return Ok(Box::new(crate::SqliteStore::nothing(&store.stand_in)?));
        }
        Ok(Box::new(store))
    }

    /// A queue that nobody has asked for yet.
    fn unconnected(address: Address, options: &OpenOptions) -> Self {
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
            memory: memory::Memory::default(),
            pulse: None,
            stand_in,
        }
    }

    /// Connects, and waits for a server that is just starting or full.
    fn connect_at_first(&mut self) -> Result<()> {
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
    fn reconnect(&mut self, until: Instant) -> Result<()> {
        loop {
            match self.connect(self.address.connect_timeout().min(RECONNECT_TAKES)) {
                Err(error) if error.is_passing() && Instant::now() < until => pause(),
                connected => return connected,
            }
        }
    }

    fn connect(&mut self, at_most: Duration) -> Result<()> {
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
    fn lease(&self) -> LeaseTimes {
        self.pulse.as_ref().map_or(LeaseTimes::USUAL, |pulse| pulse.lease())
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
    fn usual_patience(&self) -> Duration {
        // A lock may keep an answer for one of them, the network for the other.
        let of_a_command = self.options.busy_timeout + self.address.connect_timeout();
        if self.works { of_a_command.min(self.lease().answered_within()) } else { of_a_command }
    }

    /// Is a worker's from now on, who asks again by itself and must not wait for long.
    fn work_from_now_on(&mut self) {
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

    /// The session, connected.
    fn session(&mut self, until: Instant) -> Result<&mut Session> {
        if self.session.as_ref().is_none_or(Session::is_closed) {
            if self.after_silence == AfterSilence::HasBeenSilent {
                return Err(self.refused(no_answer(&self.address, self.answers_within)));
            }
            self.session = None;
            self.reconnect(until)?;
            if self.tables != Tables::Ours {
                migrate::look_again(self)?;
            }
        }
        self.session.as_mut().ok_or_else(|| unreachable_without_reason(&self.address))
    }

    /// Runs one verb as one transaction that writes, once, whatever happens to the
    /// connection on the way.
    fn write<T>(
        &mut self,
        mut verb: impl FnMut(&mut Session, &mut Books) -> Result<T, Trouble>,
    ) -> Result<T> {
        self.memory.look_anew();
        self.write_after("", |session, books, _| verb(session, books))
    }

    /// The same, with a first statement that costs no round trip; the verb is given
    /// the first column of its row.
    fn write_after<T>(
        &mut self,
        first: &str,
        mut verb: impl FnMut(&mut Session, &mut Books, Option<&str>) -> Result<T, Trouble>,
    ) -> Result<T> {
        let until = Instant::now() + self.patience;
        let mut conflicts = 0;
        loop {
            let session = self.session(until)?;
            let trouble = match transaction(session, first, &mut verb) {
                Ok(Came::Through(done)) => return Ok(done),
                Ok(Came::Unclear(done, number)) => {
                    // A doubt from before is not cleared up by this.
                    let was_unclear = std::mem::replace(&mut self.memory.is_unclear, true);
                    let was_committed = self.was_committed(number, until).map_err(outcome_unknown)?;
                    self.memory.is_unclear = was_unclear;
                    if was_committed {
                        return Ok(done);
                    }
                    continue;
                }
                Err(trouble) => trouble,
            };
            session.roll_back();
            self.give_up_or_go_on(trouble, &mut conflicts, until)?;
        }
    }

    /// Runs one verb that people or new workers ask for: refused where the queue is,
    /// or is being, moved.
    fn change<T>(
        &mut self,
        mut verb: impl FnMut(&mut Session, &mut Books) -> Result<T, Trouble>,
    ) -> Result<T> {
        let queue = self.location();
        self.memory.look_anew();
        self.write_after(sql::STAGE_TOGETHER, |session, books, stage| {
            row::stage_of_json(stage)?.insist_open(|| queue.clone())?;
            verb(session, books)
        })
    }

    /// Runs one verb that only reads; a snapshot if it is more than one statement.
    fn read<T>(&mut self, mut verb: impl FnMut(&mut Session) -> Result<T, Trouble>) -> Result<T> {
        let until = Instant::now() + self.patience;
        let mut conflicts = 0;
        loop {
            let trouble = match verb(self.session(until)?) {
                Ok(read) => return Ok(read),
                Err(trouble) => trouble,
            };
            if let Some(session) = &mut self.session {
                session.roll_back();
            }
            self.give_up_or_go_on(trouble, &mut conflicts, until)?;
        }
    }

    /// Decides whether a verb that has not happened is tried again.
    fn give_up_or_go_on(&mut self, trouble: Trouble, conflicts: &mut u32, until: Instant) -> Result<()> {
        let repeats = match &trouble {
            Trouble::Stale => true,
            Trouble::Sql(error) => is_conflict(error),
            Trouble::Row(_) | Trouble::Foreign(_) | Trouble::Store(_) => {
                return Err(self.explain_trouble(trouble));
            }
        };
        if repeats && *conflicts < MOST_CONFLICTS {
            *conflicts += 1;
            if *conflicts > CONFLICTS_AT_ONCE {
                pause();
            }
            return Ok(());
        }
        let lost = self.session.as_ref().is_none_or(Session::is_closed);
        let explained = self.explain_trouble(trouble);
        if (lost || explained.is_passing())
            && !matches!(explained, StoreError::Busy { .. } | StoreError::Full { .. })
        {
            self.give_up_session();
            if Instant::now() < until {
                if !lost {
                    // What the server refuses now it refuses a moment later too.
                    pause();
                }
                return Ok(());
            }
        } else if self.works && explained.is_refusal_by_server() {
            self.doubt_tables();
        }
        Err(explained)
    }

    /// Has the next connection look whether the tables are still those of this program.
    fn doubt_tables(&mut self) {
        self.session = None;
        if self.tables == Tables::Ours {
            self.tables = Tables::InDoubt;
        }
    }

    /// Lets go of a connection that is of no more use. The next answer is waited for
    /// longer if this one did not come.
    fn give_up_session(&mut self) {
        let was_silent = self.session.take().is_some_and(|session| session.unanswered_for().is_some());
        if was_silent && self.after_silence == AfterSilence::AsksNoMore {
            self.after_silence = AfterSilence::HasBeenSilent;
        }
        if was_silent && self.works {
            let of_a_command = self.options.busy_timeout + self.address.connect_timeout();
            self.answers_within = (self.answers_within * 2).min(of_a_command);
        }
    }

    /// Asks what became of a transaction whose commit was never answered.
    fn was_committed(&mut self, number: i64, until: Instant) -> Result<bool> {
        // Silence may have used up all patience; who is to be told asks once more.
        let until = until.max(Instant::now() + RECONNECT_TAKES);
        loop {
            self.give_up_session();
            let session = self.session(until)?;
            let status = match session.rows(sql::WHAT_BECAME_OF, values![number]) {
                Ok(rows) => rows.first().map(|row| row.try_get::<_, Option<String>>(0)).transpose(),
                // A server restored from a copy has never seen such a number.
                Err(error) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => Ok(None),
                Err(error) => Err(error),
            };
            let status = match status {
                Ok(status) => status.flatten(),
                Err(error) => {
                    self.give_up_or_go_on(Trouble::Sql(error), &mut 0, until)?;
                    continue;
                }
            };
            match status.as_deref() {
                Some("committed") => return Ok(true),
                // The old connection's server process has not noticed its end.
                Some("in progress") if Instant::now() < until => pause(),
                Some("in progress") => return Err(self.explain_trouble(Trouble::Stale)),
                _ => return Ok(false),
            }
        }
    }

    /// Wakes all workers. A lost ring only costs time.
    fn ring_all(&mut self) {
        self.notify("");
    }

    /// Wakes these workers.
    fn ring_only(&mut self, workers: &[i64]) {
        let named: Vec<String> = workers.iter().map(i64::to_string).collect();
        // What does not fit into a notification goes to everybody.
        let payload = named.join(",");
        self.notify(if payload.len() < MOST_NAMED_BYTES { &payload } else { "" });
    }

    fn notify(&mut self, payload: &str) {
        if let Some(session) = &mut self.session
            && let Err(error) = session.notify(payload)
        {
            tracing::debug!("the workers could not be woken: {error}");
        }
    }

    /// The lock file of this machine, if any worker was ever here.
    fn lock_file_here(&self) -> Result<Option<LockFile>> {
        LockFile::open_existing(&self.stand_in)
    }

    fn explain_trouble(&self, trouble: Trouble) -> StoreError {
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
    fn explain(&self, error: &tokio_postgres::Error) -> StoreError {
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

    fn refused(&self, problem: ServerProblem) -> StoreError {
        StoreError::Server { queue: self.location(), problem }
    }

    fn location(&self) -> Location {
        self.address.location().clone()
    }
}

/// The lock file on this machine of the queue at a URL; asks nobody.
pub(crate) fn lock_file_here(url: &str, options: &OpenOptions) -> Result<Option<LockFile>> {
    let address = Address::find(url, options.connect_timeout)?;
    LockFile::open_existing(&stand_in(&address, options))
}

/// Tells whether a URL is that of a PostgreSQL server.
pub(crate) fn serves(url: &str) -> bool {
    queuectl_core::names_a_server(url)
}

/// One transaction; its books are closed with it.
fn transaction<T>(
    session: &mut Session,
    first: &str,
    verb: &mut impl FnMut(&mut Session, &mut Books, Option<&str>) -> Result<T, Trouble>,
) -> Result<Came<T>, Trouble> {
    let said = session.begin(first)?;
    let mut books = Books::default();
    let done = verb(session, &mut books, said.as_deref())?;
    let number = books.close(session)?;
    match session.commit() {
        Ok(()) => Ok(Came::Through(done)),
        Err(error) if has_not_happened(&error) => Err(error.into()),
        Err(_) => Ok(Came::Unclear(done, number)),
    }
}

/// The server has refused it. (What ends the connection may come after the commit.)
fn has_not_happened(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| said.parsed_severity() == Some(Severity::Error))
}

/// What the server has told when it let us in.
struct Welcome {
    number: i64,
    version: String,
    is_standby: bool,
    encoding: String,
    time: Timestamp,
    /// When it was that time.
    told_at: Instant,
}

/// Connects, and asks what must be known of the server and the session.
fn enter(
    address: &Address,
    at_most: Duration,
    answers_within: Duration,
    lock_timeout: Duration,
) -> Result<(Session, Welcome)> {
    let mut connection = address.connect(at_most)?;
    let asked_at = Instant::now();
    let asked = session::ask_at_first(&mut connection, &sql::SERVER.replace('#', &settings::columns()));
    let told_at = asked_at + asked_at.elapsed() / 2;
    let told = asked.map_err(|error| {
        if connection.was_unanswered() {
            // It may be a pool that lets everybody in and has no session to spare.
            let (host, waited) =
                (address.host().to_owned(), connect::in_seconds(connection.answers_within()));
            let problem = ServerProblem::NoSession { host, waited };
            StoreError::Server { queue: address.location().clone(), problem }
        } else {
            explain(address, &error)
        }
    })?;
    // Whatever answers there may answer anything.
    let column = |number: usize| told.columns.get(number).and_then(Option::as_deref);
    let number = |index| column(index).and_then(|text| text.parse::<i64>().ok());
    let (Some(version_number), Some(version), Some(time), Some(encoding)) =
        (number(0), column(1), number(5), column(6))
    else {
        let reason = "it does not say its version and time".to_owned();
        let problem = ServerProblem::Foreign { host: address.host().to_owned(), reason };
        return Err(StoreError::Server { queue: address.location().clone(), problem });
    };
    let is_standby = column(2) == Some("t");
    let always_sync = column(3) == Some("off");
    let settings = told.columns.get(7..).unwrap_or_default();
    let amiss = Amiss::of_values(settings, &told.statement_timeout);
    let terms = Terms { lock_timeout, always_sync, is_standby, amiss };
    let time = Timestamp::from_millis(time);
    let (version, encoding) = (version.to_owned(), encoding.to_owned());
    let welcome = Welcome { number: version_number, version, is_standby, encoding, time, told_at };
    connection.set_answers_within(answers_within);
    Ok((Session::new(connection, address.schema(), terms), welcome))
}

/// Says what an error of the server means for the queue.
fn explain(address: &Address, error: &tokio_postgres::Error) -> StoreError {
    if let Some(refusal) = address.refusal(error) {
        return refusal;
    }
    let queue = address.location().clone();
    if let Some(constraint) = numbers_taken(error) {
        return StoreError::NumbersTaken { queue, constraint };
    }
    match error.code().map(meaning) {
        Some(Meaning::Locked) => StoreError::Busy { queue, waited_s: 0 },
        Some(Meaning::DiskFull) => StoreError::Full { queue },
        Some(Meaning::Damaged) => StoreError::Corrupt { queue, reason: message(error) },
        _ => StoreError::Database { queue, source: message(error).into() },
    }
}

/// What is said where a change was sent and cannot be asked for.
fn outcome_unknown(error: StoreError) -> StoreError {
    match error {
        StoreError::Server { queue, problem } => {
            StoreError::OutcomeUnknown { queue, reason: problem.to_string() }
        }
        StoreError::Busy { queue, .. } => {
            let reason = "the server has not brought it to an end yet".to_owned();
            StoreError::OutcomeUnknown { queue, reason }
        }
        StoreError::Full { queue }
        | StoreError::Corrupt { queue, .. }
        | StoreError::Database { queue, .. } => {
            let reason = "the server does not say what became of it".to_owned();
            StoreError::OutcomeUnknown { queue, reason }
        }
        error => error,
    }
}

/// Two transactions have met in a way that only a repetition solves.
fn is_conflict(error: &tokio_postgres::Error) -> bool {
    error.code().map(meaning) == Some(Meaning::Conflict)
}

fn no_answer(address: &Address, waited: Duration) -> ServerProblem {
    let host = address.host().to_owned();
    ServerProblem::Unreachable { host, reason: format!("no answer within {}", connect::in_seconds(waited)) }
}

/// The key that two rows would have had which were given their numbers by a sequence.
fn numbers_taken(error: &tokio_postgres::Error) -> Option<String> {
    let said = error.as_db_error().filter(|said| *said.code() == SqlState::UNIQUE_VIOLATION)?;
    let constraint = said.constraint()?;
    ["job_pkey", "worker_pkey", "line_pkey"].contains(&constraint).then(|| constraint.to_owned())
}

/// What the server said, in one line.
fn message(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned())
}

fn unreachable_without_reason(address: &Address) -> StoreError {
    let problem = ServerProblem::Unreachable {
        host: address.host().to_owned(),
        reason: "the connection was lost".into(),
    };
    StoreError::Server { queue: address.location().clone(), problem }
}

/// Where what belongs to this queue on this machine lies: all programs of a user
/// find the same place, however they spell the server.
fn stand_in(address: &Address, options: &OpenOptions) -> PathBuf {
    let name = Uuid::new_v5(&Uuid::NAMESPACE_URL, address.identity().as_bytes());
    let folder = options.state_folder.clone().unwrap_or_else(std::env::temp_dir);
    folder.join(format!("postgres-{}", name.simple()))
}

/// Somebody else may be faster: not all that were thrown out come back at once.
#[expect(clippy::disallowed_methods, reason = "there is nothing to wait for but the server's time")]
fn pause() {
    std::thread::sleep(Duration::from_millis(fastrand::u64(50..250)));
}
