//! The desk: the one thread of a worker that owns the store.
//!
//! Its whole life is one transaction, again and again: record what ended, hand
//! back what will not start, append output, claim what is free to start. Many
//! results share a commit when there are many; a lone job never waits for company.

use crate::ahead::{Ahead, PATIENCE};
use crate::floor::{Floor, Occupancy, Tray};
use crate::slot::Order;
use crate::worker::{Drain, WorkerError, WorkerOptions};
use queuectl_core::{Effect, Job, JobId, Lease, QueueSet, State, Timestamp, two_units};
use queuectl_store::{
    Counts, Ended, Exchange, Exchanged, OutputPart, OutputTrim, ServerProblem, SetAside, Stop, StoreError,
    Suspects, Work,
};
use std::collections::{HashMap, HashSet};
use std::mem::{Discriminant, discriminant};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Results gather for so long while there is work on the shelf. (5 ms were as
/// good for one worker process and worse for two.)
const GATHER: Duration = Duration::from_millis(10);

/// While jobs of others are all that is left of a queue that is drained, it is looked
/// at so often.
const LAST_ONES_END_WITHIN: Duration = Duration::from_millis(100);

/// A commit that failed for want of room is tried again after so long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A server that does not answer is asked again after a time between these, in
/// milliseconds: not all workers come back to it at once.
const ASK_AGAIN_AFTER: RangeInclusive<u64> = 200..=1000;

/// A disk that fails so often in a row is broken, and the worker ends. (Trying
/// again is safe: the database writes everything of a transaction anew, so nothing
/// depends on pages that a failed sync has left behind.)
const MOST_DISK_FAILURES: u32 = 10;

/// A worker that finds so often in a row that the lock it waits for is its own ends:
/// the lock ends with it.
const MOST_WAITS_FOR_ITSELF: u32 = 3;

/// So many obstacles in a row are told: a message may say something else each time.
const MOST_TOLD: usize = 5;

/// So much of a command is logged at the end of its job.
const LOGGED_CHARACTERS: usize = 80;

/// The thread that owns the store.
pub(crate) struct Desk<'a> {
    store: Box<dyn Work + Send>,
    floor: &'a Floor,
    options: &'a WorkerOptions,
    ahead: Ahead,
    outgoing: Outgoing,
    held: HashMap<Lease, Held>,
    cancelled: HashSet<Lease>,
    stop: Option<Stop>,
    /// It stops for a reason that the store does not know of.
    stop_to_note: Option<Stop>,
    budget: Option<u64>,
    counts: Counts,
    /// The last exchange found less than it asked for.
    line_is_empty: bool,
    next_look: Instant,
    /// The store is out of order for now.
    failing: Option<Failing>,
    disk_failures: u32,
    waits_for_itself: u32,
    announced_due: Option<Timestamp>,
}

/// What is to be handed in; kept until a commit has taken it.
#[derive(Default)]
struct Outgoing {
    ended: Vec<Ended>,
    unstarted: Vec<Lease>,
    output: Vec<OutputPart>,
    trims: Vec<OutputTrim>,
}

impl Outgoing {
    fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.unstarted.is_empty() && self.output.is_empty() && self.trims.is_empty()
    }
}

/// Why nothing can be handed in for now.
struct Failing {
    /// What has stood in the way since then; each is told once.
    told: Vec<Obstacle>,
    /// Since when; anew while jobs run.
    since: Instant,
    step: Step,
    /// Then there is nobody to be asked for anything else either.
    is_unanswered: bool,
}

/// What could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Exchange,
    /// There was nothing to hand in: only a claim shows that it works again.
    Claim,
    /// All else is done, and only that this worker ends cannot be noted.
    Retire,
}

/// What stands in the way, as far as it is worth a new line in the log.
#[derive(PartialEq, Eq)]
enum Obstacle {
    /// A server that goes down says so in many words.
    OfServer(Discriminant<ServerProblem>),
    Other(String),
}

impl Obstacle {
    fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Server { problem, .. } => Self::OfServer(discriminant(problem)),
            other => Self::Other(other.to_string()),
        }
    }
}

