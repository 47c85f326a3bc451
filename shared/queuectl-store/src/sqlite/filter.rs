//! Filters as statements.

use super::{row, sql};
use crate::columns::Cell;
use crate::filter::{Conditions, Dialect, its_name};
use queuectl_core::{Filter, GlobPart, Job, Order, Seq};
use rusqlite::{Connection, params_from_iter};

const DIALECT: Dialect = Dialect { placeholder: '?', fits: "GLOB", pattern };

/// A pattern of SQLite has ranges of letters too.
fn pattern(part: GlobPart, pattern: &mut String) {
    match part {
        GlobPart::AnyText => pattern.push('*'),
        GlobPart::AnyLetter => pattern.push('?'),
        GlobPart::Letter(letter @ ('*' | '?' | '[')) => pattern.extend(['[', letter, ']']),
        GlobPart::Letter(letter) => pattern.push(letter),
    }
}

/// A statement, and what is bound to it.
pub(super) struct Statement<'a> {
    pub(super) text: String,
    pub(super) values: Vec<Cell<'a>>,
}

fn conditions<'a>(filter: &'a Filter, bound: Vec<Cell<'a>>) -> Conditions<'a> {
    Conditions::of(filter, &DIALECT, its_name, bound)
}

/// The end of a statement: the order, and how many.
fn ordered<'a>(begin: &str, mut conditions: Conditions<'a>, order: &str, limit: i64) -> Statement<'a> {
    let limit = conditions.bind(limit);
    let text = format!("{begin}{} ORDER BY {order} LIMIT {limit}", conditions.text);
    Statement { text, values: conditions.values }
}

/// Reads the jobs themselves.
pub(super) fn jobs(filter: &Filter) -> Statement<'_> {
    let (begin, bound, order) = match filter.order {
        Order::OldestFirst { after } => (sql::JOBS_AFTER, vec![after.unwrap_or(Seq(0)).0.into()], "seq"),
        Order::NewestFirst { before } => {
            (sql::JOBS_BEFORE, vec![before.unwrap_or(Seq(i64::MAX)).0.into()], "seq DESC")
        }
        Order::ByEnd => (sql::JOBS, Vec::new(), "finished_at_ms, seq"),
    };
    ordered(begin, conditions(filter, bound), order, filter.limit.into())
}

/// Counts them, no further than so many.
pub(super) fn count(filter: &Filter, most: u32) -> Statement<'_> {
    let mut conditions = conditions(filter, Vec::new());
    let most = conditions.bind(i64::from(most));
    let text = format!("{}{} LIMIT {most})", sql::COUNT_JOBS, conditions.text);
    Statement { text, values: conditions.values }
}

/// The number of the oldest of the newest.
pub(super) fn first_of_newest(filter: &Filter, count: u64) -> Statement<'_> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let newest = ordered(sql::SEQS, conditions(filter, Vec::new()), "seq DESC", count);
    Statement { text: format!("{}({})", sql::FIRST_OF, newest.text), values: newest.values }
}

/// The numbers of all of them.
pub(super) fn seqs(filter: &Filter) -> Statement<'_> {
    ordered(sql::SEQS, conditions(filter, Vec::new()), "seq", i64::MAX)
}

/// What is known of one of them, by its number, which is the first value.
pub(super) fn standing(filter: &Filter) -> Statement<'_> {
    let conditions = conditions(filter, vec![0.into()]);
    Statement { text: format!("{}{}", sql::STANDING_OF_SEQ, conditions.text), values: conditions.values }
}

/// Numbers and queues of jobs that are to be deleted, those that came to rest first before
/// the others.
pub(super) fn to_delete(filter: &Filter, limit: u64) -> Statement<'_> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut conditions = conditions(filter, Vec::new());
    // So it is in the index by the end, which the order is taken from.
    conditions.and("finished_at_ms IS NOT NULL");
    ordered(sql::SEQS_AND_QUEUES, conditions, "finished_at_ms", limit)
}

impl Statement<'_> {
    /// Reads one number.
    pub(super) fn number(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        let values = params_from_iter(&self.values);
        connection.prepare_cached(&self.text)?.query_row(values, |found| found.get(0))
    }

    /// Reads numbers.
    pub(super) fn numbers(&self, connection: &Connection) -> rusqlite::Result<Vec<Seq>> {
        let mut seqs = connection.prepare(&self.text)?;
        seqs.query_map(params_from_iter(&self.values), |found| found.get(0).map(Seq))?.collect()
    }

    /// Reads jobs.
    pub(super) fn read_jobs(&self, connection: &Connection) -> rusqlite::Result<Vec<Job>> {
        let mut jobs = connection.prepare_cached(&self.text)?;
        jobs.query_map(params_from_iter(&self.values), |found| Ok(row::job(found)))?.collect()
    }

    /// Reads numbers of jobs, each with its queue, if that can be read.
    pub(super) fn read_queues(
        &self,
        connection: &Connection,
    ) -> rusqlite::Result<Vec<(Seq, Option<String>)>> {
        let mut seqs = connection.prepare_cached(&self.text)?;
        let found =
            seqs.query_map(params_from_iter(&self.values), |row| Ok((Seq(row.get(0)?), row.get(1).ok())))?;
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::{Glob, LastRun, QueueSet, State};

    #[test]
    fn what_stands_for_itself_does_so_in_a_pattern_of_sqlite_too() {
        assert_eq!(Glob::new("[a]*?]").unwrap().translated(pattern), "[[]a]*?]");
        assert_eq!(Glob::beginning("a[?", pattern), "a[[][?]*");
    }

    #[test]
    fn a_filter_is_one_condition_after_the_other() {
        let filter = Filter {
            queues: QueueSet::of(["mail", "v*"]).unwrap(),
            last_runs: vec![LastRun::Exit(1)],
            order: Order::NewestFirst { before: Some(Seq(7)) },
            limit: 9,
            ..Filter::of_states(&[State::Dead, State::Failed])
        };
        let statement = jobs(&filter);
        let conditions = statement.text.strip_prefix(sql::JOBS_BEFORE).unwrap();
        assert_eq!(
            conditions,
            " AND state IN ('dead', 'failed') AND (queue = ?2 OR queue GLOB ?3) AND exit_code = ?4 \
             ORDER BY seq DESC LIMIT ?5"
        );
        assert_eq!(statement.values, [7.into(), "mail".into(), "v*".into(), 1.into(), Cell::Number(9)]);
    }
}
