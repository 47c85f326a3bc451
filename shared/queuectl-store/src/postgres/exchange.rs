//! The one transaction of a worker: records what ended, hands back, appends
//! output, claims.
//!
//! A round trip costs more than what is done in it, so an exchange that only hands
//! in results and claims is five: begin and look at the worker, settle, look at the
//! line, claim and read the news, commit.

use super::books;
use super::held::{Held, Results, columns};
use super::line::{self, Claim, Line, Look};
use super::memory::Seen;
use super::session::{Session, Typed, values};
use super::{PostgresStore, Trouble, row, sql};
use crate::counts::Counts;
use crate::work::{Exchange, Exchanged};
use crate::{Result, stored};
use postgres::Row;
use queuectl_core::{Lease, Seq, Timestamp, WorkerId};
use std::time::Instant;

/// How many columns the news have; what comes after them is something else.
const NEWS_COLUMNS: usize = 14;

/// What a worker is told, and what is read with it and is not for the worker.
struct News {
    exchanged: Exchanged,
    /// The sums of the books, and of how many changes, if they were added up.
    books: Option<(Counts, i64)>,
    time: Timestamp,
}

impl PostgresStore {
    /// See [`Work::exchange`](crate::Work::exchange).
    pub(super) fn exchange_once(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        now: Timestamp,
    ) -> Result<Exchanged> {
        let only_results =
            exchange.unstarted.is_empty() && exchange.output.is_empty() && exchange.trims.is_empty();
        let is_unclear = self.memory.is_unclear;
        if only_results && exchange.ended.is_empty() && !is_unclear {
            let (anything_to_claim, news) = self.look_round(worker, now)?;
            if exchange.want == 0 || !anything_to_claim {
                return Ok(news);
            }
        }
        let began = Instant::now();
        // Should it turn out to be old, the next try reads.
        let mut remembered =
            (only_results && !is_unclear).then(|| self.memory.about(exchange.ended)).flatten();
        // What an exchange claimed whose answer was lost is given back.
        let strays = if is_unclear { self.strays(worker)? } else { Vec::new() };
        let (something_was_due, thrift) = (self.memory.anything_due, self.memory.thrift());
        let look_at_worker = sql::STOP_OF.replace("$1", &worker.to_string());
        let (mut exchanged, news, own, seen, anything_due) =
            self.write_after(&look_at_worker, |session, books, stop| {
                let mut held = match remembered.take() {
                    Some(standings) => Held::remembered(standings),
                    None => Held::read(session, worker, &all_leases(exchange))?,
                };
                if !strays.is_empty() {
                    let mut stray = Held::read(session, worker, &strays)?;
                    stray.hand_back(session, books, &strays, exchange.policy, now)?;
                }
                add_output(session, worker, exchange, &mut held)?;
                held.hand_back(session, books, exchange.unstarted, exchange.policy, now)?;
                let want = if stop == Some("0") { exchange.want } else { 0 };
                let joins_early = want > 0 && something_was_due && line::is_their_turn(now);
                if joins_early {
                    line::promote(session, i64::from(want), now)?;
                }
                let results = Results { worker, ended: exchange.ended, policy: exchange.policy };
                let settled = held.record(session, books, &results, now)?;
                let line = match want {
                    0 => Line::default(),
                    want => Line::look(session, Look { want, from: thrift.from }, now)?,
                };
                let (took, beginning, anything_due) =
                    (began.elapsed(), line.beginning, line.anything_due && !joins_early);
                let mut claimed = line.first(session, want, exchange.suspects, !joins_early, now)?;
                let claim = Claim::of(&mut claimed, books, worker, now)?;
                books.done = Some((worker, settled.len() as i64));
                let mut values = claim.values().to_vec();
                values.push(thrift.insists_on_books.value());
                let told =
                    books.close_with(session, sql::CLAIM_SAVE_LEDGER_AND_NEWS, &values, NEWS_COLUMNS)?;
                let news = news(&told)?;
                let seen = Seen { beginning, walked: row::get(&told, NEWS_COLUMNS + 1)?, took };
                let superseded = held.superseded();
                let exchanged = Exchanged { claimed, settled, superseded, ..news.exchanged.clone() };
                Ok((exchanged, news, books.counts, seen, anything_due))
            })?;
        self.memory.is_unclear = false;
        self.memory.note(exchange, &exchanged.claimed);
        self.memory.anything_due = anything_due;
        self.memory.learn(&thrift, exchange.want, &seen);
        exchanged.counts = self.memory.counts(news.books.map(|(counts, _)| counts), &own);
        self.take_note_of(&news, began);
        Ok(exchanged)
    }

    /// Jobs that a worker holds and was never told of.
    fn strays(&mut self, worker: WorkerId) -> Result<Vec<Lease>> {
        let held = self.read(|session| super::work::claims(session, worker))?;
        Ok(self.memory.strays(held))
    }

