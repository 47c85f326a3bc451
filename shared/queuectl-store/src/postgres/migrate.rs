//! Bringing a schema to the one of this program.
//!
//! Numbered files, each applied once, in one transaction with the number it leads
//! to, under a lock that only those hold who migrate this queue.

use super::migrations::newest;
use super::row::{self, one};
use super::store::{PostgresStore, Tables};
use super::trouble::Trouble;
use super::{sql, worker};
use crate::location::{Access, Location};
use crate::transfer::Stage;
use crate::{Result, ServerProblem, StoreError};
use queuectl_core::RetryPolicy;
use queuectl_postgres::session::{Session, values};
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use uuid::Uuid;

/// What is in a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No queue, and it is not to be made.
    Nothing,
    /// A queue of this program's schema.
    Queue,
}

/// Checks that the schema has a queue this program knows; makes one if it is empty
/// or older, and may be written.
pub(crate) fn bring_up_to_date(store: &mut PostgresStore) -> Result<Found> {
    let name = store.address.schema().to_owned();
    let queue = store.location();
    let place = queue.clone();
    let access = store.options.access;
    let migrations = store.migrations;
    let newest = newest(migrations);
    let judge = move |found: Option<(i64, Stage)>| match found {
        Some((found, _)) if found > newest => {
            Err(StoreError::NewerSchema { queue: queue.clone(), found, known: newest })
        }
        Some((found, _)) if found < newest && access == Access::Read => {
            Err(StoreError::OlderSchema { queue: queue.clone(), found, known: newest })
        }
        Some((found, stage @ Stage::Left(_))) if access == Access::Write => {
            stage.insist_open(|| queue.clone()).map(|()| Some(found))
        }
        found => Ok(found.map(|(found, _)| found)),
    };
    let refusals = Refusals::of(store);
    let found = store.read(|session| Ok(judge(schema(session, &name, &refusals)?)?))?;
    match (found, access) {
        (Some(found), Access::Read) if found == newest => return Ok(Found::Queue),
        (Some(found), _) if found == newest => return adopt_copy(store),
        (None, Access::Read | Access::Change | Access::Return) => return Ok(Found::Nothing),
        _ => {}
    }
    store.write(|session, counters| {
        session.rows(sql::ONE_MIGRATES, values![name.as_str()])?;
        // Another program may have done it while we waited.
        let found = judge(schema(session, &name, &refusals)?)?;
        apply(session, migrations, &place, &name, found.unwrap_or(0))?;
        counters.leave_alone(session)
    })?;
    Ok(Found::Queue)
}

/// Looks, for a worker that a statement was refused, whether the tables are still those of
/// this program.
///
/// They may be away while a dump is restored or a schema is renamed. For how long that is
/// borne: the worker must end in order before its lease has run out, or the worker that replaces
/// it would make a new queue there.
pub(super) fn look_again(store: &mut PostgresStore) -> Result<()> {
    let (name, refusals) = (store.address.schema().to_owned(), Refusals::of(store));
    let Some(session) = &mut store.session else { return Ok(()) };
    let found = schema(session, &name, &refusals);
    let (queue, known) = (store.location(), refusals.newest);
    let reason = match found {
        Ok(Some((found, _))) if found > known => {
            return Err(StoreError::NewerSchema { queue, found, known });
        }
        Ok(Some(_)) => {
            store.tables = Tables::Ours;
            return Ok(());
        }
        Ok(None) => format!("its schema {name} has no tables"),
        Err(Trouble::Store(StoreError::NotOurs { reason, .. })) => reason,
        Err(trouble) => {
            let explained = store.explain_trouble(trouble);
            store.doubt_tables();
            return Err(explained);
        }
    };
    let since = match store.tables {
        Tables::Away(since) => since,
        Tables::Ours | Tables::InDoubt => Instant::now(),
    };
    store.doubt_tables();
    store.tables = Tables::Away(since);
    if since.elapsed() >= store.lease().ends_jobs_after() / 2 {
        return Err(StoreError::NotOurs { queue, reason });
    }
    Err(StoreError::Database { queue, source: reason.into() })
}

/// The table that a queue was made in, or is in.
struct Origin {
    /// Of a database of a server.
    table: String,
    /// Not everybody may know it.
    server: Option<String>,
}

impl Origin {
    fn here(session: &mut Session) -> Result<Self, Trouble> {
        let found = one(session.rows(sql::TABLE, &[])?)?;
        Self::of_row(session, &found)
    }

    /// Reads the columns that `this_table!` names, and asks for the server's name.
    fn of_row(session: &mut Session, found: &Row) -> Result<Self, Trouble> {
        let server = if row::get(found, 1)? {
            Some(row::get(&one(session.rows(sql::SERVER_NAME, &[])?)?, 0)?)
        } else {
            None
        };
        Ok(Self { table: row::get(found, 0)?, server })
    }

    fn of_text(text: &str) -> Self {
        let (table, server) = text.split_once('@').unwrap_or((text, ""));
        Self { table: table.to_owned(), server: Some(server.to_owned()).filter(|name| !name.is_empty()) }
    }

