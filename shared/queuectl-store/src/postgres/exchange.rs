//! The one exchange of a worker: records what ended, hands back, appends output,
//! claims. How it is done is an [`ExchangePlan`].

use super::cache::{Extent, Held, ReadBudget, Reads};
use super::plan::{Doubt, ExchangePlan};
use super::promotion::promote;
use super::reply::{Reply, Signals};
use super::request::{Request, Served, Trust};
use super::row::{self, all, one};
use super::set_aside::set_aside;
use super::standings::{Outcome, Standings, columns};
use super::store::PostgresStore;
use super::trouble::{Trouble, has_not_happened, is_about_data};
use super::{counters, gates};
use super::{output, sql, worker};
use crate::Result;
use crate::counts::Counts;
use crate::worker::{Exchange, Exchanged, Suspects};
use queuectl_core::{Job, Lease, PausedQueues, Promotion, State, Timestamp, WorkerId};
use queuectl_postgres::Named;
use queuectl_postgres::session::{Session, named, values};
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
    /// There were ready jobs that the claim could not see, or did not take.
    passed_over: bool,
    /// Whether all signals were read.
    is_told: bool,
    /// Whether the counters were added up.
    is_counted: bool,
}

/// When an exchange began, by both clocks.
#[derive(Clone, Copy)]
struct Beginning {
    now: Timestamp,
    at: Instant,
}

impl PostgresStore {
    /// See [`Worker::exchange`](crate::Worker::exchange).
    pub(super) fn exchange_once(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        now: Timestamp,
    ) -> Result<Exchanged> {
        self.cache.rings = self.lease_clock.as_ref().map_or(0, |clock| clock.rings());
        let mut plan = ExchangePlan::pick(exchange, &self.cache, now);
        if let ExchangePlan::Look = plan {
            let (mut any_ready, mut signals) = self.look_round(worker, exchange, now)?;
            if exchange.want > 0 && !any_ready && self.cache.looked_from_cursors() {
                (any_ready, signals) = self.look_round(worker, exchange, now)?;
            }
            if exchange.want == 0 || !any_ready {
                return Ok(signals);
            }
            plan = ExchangePlan::to_claim(exchange, &self.cache, now);
        }
        let has_promoted = matches!(plan, ExchangePlan::Carefully { promotes: Some(_), .. });
        let mut done = self.carry_out(worker, exchange, plan, now)?;
        self.cache.forget(exchange);
        self.answers_within = self.usual_patience();
        // The exchange has happened: what goes wrong from here on, the next one finds.
        self.claim_what_is_left(worker, exchange, &mut done, has_promoted, now);
        let any_ready = self.complete_signals(worker, exchange, &mut done, now);
        let claimed = done.exchanged.claimed.len() as u32;
        let missing =
            Exchange { want: exchange.want.saturating_sub(claimed), ended: &[], unstarted: &[], ..*exchange };
        let has_room = !self.cache.gates_to_hold(&missing).is_empty();
        if (any_ready || has_room) && done.exchanged.set_aside.is_empty() {
            // They came in since, or in a queue that had none before, or whose limit was not
            // known.
            done.passed_over = true;
            self.claim_what_is_left(worker, exchange, &mut done, false, now);
        }
        done.exchanged.limited_waits = self.cache.gates.any_waits();
        let again = self.cache.gates.try_again_at(now);
        done.exchanged.next_due = done.exchanged.next_due.into_iter().chain(again).min();
        Ok(done.exchanged)
    }

    fn carry_out(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        plan: ExchangePlan,
        now: Timestamp,
    ) -> Result<Progress> {
        match plan {
            ExchangePlan::AtOnce(held) => {
                if let Some(done) = self.at_once(worker, exchange, held, now)? {
                    return Ok(done);
                }
                // It cannot be done so, or nobody knows whether it was.
                let doubt = if self.cache.is_unclear { Doubt::Anything } else { Doubt::Nothing };
                self.carefully(worker, exchange, doubt, None, now)
            }
            ExchangePlan::Carefully { doubt, promotes } => {
                self.carefully(worker, exchange, doubt, promotes, now)
            }
            ExchangePlan::Look => self.carefully(worker, exchange, Doubt::Nothing, None, now),
        }
    }

