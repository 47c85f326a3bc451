//! One connection to the server, and how statements go over it.
//!
//! Statements are sent whole and unnamed, in one round trip, and what they need is
//! set for their transaction alone, unless the session is known to be ours: behind
//! a pooler that hands sessions from one transaction to another, a prepared
//! statement of ours may be another program's. Every table is named with its schema.

use crate::connection::Connection;
use crate::query::{Named, Query};
use crate::settings::Amiss;
pub use crate::value::{Typed, Value, named, values};
use std::collections::HashMap;
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, SimpleQueryMessage, Statement};

/// A transaction whose client is silent for so long between two statements is
/// ended by the server: what it has locked must not stay so when a network goes
/// down.
const SILENT_AT_MOST: Duration = Duration::from_secs(10);

/// How a transaction that writes begins.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// One connection.
pub struct Session {
    connection: Connection,
    schema: String,
    terms: Terms,
    /// What holds in every transaction that writes.
    settings: String,
    /// What holds in every other, and for a statement on its own; mostly nothing.
    needed: String,
    in_transaction: bool,
    /// Kept only where the session is ours alone.
    prepared: Option<HashMap<&'static str, Statement>>,
}

/// What the server has said about a session, and what is wanted of it.
pub struct Terms {
    /// The longest wait for what another transaction has locked.
    pub lock_timeout: Duration,
    /// Commits are to wait for the disk, whatever the server's setting is.
    pub always_sync: bool,
    /// Nothing can be written.
    pub is_standby: bool,
    /// Settings that are not as statements need them.
    pub amiss: Amiss,
}

impl Terms {
    /// What is said at the beginning of each transaction that writes.
    fn settings(&self, needed: &str) -> String {
        format!(
            "{needed}SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}; \
             SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off; {}",
            self.lock_timeout.as_millis().max(1),
            SILENT_AT_MOST.as_millis(),
            if self.always_sync { "SET LOCAL synchronous_commit = on; " } else { "" }
        )
    }
}

impl Session {
    /// Speaks through a connection, about the tables of a schema.
    pub fn new(connection: Connection, schema: &str, terms: Terms) -> Self {
        let needed = terms.amiss.set_right(connection.answers_within());
        let settings = terms.settings(&needed);
        let schema = schema.to_owned();
        Self { connection, schema, terms, settings, needed, in_transaction: false, prepared: None }
    }

    /// Says anew how long a lock is waited for, and an answer.
    pub fn set_patience(&mut self, lock_timeout: Duration, answers_within: Duration) -> Result<(), Error> {
        self.connection.set_answers_within(answers_within);
        self.terms.lock_timeout = lock_timeout;
        self.needed = self.terms.amiss.set_right(answers_within);
        self.settings = self.terms.settings(&self.needed);
        if self.is_ours() {
            self.connection.batch_execute(&self.settings.replace("SET LOCAL", "SET"))
        } else {
            Ok(())
        }
    }

    /// Prepares statements once from now on: the session is ours alone.
    pub fn prepare_from_now_on(&mut self) -> Result<(), Error> {
        if self.prepared.is_none() {
            // A plan never depends on what is bound, so none is made twice.
            let settings = self.settings.replace("SET LOCAL", "SET");
            self.connection.batch_execute(&format!("{settings}SET plan_cache_mode = force_generic_plan"))?;
            self.prepared = Some(HashMap::new());
        }
        Ok(())
    }

    /// Whether the session is known to be ours alone: then a statement on its own has
    /// all that is set for a transaction.
    pub fn is_ours(&self) -> bool {
        self.prepared.is_some()
    }

    /// Begins a transaction that writes, and runs a first statement, which gives at
    /// most one row; gives its first column. All in one round trip.
    pub fn begin(&mut self, first: &str) -> Result<Option<String>, Error> {
        let settings = if self.prepared.is_some() { "" } else { &self.settings };
        let first = in_schema(first, &self.schema);
        self.in_transaction = true;
        let said = self.connection.simple_query(&format!("{BEGIN}; {settings}{first}"))?;
        let row = said.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        row.map_or(Ok(None), |row| Ok(row.try_get(0)?.map(str::to_owned)))
    }

    /// Begins a transaction that reads what was there at one moment.
    pub fn begin_snapshot(&mut self) -> Result<(), Error> {
        let needed = if self.prepared.is_some() { "" } else { &self.needed };
        self.in_transaction = true;
        self.connection.batch_execute(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {needed}"))
    }

    /// Makes everything since the beginning last.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.in_transaction = false;
        self.connection.batch_execute("COMMIT")
    }

