//! How a queue is brought to another location, and received from one.

use crate::counts::Counts;
use crate::sqlite::connection::SqliteStore;
use crate::sqlite::counters::{self, Counters};
use crate::sqlite::move_stage::whereabouts;
use crate::sqlite::roster::roster;
use crate::sqlite::trouble::Trouble;
use crate::sqlite::{guard, sql};
use crate::transfer::{
    Backup, Inventory, Kind, Limits, Move, MoveId, Numbers, Position, Record, Stage, Step, Transfer, Value,
    Whereabouts,
};
use crate::worker_record::Stop;
use crate::{Result, StoreError, stored};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, Row, Statement, ToSql, params_from_iter};
use std::path::{Path, PathBuf};

impl Transfer for SqliteStore {
    fn whereabouts(&mut self) -> Result<Option<Whereabouts>> {
        if self.identity.is_none() {
            return Ok(None);
        }
        self.read(|connection| Ok(Some(whereabouts(connection)?)))
    }

    fn insist_open(&mut self) -> Result<()> {
        let path = self.path.clone();
        self.stage()?.insist_open(|| path.into())
    }

    fn inventory(&mut self) -> Result<Inventory> {
        self.read(|connection| Ok(inventory(connection)?))
    }

    fn numbers(&mut self) -> Result<Numbers> {
        self.read(|connection| {
            Ok(connection.prepare_cached(sql::NUMBERS)?.query_row([], |found| {
                Ok(Numbers {
                    last_job: found.get(0)?,
                    last_worker: found.get(1)?,
                    next_position: found.get(2)?,
                })
            })?)
        })
    }

    fn export(&mut self, after: Position, limits: Limits) -> Result<Vec<Record>> {
        self.read(|connection| Ok(export(connection, after, limits)?))
    }

    fn leave(&mut self, moved: &Move) -> Result<()> {
        if self.identity.is_none() {
            return Err(guard::cannot_open(&self.path, "there is no queue"));
        }
        let workers = self.step(&Step::Leave(moved), |connection, _| {
            let workers = roster(connection)?;
            for worker in &workers {
                let stop = stored::stop_number(Stop::Graceful);
                connection.prepare_cached(sql::REQUEST_STOP)?.execute((worker.0, stop))?;
            }
            connection.prepare_cached(sql::COUNT_STOP)?.execute([])?;
            Ok(workers)
        })?;
        self.ring_all(&workers.unwrap_or_default());
        Ok(())
    }

    fn switch(&mut self, id: &MoveId) -> Result<()> {
        self.step(&Step::Switch(id), |_, _| Ok(())).map(drop)
    }

    fn close(&mut self, id: &MoveId) -> Result<()> {
        self.step(&Step::Close(id), |_, _| Ok(())).map(drop)
    }

    fn turn_back(&mut self, id: &MoveId) -> Result<Stage> {
        let stood = self.step(&Step::TurnBack(id), |_, counters| Ok(counters.move_stage.clone()))?;
        stood.map_or_else(|| self.stage(), Ok)
    }

    fn stay(&mut self, id: &MoveId) -> Result<()> {
        self.step(&Step::Stay(id), |_, _| Ok(())).map(drop)
    }

    fn receive(&mut self, moved: &Move) -> Result<()> {
        let queue = self.path.clone();
        let received = self.step(&Step::Receive(moved), |connection, counters| {
            if matches!(counters.move_stage, Stage::Left(_)) {
                Ok(forget_everything(connection, counters)?)
            } else if last_copied(connection)?.is_empty() {
                Ok(())
            } else {
                Err(StoreError::NotEmpty { queue: queue.into() }.into())
            }
        });
        received.map(drop)
    }

    fn import(&mut self, id: &MoveId, after: Position, records: &[Record]) -> Result<Position> {
        let queue = self.path.clone();
        self.write(|connection, counters| {
            counters.move_stage.after(&Step::Import(id), || queue.clone().into())?;
            let last = last_of_all(&last_copied(connection)?);
            if last != after {
                return Ok(last);
            }
            import(connection, counters, records)?;
            Ok(records.last().map_or(last, Record::position))
        })
    }

    fn last_imported(&mut self) -> Result<Position> {
        self.read(|connection| Ok(last_of_all(&last_copied(connection)?)))
    }

    fn arrive(&mut self, id: &MoveId, numbers: &Numbers) -> Result<()> {
        let arrived = self
            .step(&Step::Arrive(id), |connection, counters| Ok(go_on_from(connection, counters, numbers)?));
        arrived.map(drop)
    }

    fn withdraw(&mut self, id: &MoveId) -> Result<()> {
        let withdrawn = self
            .step(&Step::Withdraw(id), |connection, counters| Ok(forget_everything(connection, counters)?));
        withdrawn.map(drop)
    }

    fn backup(&mut self, to: &Path) -> Result<Backup> {
        self.copy_to(to)
    }
}

impl SqliteStore {
    fn stage(&mut self) -> Result<Stage> {
        self.read(|connection| Ok(whereabouts(connection)?.stage))
    }

