//! One turn of a worker as one statement: results in, jobs out.

use super::ends::Ends;
use super::memory::{Reads, Thrift};
use super::news::News;
use super::session::{Session, Typed, Value};
use super::work::unlawful;
use super::{Trouble, row, sql};
use crate::work::Suspects;
use queuectl_core::{Event, Job, Seq, State, Timestamp, WorkerId};
use tokio_postgres::Row;

/// What a worker hands in and asks for, as `sql::EXCHANGE` takes it.
pub(super) struct Turn<'a> {
    pub(super) worker: WorkerId,
    pub(super) ends: &'a Ends,
    /// Whether the standings were read in this transaction, and their rows are locked.
    /// If not, a claim that is gone, or is to be cancelled, is left as it is.
    pub(super) is_certain: bool,
    pub(super) want: u32,
    pub(super) suspects: Suspects,
    pub(super) thrift: Thrift,
    /// How often the worker has given up a connection.
    pub(super) connection: i64,
    pub(super) now: Timestamp,
}

/// What it is told.
pub(super) struct Told {
    /// Jobs that it holds now, in the order of the line.
    pub(super) claimed: Vec<Job>,
    /// From which states they were claimed.
    pub(super) claimed_from: Vec<State>,
    /// Jobs that it holds now too, and whose rows cannot be read.
    pub(super) unreadable: Vec<Seq>,
    /// The rank and the place of the first of them.
    pub(super) beginning: Option<(i64, i64)>,
    /// How many ends were written.
    pub(super) settled: i64,
    /// Some of these jobs went back into the line, where this turn could not see them.
    pub(super) any_returned: bool,
    /// A job that may be what kills its workers is in line, as far as it was looked at.
    pub(super) any_suspect: bool,
    /// Pages of the line's index that this connection has read in all.
    pub(super) walked: i64,
    pub(super) news: News,
}

impl<'a> Turn<'a> {
    /// Hands in, and asks for nothing.
    pub(super) fn of_results(worker: WorkerId, ends: &'a Ends, connection: i64, now: Timestamp) -> Self {
        let thrift = Thrift::RESULTS_ONLY;
        Self { worker, ends, is_certain: true, want: 0, suspects: Suspects::No, thrift, connection, now }
    }

    /// Sends it, and gives what came back.
    pub(super) fn send(&self, session: &mut Session) -> Result<Vec<Row>, tokio_postgres::Error> {
        let (rank, place) = self.thrift.from;
        let (now, want) = (self.now.as_millis(), i64::from(self.want));
        let other_clock = self.now.after(crate::FURTHER_THAN_A_TURN).as_millis();
        let most_suspects = i64::from(self.suspects == Suspects::One);
        let reads = self.thrift.reads as i64;
        let mut values: Vec<Value<'_>> = vec![self.worker.0.value(), now.value()];
        values.extend(self.ends.plain_columns());
        if self.is_usual() {
            values.extend([self.is_certain.value(), want.value(), rank.value(), place.value()]);
            values.push(self.connection.value());
            return session.rows(sql::QUICK_EXCHANGE, &values);
        }
        values.extend(self.ends.more_columns());
        values.extend([self.is_certain.value(), want.value(), rank.value(), place.value()]);
        values.extend([most_suspects.value(), other_clock.value(), reads.value(), self.connection.value()]);
        session.rows(sql::EXCHANGE, &values)
    }

    /// Whether the shorter statement will do.
    fn is_usual(&self) -> bool {
        self.thrift.reads == Reads::Nothing && !self.thrift.expects_suspects && self.ends.are_plain()
    }

    /// Does it inside a transaction.
    pub(super) fn take(&self, session: &mut Session) -> Result<Told, Trouble> {
        let rows = self.send(session)?;
        self.told(&rows)
    }

    /// Reads what came back: a row for each job, or one without a job.
    pub(super) fn told(&self, rows: &[Row]) -> Result<Told, Trouble> {
        let head = rows.first().ok_or_else(row::missing)?;
        let (mut taken, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
        for found in rows {
            // Without a job there is one row all the same.
            let Some(seq) = row::get::<Option<i64>>(found, 0)? else { continue };
            match row::claimed(found, self.worker, self.now) {
                Ok(job) if job.state.after(Event::Claimed).is_ok() => {
                    let place: Option<i64> = row::get(found, row::AFTER_CLAIMED)?;
                    taken.push(((-i64::from(job.priority), place.unwrap_or_default()), job));
                }
                Ok(_) | Err(Trouble::Row(_)) => unreadable.push(Seq(seq)),
                Err(trouble) => return Err(trouble),
            }
        }
        taken.sort_unstable_by_key(|(in_line, _)| *in_line);
        let beginning = taken.first().map(|(in_line, _)| *in_line);
        let (mut claimed, mut claimed_from) = (Vec::new(), Vec::new());
        for (_, mut job) in taken {
            claimed_from.push(job.state);
            job.state = job.state.after(Event::Claimed).map_err(unlawful)?;
            claimed.push(job);
        }
        Ok(Told {
            claimed,
            claimed_from,
            unreadable,
            beginning,
            settled: row::get(head, row::AFTER_CLAIMED + 1)?,
            any_returned: row::get::<i64>(head, row::AFTER_CLAIMED + 2)? > 0,
            any_suspect: row::get(head, row::AFTER_CLAIMED + 3)?,
            walked: row::get(head, row::AFTER_CLAIMED + 4)?,
            news: News::read(head, row::AFTER_CLAIMED + 5)?,
        })
    }
}