    /// What a worker is told that has nothing to hand in, and whether there is work.
    fn look_round(&mut self, worker: WorkerId, now: Timestamp) -> Result<(bool, Exchanged)> {
        let began = Instant::now();
        let thrift = self.memory.thrift();
        let (now, other_clock) = (now.as_millis(), now.after(crate::FURTHER_THAN_A_TURN).as_millis());
        let (anything, mut news) = self.read(|session| {
            let (rank, place) = thrift.from;
            let values = values![worker.0, now, other_clock, rank, place, thrift.insists_on_books];
            let told = books::one(session.rows(sql::NEWS_AND_WORK, values)?)?;
            Ok((row::get(&told, NEWS_COLUMNS)?, news(&told)?))
        })?;
        news.exchanged.counts = self.memory.counts(news.books.map(|(counts, _)| counts), &Counts::default());
        self.take_note_of(&news, began);
        Ok((anything, news.exchanged))
    }

    /// Sets the clock by the server's, and folds the changes if there are many.
    fn take_note_of(&mut self, news: &News, began: Instant) {
        self.clock.set(news.time, began + began.elapsed());
        if let (Some(session), Some((_, changes))) = (&mut self.session, news.books)
            && let Err(error) = books::fold(session, changes)
        {
            tracing::debug!("the books could not be folded: {error:?}");
        }
    }
}

/// Reads the columns that `news_columns!` names.
fn news(told: &Row) -> Result<News, Trouble> {
    let listed: Option<i64> = row::get(told, 0)?;
    let roster: Vec<i64> = row::get(told, 2)?;
    let (seqs, leases): (Vec<i64>, Vec<i64>) = (row::get(told, 3)?, row::get(told, 4)?);
    let was_added_up: bool = row::get(told, 13)?;
    let books = if was_added_up { Some(books::sums(told, 5)?) } else { None };
    let exchanged = Exchanged {
        cancel: seqs.into_iter().zip(leases).map(|(seq, number)| Lease { seq: Seq(seq), number }).collect(),
        stop: listed.and_then(stored::stop_from_number),
        was_called_dead: listed.is_none(),
        next_due: row::optional_time(told, 1)?,
        roster: roster.into_iter().map(WorkerId).collect(),
        ..Exchanged::default()
    };
    Ok(News { exchanged, books, time: row::time(told, 12)? })
}

/// Every lease that an exchange is about.
fn all_leases(exchange: &Exchange<'_>) -> Vec<Lease> {
    let ended = exchange.ended.iter().map(|ended| ended.lease);
    let output = exchange.output.iter().map(|part| part.lease);
    let trims = exchange.trims.iter().map(|trim| trim.lease);
    let mut leases: Vec<Lease> =
        ended.chain(exchange.unstarted.iter().copied()).chain(output).chain(trims).collect();
    leases.sort_unstable();
    leases.dedup();
    leases
}

/// Appends and forgets output of leases that are held.
fn add_output(
    session: &mut Session,
    worker: WorkerId,
    exchange: &Exchange<'_>,
    held: &mut Held,
) -> Result<(), Trouble> {
    let parts: Vec<_> = exchange.output.iter().filter(|part| held.holds(part.lease)).collect();
    let begun: Vec<_> = parts.iter().filter(|part| part.n == 0).collect();
    if !begun.is_empty() {
        let (seqs, numbers) = columns(&begun.iter().map(|part| part.lease).collect::<Vec<_>>());
        let started_at: Vec<i64> = begun.iter().map(|part| part.started_at.as_millis()).collect();
        session.rows(sql::ATTEMPTS_BEGAN, values![worker.0, seqs, numbers, started_at])?;
    }
    if !parts.is_empty() {
        let (seqs, numbers) = columns(&parts.iter().map(|part| part.lease).collect::<Vec<_>>());
        let places: Vec<i64> = parts.iter().map(|part| part.n).collect();
        let streams: Vec<i64> = parts.iter().map(|part| stored::stream_number(part.stream)).collect();
        let times: Vec<i64> = parts.iter().map(|part| part.at.as_millis()).collect();
        let bytes: Vec<&[u8]> = parts.iter().map(|part| part.bytes.as_slice()).collect();
        session.rows(sql::ADD_OUTPUT, values![seqs, numbers, places, streams, times, bytes])?;
    }
    let trims: Vec<_> = exchange.trims.iter().filter(|trim| held.is_held(trim.lease)).collect();
    if !trims.is_empty() {
        let (seqs, numbers) = columns(&trims.iter().map(|trim| trim.lease).collect::<Vec<_>>());
        let first: Vec<i64> = trims.iter().map(|trim| trim.from).collect();
        let last: Vec<i64> = trims.iter().map(|trim| trim.to).collect();
        session.rows(sql::TRIM_OUTPUT, values![seqs, numbers, first, last])?;
    }
    Ok(())
}