    /// Claims what the exchange has passed over, once jobs that are due have become ready.
    fn claim_what_is_left(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        done: &mut Progress,
        has_promoted: bool,
        now: Timestamp,
    ) {
        let mut promotes = self.cache.any_due && !has_promoted;
        loop {
            let set_aside_before = done.exchanged.set_aside.len();
            if let Err(error) = self.claim_more(worker, exchange, done, promotes, now) {
                tracing::debug!("no more could be claimed: {error}");
            }
            promotes = false;
            // Rows that cannot be read make room for those behind them, not too many at a time.
            let set_aside = done.exchanged.set_aside.len();
            done.passed_over = set_aside > set_aside_before;
            if !done.passed_over || set_aside >= MOST_SET_ASIDE {
                break;
            }
        }
    }

    /// Where fewer jobs were ready than are wanted, claims what has become ready since.
    fn claim_more(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        done: &mut Progress,
        promotes: bool,
        now: Timestamp,
    ) -> Result<()> {
        let claimed = &done.exchanged.claimed;
        let missing = exchange.want.saturating_sub(claimed.len() as u32);
        let may_claim = done.exchanged.stop.is_none() && !done.exchanged.was_called_dead;
        if missing == 0 || !may_claim || !(done.passed_over || promotes) {
            return Ok(());
        }
        let suspects = if claimed.iter().any(Job::is_suspect) { Suspects::No } else { exchange.suspects };
        let queues = exchange.queues;
        let ahead = exchange.ahead.min(missing);
        let more = Exchange { want: missing, ahead, queues, suspects, ..Exchange::nothing(exchange.policy) };
        let promotes = promotes.then(|| Promotion::new(missing, now));
        let more = self.carefully(worker, &more, Doubt::Nothing, promotes, now)?;
        (done.is_told, done.is_counted) = (more.is_told, more.is_counted);
        let Exchanged { mut claimed, mut set_aside, finished, superseded, .. } =
            std::mem::take(&mut done.exchanged);
        // What was claimed before a stop was asked for comes without it: the next exchange tells.
        let stop = more.exchanged.stop.filter(|_| claimed.is_empty());
        claimed.extend(more.exchanged.claimed.iter().cloned());
        set_aside.extend(more.exchanged.set_aside.iter().cloned());
        done.exchanged = Exchanged { claimed, set_aside, finished, superseded, stop, ..more.exchanged };
        Ok(())
    }

    /// A worker that finds too little wants to know why; and where nothing is left that any
    /// worker runs, what is remembered may lack a job that has come in since. Tells whether
    /// there are ready jobs.
    fn complete_signals(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        done: &mut Progress,
        now: Timestamp,
    ) -> bool {
        let found_too_little = done.exchanged.claimed.len() < exchange.want as usize && !done.is_told;
        let seems_to_be_the_end =
            !exchange.ended.is_empty() && done.exchanged.counts[State::Processing] == 0 && !done.is_counted;
        if seems_to_be_the_end {
            self.cache.look_anew();
        }
        if !(found_too_little || seems_to_be_the_end) {
            return false;
        }
        match self.look_round(worker, exchange, now) {
            Ok((any_ready, Exchanged { counts, next_due, roster, paused, limited, .. })) => {
                let exchanged = std::mem::take(&mut done.exchanged);
                done.exchanged = Exchanged { counts, next_due, paused, limited, roster, ..exchanged };
                any_ready
            }
            Err(error) => {
                tracing::debug!("the queue could not be looked at: {error}");
                false
            }
        }
    }

