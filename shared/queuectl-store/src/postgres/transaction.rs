//! How a verb is one transaction, once, whatever happens to the connection on the way.

use super::counters::Counters;
use super::enter::{no_answer, unreachable_without_reason};
use super::migrate;
use super::row;
use super::sql;
use super::store::{AfterSilence, PostgresStore, RECONNECT_TAKES, Tables, pause};
use super::trouble::{Trouble, has_not_happened, is_conflict};
use crate::{Result, StoreError};
use queuectl_postgres::session::{Session, values};
use std::time::Instant;
use tokio_postgres::error::SqlState;

/// Conflicts between transactions are rare; so often in a row is a bug.
const MOST_CONFLICTS: u32 = 20;

/// After so many in a row others are let through first.
const CONFLICTS_AT_ONCE: u32 = 5;

/// How a transaction came out.
enum Came<T> {
    Through(T),
    /// The commit was sent; this is the transaction's number.
    Unclear(T, i64),
}

impl PostgresStore {
    /// The session, connected.
    pub(crate) fn session(&mut self, until: Instant) -> Result<&mut Session> {
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
    pub(super) fn write<T>(
        &mut self,
        mut verb: impl FnMut(&mut Session, &mut Counters) -> Result<T, Trouble>,
    ) -> Result<T> {
        self.cache.look_anew();
        self.write_after("", |session, counters, _| verb(session, counters))
    }

    /// The same, with a first statement that costs no round trip; the verb is given
    /// the first column of its row.
    pub(crate) fn write_after<T>(
        &mut self,
        first: &str,
        mut verb: impl FnMut(&mut Session, &mut Counters, Option<&str>) -> Result<T, Trouble>,
    ) -> Result<T> {
        let until = Instant::now() + self.patience;
        let mut conflicts = 0;
        loop {
            let session = self.session(until)?;
            let trouble = match transaction(session, first, &mut verb) {
                Ok(Came::Through(done)) => return Ok(done),
                Ok(Came::Unclear(done, number)) => {
                    // A doubt from before is not cleared up by this.
                    let was_unclear = std::mem::replace(&mut self.cache.is_unclear, true);
                    let was_committed = self.was_committed(number, until).map_err(outcome_unknown)?;
                    self.cache.is_unclear = was_unclear;
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
    pub(super) fn change<T>(
        &mut self,
        mut verb: impl FnMut(&mut Session, &mut Counters) -> Result<T, Trouble>,
    ) -> Result<T> {
        let queue = self.location();
        self.cache.look_anew();
        self.write_after(sql::STAGE_TOGETHER, |session, counters, stage| {
            row::stage_of_json(stage)?.insist_open(|| queue.clone())?;
            verb(session, counters)
        })
    }

    /// Runs one verb that only reads; a snapshot if it is more than one statement.
    pub(crate) fn read<T>(&mut self, mut verb: impl FnMut(&mut Session) -> Result<T, Trouble>) -> Result<T> {
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
    pub(super) fn give_up_or_go_on(
        &mut self,
        trouble: Trouble,
        conflicts: &mut u32,
        until: Instant,
    ) -> Result<()> {
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
    pub(super) fn doubt_tables(&mut self) {
        self.session = None;
        if self.tables == Tables::Ours {
            self.tables = Tables::InDoubt;
        }
    }

    /// Lets go of a connection that is of no more use. The next answer is waited for
    /// longer if this one did not come.
    pub(super) fn give_up_session(&mut self) {
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
}

/// One transaction; its counters are closed with it.
fn transaction<T>(
    session: &mut Session,
    first: &str,
    verb: &mut impl FnMut(&mut Session, &mut Counters, Option<&str>) -> Result<T, Trouble>,
) -> Result<Came<T>, Trouble> {
    let said = session.begin(first)?;
    let mut counters = Counters::default();
    let done = verb(session, &mut counters, said.as_deref())?;
    let number = counters.close(session)?;
    match session.commit() {
        Ok(()) => Ok(Came::Through(done)),
        Err(error) if has_not_happened(&error) => Err(error.into()),
        Err(_) => Ok(Came::Unclear(done, number)),
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
