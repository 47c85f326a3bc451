//! Which jobs are meant, as it is typed: the same flags wherever many can be.

use crate::failure::Failure;
use crate::queues::queue_pattern;
use crate::states::parser_of;
use queuectl_core::{Exit, Filter, Glob, LastRun, QueueSet, Stage, State, TimeRange, Timestamp, Wish};
use queuectl_service::dates::{When, parse_when};
use std::marker::PhantomData;

/// Which states a program takes.
pub trait StatesTaken: 'static {
    /// They, in the order in which people are shown them.
    fn states() -> Vec<State>;
}

/// All of them.
#[derive(Debug)]
pub enum AnyState {}

impl StatesTaken for AnyState {
    fn states() -> Vec<State> {
        State::ALL.to_vec()
    }
}

/// Those in which a job can be cancelled.
#[derive(Debug)]
pub enum Cancellable {}

impl StatesTaken for Cancellable {
    fn states() -> Vec<State> {
        Wish::Cancel.states()
    }
}

/// Those in which a job waits: it can be held and released.
#[derive(Debug)]
pub enum Waits {}

impl StatesTaken for Waits {
    fn states() -> Vec<State> {
        Wish::Hold.states()
    }
}

/// Conditions for jobs of some states.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Which<S: StatesTaken> {
    /// Only jobs in this state; can be repeated [default: all]
    #[arg(long, value_name = "STATE", value_parser = parser_of(S::states().into_iter()), ignore_case = true)]
    state: Vec<State>,

    /// Only jobs that are held
    #[arg(long)]
    held: bool,

    #[command(flatten)]
    conditions: Conditions,

    #[arg(skip)]
    states: PhantomData<S>,
}

/// Conditions for jobs whose states are given.
#[derive(clap::Args, Debug)]
#[group(id = "conditions", multiple = true)]
pub struct Conditions {
    /// Only jobs of this queue; a `*` at the end stands for any end; repeat for several [default: all]
    #[arg(long, value_name = "NAME", value_parser = queue_pattern)]
    queue: Vec<String>,

    /// Only jobs with this text in their command, or, with `*` for any text and `?` for any
    /// letter, with such a command [default: any]
    #[arg(long, value_name = "GLOB", value_parser = Glob::new)]
    command: Option<Glob>,

    /// Only jobs whose last run ended with this code, or by this signal; can be repeated
    /// [default: any]
    #[arg(long, value_name = "CODE|SIGNAL", allow_negative_numbers = true)]
    #[arg(value_parser = str::parse::<LastRun>)]
    exit: Vec<LastRun>,

    /// Only jobs added since then: a date, a date and time, or a TIME before now [default: whenever]
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    since: Option<When>,

    /// Only jobs added before then [default: whenever]
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    until: Option<When>,
}

impl<S: StatesTaken> Which<S> {
    /// What was typed, as a filter.
    pub fn filter(&self, now: Timestamp) -> Result<Filter, Failure> {
        let stages = if self.held { vec![Stage::Blocked] } else { Vec::new() };
        Ok(Filter { stages, ..self.conditions.filter(&self.state, now)? })
    }

    /// What is said where there are none.
    pub fn nothing(&self) -> String {
        let held = self.held.then_some("held");
        let states = self.state.iter().map(|state| state.as_str());
        let states = states.collect::<Vec<_>>().join(" or ");
        let words = held.into_iter().chain((!states.is_empty()).then_some(states.as_str()));
        self.conditions.nothing(words.chain(["jobs"]).collect::<Vec<_>>().join(" ").as_str())
    }
}

impl Conditions {
    /// What was typed, as a filter of jobs in these states.
    pub fn filter(&self, states: &[State], now: Timestamp) -> Result<Filter, Failure> {
        let at = |when: Option<When>| when.map(|when| when.before(now));
        let created = TimeRange { from: at(self.since), until: at(self.until) };
        if created.is_reversed() {
            let failure = Failure::new(Exit::Usage, "`--since` is later than `--until`");
            return Err(failure.hint("a span such as `2h` is so long before now: the longer one is earlier"));
        }
        Ok(Filter {
            queues: QueueSet::of(&self.queue).map_err(|error| Failure::error(error.to_string()))?,
            command: self.command.clone(),
            last_runs: self.exit.clone(),
            created,
            ..Filter::of_states(states)
        })
    }

    /// Tells whether nothing was typed: then every job is meant.
    pub fn is_empty(&self) -> bool {
        let Self { queue, command, exit, since, until } = self;
        queue.is_empty() && command.is_none() && exit.is_empty() && since.is_none() && until.is_none()
    }

    /// What is said where there are none of these jobs.
    pub fn nothing(&self, jobs: &str) -> String {
        format!("No {jobs}{}", if self.is_empty() { "" } else { " that match" })
    }
}

/// The jobs of which something is wanted: by their names, or by what they have in common.
#[derive(clap::Args, Debug)]
pub struct NamedOrMeant<S: StatesTaken> {
    /// The jobs: ids, numbers, beginnings or ends of ids, @last
    #[arg(value_name = "ID", required_unless_present_any = ["state", "held", "conditions"])]
    #[arg(conflicts_with_all = ["state", "held", "conditions"])]
    pub ids: Vec<String>,

    /// All jobs that match, instead of ids.
    #[command(flatten)]
    pub which: Which<S>,
}
