//! Which jobs are listed.

use queuectl_cli::{Exit, Failure, queue_pattern, state_parser};
use queuectl_core::{Filter, Glob, LastRun, Order, QueueSet, State, TimeRange, Timestamp};
use queuectl_service::dates::{When, parse_when};

#[derive(clap::Args)]
pub(crate) struct Which {
    /// List only jobs in this state; can be repeated [default: all]
    #[arg(long, value_name = "STATE", value_parser = state_parser(), ignore_case = true)]
    pub(crate) state: Vec<State>,

    /// List only jobs of this queue; a `*` at the end stands for any end; repeat for several [default: all]
    #[arg(long, value_name = "NAME", value_parser = queue_pattern)]
    queue: Vec<String>,

    /// List only jobs with this text in their command, or, with `*` for any text and `?`
    /// for any letter, with such a command [default: any]
    #[arg(long, value_name = "GLOB", value_parser = Glob::new)]
    command: Option<Glob>,

    /// List only jobs whose last run ended with this code, or by this signal; can be
    /// repeated [default: any]
    #[arg(long, value_name = "CODE|SIGNAL", allow_negative_numbers = true)]
    #[arg(value_parser = str::parse::<LastRun>)]
    exit: Vec<LastRun>,

    /// List only jobs added since then: a date, a date and time, or a TIME before now [default: whenever]
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    since: Option<When>,

    /// List only jobs added before then [default: whenever]
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    until: Option<When>,

    /// List the newest first
    #[arg(long)]
    reverse: bool,
}

impl Which {
    /// What was typed, as a filter.
    pub(crate) fn filter(&self, now: Timestamp) -> Result<Filter, Failure> {
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
            order: if self.reverse { Order::NewestFirst { before: None } } else { Filter::default().order },
            ..Filter::of_states(&self.state)
        })
    }

    /// What is said where there are none.
    pub(crate) fn nothing(&self) -> String {
        let states: Vec<&str> = self.state.iter().map(|state| state.as_str()).collect();
        let jobs =
            if states.is_empty() { "jobs".to_owned() } else { format!("{} jobs", states.join(" or ")) };
        let is_narrow = !self.queue.is_empty()
            || self.command.is_some()
            || !self.exit.is_empty()
            || self.since.is_some()
            || self.until.is_some();
        format!("No {jobs}{}", if is_narrow { " that match" } else { "" })
    }
}
