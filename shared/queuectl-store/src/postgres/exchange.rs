//! The one exchange of a worker: records what ended, hands back, appends output,
//! claims.
//!
//! A round trip costs more than what is done in it, so an exchange that only hands
//! in results and claims is one: a statement that is its own transaction, in which
//! what is remembered of the claims is taken for granted, and made sure of. All
//! else, and what turned out not to be so, goes carefully: begin and look at the
//! worker, read what it holds, write, commit.

use super::books;
use super::held::{Held, Settled, columns};
use super::inspect::all;
use super::line;
use super::memory::{LineSeen, Reads, Seen, Thrift};
use super::news::News;
use super::session::{Session, values};
use super::set_aside::{is_about_data, set_aside};
use super::turn::{Told, Turn};
use super::{PostgresStore, Trouble, has_not_happened, row, sql};
use crate::counts::Counts;
use crate::work::{Exchange, Exchanged, Suspects};
use crate::{Result, stored};
use queuectl_core::{Job, Lease, Standing, State, Timestamp, WorkerId};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

/// Most jobs that one exchange sets aside because their rows cannot be read.
const MOST_SET_ASIDE: usize = 1000;

/// What has failed so often in a row does not pass by itself.
const FOLDS_FAILED_FOR_GOOD: u32 = 3;

/// How far an exchange has come.
#[derive(Default)]
struct Progress {
    exchanged: Exchanged,
    /// There were jobs in line that the claim could not see, or did not take.
    passed_over: bool,
    /// Whether all that can be told was read.
    is_told: bool,
    /// Whether the books were added up.
    is_counted: bool,
}

/// An exchange that goes carefully, and what else is done in it.
struct Careful<'a> {
    exchange: &'a Exchange<'a>,
    /// So many jobs that are due are to join the line first.
    joins: u32,
    doubt: Doubt,
}

/// What of an exchange may have happened before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    Nothing,
    /// Some ends were written, and some were not.
    SomeEnds,
    /// It was sent, and there was no answer.
    Anything,
}

impl PostgresStore {
    /// See [`Work::exchange`](crate::Work::exchange).
    pub(super) fn exchange_once(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        now: Timestamp,
    ) -> Result<Exchanged> {
        self.memory.rings = self.lease_clock.as_ref().map_or(0, |lease_clock| lease_clock.rings());
        let hands_in_only_results =
            exchange.unstarted.is_empty() && exchange.output.is_empty() && exchange.trims.is_empty();
        if hands_in_only_results && exchange.ended.is_empty() && !self.memory.is_unclear {
            let (mut anything_to_claim, mut news) = self.look_round(worker, exchange.want, now)?;
            if exchange.want > 0 && !anything_to_claim && self.memory.looked_from_the_middle() {
                (anything_to_claim, news) = self.look_round(worker, exchange.want, now)?;
            }
            if exchange.want == 0 || !anything_to_claim {
                return Ok(news);
            }
        }
        let remembered = hands_in_only_results.then(|| self.memory.about(exchange.ended)).flatten();
        let is_their_turn = exchange.want > 0 && self.memory.anything_due && line::is_their_turn(now);
        let at_once = match remembered {
            Some(standings) if !self.memory.is_unclear && !is_their_turn => {
                self.at_once(worker, exchange, standings, now)?
            }
            _ => None,
        };
        let mut done = if let Some(done) = at_once {
            done
        } else {
            let joins = if is_their_turn { exchange.want } else { 0 };
            let doubt = if self.memory.is_unclear { Doubt::Anything } else { Doubt::Nothing };
            self.carefully(worker, &Careful { exchange, joins, doubt }, now)?
        };
        self.memory.forget(exchange);
        self.answers_within = self.usual_patience();
        // The exchange has happened: what goes wrong from here on, the next one finds.
        let mut joins = self.memory.anything_due && !is_their_turn;
        loop {
            let set_aside_before = done.exchanged.set_aside.len();
            if let Err(error) = self.claim_more(worker, exchange, &mut done, joins, now) {
                tracing::debug!("no more could be claimed: {error}");
            }
            joins = false;
            // Rows that cannot be read make room for those behind them, not too many at a time.
            let set_aside = done.exchanged.set_aside.len();
            done.passed_over = set_aside > set_aside_before;
            if !done.passed_over || set_aside >= MOST_SET_ASIDE {
                break;
            }
        }
        // Whoever finds too little wants to know why; and where nothing is left that anybody
        // works on, what is remembered may lack a job that has come in since.
        let found_too_little = done.exchanged.claimed.len() < exchange.want as usize && !done.is_told;
        let seems_to_be_the_end =
            !exchange.ended.is_empty() && done.exchanged.counts[State::Processing] == 0 && !done.is_counted;
        if seems_to_be_the_end {
            self.memory.look_anew();
        }
        if found_too_little || seems_to_be_the_end {
            match self.look_round(worker, exchange.want, now) {
                Ok((_, Exchanged { counts, next_due, roster, .. })) => {
                    done.exchanged = Exchanged { counts, next_due, roster, ..done.exchanged };
                }
                Err(error) => tracing::debug!("the queue could not be looked at: {error}"),
            }
        }
        Ok(done.exchanged)
    }

