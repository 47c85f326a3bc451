//! One connection to the server, and how statements go over it.
//!
//! Statements are sent whole and unnamed, in one round trip, and what they need is
//! set for their transaction alone, unless the session is known to be ours: behind
//! a pooler that hands sessions from one transaction to another, a prepared
//! statement of ours may be somebody else's. Every table is named with its schema.

use postgres::types::{ToSql, Type};
use postgres::{Client, Error, Row, SimpleQueryMessage, Statement};
use std::collections::HashMap;
use std::time::Duration;

/// A value and how the server is to read it.
pub(super) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// A transaction whose client is silent for so long between two statements is
/// ended by the server: what it has locked must not stay so when a network goes
/// down.
const SILENT_AT_MOST: Duration = Duration::from_secs(10);

/// How a transaction that writes begins.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// One connection.
pub(super) struct Session {
    client: Client,
    schema: String,
    /// What holds in every transaction that writes.
    settings: String,
    /// Kept only where the session is ours alone.
    prepared: Option<HashMap<&'static str, Statement>>,
}

impl Session {
    /// Speaks through a connection, about the tables of a schema.
    pub(super) fn new(client: Client, schema: &str, lock_timeout: Duration, always_sync: bool) -> Self {
        let settings = format!(
            "SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}; \
             SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off; {}",
            lock_timeout.as_millis().max(1),
            SILENT_AT_MOST.as_millis(),
            if always_sync { "SET LOCAL synchronous_commit = on; " } else { "" }
        );
        Self { client, schema: schema.to_owned(), settings, prepared: None }
    }

    /// Prepares statements once from now on: the session is ours alone.
    pub(super) fn prepare_from_now_on(&mut self) -> Result<(), Error> {
        if self.prepared.is_none() {
            // A plan never depends on what is bound, so none is made twice.
            let settings = self.settings.replace("SET LOCAL", "SET");
            self.client.batch_execute(&format!("{settings}SET plan_cache_mode = force_generic_plan"))?;
            self.prepared = Some(HashMap::new());
        }
        Ok(())
    }

    /// Whether the session is known to be ours alone: then a statement on its own has
    /// all that is set for a transaction.
    pub(super) fn is_ours(&self) -> bool {
        self.prepared.is_some()
    }

    /// Begins a transaction that writes, and runs a first statement, which gives at
    /// most one row; gives its first column. All in one round trip.
    pub(super) fn begin(&mut self, first: &str) -> Result<Option<String>, Error> {
        let settings = if self.prepared.is_some() { "" } else { &self.settings };
        let first = in_schema(first, &self.schema);
        let said = self.client.simple_query(&format!("{BEGIN}; {settings}{first}"))?;
        let row = said.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        row.map_or(Ok(None), |row| Ok(row.try_get(0)?.map(str::to_owned)))
    }

    /// Begins a transaction that reads what was there at one moment.
    pub(super) fn begin_snapshot(&mut self) -> Result<(), Error> {
        self.client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    /// Makes everything since the beginning last.
    pub(super) fn commit(&mut self) -> Result<(), Error> {
        self.client.batch_execute("COMMIT")
    }

    /// Forgets everything since the beginning; a lost connection has done so already.
    pub(super) fn roll_back(&mut self) {
        if !self.client.is_closed() {
            let _lost_is_as_good = self.client.batch_execute("ROLLBACK");
        }
    }

    /// Runs a statement and gives its rows.
    pub(super) fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let Some(prepared) = &mut self.prepared else {
            return self.rows_of(sql, values);
        };
        if !prepared.contains_key(sql) {
            let types: Vec<Type> = values.iter().map(|(_, of_type)| of_type.clone()).collect();
            let statement = self.client.prepare_typed(&in_schema(sql, &self.schema), &types)?;
            prepared.insert(sql, statement);
        }
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|&(value, _)| value).collect();
        self.client.query(&prepared[sql], &values)
    }

    /// Runs a statement that is another each time.
    pub(super) fn rows_of(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        self.client.query_typed(&in_schema(sql, &self.schema), values)
    }

    /// Runs statements without values, one after the other.
    pub(super) fn batch(&mut self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(&in_schema(sql, &self.schema))
    }

    /// Tells those who listen that there may be something to do. (After the commit
    /// and on its own: inside a transaction it takes a lock of the whole server.)
    pub(super) fn notify(&mut self, payload: &str) -> Result<(), Error> {
        self.client.batch_execute(&format!("NOTIFY \"{}\", '{payload}'", self.schema))
    }

    /// Tells whether the connection is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The connection itself, for what only it can do.
    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// Puts the name of the schema where a statement has an `@`.
pub(super) fn in_schema(sql: &str, schema: &str) -> String {
    sql.replace('@', &format!("\"{schema}\"."))
}

/// What a value of this kind is to the server.
pub(super) trait Typed: ToSql + Sync + Sized {
    /// Its type there.
    const TYPE: Type;

    /// The value with its type.
    fn value(&self) -> Value<'_> {
        (self, Self::TYPE)
    }
}

macro_rules! typed {
    ($($kind:ty => $name:ident),+ $(,)?) => {
        $(impl Typed for $kind {
            const TYPE: Type = Type::$name;
        })+
    };
}

typed! {
    bool => BOOL, i64 => INT8, Option<i64> => INT8, Option<&str> => TEXT, f64 => FLOAT8, &str => TEXT, String => TEXT,
    Vec<i64> => INT8_ARRAY, Vec<Option<i64>> => INT8_ARRAY, Vec<Option<i32>> => INT4_ARRAY,
    Vec<bool> => BOOL_ARRAY, Vec<&str> => TEXT_ARRAY, Vec<String> => TEXT_ARRAY,
    Vec<Option<String>> => TEXT_ARRAY, Vec<&[u8]> => BYTEA_ARRAY,
}

/// Values in the order of their places in a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::postgres::session::Typed::value(&$value)),*]
    };
}
pub(super) use values;
