//! How a queue is brought to another location, and received from one.
//!
//! A move that marks the queue holds a lock of its own alone; verbs that accept, change
//! or remove jobs share it. So nothing of theirs comes after a mark.

mod sql;

use crate::columns::{self, Cell};
use crate::counts::Counts;
use crate::location::Location;
use crate::postgres::counters::{self, Counters};
use crate::postgres::row::{self, all, one};
use crate::postgres::sql::{SET_STAGE, STAGE, STAGE_ALONE};
use crate::postgres::trouble::{Trouble, is_about_data, message};
use crate::postgres::{Arrays, PostgresStore};
use crate::transfer::{
    Backup, Inventory, Kind, Limits, Move, MoveId, Numbers, Position, Record, Stage, Step, Transfer, Value,
    Whereabouts,
};
use crate::worker_record::Stop;
use crate::{Result, StoreError, stored};
use queuectl_postgres::session::{Session, Value as Parameter, values};
use std::path::Path;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

impl Transfer for PostgresStore {
    fn whereabouts(&mut self) -> Result<Option<Whereabouts>> {
        self.read(|session| whereabouts(session).map(Some))
    }

    fn insist_open(&mut self) -> Result<()> {
        let queue = self.location();
        self.read(|session| Ok(whereabouts(session)?.stage.insist_open(|| queue.clone())?))
    }

    fn inventory(&mut self) -> Result<Inventory> {
        self.read(|session| {
            session.begin_snapshot()?;
            let inventory = inventory(session)?;
            session.commit()?;
            Ok(inventory)
        })
    }

    fn numbers(&mut self) -> Result<Numbers> {
        self.read(numbers)
    }

    fn export(&mut self, after: Position, limits: Limits) -> Result<Vec<Record>> {
        self.read(|session| export(session, after, limits))
    }

    fn leave(&mut self, moved: &Move) -> Result<()> {
        self.step(&Step::Leave(moved), |session, _, _| {
            session.rows(sql::REQUEST_STOP_OF_ALL, values![stored::stop_number(Stop::Graceful)])?;
            session.rows(sql::COUNT_STOP_OF_ALL, &[])?;
            Ok(())
        })?;
        self.ring_all();
        Ok(())
    }

    fn switch(&mut self, id: &MoveId) -> Result<()> {
        self.step(&Step::Switch(id), |_, _, _| Ok(()))
    }

    fn close(&mut self, id: &MoveId) -> Result<()> {
        self.step(&Step::Close(id), |_, _, _| Ok(()))
    }

    fn turn_back(&mut self, id: &MoveId) -> Result<Stage> {
        let mut stood = None;
        self.step(&Step::TurnBack(id), |_, _, stage| {
            stood = Some(stage.clone());
            Ok(())
        })?;
        stood.map_or_else(|| self.read(|session| Ok(whereabouts(session)?.stage)), Ok)
    }

    fn stay(&mut self, id: &MoveId) -> Result<()> {
        self.step(&Step::Stay(id), |_, _, _| Ok(()))
    }

    fn receive(&mut self, moved: &Move) -> Result<()> {
        let queue = self.location();
        self.step(&Step::Receive(moved), |session, counters, stood| {
            if matches!(stood, Stage::Left(_)) {
                forget_everything(session, counters)
            } else if last_of_each(session, sql::LAST_COPIED)?.is_empty() {
                Ok(())
            } else {
                Err(StoreError::NotEmpty { queue: queue.clone() }.into())
            }
        })
    }

    fn import(&mut self, id: &MoveId, after: Position, records: &[Record]) -> Result<Position> {
        let queue = self.location();
        self.write_after(STAGE_ALONE, |session, counters, stage| {
            row::stage_of_json(stage)?.after(&Step::Import(id), || queue.clone())?;
            let last = last_of_all(&last_of_each(session, sql::LAST_IMPORTED)?);
            if last != after {
                return Ok(last);
            }
            insist_takes(records, &queue)?;
            import(session, counters, records).map_err(|trouble| refused(records, &queue, trouble))?;
            Ok(records.last().map_or(last, Record::position))
        })
    }