/// What the desk remembers of a job it holds.
struct Held {
    id: JobId,
    /// The beginning of its command, for the log.
    command: String,
    max_retries: u32,
    is_suspect: bool,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(store: Box<dyn Work + Send>, floor: &'a Floor) -> Self {
        let options = floor.options();
        Self {
            store,
            floor,
            options,
            ahead: Ahead::new(options.concurrency),
            outgoing: Outgoing::default(),
            held: HashMap::new(),
            cancelled: HashSet::new(),
            stop: None,
            stop_to_note: None,
            budget: options.max_jobs,
            counts: Counts::default(),
            line_is_empty: false,
            next_look: Instant::now(),
            failing: None,
            disk_failures: 0,
            waits_for_itself: 0,
            announced_due: None,
        }
    }

    /// Serves until the worker has nothing left to do.
    pub(crate) fn serve(mut self) -> Result<(), WorkerError> {
        let served = self.turn_after_turn();
        if let Err(error) = &served {
            // It was said already if somebody else has found it.
            if !self.floor.is_broken() {
                let then = if self.floor.is_idle() { "" } else { "; running jobs are ended" };
                tracing::error!("{error}{then}");
            }
            self.leave_in_order(matches!(
                error,
                WorkerError::Store(StoreError::LeaseLapsed { .. } | StoreError::CalledDead { .. })
            ));
        }
        served
    }

    /// Ends what runs and hands in what can be handed in, after an error that
    /// ends the worker; if its lease is lost, also what completed jobs have left.
    fn leave_in_order(&mut self, has_lapsed: bool) {
        self.floor.halt();
        while !self.floor.is_idle() {
            drop(self.floor.wait_for_tray(|tray| tray.since.is_none().then(|| Instant::now() + GATHER)));
            self.take_results();
        }
        let mut is_stuck = false;
        if has_lapsed && let Err(error) = self.floor.end_everything() {
            is_stuck = true;
            tracing::error!("Jobs are stuck, and others may run them: {error}");
        }
        self.take_results();
        self.stop = self.stop.max(Some(Stop::Graceful));
        let handed_in = self.hand_in_at_last(has_lapsed).and_then(|()| {
            // Of one that leaves something, that is still to be ended by others.
            if is_stuck { self.retire_from_the_list() } else { self.retire() }
        });
        if handed_in.is_err()
            && let Err(error) = self.floor.presence().clear_notes()
        {
            // Whoever rescues the jobs must not count a crash: they were ended here.
            tracing::warn!("{error}");
        }
    }

    /// What ended before the lease ran out may still count, if nobody has taken the
    /// jobs over; the store discards the rest.
    fn hand_in_at_last(&mut self, has_lapsed: bool) -> Result<(), StoreError> {
        let began = Instant::now();
        loop {
            match self.exchange() {
                Err(error)
                    if has_lapsed
                        && error.is_passing_at_work()
                        && began.elapsed() < self.floor.last_tries_take() =>
                {
                    let at = Instant::now() + a_moment();
                    drop(self.floor.wait_for_tray(|_| Some(at)));
                }
                handed_in => return handed_in.map(drop),
            }
        }
    }

    fn retire(&mut self) -> Result<(), StoreError> {
        // Before the others are told: what is on their list and not here has died.
        if let Err(error) = self.floor.presence().retire() {
            tracing::warn!("{error}");
        }
        let retired = self.retire_from_the_list();
        if retired.is_err()
            && let Err(error) = self.floor.presence().stay()
        {
            tracing::warn!("{error}");
        }
        retired
    }

    fn retire_from_the_list(&mut self) -> Result<(), StoreError> {
        self.store.retire(self.floor.worker(), &self.options.policy(), self.floor.now())
    }