    /// All in one round trip; none if that cannot be done, or nobody knows whether it was.
    fn at_once(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        held: HashMap<Lease, Held>,
        now: Timestamp,
    ) -> Result<Option<Progress>> {
        let until = Instant::now() + self.patience;
        let outcome = Standings::remembered(held).finish(exchange.ended, exchange.policy, now);
        let outcome = outcome.map_err(|trouble| self.explain_trouble(trouble))?;
        let mut conflicts = 0;
        let mut sifted = Vec::new();
        let (reply, budget, at) = loop {
            let budget = self.cache.budget(exchange.want, exchange.queues);
            let connection = self.cache.connection(worker);
            let request =
                self::request(worker, exchange, &outcome, &budget, Trust::Remembered, connection, now);
            let session = self.session(until)?;
            if !session.is_ours() {
                return Ok(None);
            }
            let at = Instant::now();
            match request.send(session) {
                Ok(rows) => break (request.read(&rows), budget, at),
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
                    self.cache.is_unclear = true;
                    return Ok(None);
                }
            }
        };
        let reply = reply.map_err(|trouble| {
            // It has happened all the same.
            self.cache.is_unclear = true;
            self.explain_trouble(trouble)
        })?;
        let (ended, unreadable) = (reply.ended, reply.unreadable.clone());
        let began = Beginning { now, at };
        let mut done = self.take_in(exchange, &outcome, reply, &Counts::default(), &budget, began);
        done.exchanged.set_aside = self.set_claims_aside(worker, &unreadable, now);
        done.exchanged.set_aside.extend(sifted);
        if ended == outcome.effects.len() as i64 {
            return Ok(Some(done));
        }
        // Some of it was not so any more: which, has to be read.
        let results = Exchange { want: 0, ..*exchange };
        match self.carefully(worker, &results, Doubt::SomeEnds, None, now) {
            Ok(rest) => {
                let Exchanged { claimed, set_aside, .. } = done.exchanged;
                let exchanged = Exchanged { claimed, set_aside, ..rest.exchanged };
                Ok(Some(Progress { exchanged, ..rest }))
            }
            Err(error) => {
                // The worker is not told of what it has claimed: it is given back.
                self.cache.disown(&done.exchanged.claimed);
                Err(error)
            }
        }
    }

    /// Step by step, in one transaction.
    fn carefully(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        doubt: Doubt,
        promotes: Option<Promotion>,
        now: Timestamp,
    ) -> Result<Progress> {
        let at = Instant::now();
        if doubt != Doubt::Nothing {
            self.cache.look_anew();
        }
        let known = self.cache.held();
        let limited = self.cache.gates.limited().to_vec();
        // What becomes ready changes what is due next.
        let mut budget = if promotes.is_none() {
            self.cache.budget(exchange.want, exchange.queues)
        } else {
            self.cache.budget_of_a_look(exchange.want, exchange.queues)
        };
        let gates = self.cache.gates_to_hold(exchange);
        let mut tried = gates.clone();
        let mut connection = self.cache.connection(worker);
        let mut is_refused = false;
        let first = match doubt {
            Doubt::Anything => sql::give_up_connection(worker),
            Doubt::Nothing | Doubt::SomeEnds => sql::stop_of(worker),
        };
        let done = self.write_after(&first, |session, counters, stop| {
            if doubt == Doubt::Anything {
                connection = connection_of(session, worker)?.unwrap_or(connection);
                // What was claimed and never heard of is given back.
                let mut strays = worker::claims(session, worker)?;
                strays.retain(|lease| !known.contains_key(lease));
                let mut standings = Standings::read(session, worker, &strays)?;
                standings.hand_back(session, counters, &strays, exchange.policy, now)?;
                standings.give_keys_back(session, now)?;
            }
            let mut standings = Standings::read(session, worker, &all_leases(exchange))?;
            // What is not held any more may have been handed in before.
            let before = if exchange.ended.iter().all(|ended| standings.is_held(ended.lease)) {
                HashMap::new()
            } else {
                recorded(session, worker, exchange, &known)?
            };
            output::add(session, worker, exchange, &mut standings)?;
            let returned = standings.queues_of(exchange.unstarted);
            standings.hand_back(session, counters, exchange.unstarted, exchange.policy, now)?;
            let outcome = standings.finish(exchange.ended, exchange.policy, now)?;
            // Before rows of what waits are locked.
            standings.give_keys_back(session, now)?;
            let mut became_ready: Vec<String> = returned.into_iter().collect();
            if let Some(promotion) = &promotes
                && worker::may_claim(stop)
            {
                became_ready.extend(promote(session, promotion, exchange.queues, now)?);
            }
            tried.clone_from(&gates);
            if exchange.at_once() > 0 {
                tried.extend(limited.iter().filter(|queue| became_ready.contains(queue)).cloned());
            }
            tried.sort_unstable();
            tried.dedup();
            budget.also(became_ready, exchange.queues);
            budget.rooms =
                gates::hold(session, &tried, |queue| outcome.ends.of_queue(queue), exchange.at_once())?;
            budget.also(tried.iter().cloned(), exchange.queues);
            let request = self::request(worker, exchange, &outcome, &budget, Trust::Certain, connection, now);
            let reply = request.reply(session).inspect_err(|trouble| {
                is_refused = matches!(trouble, Trouble::Sql(error) if is_about_data(error));
            })?;
            let aside = set_aside(session, counters, worker, &reply.unreadable, now)?;
            if reply.ended < outcome.effects.len() as i64 {
                return Err(Trouble::Stale);
            }
            let mut superseded = standings.superseded();
            let was_unstarted = |lease: &Lease| {
                doubt != Doubt::Nothing && exchange.unstarted.contains(lease) && known.contains_key(lease)
            };
            superseded.retain(|lease| !(before.contains_key(lease) || was_unstarted(lease)));
            let before = Standings::remembered(before).finish(exchange.ended, exchange.policy, now)?;
            Ok((reply, outcome, before.effects, superseded, aside, counters.sum()))
        });
        let (reply, outcome, before, superseded, aside, back) = match done {
            // Some ready job cannot be claimed as it is.
            Err(error) if is_refused => {
                let sifted = self.sift(worker, now)?;
                if sifted.is_empty() {
                    return Err(error);
                }
                let mut done = self.carefully(worker, exchange, doubt, promotes, now)?;
                done.exchanged.set_aside.extend(sifted);
                return Ok(done);
            }
            done => done?,
        };
        self.cache.is_unclear = false;
        self.cache.gave_up_connection(worker, connection);
        self.cache.gates.learn(&tried, &budget.rooms, &reply.claimed, self.cache.rings);
        let mut done = self.take_in(exchange, &outcome, reply, &back, &budget, Beginning { now, at });
        done.exchanged.finished.extend(before);
        done.exchanged.superseded = superseded;
        done.exchanged.set_aside = aside;
        Ok(done)
    }

    /// Remembers what came of an exchange, and makes of it what the worker is told.
    fn take_in(
        &mut self,
        exchange: &Exchange<'_>,
        outcome: &Outcome,
        reply: Reply,
        back: &Counts,
        budget: &ReadBudget,
        began: Beginning,
    ) -> Progress {
        let mut own = outcome.counts;
        own.add(back);
        for (job, from) in reply.claimed.iter().zip(&reply.claimed_from) {
            own.moved(*from, job.state);
        }
        let took = began.at.elapsed();
        self.cache.remember(&reply.claimed);
        self.cache.learn(budget, exchange.want, &reply, took);
        let is_short = reply.is_short(exchange.want);
        let Reply { claimed, unreadable, any_suspect, signals, any_returned, .. } = reply;
        let is_counted = signals.more.as_ref().is_some_and(|more| more.counts.is_some());
        let mut exchanged = self.heard(exchange, signals, &own, began);
        for queue in outcome.ends.returned_queues() {
            self.cache.became_ready(queue);
        }
        if let Some(due) = outcome.first_due {
            let due = self.cache.expect(due, began.now);
            exchanged.next_due = due.into_iter().chain(exchanged.paused.next_end(exchange.queues)).min();
        }
        exchanged.claimed = claimed;
        exchanged.finished.clone_from(&outcome.effects);
        let may_be_more = budget.extent == Extent::FromCursors
            || self.cache.knows_more_queues(&budget.queues, exchange.queues);
        let passed_over = any_returned
            || (is_short && (may_be_more || !self.cache.gates_to_hold(exchange).is_empty()))
            || !unreadable.is_empty()
            || (any_suspect && !budget.expects_suspects);
        Progress { exchanged, passed_over, is_told: budget.reads != Reads::Nothing, is_counted }
    }

    /// What a worker is told that has nothing to hand in, and whether there is work.
    fn look_round(
        &mut self,
        worker: WorkerId,
        exchange: &Exchange<'_>,
        now: Timestamp,
    ) -> Result<(bool, Exchanged)> {
        let at = Instant::now();
        let budget = self.cache.budget_of_a_look(exchange.want, exchange.queues);
        let (any_ready, signals) = self.read(|session| {
            let served = Served::of(exchange.queues, &budget, now);
            let now = now.as_millis();
            let mut values: Vec<Named<'_>> = named![worker: worker.0, now].into();
            values.extend(served.named());
            let told = one(session.ask(&sql::LOOK, &values)?)?;
            Ok((row::get::<bool>(&told, "any_ready")?, Signals::read(&told)?))
        })?;
        let exchanged = self.heard(exchange, signals, &Counts::default(), Beginning { now, at });
        let knows_more = self.cache.knows_more_queues(&budget.queues, exchange.queues);
        let has_room = !self.cache.gates_to_hold(exchange).is_empty();
        Ok((any_ready || knows_more || has_room || self.cache.any_due, exchanged))
    }

    /// Sets the clock by the server's, folds the changes if there are many, and gives
    /// what the worker is told beside its jobs.
    fn heard(
        &mut self,
        exchange: &Exchange<'_>,
        signals: Signals,
        own: &Counts,
        began: Beginning,
    ) -> Exchanged {
        let took = began.at.elapsed();
        self.clock.set(signals.time, began.at + took);
        let mut exchanged = Exchanged {
            cancel: signals.cancel,
            stop: signals.stop,
            was_called_dead: signals.was_called_dead,
            paused: PausedQueues::at(began.now, signals.paused),
            limited: signals.limited.clone(),
            ..Exchanged::default()
        };
        self.cache.gates.are_there(&signals.limited, signals.limited_and_ready);
        self.cache.tell(signals.more.as_ref(), own, took, began.now, &mut exchanged);
        exchanged.next_due =
            exchanged.next_due.into_iter().chain(exchanged.paused.next_end(exchange.queues)).min();
        if let Some(more) = signals.more {
            self.fold(more.changes);
        }
        exchanged
    }

    fn fold(&mut self, changes: i64) {
        let Some(session) = &mut self.session else { return };
        match counters::fold(session, changes, self.cache.changes_left) {
            Ok(None) => {}
            Ok(Some(left)) => (self.cache.changes_left, self.cache.folds_failed) = (left, 0),
            Err(error) => {
                self.cache.folds_failed += 1;
                let reason = self.explain_trouble(error);
                // Once may be bad luck; later it is said already.
                if self.cache.folds_failed == FOLDS_FAILED_FOR_GOOD {
                    tracing::warn!(
                        "The changes of the counts cannot be added up, and grow: {reason}; see `queuectl doctor`."
                    );
                } else {
                    tracing::debug!("the changes of the counts could not be added up: {reason}");
                }
            }
        }
    }
}

