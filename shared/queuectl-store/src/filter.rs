//! Filters, compiled to conditions of a statement.
//!
//! The columns have the same names in both stores, so the conditions are the same too but
//! for what a [`Dialect`] says. What is fixed is written out: states and stages, so that a
//! store can prove that a partial index holds all that is asked for. All else is bound.

use crate::Result;
use crate::columns::Cell;
use crate::queue::insist_finished;
use queuectl_core::{Filter, Glob, GlobPart, LastRun, Order, QueueSet, State, TimeRange, Timestamp};
use std::borrow::Cow;
use std::fmt::Display;

/// How a store says what another says otherwise.
pub(crate) struct Dialect {
    /// What the number of a bound value stands behind.
    pub(crate) placeholder: char,
    /// The operator that compares a text with a pattern.
    pub(crate) fits: &'static str,
    /// What a part of a pattern is there.
    pub(crate) pattern: fn(GlobPart, &mut String),
}

/// Conditions, and what is bound to them.
pub(crate) struct Conditions<'a> {
    /// Each with ` AND ` before it.
    pub(crate) text: String,
    /// In the order of their numbers.
    pub(crate) values: Vec<Cell<'a>>,
    dialect: &'static Dialect,
    /// What a column is called in the statement.
    name: fn(&'static str) -> Cow<'static, str>,
}

/// Where a statement has one table of jobs.
pub(crate) fn its_name(column: &'static str) -> Cow<'static, str> {
    column.into()
}

impl<'a> Conditions<'a> {
    /// All conditions of a filter, but for its order and where that begins. Values that
    /// are bound already come before those.
    pub(crate) fn of(
        filter: &'a Filter,
        dialect: &'static Dialect,
        name: fn(&'static str) -> Cow<'static, str>,
        bound: Vec<Cell<'a>>,
    ) -> Self {
        let mut conditions = Self { text: String::new(), values: bound, dialect, name };
        conditions.one_of("state", filter.states.iter().map(|state| format!("'{state}'")));
        conditions.one_of("stage", filter.stages.iter().map(|stage| format!("'{stage}'")));
        conditions.queues(&filter.queues);
        if let Some(glob) = &filter.command {
            let fits = conditions.fits("command", glob.translated(dialect.pattern));
            conditions.and(&fits);
        }
        conditions.last_runs(&filter.last_runs);
        conditions.range("created_at_ms", &filter.created);
        conditions.range("started_at_ms", &filter.started);
        conditions.range("finished_at_ms", &filter.finished);
        if filter.order == Order::ByEnd {
            let finished = name("finished_at_ms");
            conditions.and(&format!("{finished} IS NOT NULL"));
        }
        conditions
    }

    /// Binds one more value, and gives its place.
    pub(crate) fn bind(&mut self, value: impl Into<Cell<'a>>) -> String {
        self.values.push(value.into());
        format!("{}{}", self.dialect.placeholder, self.values.len())
    }

    /// Adds one more condition.
    pub(crate) fn and(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }

    fn one_of<T: Display>(&mut self, column: &'static str, values: impl Iterator<Item = T>) {
        let values: Vec<String> = values.map(|value| value.to_string()).collect();
        let column = (self.name)(column);
        match values.as_slice() {
            [] => {}
            [value] => self.and(&format!("{column} = {value}")),
            values => self.and(&format!("{column} IN ({})", values.join(", "))),
        }
    }

    fn fits(&mut self, column: &'static str, pattern: String) -> String {
        let pattern = self.bind(pattern);
        format!("{} {} {pattern}", (self.name)(column), self.dialect.fits)
    }

    fn queues(&mut self, queues: &'a QueueSet) {
        if queues.is_all() {
            return;
        }
        // One list, since a chain of as many choices would be too deep.
        let names: Vec<String> = queues.names().iter().map(|name| self.bind(name.as_str())).collect();
        let column = (self.name)("queue");
        let mut choices = match names.as_slice() {
            [] => Vec::new(),
            [name] => vec![format!("{column} = {name}")],
            names => vec![format!("{column} IN ({})", names.join(", "))],
        };
        for beginning in queues.beginnings() {
            choices.push(self.fits("queue", Glob::beginning(beginning, self.dialect.pattern)));
        }
        self.any(&choices);
    }

    fn last_runs(&mut self, last_runs: &[LastRun]) {
        let mut choices = Vec::new();
        for last_run in last_runs {
            let (column, number) = match *last_run {
                LastRun::Exit(code) => ("exit_code", code),
                LastRun::Signal(number) => ("signal", number),
            };
            let number = self.bind(i64::from(number));
            choices.push(format!("{} = {number}", (self.name)(column)));
        }
        self.any(&choices);
    }

    fn any(&mut self, choices: &[String]) {
        match choices {
            [] => {}
            [choice] => self.and(choice),
            choices => self.and(&format!("({})", choices.join(" OR "))),
        }
    }

    fn range(&mut self, column: &'static str, range: &TimeRange) {
        let bounds: [(Option<Timestamp>, &str); 2] = [(range.from, ">="), (range.until, "<")];
        for (time, relation) in bounds {
            if let Some(time) = time {
                let time = self.bind(time.as_millis());
                let column = (self.name)(column);
                self.and(&format!("{column} {relation} {time}"));
            }
        }
    }
}

/// A filter of jobs that are to be deleted, for each of its states alone: an index has
/// those of one state in order.
///
/// # Errors
///
/// [`StoreError::NotFinished`](crate::StoreError::NotFinished) if it means a state that is not final.
pub(crate) fn by_state(filter: &Filter) -> Result<Vec<(State, Filter)>> {
    // What names no state means any.
    insist_finished(if filter.states.is_empty() { &State::ALL } else { &filter.states })?;
    let only = |&state| (state, Filter { states: vec![state], ..filter.clone() });
    Ok(filter.states.iter().map(only).collect())
}