    fn to_text(&self) -> String {
        format!("{}@{}", self.table, self.server.as_deref().unwrap_or_default())
    }

    /// Tells whether these are two locations, as far as that is known.
    fn is_elsewhere(&self, other: &Self) -> bool {
        let servers = self.server.as_ref().zip(other.server.as_ref());
        self.table != other.table || servers.is_some_and(|(one, two)| one != two)
    }
}

/// Makes what was copied, a restored dump for example, a queue of its own.
///
/// The workers it lists work on the queue it was copied from, if at all. Here they hold
/// nothing, and their processes must not be taken for ours: the copy gets a random id of
/// its own, what they had claimed is handed back, and they are off the list.
fn adopt_copy(store: &mut PostgresStore) -> Result<Found> {
    let (made_at, here, may_be_adopted): (String, Origin, bool) = store.read(|session| {
        let found = one(session.rows(sql::ORIGIN, &[])?)?;
        Ok((row::get(&found, 2)?, Origin::of_row(session, &found)?, row::get(&found, 3)?))
    })?;
    if Origin::of_text(&made_at).is_elsewhere(&here) && may_be_adopted {
        let here = here.to_text();
        let now = store.clock.now();
        // Nothing ran here, so no policy is asked.
        let policy = RetryPolicy { base: 0.0, max: Duration::ZERO, crash_limit: u32::MAX };
        store.write(|session, counters| {
            let run = Uuid::new_v4().simple().to_string();
            if session.rows(sql::NEW_ORIGIN, values![made_at, here, run])?.is_empty() {
                return Ok(());
            }
            for worker in worker::roster(session)? {
                worker::hand_back_all(session, counters, worker, &policy, now)?;
            }
            Ok(())
        })?;
    }
    Ok(Found::Queue)
}

/// The schema's number, and where its queue stands in a move; none if there is
/// nothing in it, or it is not there.
fn schema(session: &mut Session, name: &str, refusals: &Refusals) -> Result<Option<(i64, Stage)>, Trouble> {
    let found = one(session.rows(sql::WHAT_IS_THERE, values![name])?)?;
    let (tables, is_ours): (i64, bool) = (row::get(&found, 0)?, row::get(&found, 1)?);
    match (tables, is_ours) {
        (0, _) => Ok(None),
        (_, false) => Err(refusals.not_ours().into()),
        (_, true) if let Some(hidden) = row::get::<Option<String>>(&found, 2)? => {
            let role = row::get(&one(session.rows(sql::CURRENT_USER, &[])?)?, 0)?;
            Err(refusals.rows_hidden(role, hidden).into())
        }
        (_, true) => {
            let found = one(session.rows(sql::SCHEMA, &[])?)?;
            let number = row::get(&found, 0)?;
            // What a newer program means by its words is not known here.
            let stage =
                if number == refusals.newest { row::stage_of_move(&found)? } else { Stage::default() };
            Ok(Some((number, stage)))
        }
    }
}

fn apply(
    session: &mut Session,
    migrations: &[&str],
    queue: &Location,
    name: &str,
    found: i64,
) -> Result<(), Trouble> {
    if found == 0 {
        let encoding: String = row::get(&one(session.rows(sql::ENCODING, &[])?)?, 0)?;
        if encoding != "UTF8" && encoding != "SQL_ASCII" {
            let reason = format!("its database has the encoding {encoding}, which has not every character");
            return Err(StoreError::NotOurs { queue: queue.clone(), reason }.into());
        }
        // A role that may not make schemas may be given one that is empty.
        let there: bool = row::get(&one(session.rows(sql::SCHEMA_IS_THERE, values![name])?)?, 0)?;
        if !there {
            session.batch(&format!("CREATE SCHEMA \"{name}\""))?;
        }
    }
    for migration in migrations.iter().skip(found as usize) {
        session.batch(migration)?;
    }
    if found == 0 {
        let run = Uuid::new_v4().simple().to_string();
        let origin = Origin::here(session)?.to_text();
        session.rows(sql::NEW_QUEUE, values![run, origin, newest(migrations)])?;
    } else {
        session.rows(sql::NEW_SCHEMA, values![newest(migrations)])?;
    }
    Ok(())
}

/// Why what is in a schema is no queue that this role can use.
struct Refusals {
    queue: Location,
    schema: String,
    host: String,
    /// The schema of this program.
    newest: i64,
}

impl Refusals {
    fn of(store: &PostgresStore) -> Self {
        let address = &store.address;
        Self {
            queue: store.location(),
            schema: address.schema().to_owned(),
            host: address.host().to_owned(),
            newest: newest(store.migrations),
        }
    }

    fn not_ours(&self) -> StoreError {
        let reason = format!("its schema {} has tables of another program", self.schema);
        StoreError::NotOurs { queue: self.queue.clone(), reason }
    }

    /// What is not shown would be taken for not there.
    fn rows_hidden(&self, user: String, tables: String) -> StoreError {
        let host = self.host.clone();
        StoreError::Server {
            queue: self.queue.clone(),
            problem: ServerProblem::RowsHidden { host, user, tables },
        }
    }
}