    /// Takes a step and does what goes with it, unless it was taken before.
    fn step<T>(
        &mut self,
        step: &Step<'_>,
        and: impl FnOnce(&Connection, &mut Counters) -> Result<T, Trouble>,
    ) -> Result<Option<T>> {
        let queue = self.path.clone();
        self.write(|connection, counters| {
            let Some(next) = counters.move_stage.after(step, || queue.clone().into())? else {
                return Ok(None);
            };
            connection.prepare_cached(sql::SET_MOVE_STAGE)?.execute(next.columns())?;
            and(connection, counters).map(Some)
        })
    }
}

fn forget_everything(connection: &Connection, counters: &mut Counters) -> rusqlite::Result<()> {
    for statement in sql::FORGET_EVERYTHING {
        connection.execute(statement, [])?;
    }
    counters.begin_anew();
    Ok(())
}

fn inventory(connection: &Connection) -> rusqlite::Result<Inventory> {
    let mut jobs = Counts::default();
    for (_, counts) in counters::count(connection)?.0 {
        jobs.add(&counts);
    }
    let last = last_copied(connection)?;
    connection.prepare_cached(sql::HOW_MUCH)?.query_row([], |found| {
        Ok(Inventory {
            jobs,
            workers: found.get(0)?,
            attempts: found.get(1)?,
            output_parts: found.get(2)?,
            output_bytes: found.get(3)?,
            rules: found.get(4)?,
            unique_keys: found.get(5)?,
            last,
        })
    })
}

/// The last record of each kind of which there is any.
fn last_copied(connection: &Connection) -> rusqlite::Result<Vec<Position>> {
    connection.prepare_cached(sql::LAST_COPIED)?.query_row([], |found| {
        let mut numbers = [0; 9];
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = found.get(index)?;
        }
        Ok(Position::last_of_each(numbers))
    })
}

fn last_of_all(last: &[Position]) -> Position {
    last.last().copied().unwrap_or(Position::BEGINNING)
}

/// Reads the next records; those of one kind.
fn export(connection: &Connection, mut after: Position, limits: Limits) -> rusqlite::Result<Vec<Record>> {
    loop {
        let found = page(connection, after, limits)?;
        match after.kind().next() {
            Some(next) if found.is_empty() => after = Position::before(next),
            _ => return Ok(found),
        }
    }
}

fn page(connection: &Connection, after: Position, limits: Limits) -> rusqlite::Result<Vec<Record>> {
    let mut select = connection.prepare_cached(&sql::export(after.kind()))?;
    let key_and_limit = after.key().iter().copied().chain([i64::from(limits.records)]);
    let mut rows = select.query(params_from_iter(key_and_limit))?;
    let (mut records, mut bytes) = (Vec::new(), 0);
    while let Some(found) = rows.next()? {
        let record = record(after.kind(), found)?;
        bytes += record.bytes();
        records.push(record);
        if bytes >= limits.bytes {
            break;
        }
    }
    Ok(records)
}

fn record(kind: Kind, found: &Row<'_>) -> rusqlite::Result<Record> {
    let value = |index| {
        Ok(match found.get_ref(index)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Blob(bytes) => Value::Bytes(bytes.to_owned()),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => Value::Spoilt(bytes.to_owned()),
            },
            // Tables are strict, and no column has such.
            ValueRef::Real(number) => Value::Text(number.to_string()),
        })
    };
    let columns = found.as_ref().column_count();
    Ok(Record { kind, values: (0..columns).map(value).collect::<rusqlite::Result<_>>()? })
}

/// Writes records, and counts the jobs among them.
pub(crate) fn import(
    connection: &Connection,
    counters: &mut Counters,
    records: &[Record],
) -> Result<(), Trouble> {
    for records in records.chunk_by(|one, next| one.kind == next.kind) {
        let mut insert = connection.prepare_cached(&sql::import(records[0].kind))?;
        for record in records {
            insert_one(&mut insert, record).map_err(|error| refused(connection, record, error))?;
            if let Some(state) = record.job_state() {
                counters.add(record.job_queue(), state, 1);
            }
            if record.is_blocked() {
                counters.add_blocked(record.job_queue(), 1);
            }
        }
    }
    Ok(())
}

/// Says which record breaks a rule of its table.
fn refused(connection: &Connection, record: &Record, error: rusqlite::Error) -> Trouble {
    if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
        return error.into();
    }
    let queue = PathBuf::from(connection.path().unwrap_or_default()).into();
    StoreError::UnreadableRecord { queue, record: record.name(), reason: error.to_string() }.into()
}

fn insert_one(insert: &mut Statement<'_>, record: &Record) -> rusqlite::Result<usize> {
    insert.execute(params_from_iter(record.values.iter()))
}

/// Gives out nothing again that was given out elsewhere.
pub(crate) fn go_on_from(
    connection: &Connection,
    counters: &mut Counters,
    numbers: &Numbers,
) -> rusqlite::Result<()> {
    for (table, last) in [("job", numbers.last_job), ("worker", numbers.last_worker)] {
        connection.prepare_cached(sql::BEGIN_NUMBERS)?.execute([table])?;
        connection.prepare_cached(sql::SET_NUMBERS)?.execute((table, last))?;
    }
    counters.go_on_from(numbers.next_position);
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Spoilt(bytes) => ValueRef::Text(bytes),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