/// What is sent.
fn request<'a>(
    worker: WorkerId,
    exchange: &Exchange<'a>,
    outcome: &'a Outcome,
    budget: &'a ReadBudget,
    trust: Trust,
    connection: i64,
    now: Timestamp,
) -> Request<'a> {
    let Exchange { want, suspects, queues: serves, .. } = *exchange;
    Request { worker, ends: &outcome.ends, trust, want, serves, suspects, budget, connection, now }
}

/// How often a worker has given up a connection; none if it is no longer on the list.
fn connection_of(session: &mut Session, worker: WorkerId) -> Result<Option<i64>, Trouble> {
    let found = session.rows(sql::CONNECTION_OF, values![worker.0])?;
    found.first().map(|found| row::get(found, "connection")).transpose()
}

/// Of what a worker hands in, that which it has recorded before, as far as it
/// remembers it.
fn recorded(
    session: &mut Session,
    worker: WorkerId,
    exchange: &Exchange<'_>,
    known: &HashMap<Lease, Held>,
) -> Result<HashMap<Lease, Held>, Trouble> {
    let (seqs, numbers) = columns(&exchange.ended.iter().map(|ended| ended.lease).collect::<Vec<_>>());
    let rows = session.rows(sql::RECORDED, values![worker.0, seqs, numbers])?;
    let recorded: HashSet<Lease> = all(&rows, row::lease)?.into_iter().collect();
    Ok(recorded.into_iter().filter_map(|lease| Some((lease, known.get(&lease)?.clone()))).collect())
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
