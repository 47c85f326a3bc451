//! How the name of a state is typed.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use queuectl_core::State;
use std::ffi::OsStr;

/// What others call our states.
const NAMES_OF_OTHERS: [(State, &[&str]); 6] = [
    (State::Pending, &["queued", "waiting", "ready", "scheduled", "enqueued", "delayed"]),
    (State::Processing, &["running", "active", "started", "claimed", "busy", "working"]),
    (State::Completed, &["done", "finished", "success", "successful", "succeeded", "ok"]),
    (State::Failed, &["retrying", "error", "errored", "failure"]),
    (State::Dead, &["dlq", "buried", "killed"]),
    (State::Cancelled, &["canceled", "aborted", "stopped"]),
];

/// Understands the name of a state.
pub fn state_parser() -> impl TypedValueParser<Value = State> {
    parser_of(State::ALL.into_iter())
}

/// Understands the name of a state in which jobs are at rest, and no other.
pub fn settled_state_parser() -> impl TypedValueParser<Value = State> {
    parser_of(State::ALL.into_iter().filter(|state| state.is_finished()))
}

/// Understands the names of some states.
pub(crate) fn parser_of(states: impl Iterator<Item = State>) -> impl TypedValueParser<Value = State> {
    let states: Vec<&'static str> = states.map(State::as_str).collect();
    Names { parser: PossibleValuesParser::new(states.iter().copied()), states }
        .try_map(|name| name.to_ascii_lowercase().parse::<State>())
}

/// The names of some states; whatever else is typed leads to them.
#[derive(Clone)]
struct Names {
    parser: PossibleValuesParser,
    states: Vec<&'static str>,
}

impl TypedValueParser for Names {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        self.parser.parse_ref(command, arg, value).map_err(|mut error| {
            if let Some(meant) = self.meant_by(&value.to_string_lossy()) {
                error.insert(ContextKind::SuggestedValue, ContextValue::String(meant));
            }
            error
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.parser.possible_values()
    }
}

impl Names {
    /// What to type for a word of others, or for several names in one.
    fn meant_by(&self, typed: &str) -> Option<String> {
        let one = |word: &str| {
            let word = word.trim().to_ascii_lowercase();
            let theirs = NAMES_OF_OTHERS.iter().find(|(_, names)| names.contains(&word.as_str()));
            let name = theirs.map_or(word.as_str(), |(state, _)| state.as_str());
            self.states.iter().copied().find(|state| *state == name)
        };
        if !typed.contains(',') {
            return one(typed).map(str::to_owned);
        }
        let each = typed.split(',').filter(|word| !word.is_empty()).map(one);
        let each: Option<Vec<String>> = each.map(|name| Some(format!("--state {}", name?))).collect();
        each.map(|names| names.join(" "))
    }
}