    fn turn_after_turn(&mut self) -> Result<(), WorkerError> {
        loop {
            self.take_tray()?;
            match self.exchange() {
                Ok(wrote) => {
                    self.recovered(wrote);
                    self.note_stop();
                }
                Err(error) if is_borne(&error) => self.failed_for_now(error, Step::Exchange)?,
                Err(error) => return Err(error.into()),
            }
            if self.is_done() {
                match self.retire() {
                    Ok(()) => {
                        self.ring_if_last();
                        return Ok(());
                    }
                    // All results are recorded; its row says nothing that others do not see.
                    Err(error @ StoreError::Full { .. }) => {
                        tracing::warn!("{error}; this worker stays on the list until there is room");
                        self.ring_if_last();
                        return Ok(());
                    }
                    Err(error) if is_borne(&error) => self.failed_for_now(error, Step::Retire)?,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    /// Waits for something to do and takes what has gathered.
    fn take_tray(&mut self) -> Result<(), WorkerError> {
        let mut tray = self.floor.wait_for_tray(|tray| self.next_turn(tray));
        if let Some(error) = tray.broken.take() {
            return Err(error);
        }
        let stop = tray.stop;
        drop(tray);
        self.take_results();
        if stop > self.stop {
            self.stop_to_note = stop;
        }
        self.stop_if_asked(stop);
        Ok(())
    }

    fn take_results(&mut self) {
        let mut taken = self.floor.take_tray();
        if self.failing.is_none() {
            // A slot's own buffer is bounded; what waits here is not.
            self.floor.collect_output(&mut taken);
        }
        for (ended, duration) in taken.ended {
            self.ahead.note(duration);
            self.outgoing.ended.push(ended);
        }
        self.give_back(taken.unstarted);
        self.outgoing.output.append(&mut taken.output);
        self.outgoing.trims.append(&mut taken.trims);
    }

    /// When to turn round; none means now.
    fn next_turn(&self, tray: &Tray) -> Option<Instant> {
        if tray.broken.is_some() || tray.stop > self.stop {
            return None;
        }
        if self.failing.is_some() {
            return Some(self.next_look);
        }
        if tray.output_due {
            return None;
        }
        let occupancy = self.floor.occupancy();
        // A ring is heard at once where a slot is idle; else it can wait for company.
        if tray.rang.is_some() && occupancy.idle > occupancy.unstarted {
            return None;
        }
        let gathers_since = [tray.since, tray.rang].into_iter().flatten().min();
        let company = gathers_since.map(|since| since + GATHER);
        if tray.since.is_some() && occupancy.unstarted < self.ahead.low_water() {
            return None;
        }
        // A slot that is about to take a job from the shelf tells nobody: patience
        // begins now at the latest.
        let impatient = (occupancy.unstarted > 0)
            .then(|| occupancy.all_busy_since.unwrap_or_else(Instant::now) + PATIENCE);
        let due = [Some(self.next_look), company, impatient, self.floor.output_due_at()];
        due.into_iter().flatten().min()
    }

    fn stop_if_asked(&mut self, stop: Option<Stop>) {
        if stop < self.stop || stop.is_none() || (stop == self.stop && stop != Some(Stop::Forced)) {
            return;
        }
        if self.stop.is_none() {
            let running = if self.held.is_empty() { "." } else { ", finishing current job..." };
            tracing::info!("Received shutdown signal{running}");
        }
        self.stop = stop;
        if stop == Some(Stop::Forced) {
            self.floor.halt();
        } else {
            self.floor.start_nothing_more();
        }
    }

    /// Has people see that this worker stops, if that takes a while. Only after the
    /// store has just answered, and never twice: it is not worth waiting for.
    fn note_stop(&mut self) {
        let Some(stop) = self.stop_to_note.take().filter(|_| !self.held.is_empty()) else { return };
        if let Err(error) = self.store.note_stop(self.floor.worker(), stop) {
            tracing::debug!("{error}");
        }
    }

    fn give_back(&mut self, unstarted: Vec<Lease>) {
        if let Some(budget) = &mut self.budget {
            *budget += unstarted.len() as u64;
        }
        self.outgoing.unstarted.extend(unstarted);
    }

    /// Tells whether anything was written.
    fn exchange(&mut self) -> Result<bool, StoreError> {
        if self.failing.as_ref().is_some_and(|failing| !failing.is_unanswered) {
            self.listen_while_failing();
        }
        let occupancy = self.floor.occupancy();
        let impatient = occupancy.all_busy_since.is_some_and(|since| since.elapsed() >= PATIENCE);
        if impatient && occupancy.unstarted > 0 {
            let unstarted = self.floor.clear_shelf();
            self.give_back(unstarted);
        }
        let want = self.want(occupancy, impatient);
        let suspects = if self.runs_a_suspect() { Suspects::No } else { Suspects::One };
        let policy = self.options.policy();
        let exchange = Exchange {
            ended: &self.outgoing.ended,
            unstarted: &self.outgoing.unstarted,
            output: &self.outgoing.output,
            trims: &self.outgoing.trims,
            want,
            queues: &QueueSet::ALL,
            suspects,
            policy: &policy,
        };
        let now = self.floor.now();
        let began = Instant::now();
        let exchanged = self.store.exchange(self.floor.worker(), &exchange, now)?;
        self.ahead.note_exchange(began.elapsed());
        self.floor.set_low_water(self.ahead.low_water());
        let was_called_dead = exchanged.was_called_dead;
        let wrote = !(self.outgoing.is_empty() && exchanged.claimed.is_empty());
        self.apply(exchanged, want, suspects, now);
        if was_called_dead {
            return Err(StoreError::CalledDead { worker: self.floor.worker() });
        }
        Ok(wrote)
    }

    /// Reads what people want, while nothing can be written.
    fn listen_while_failing(&mut self) {
        let policy = self.options.policy();
        let nothing = Exchange::nothing(&policy);
        if let Ok(exchanged) = self.store.exchange(self.floor.worker(), &nothing, self.floor.now()) {
            self.cancel(exchanged.cancel);
            self.stop_if_asked(exchanged.stop);
        }
    }

    /// Tells whether a suspect is here whose end is not being handed in.
    fn runs_a_suspect(&self) -> bool {
        let ends = |lease: &Lease| {
            self.outgoing.unstarted.contains(lease)
                || self.outgoing.ended.iter().any(|ended| ended.lease == *lease)
        };
        self.held.iter().any(|(lease, held)| held.is_suspect && !ends(lease))
    }

    /// How many jobs to claim.
    fn want(&self, occupancy: Occupancy, impatient: bool) -> u32 {
        let at_most = match &self.failing {
            None => u32::MAX,
            Some(failing) if failing.step == Step::Claim => 1,
            Some(_) => 0,
        };
        if self.stop.is_some() || at_most == 0 {
            return 0;
        }
        let ahead = if impatient { 0 } else { self.ahead.limit() };
        let want = (occupancy.idle + ahead).saturating_sub(occupancy.unstarted).min(at_most);
        self.budget.map_or(want, |budget| want.min(u32::try_from(budget).unwrap_or(u32::MAX)))
    }

    fn apply(&mut self, exchanged: Exchanged, want: u32, suspects: Suspects, now: Timestamp) {
        let Exchanged {
            claimed,
            set_aside,
            finished,
            superseded,
            cancel,
            stop,
            counts,
            next_due,
            roster,
            ..
        } = exchanged;
        let outgoing = std::mem::take(&mut self.outgoing);
        self.counts = counts;
        let any_set_aside = !set_aside.is_empty();
        // With a suspect here, another may have been passed over.
        self.line_is_empty = suspects == Suspects::One && claimed.len() < want as usize && !any_set_aside;
        for SetAside { id, reason } in set_aside {
            tracing::error!("Job {id} cannot be run and is dead: its row cannot be read: {reason}.");
        }

        let ended: HashMap<Lease, Ended> =
            outgoing.ended.into_iter().map(|ended| (ended.lease, ended)).collect();
        let mut gave_back = !outgoing.unstarted.is_empty();
        for (lease, effect) in finished {
            gave_back |= effect.state == State::Pending;
            self.tell(lease, &effect, ended.get(&lease));
        }
        for lease in outgoing.unstarted {
            self.let_go(lease);
        }
        for lease in superseded {
            self.discard(lease);
        }
        self.take_in(claimed);
        self.cancel(cancel);
        let is_alone = roster.len() <= 1;
        self.floor.set_roster(roster);
        self.stop_if_asked(stop);

        let due_in = next_due.filter(|_| want > 0).map(|due| due.since(now));
        let mut wait =
            due_in.map_or(self.options.poll_interval(), |due| due.min(self.options.poll_interval()));
        if any_set_aside {
            // Those behind them have waited long enough.
            wait = Duration::ZERO;
        }
        if self.waits_for_the_last() {
            wait = wait.min(LAST_ONES_END_WITHIN);
        }
        self.next_look = Instant::now() + wait;
        self.tell_what_is_waited_for(next_due, now);
        if is_alone {
            return;
        }
        if gave_back {
            self.ring();
        } else if !ended.is_empty() {
            self.ring_if_last();
        }
    }

    fn take_in(&mut self, claimed: Vec<Job>) {
        if let Some(budget) = &mut self.budget {
            *budget = budget.saturating_sub(claimed.len() as u64);
        }
        for job in &claimed {
            let held = Held {
                id: job.id.clone(),
                command: beginning(job.command.as_str()),
                max_retries: job.max_retries,
                is_suspect: job.is_suspect(),
            };
            self.held.insert(job.last_lease(), held);
        }
        self.floor.fill_shelf(claimed);
    }

    fn let_go(&mut self, lease: Lease) -> Option<Held> {
        self.cancelled.remove(&lease);
        self.held.remove(&lease)
    }

    /// The late result of a job that somebody else holds now.
    fn discard(&mut self, lease: Lease) {
        if let Some(held) = self.let_go(lease) {
            tracing::warn!("Job {} was taken over; what this worker did with it is discarded.", held.id);
        }
        self.floor.order(lease, Order::Interrupt);
    }

    fn cancel(&mut self, leases: Vec<Lease>) {
        for lease in leases {
            if !self.cancelled.insert(lease) {
                continue;
            }
            if self.floor.take_off_shelf(lease) {
                self.give_back(vec![lease]);
                self.floor.ring();
            } else {
                self.floor.order(lease, Order::Cancel);
            }
        }
    }

    fn tell(&mut self, lease: Lease, effect: &Effect, ended: Option<&Ended>) {
        let Some(Held { id, command, max_retries, .. }) = self.let_go(lease) else { return };
        let error = ended.and_then(|ended| ended.error.as_deref()).unwrap_or("no reason known");
        let took = ended.map_or(Duration::ZERO, |ended| ended.ended_at.since(ended.started_at));
        let took = format!("Took {:.3} s: {command}", took.as_secs_f64());
        match (effect.state, effect.delay()) {
            (State::Completed, _) => tracing::info!(detail = took, "Job {id} completed successfully."),
            (State::Failed, delay) => tracing::info!(
                detail = took,
                "Job {id} failed ({error}); retry {}/{max_retries} in {} s.",
                effect.attempts,
                delay.unwrap_or_default().as_secs_f64()
            ),
            (State::Dead, _) => {
                tracing::info!(
                    detail = took,
                    "Job {id} failed ({error}) and has no retries left; it is in the dead letter queue."
                );
            }
            (State::Cancelled, _) => tracing::info!(detail = took, "Job {id} cancelled."),
            _ => tracing::info!(detail = took, "Job {id} was {error} and is pending again."),
        }
    }

    /// Whoever drains wants to know why nothing happens.
    fn tell_what_is_waited_for(&mut self, next_due: Option<Timestamp>, now: Timestamp) {
        let waits =
            self.options.drain == Some(Drain::Everything) && self.line_is_empty && self.held.is_empty();
        if !waits || self.stop.is_some() || next_due == self.announced_due {
            return;
        }
        if let Some(due) = next_due {
            let (jobs, span) = (self.counts.unfinished(), due.since(now));
            let span = match span.as_secs() {
                0..60 => format!("{:.1} s", span.as_secs_f64()),
                _ => two_units(span),
            };
            tracing::info!("Waiting for jobs that are not due; {jobs} left, the next in {span}.");
        }
        self.announced_due = next_due;
    }

    /// Whoever drains and has nothing left waits for jobs of others. Of two that end at
    /// the same moment each may see the other's still running, and then nobody rings.
    fn waits_for_the_last(&self) -> bool {
        self.options.drain.is_some() && self.held.is_empty() && self.counts[State::Processing] > 0
    }

    /// Neighbours that drain wait for the last job to end.
    fn ring_if_last(&mut self) {
        if self.counts[State::Processing] == 0 {
            self.ring();
        }
    }

    /// Tells the neighbours that there may be something to do.
    fn ring(&mut self) {
        if let Err(error) = self.store.ring() {
            tracing::debug!("{error}");
        }
    }

    fn is_done(&self) -> bool {
        let occupancy = self.floor.occupancy();
        if occupancy.idle < self.options.concurrency || occupancy.unstarted > 0 || !self.held.is_empty() {
            return false;
        }
        let drained = match self.options.drain {
            None => false,
            Some(Drain::Everything) => self.counts.unfinished() == 0,
            Some(Drain::Ready) => self.line_is_empty && self.counts[State::Processing] == 0,
        };
        // Who drains an empty queue would be gone before it has looked after the dead.
        let drained = drained && !self.floor.looks_first();
        let can_end = self.failing.as_ref().is_none_or(|failing| failing.step == Step::Retire);
        can_end && (self.stop.is_some() || self.budget == Some(0) || drained)
    }

    /// Keeps everything for a later try, or gives up what would be tried for ever.
    fn failed_for_now(&mut self, error: StoreError, step: Step) -> Result<(), WorkerError> {
        if matches!(error, StoreError::Disk { .. }) {
            self.disk_failures += 1;
            if self.disk_failures > MOST_DISK_FAILURES {
                return Err(error.into());
            }
        }
        let waits_for_itself = matches!(error, StoreError::BusyWithItself { .. });
        self.waits_for_itself = if waits_for_itself { self.waits_for_itself + 1 } else { 0 };
        if self.waits_for_itself >= MOST_WAITS_FOR_ITSELF {
            return Err(error.into());
        }
        let message = error.to_string();
        if self.stop == Some(Stop::Forced) {
            return Err(WorkerError::Broken { reason: format!("{message}; results could not be recorded") });
        }
        let is_unanswered = matches!(error, StoreError::Server { .. } | StoreError::OutcomeUnknown { .. });
        let (mut told, mut since) =
            self.failing.take().map_or_else(|| (Vec::new(), Instant::now()), |f| (f.told, f.since));
        if !self.floor.is_idle() {
            since = Instant::now();
        }
        if self.bears(&error).is_some_and(|at_most| since.elapsed() >= at_most) {
            let has_results = !self.held.is_empty();
            let lost = if has_results { "; results could not be recorded" } else { "" };
            return Err(WorkerError::Broken { reason: format!("{message}{lost}") });
        }
        let is_answered = error.is_refusal_by_server() || !is_unanswered;
        let only_claims = step == Step::Exchange && self.outgoing.is_empty() && is_answered;
        let step = if only_claims { Step::Claim } else { step };
        let obstacle = Obstacle::of(&error);
        if told.contains(&obstacle) || told.len() >= MOST_TOLD {
            tracing::debug!("{message}");
        } else {
            tracing::error!("{message}; results are kept and nothing is claimed until it works again");
            told.push(obstacle);
        }
        self.failing = Some(Failing { told, since, step, is_unanswered });
        self.next_look = Instant::now() + if is_unanswered { a_moment() } else { TRY_AGAIN_AFTER };
        Ok(())
    }

    /// For how long an error is borne while nothing runs here; none if something else sets
    /// an end to it.
    fn bears(&self, error: &StoreError) -> Option<Duration> {
        let is_ending = self.options.drain.is_some() || self.stop.is_some();
        if !error.is_refusal_by_server() || (error.is_passing_at_work() && !is_ending) {
            return None;
        }
        let busy_timeout = self.options.busy_timeout();
        match (self.held.is_empty(), is_ending) {
            (true, _) => Some(busy_timeout),
            // Whoever waits for the end is to hear of it; others can wait with their results.
            (false, true) => Some(busy_timeout.max(self.options.lease().length())),
            (false, false) => None,
        }
    }

    fn recovered(&mut self, wrote: bool) {
        if wrote {
            (self.disk_failures, self.waits_for_itself) = (0, 0);
        }
        let Some(failing) = self.failing.take() else { return };
        // What was only read does not show that anything can be written: the next claim
        // does, or the leave.
        match (failing.step, self.is_done()) {
            (Step::Claim, true) if !wrote => {}
            (Step::Claim, false) | (Step::Retire, true) if !wrote => {
                self.failing = Some(failing);
                self.next_look = Instant::now() + TRY_AGAIN_AFTER;
            }
            _ => {
                let works = if failing.is_unanswered { "answers" } else { "can be written" };
                tracing::info!("The queue {works} again.");
                self.next_look = Instant::now();
            }
        }
    }
}

/// Tells whether a worker goes on after an error, and tries again.
fn is_borne(error: &StoreError) -> bool {
    error.is_passing_at_work() || error.is_refusal_by_server()
}

/// As much of a command as a line of the log has room for.
fn beginning(command: &str) -> String {
    match command.char_indices().nth(LOGGED_CHARACTERS) {
        None => command.to_owned(),
        Some((end, _)) => format!("{}…", &command[..end]),
    }
}

/// Until a server that does not answer is asked again.
fn a_moment() -> Duration {
    Duration::from_millis(fastrand::u64(ASK_AGAIN_AFTER))
}

#[cfg(test)]
mod tests;
