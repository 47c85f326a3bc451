//! What a worker hands in and asks for, as one statement takes it.

use super::cache::{Extent, ReadBudget, Reads};
use super::reply::Reply;
use super::sql;
use super::standings::Ends;
use super::trouble::Trouble;
use crate::worker::Suspects;
use queuectl_core::{Promotion, QueueSet, Timestamp, WorkerId};
use queuectl_postgres::session::{Session, named};
use queuectl_postgres::{Named, Query};
use tokio_postgres::Row;

/// What a worker hands in and asks for.
pub(super) struct Request<'a> {
    pub(super) worker: WorkerId,
    pub(super) ends: &'a Ends,
    pub(super) trust: Trust,
    pub(super) want: u32,
    pub(super) serves: &'a QueueSet,
    pub(super) suspects: Suspects,
    pub(super) budget: &'a ReadBudget,
    /// How often the worker has given up a connection.
    pub(super) connection: i64,
    pub(super) now: Timestamp,
}

/// What is known of the attempts that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Their standings were read in this transaction, and are locked.
    Certain,
    /// They are remembered: a claim that is gone, or is to be cancelled, is left as it is.
    Remembered,
}

impl<'a> Request<'a> {
    /// Hands in, and asks for nothing.
    pub(super) fn of_results(
        worker: WorkerId,
        ends: &'a Ends,
        budget: &'a ReadBudget,
        connection: i64,
        now: Timestamp,
    ) -> Self {
        let (trust, suspects, serves) = (Trust::Certain, Suspects::No, &QueueSet::ALL);
        Self { worker, ends, trust, want: 0, serves, suspects, budget, connection, now }
    }

    /// Sends it, and gives what came back.
    pub(super) fn send(&self, session: &mut Session) -> Result<Vec<Row>, tokio_postgres::Error> {
        let (now, want) = (self.now.as_millis(), i64::from(self.want));
        let is_certain = self.trust == Trust::Certain;
        let most_suspects = i64::from(self.suspects == Suspects::One);
        let served = Served::of(self.serves, self.budget, self.now);
        let ends = self.ends.arrays();
        let mut values: Vec<Named<'_>> = ends.named();
        values.extend(
            named![worker: self.worker.0, now, want, is_certain, most_suspects, connection: self.connection],
        );
        values.extend(served.named());
        session.ask(self.statement(), &values)
    }

    /// Sends it, and reads what came back.
    pub(super) fn reply(&self, session: &mut Session) -> Result<Reply, Trouble> {
        let rows = self.send(session)?;
        self.read(&rows)
    }

    /// Reads what came back.
    pub(super) fn read(&self, rows: &[Row]) -> Result<Reply, Trouble> {
        Reply::read(rows, self.worker, self.now)
    }

    fn statement(&self) -> &'static Query {
        let is_plain =
            self.budget.reads == Reads::Nothing && !self.budget.expects_suspects && self.ends.are_plain();
        if !self.budget.rooms.is_empty() {
            return &sql::GATED_EXCHANGE;
        }
        if is_plain { &sql::PLAIN_EXCHANGE } else { &sql::EXCHANGE }
    }
}

/// The queues that a worker serves, and what it reads of them, as statements take it.
pub(super) struct Served<'a> {
    serves_all: bool,
    names: Vec<&'a str>,
    beginnings: Vec<&'a str>,
    queues: Vec<&'a str>,
    from_ranks: Vec<i64>,
    from_positions: Vec<i64>,
    rooms: Vec<Option<i64>>,
    from_cursors: bool,
    reads: i64,
    other_clock: i64,
}

impl<'a> Served<'a> {
    pub(super) fn of(serves: &'a QueueSet, budget: &'a ReadBudget, now: Timestamp) -> Self {
        let rows = budget.queues.iter().map(|(_, row)| *row);
        let (from_ranks, from_positions) = rows.unzip();
        Self {
            serves_all: serves.is_all(),
            names: serves.names().iter().map(String::as_str).collect(),
            beginnings: serves.beginnings().iter().map(String::as_str).collect(),
            queues: budget.queues.iter().map(|(queue, _)| queue.as_str()).collect(),
            from_ranks,
            from_positions,
            rooms: budget.queues.iter().map(|(queue, _)| budget.room(queue)).collect(),
            from_cursors: budget.extent == Extent::FromCursors,
            reads: budget.reads as i64,
            other_clock: Promotion::other_clock_after(now).as_millis(),
        }
    }

    pub(super) fn named(&self) -> Vec<Named<'_>> {
        named![
            serves_all: self.serves_all,
            names: self.names,
            beginnings: self.beginnings,
            queues: self.queues,
            from_ranks: self.from_ranks,
            from_positions: self.from_positions,
            rooms: self.rooms,
            from_cursors: self.from_cursors,
            reads: self.reads,
            other_clock: self.other_clock,
        ]
        .into()
    }
}