    /// Where less was in line than is wanted, takes what has got there since; jobs that
    /// are due join it before, if they are to.
    fn claim_more(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        done: &mut Progress,
        joins: bool,
        now: Timestamp,
    ) -> Result<()> {
        let claimed = &done.exchanged.claimed;
        let missing = exchange.want.saturating_sub(claimed.len() as u32);
        let may_claim = done.exchanged.stop.is_none() && !done.exchanged.was_called_dead;
        if missing == 0 || !may_claim || !(done.passed_over || joins) {
            return Ok(());
        }
        let suspects = if claimed.iter().any(Job::is_suspect) { Suspects::No } else { exchange.suspects };
        let more = Exchange { want: missing, suspects, ..Exchange::nothing(exchange.policy) };
        let careful =
            Careful { exchange: &more, joins: if joins { missing } else { 0 }, doubt: Doubt::Nothing };
        let more = self.carefully(worker, &careful, now)?;
        (done.is_told, done.is_counted) = (more.is_told, more.is_counted);
        let Exchanged { mut claimed, mut set_aside, settled, superseded, .. } =
            std::mem::take(&mut done.exchanged);
        claimed.extend(more.exchanged.claimed.iter().cloned());
        set_aside.extend(more.exchanged.set_aside.iter().cloned());
        done.exchanged = Exchanged { claimed, set_aside, settled, superseded, ..more.exchanged };
        Ok(())
    }

    /// All in one round trip; none if that cannot be done, or nobody knows whether it was.
    fn at_once(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        standings: HashMap<Lease, Standing>,
        now: Timestamp,
    ) -> Result<Option<Progress>> {
        let until = Instant::now() + self.patience;
        let settled = Held::remembered(standings).settle(exchange.ended, exchange.policy, now);
        let settled = settled.map_err(|trouble| self.explain_trouble(trouble))?;
        let mut conflicts = 0;
        let mut sifted = Vec::new();
        let (told, thrift, began) = loop {
            let thrift = self.memory.thrift(exchange.want);
            let Exchange { want, suspects, .. } = *exchange;
            let connection = self.memory.connection(worker);
            let ends = &settled.ends;
            let turn = Turn { worker, ends, is_certain: false, want, suspects, thrift, connection, now };
            let session = self.session(until)?;
            if !session.is_ours() {
                return Ok(None);
            }
            let began = Instant::now();
            match turn.send(session) {
                Ok(rows) => break (turn.told(&rows), thrift, began),
                Err(error) if has_not_happened(&error) => {
                    let found = if is_about_data(&error) { self.sift(worker, now)? } else { Vec::new() };
                    if found.is_empty() {
                        self.give_up_or_go_on(Trouble::Sql(error), &mut conflicts, until)?;
                    }
                    sifted.extend(found);
                }
                Err(error) => {
                    tracing::debug!("the connection was lost in an exchange: {error}");
                    self.give_up_session();
                    self.memory.is_unclear = true;
                    return Ok(None);
                }
            }
        };
        let told = told.map_err(|trouble| {
            // It has happened all the same.
            self.memory.is_unclear = true;
            self.explain_trouble(trouble)
        })?;
        let (number, unreadable) = (told.settled, told.unreadable.clone());
        let mut done = self.take_in(exchange.want, &settled, told, &Counts::default(), thrift, (now, began));
        done.exchanged.set_aside = self.set_claims_aside(worker, &unreadable, now);
        done.exchanged.set_aside.extend(sifted);
        if number == settled.verdicts.len() as i64 {
            return Ok(Some(done));
        }
        // Some of it was not so any more: which, has to be read.
        let results = Exchange { want: 0, ..*exchange };
        match self.carefully(worker, &Careful { exchange: &results, joins: 0, doubt: Doubt::SomeEnds }, now) {
            Ok(rest) => {
                let Exchanged { claimed, set_aside, .. } = done.exchanged;
                let exchanged = Exchanged { claimed, set_aside, ..rest.exchanged };
                Ok(Some(Progress { exchanged, ..rest }))
            }
            Err(error) => {
                // The worker is not told of what it has claimed: it is given back.
                self.memory.disown(&done.exchanged.claimed);
                Err(error)
            }
        }
    }