    fn last_imported(&mut self) -> Result<Position> {
        self.read(|session| Ok(last_of_all(&last_of_each(session, sql::LAST_IMPORTED)?)))
    }

    fn arrive(&mut self, id: &MoveId, numbers: &Numbers) -> Result<()> {
        let Numbers { last_job, last_worker, next_position } = *numbers;
        self.step(&Step::Arrive(id), |session, _, _| {
            session.rows(sql::SET_NUMBERS, values![last_job, last_worker, next_position])?;
            Ok(())
        })
    }

    fn withdraw(&mut self, id: &MoveId) -> Result<()> {
        self.step(&Step::Withdraw(id), |session, counters, _| forget_everything(session, counters))
    }

    fn backup(&mut self, to: &Path) -> Result<Backup> {
        self.copy_to(to)
    }
}

impl PostgresStore {
    /// Takes a step and does what goes with it, unless it was taken before. What goes
    /// with it is told where the queue stood.
    fn step(
        &mut self,
        step: &Step<'_>,
        mut and: impl FnMut(&mut Session, &mut Counters, &Stage) -> Result<(), Trouble>,
    ) -> Result<()> {
        let queue = self.location();
        self.write_after(STAGE_ALONE, |session, counters, stage| {
            let stood = row::stage_of_json(stage)?;
            let Some(next) = stood.after(step, || queue.clone())? else { return Ok(()) };
            let [stage, id, place] = next.columns();
            session.rows(SET_STAGE, values![stage, id, place])?;
            and(session, counters, &stood)
        })
    }
}

fn forget_everything(session: &mut Session, counters: &mut Counters) -> Result<(), Trouble> {
    for statement in sql::FORGET_EVERYTHING {
        session.rows(statement, &[])?;
    }
    // The counters are not emptied but balanced, as by every verb. (A table without
    // a key deletes nothing where tables are published.)
    for (queue, there) in counters::kept_by_queue(session)? {
        counters.of(&queue).subtract(&there);
    }
    Ok(())
}

/// Where the queue stands, in this transaction.
pub(crate) fn whereabouts(session: &mut Session) -> Result<Whereabouts, Trouble> {
    let found = one(session.rows(STAGE, &[])?)?;
    Ok(Whereabouts { queue: row::get(&found, 0)?, stage: row::stage_of_move(&found)? })
}

fn inventory(session: &mut Session) -> Result<Inventory, Trouble> {
    let mut jobs = Counts::default();
    crate::postgres::count(session)?.0.values().for_each(|counts| jobs.add(counts));
    let last = last_of_each(session, sql::LAST_COPIED)?;
    let found = one(session.rows(sql::HOW_MUCH, &[])?)?;
    Ok(Inventory {
        jobs,
        workers: row::number(&found, 0)?,
        attempts: row::number(&found, 1)?,
        output_parts: row::number(&found, 2)?,
        output_bytes: row::number(&found, 3)?,
        rules: row::number(&found, 4)?,
        unique_keys: row::number(&found, 5)?,
        last,
    })
}

/// What has ever been given out.
pub(crate) fn numbers(session: &mut Session) -> Result<Numbers, Trouble> {
    let found = one(session.rows(sql::NUMBERS, &[])?)?;
    Ok(Numbers {
        last_job: row::get(&found, 0)?,
        last_worker: row::get(&found, 1)?,
        next_position: row::get(&found, 2)?,
    })
}

/// The last record of each kind of which there is any.
fn last_of_each(session: &mut Session, statement: &'static str) -> Result<Vec<Position>, Trouble> {
    let found = one(session.rows(statement, &[])?)?;
    let mut numbers = [0; 9];
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = row::get(&found, index)?;
    }
    Ok(Position::last_of_each(numbers))
}

fn last_of_all(last: &[Position]) -> Position {
    last.last().copied().unwrap_or(Position::BEGINNING)
}

/// Reads the next records; those of one kind.
pub(crate) fn export(
    session: &mut Session,
    mut after: Position,
    limits: Limits,
) -> Result<Vec<Record>, Trouble> {
    loop {
        let found = page(session, after, limits)?;
        match after.kind().next() {
            Some(next) if found.is_empty() => after = Position::before(next),
            _ => return Ok(found),
        }
    }
}