    /// Forgets everything since the beginning; a lost connection has done so already.
    pub fn roll_back(&mut self) {
        self.in_transaction = false;
        if !self.connection.is_closed() {
            let _lost_is_as_good = self.connection.batch_execute("ROLLBACK");
        }
    }

    /// Runs a statement and gives its rows.
    pub fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let Some(prepared) = &mut self.prepared else {
            return self.rows_of(sql, values);
        };
        if !prepared.contains_key(sql) {
            let types: Vec<Type> = values.iter().map(|(_, of_type)| of_type.clone()).collect();
            let statement = self.connection.prepare_typed(&in_schema(sql, &self.schema), &types)?;
            prepared.insert(sql, statement);
        }
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|&(value, _)| value).collect();
        self.connection.query(&prepared[sql], &values)
    }

    /// Runs a statement whose values have names, and gives its rows.
    pub fn ask(&mut self, query: &'static Query, named: &[Named<'_>]) -> Result<Vec<Row>, Error> {
        self.rows(query.text(), &query.values(named))
    }

    /// Runs a statement that is another each time.
    pub fn rows_of(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let sql = in_schema(sql, &self.schema);
        self.as_needed(|connection| connection.query_typed(&sql, values))
    }

    /// Runs statements without values, one after the other.
    pub fn batch(&mut self, sql: &str) -> Result<(), Error> {
        let sql = in_schema(sql, &self.schema);
        self.as_needed(|connection| connection.batch_execute(&sql))
    }

    /// Tells the sessions that listen that there may be something to do. (After the commit
    /// and on its own: inside a transaction it takes a lock of the whole server.)
    pub fn notify(&mut self, payload: &str) -> Result<(), Error> {
        let ring = format!("NOTIFY \"{}\", '{payload}'", self.schema);
        self.as_needed(|connection| connection.batch_execute(&ring))
    }

    /// Runs a statement where it has the settings that it needs: as it is, or in a
    /// transaction of its own where they must be set.
    fn as_needed<T>(&mut self, run: impl FnOnce(&mut Connection) -> Result<T, Error>) -> Result<T, Error> {
        if self.in_transaction || self.prepared.is_some() || self.needed.is_empty() {
            return run(&mut self.connection);
        }
        let access = if self.terms.is_standby { "READ ONLY" } else { "READ WRITE" };
        let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED {access}; {}", self.needed);
        let ran = self.connection.batch_execute(&begin).and_then(|()| run(&mut self.connection));
        match ran {
            Ok(_) => self.commit()?,
            Err(_) => self.roll_back(),
        }
        ran
    }

    /// Tells whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    /// The settings that are not as statements need them.
    pub fn amiss(&self) -> Vec<&'static str> {
        self.terms.amiss.names().to_vec()
    }

    /// After how long without an answer the connection was given up, if it was.
    pub fn unanswered_for(&self) -> Option<Duration> {
        self.connection.was_unanswered().then(|| self.connection.answers_within())
    }

    /// The connection itself, for what only it can do.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// What a server answers before settings can be said.
pub struct FirstAnswer {
    /// The columns of the only row, as texts.
    pub columns: Vec<Option<String>>,
    /// How long a statement may take if nothing else is said; 0 is for ever.
    pub statement_timeout: String,
}

/// Asks what must be known before settings can be said. What is set for the role must
/// not be in the way of that either.
pub fn ask_at_first(connection: &mut Connection, question: &str) -> Result<FirstAnswer, Error> {
    let said = connection.simple_query(&format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SHOW statement_timeout; SET LOCAL statement_timeout = 0; \
         {question}; COMMIT"
    ))?;
    let mut rows = said.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let text = |row: &tokio_postgres::SimpleQueryRow, column| Ok(row.try_get(column)?.map(str::to_owned));
    let statement_timeout = rows.next().map(|row| text(row, 0)).transpose()?.flatten().unwrap_or_default();
    let columns = rows.next().map(|row| (0..row.len()).map(|column| text(row, column)).collect());
    Ok(FirstAnswer { columns: columns.transpose()?.unwrap_or_default(), statement_timeout })
}

/// Puts the name of the schema where a statement has an `@`.
pub fn in_schema(sql: &str, schema: &str) -> String {
    sql.replace('@', &format!("\"{schema}\"."))
}