    /// Step by step, in one transaction.
    fn carefully(&mut self, worker: WorkerId, careful: &Careful<'_>, now: Timestamp) -> Result<Progress> {
        let Careful { exchange, joins, doubt } = *careful;
        let began = Instant::now();
        if doubt != Doubt::Nothing {
            self.memory.look_anew();
        }
        let known = self.memory.known();
        // What joins the line changes what is due next.
        let thrift = if joins == 0 {
            self.memory.thrift(exchange.want)
        } else {
            self.memory.thrift_of_a_look(exchange.want)
        };
        let look = if doubt == Doubt::Anything { sql::GIVE_UP_CONNECTION } else { sql::STOP_OF };
        let mut connection = self.memory.connection(worker);
        let mut is_refused = false;
        let done = self.write_after(&look.replace("$1", &worker.to_string()), |session, books, stop| {
            if doubt == Doubt::Anything {
                connection = connection_of(session, worker)?.unwrap_or(connection);
            }
            if doubt == Doubt::Anything {
                // What was claimed and never heard of is given back.
                let mut strays = super::work::claims(session, worker)?;
                strays.retain(|lease| !known.contains_key(lease));
                let mut held = Held::read(session, worker, &strays)?;
                held.hand_back(session, books, &strays, exchange.policy, now)?;
            }
            let mut held = Held::read(session, worker, &all_leases(exchange))?;
            // What is not held any more may have been handed in before.
            let before = if exchange.ended.iter().all(|ended| held.is_held(ended.lease)) {
                HashMap::new()
            } else {
                recorded(session, worker, exchange, &known)?
            };
            add_output(session, worker, exchange, &mut held)?;
            held.hand_back(session, books, exchange.unstarted, exchange.policy, now)?;
            if joins > 0 && stop == Some("0") {
                line::promote(session, joins, now)?;
            }
            let settled = held.settle(exchange.ended, exchange.policy, now)?;
            let (Exchange { want, suspects, .. }, ends) = (*exchange, &settled.ends);
            let turn = Turn { worker, ends, is_certain: true, want, suspects, thrift, connection, now };
            let told = turn.take(session).inspect_err(|trouble| {
                is_refused = matches!(trouble, Trouble::Sql(error) if is_about_data(error));
            })?;
            let aside = set_aside(session, books, worker, &told.unreadable, now)?;
            if told.settled < settled.verdicts.len() as i64 {
                return Err(Trouble::Stale);
            }
            let mut superseded = held.superseded();
            let was_unstarted = |lease: &Lease| {
                doubt != Doubt::Nothing && exchange.unstarted.contains(lease) && known.contains_key(lease)
            };
            superseded.retain(|lease| !(before.contains_key(lease) || was_unstarted(lease)));
            let before = Held::remembered(before).settle(exchange.ended, exchange.policy, now)?;
            Ok((told, settled, before.verdicts, superseded, aside, books.counts))
        });
        let (told, settled, before, superseded, aside, back) = match done {
            // Some job in line cannot be claimed as it is.
            Err(error) if is_refused => {
                let sifted = self.sift(worker, now)?;
                if sifted.is_empty() {
                    return Err(error);
                }
                let mut done = self.carefully(worker, careful, now)?;
                done.exchanged.set_aside.extend(sifted);
                return Ok(done);
            }
            done => done?,
        };
        self.memory.is_unclear = false;
        self.memory.gave_up_connection(worker, connection);
        let mut done = self.take_in(exchange.want, &settled, told, &back, thrift, (now, began));
        done.exchanged.settled.extend(before);
        done.exchanged.superseded = superseded;
        done.exchanged.set_aside = aside;
        Ok(done)
    }