fn page(session: &mut Session, after: Position, limits: Limits) -> Result<Vec<Record>, Trouble> {
    let statement = match after.kind() {
        Kind::Rules => sql::EXPORT_RULES,
        Kind::UniqueKey => sql::EXPORT_UNIQUE_KEYS,
        Kind::Worker => sql::EXPORT_WORKERS,
        Kind::Job => sql::EXPORT_JOBS,
        Kind::Attempt => sql::EXPORT_ATTEMPTS,
        Kind::Output => sql::EXPORT_OUTPUT,
    };
    let mut given: Vec<i64> = after.key().to_vec();
    given.push(i64::from(limits.records));
    if matches!(after.kind(), Kind::Job | Kind::Output) {
        // The others are small.
        given.push(i64::try_from(limits.bytes).unwrap_or(i64::MAX));
    }
    let given: Vec<Parameter<'_>> = given.iter().map(|number| (number as _, Type::INT8)).collect();
    all(&session.rows(statement, &given)?, |found| record(after.kind(), found))
}

fn record(kind: Kind, found: &Row) -> Result<Record, Trouble> {
    let mut values: Vec<Value> = (0..kind.columns().len()).map(|index| row::copied(found, index)).collect();
    if kind == Kind::Worker
        && let Value::Integer(done) = &mut values[columns::worker::jobs_done]
    {
        *done += row::get::<i64>(found, "done_since")?;
    }
    Ok(Record { kind, values })
}

fn cell(value: &Value) -> Cell<'_> {
    match value {
        Value::Null | Value::Spoilt(_) => Cell::Null,
        Value::Integer(number) => Cell::Number(*number),
        Value::Text(text) => text.as_str().into(),
        Value::Bytes(bytes) => Cell::Bytes(bytes),
    }
}

/// Refuses what no text of a server can say.
fn insist_takes(records: &[Record], queue: &Location) -> Result<()> {
    for record in records {
        if let Some(column) = record.values.iter().position(|value| matches!(value, Value::Spoilt(_))) {
            let reason = format!("column {} is not UTF-8", record.kind.columns()[column].name);
            return Err(StoreError::UnreadableRecord { queue: queue.clone(), record: record.name(), reason });
        }
    }
    Ok(())
}

/// Says among which records the one is that breaks a rule of its table.
fn refused(records: &[Record], queue: &Location, trouble: Trouble) -> Trouble {
    let (first, last) = (records.first().map(Record::name), records.last().map(Record::name));
    match trouble {
        Trouble::Sql(error) if is_about_data(&error) => StoreError::UnreadableRecord {
            queue: queue.clone(),
            record: format!("one of {} to {}", first.unwrap_or_default(), last.unwrap_or_default()),
            reason: message(&error),
        }
        .into(),
        trouble => trouble,
    }
}

/// Writes records, and counts the jobs among them.
fn import(session: &mut Session, counters: &mut Counters, records: &[Record]) -> Result<(), Trouble> {
    for records in records.chunk_by(|one, next| one.kind == next.kind) {
        let kind = records[0].kind;
        let query = match kind {
            Kind::Rules => &sql::IMPORT_RULES,
            Kind::UniqueKey => &sql::IMPORT_UNIQUE_KEYS,
            Kind::Worker => &sql::IMPORT_WORKERS,
            Kind::Job => &sql::IMPORT_JOBS,
            Kind::Attempt => &sql::IMPORT_ATTEMPTS,
            Kind::Output => &sql::IMPORT_OUTPUT,
        };
        let mut arrays = Arrays::new(kind.columns());
        for record in records {
            arrays.push(record.values.iter().map(cell));
            if let Some(state) = record.job_state() {
                let counts = counters.of(record.job_queue().unwrap_or_default());
                counts[state] += 1;
                counts.blocked += i64::from(record.is_blocked());
            }
        }
        session.ask(query, &arrays.named())?;
    }
    Ok(())
}