    /// Remembers what came of a turn, and makes of it what the worker is told.
    fn take_in(
        &mut self,
        want: u32,
        settled: &Settled,
        told: Told,
        back: &Counts,
        thrift: Thrift,
        (now, began): (Timestamp, Instant),
    ) -> Progress {
        let mut own = books::sum(settled.counts, back);
        for (job, from) in told.claimed.iter().zip(&told.claimed_from) {
            own.moved(*from, job.state);
        }
        let Told { claimed, unreadable, beginning, any_suspect, walked, news, any_returned, .. } = told;
        let took = began.elapsed();
        let line = LineSeen { is_short: claimed.len() + unreadable.len() < want as usize, any_suspect };
        self.memory.remember(&claimed);
        self.memory.learn(&thrift, want, &Seen { beginning, walked, took, line });
        let is_counted = news.rest.as_ref().is_some_and(|rest| rest.books.is_some());
        let mut exchanged = self.heard(news, &own, began);
        if let Some(due) = settled.first_due {
            exchanged.next_due = self.memory.expect(due, now);
        }
        exchanged.claimed = claimed;
        exchanged.settled.clone_from(&settled.verdicts);
        let is_told = thrift.reads != Reads::Nothing;
        let from_the_middle = line.is_short && !thrift.is_of_the_whole_line();
        let passed_over = any_returned
            || from_the_middle
            || !unreadable.is_empty()
            || (any_suspect && !thrift.expects_suspects);
        Progress { exchanged, passed_over, is_told, is_counted }
    }

    /// What a worker is told that has nothing to hand in, and whether there is work.
    fn look_round(&mut self, worker: WorkerId, want: u32, now: Timestamp) -> Result<(bool, Exchanged)> {
        let began = Instant::now();
        let thrift = self.memory.thrift_of_a_look(want);
        let (now, other_clock) = (now.as_millis(), now.after(crate::FURTHER_THAN_A_TURN).as_millis());
        let (in_line, news) = self.read(|session| {
            let ((rank, place), reads) = (thrift.from, thrift.reads as i64);
            let values = values![worker.0, now, other_clock, rank, place, reads];
            let told = books::one(session.rows(sql::NEWS_AND_WORK, values)?)?;
            Ok((row::get(&told, 0)?, News::read(&told, 1)?))
        })?;
        let exchanged = self.heard(news, &Counts::default(), began);
        Ok((in_line || self.memory.anything_due, exchanged))
    }

    /// Sets the clock by the server's, folds the changes if there are many, and gives
    /// what the worker is told beside its jobs.
    fn heard(&mut self, news: News, own: &Counts, began: Instant) -> Exchanged {
        let took = began.elapsed();
        self.clock.set(news.time, began + took);
        let mut exchanged = Exchanged {
            cancel: news.cancel,
            stop: news.stop,
            was_called_dead: news.was_called_dead,
            ..Exchanged::default()
        };
        self.memory.tell(news.rest.as_ref(), own, took, &mut exchanged);
        let workers = exchanged.roster.len();
        if let (Some(session), Some((_, changes))) =
            (&mut self.session, news.rest.and_then(|rest| rest.books))
        {
            match books::fold(session, changes, workers) {
                Ok(are_many) => self.memory.folds_failed *= u32::from(!are_many),
                Err(error) => {
                    self.memory.folds_failed += 1;
                    let reason = self.explain_trouble(error);
                    // Once may be bad luck; later it is said already.
                    if self.memory.folds_failed == FOLDS_FAILED_FOR_GOOD {
                        tracing::warn!(
                            "The changes of the counts cannot be added up, and grow: {reason}; see `queuectl doctor`."
                        );
                    } else {
                        tracing::debug!("the books could not be folded: {reason}");
                    }
                }
            }
        }
        exchanged
    }
}

/// How often a worker has given up a connection; none if it is no longer on the list.
fn connection_of(session: &mut Session, worker: WorkerId) -> Result<Option<i64>, Trouble> {
    let found = session.rows(sql::CONNECTION_OF, values![worker.0])?;
    found.first().map(|found| row::get(found, 0)).transpose()
}

/// Of what a worker hands in, that which it has recorded before, as far as it
/// remembers it.
fn recorded(
    session: &mut Session,
    worker: WorkerId,
    exchange: &Exchange<'_>,
    known: &HashMap<Lease, Standing>,
) -> Result<HashMap<Lease, Standing>, Trouble> {
    let (seqs, numbers) = columns(&exchange.ended.iter().map(|ended| ended.lease).collect::<Vec<_>>());
    let rows = session.rows(sql::RECORDED, values![worker.0, seqs, numbers])?;
    let recorded: HashSet<Lease> = all(&rows, row::lease)?.into_iter().collect();
    Ok(recorded.into_iter().filter_map(|lease| Some((lease, *known.get(&lease)?))).collect())
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
