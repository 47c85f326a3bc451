//! Filters as statements, and where the rows are that each of them reads.

use super::sql;
use crate::columns::Cell;
use crate::counts::Counts;
use crate::filter::{Conditions, Dialect, its_name};
use queuectl_core::{Filter, GlobPart, Order, Seq, Stage, State};
use queuectl_postgres::session::{Session, Value};
use std::borrow::Cow;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row};

/// A letter is a byte in a database whose texts are of any bytes; ours are UTF-8 in all
/// others.
const DIALECT: Dialect = Dialect { placeholder: '$', fits: "LIKE", pattern };

fn pattern(part: GlobPart, pattern: &mut String) {
    match part {
        GlobPart::AnyText => pattern.push('%'),
        GlobPart::AnyLetter => pattern.push('_'),
        GlobPart::Letter(letter @ ('%' | '_' | '\\')) => pattern.extend(['\\', letter]),
        GlobPart::Letter(letter) => pattern.push(letter),
    }
}

/// Where both `finished` and `job` have a column, the first counts.
fn of_finished(column: &'static str) -> Cow<'static, str> {
    match column {
        "stage" => "'finished'".into(),
        "queue" | "command" | "created_at_ms" => format!("job.{column}").into(),
        column => format!("finished.{column}").into(),
    }
}

/// So many jobs that wait are found faster where they wait than among all.
const FEW: i64 = 10_000;

/// Whether those that wait are found faster where they wait than among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Few,
    Many,
}

impl Waiting {
    /// Tells whether a filter asks for them, so that it matters.
    pub(super) fn matters_to(filter: &Filter) -> bool {
        filter.states.contains(&State::Pending)
            || filter.stages.contains(&Stage::Ready)
            || filter.stages.contains(&Stage::Scheduled)
    }

    pub(super) fn of(counts: &Counts) -> Self {
        let waiting = counts[State::Pending] + counts[State::Failed];
        if waiting <= FEW { Self::Few } else { Self::Many }
    }
}

/// A statement, and what is bound to it.
pub(super) struct Statement<'a> {
    text: String,
    values: Vec<Cell<'a>>,
}

/// Reads the jobs themselves; those in the order of their end: numbers of jobs.
pub(super) fn jobs(filter: &Filter, waiting: Waiting) -> Statement<'_> {
    let (begin, cursor, order) = match filter.order {
        Order::OldestFirst { after } => (sql::SELECT_JOBS_AFTER, after.unwrap_or(Seq(0)), "seq"),
        Order::NewestFirst { before } => {
            (sql::SELECT_JOBS_BEFORE, before.unwrap_or(Seq(i64::MAX)), "seq DESC")
        }
        // Sorts all that are found: an index by the end would have to be written for each job.
        Order::ByEnd => {
            let conditions = Conditions::of(filter, &DIALECT, of_finished, Vec::new());
            return ordered(sql::SELECT_FINISHED, conditions, "finished_at_ms, finished.seq", filter.limit);
        }
    };
    ordered(begin, of_jobs(filter, waiting, vec![cursor.0.into()]), order, filter.limit)
}

/// Counts them, no further than so many.
pub(super) fn count(filter: &Filter, waiting: Waiting, most: u32) -> Statement<'_> {
    let (from, mut conditions) = if filter.is_of_finished() {
        (sql::JOBS_FINISHED.into(), Conditions::of(filter, &DIALECT, of_finished, Vec::new()))
    } else if let Some(stages) = stages_alone(filter) {
        (stages.into(), Conditions::of(filter, &DIALECT, its_name, Vec::new()))
    } else {
        (Cow::Borrowed(sql::JOBS_NOW), of_jobs(filter, waiting, Vec::new()))
    };
    let most = conditions.bind(i64::from(most));
    let text = format!("{}{from} WHERE true{} LIMIT {most}) AS found", sql::COUNT_OF, conditions.text);
    Statement { text, values: conditions.values }
}

/// The numbers of so many of them behind one, as one value.
pub(super) fn seqs(filter: &Filter, waiting: Waiting, after: Seq, limit: u32) -> Statement<'_> {
    let mut page =
        ordered(sql::SELECT_SEQS_AFTER, of_jobs(filter, waiting, vec![after.0.into()]), "seq", limit);
    page.text.push_str(") AS page");
    page
}

/// Where those stand that it means, of some: see [`Statement::rows_among`].
pub(super) fn standings(filter: &Filter) -> Statement<'_> {
    let conditions = Conditions::of(filter, &DIALECT, its_name, vec![Cell::Null]);
    Statement { text: format!("{}{}", sql::STANDINGS_OF_JOBS, conditions.text), values: conditions.values }
}

/// The number of the oldest of the newest.
pub(super) fn first_of_newest(filter: &Filter, waiting: Waiting, count: u64) -> Statement<'_> {
    let from = if filter.is_all() { sql::ALL_JOBS } else { sql::JOBS_NOW };
    let begin = format!("{}(SELECT seq FROM {from} WHERE true", sql::FIRST_OF);
    let mut newest = ordered(&begin, of_jobs(filter, waiting, Vec::new()), "seq DESC", count);
    newest.text.push_str(") AS newest");
    newest
}

/// Numbers and queues of jobs that are to be deleted, which are locked; those that others
/// have locked are left out.
///
/// Differs from its twin in that the oldest come first, since there is no index by the end;
/// in the end all are deleted.
pub(super) fn to_delete(filter: &Filter, limit: u64) -> Statement<'_> {
    let conditions = Conditions::of(filter, &DIALECT, of_finished, Vec::new());
    let mut found = ordered(sql::SELECT_FINISHED, conditions, "finished.seq", limit);
    found.text.push_str(" FOR UPDATE OF finished SKIP LOCKED");
    found
}

/// The end of a statement: the order, and how many.
fn ordered<'a>(
    begin: &str,
    mut conditions: Conditions<'a>,
    order: &str,
    limit: impl Into<u64>,
) -> Statement<'a> {
    let limit = conditions.bind(i64::try_from(limit.into()).unwrap_or(i64::MAX));
    let text = format!("{begin}{} ORDER BY {order} LIMIT {limit}", conditions.text);
    Statement { text, values: conditions.values }
}

/// The conditions where all jobs are looked at. Where all that can be meant lie in places
/// of their own, only those are looked through.
fn of_jobs<'a>(filter: &'a Filter, waiting: Waiting, bound: Vec<Cell<'a>>) -> Conditions<'a> {
    let mut conditions = Conditions::of(filter, &DIALECT, its_name, bound);
    let of_states = filter.states.iter().map(|&state| place_of_state(state, waiting));
    let of_stages = filter.stages.iter().map(|&stage| place_of_stage(stage, waiting));
    let places: [Option<Vec<&str>>; 2] = [of_states.collect(), of_stages.collect()];
    for places in places.into_iter().flatten().filter(|places| !places.is_empty()) {
        conditions.and(&format!("seq IN ({})", places.join(" UNION ALL ")));
    }
    conditions
}

/// Where jobs in this state are, if they have a place of their own that is smaller
/// than the table of all jobs.
fn place_of_state(state: State, waiting: Waiting) -> Option<&'static str> {
    match state {
        State::Completed => None,
        State::Pending => (waiting == Waiting::Few).then_some(sql::PENDING),
        State::Processing => Some(sql::CLAIMED),
        State::Failed => Some(sql::FAILED),
        State::Dead => Some(sql::DEAD),
        State::Cancelled => Some(sql::CANCELLED),
    }
}

/// The same of a stage.
fn place_of_stage(stage: Stage, waiting: Waiting) -> Option<&'static str> {
    match stage {
        Stage::Finished => None,
        Stage::Ready => (waiting == Waiting::Few).then_some(sql::READY_ONES),
        Stage::Scheduled => (waiting == Waiting::Few).then_some(sql::SCHEDULED_ONES),
        Stage::Blocked => Some(sql::BLOCKED_ONES),
        Stage::Claimed => Some(sql::CLAIMED),
    }
}

/// The tables of the stages, where a filter says nothing that does not stand there.
fn stages_alone(filter: &Filter) -> Option<String> {
    let Filter { stages, queues, order, limit, .. } = filter;
    let said = Filter {
        stages: stages.clone(),
        queues: queues.clone(),
        order: *order,
        limit: *limit,
        ..Filter::default()
    };
    let table = |stage| match stage {
        Stage::Ready | Stage::Scheduled | Stage::Blocked => {
            Some(format!("SELECT queue, '{stage}' AS stage FROM @{stage}"))
        }
        Stage::Claimed | Stage::Finished => None,
    };
    // Each once, however often it is said.
    let asked = Stage::ALL.into_iter().filter(|stage| stages.contains(stage));
    let tables: Vec<String> = asked.map(table).collect::<Option<_>>()?;
    (said == *filter && !tables.is_empty()).then(|| format!("({}) AS job", tables.join(" UNION ALL ")))
}

impl Statement<'_> {
    pub(super) fn rows(&self, session: &mut Session) -> Result<Vec<Row>, Error> {
        let values: Vec<Value<'_>> = self.values.iter().map(bound).collect();
        session.rows_of(&self.text, &values)
    }

    /// The same where the first value is the numbers of jobs.
    pub(super) fn rows_among(&self, session: &mut Session, seqs: &Vec<i64>) -> Result<Vec<Row>, Error> {
        let conditions = self.values.iter().skip(1).map(bound);
        let values: Vec<Value<'_>> =
            std::iter::once((seqs as _, Type::INT8_ARRAY)).chain(conditions).collect();
        session.rows_of(&self.text, &values)
    }
}

fn bound<'a>(cell: &'a Cell<'_>) -> Value<'a> {
    match cell {
        Cell::Null => (&None::<i64>, Type::INT8),
        Cell::Number(number) => (number, Type::INT8),
        Cell::Text(text) => (text, Type::TEXT),
        Cell::Bytes(bytes) => (bytes, Type::BYTEA),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use queuectl_core::{Glob, QueueSet};

    #[test]
    fn what_stands_for_itself_does_so_in_a_pattern_of_the_server_too() {
        assert_eq!(Glob::new("50%_\\*?").unwrap().translated(pattern), "50\\%\\_\\\\%_");
    }

    #[test]
    fn what_is_scheduled_is_counted_where_it_stands() {
        let queues = QueueSet::of(["mail"]).unwrap();
        let scheduled = Filter { stages: vec![Stage::Scheduled], queues, ..Filter::default() };
        assert_eq!(
            count(&scheduled, Waiting::Many, 9).text,
            "SELECT count(*) FROM (SELECT FROM (SELECT queue, 'scheduled' AS stage FROM @scheduled) AS job \
             WHERE true AND stage = 'scheduled' AND queue = $1 LIMIT $2) AS found"
        );
        let dead = Filter { states: vec![State::Dead], ..scheduled };
        assert!(stages_alone(&dead).is_none());
    }

    #[test]
    fn what_can_be_deleted_is_what_is_counted() {
        let old = Filter::finished_before(&[State::Completed], queuectl_core::Timestamp::from_millis(7));
        let condition = " WHERE true AND finished.state = 'completed' AND finished.finished_at_ms < $1";
        for text in [to_delete(&old, 9).text, count(&old, Waiting::Few, 9).text] {
            assert!(text.contains(&format!("{}{condition}", sql::JOBS_FINISHED)), "{text}");
        }
    }

    #[test]
    fn few_jobs_are_looked_for_where_they_are() {
        let text = |states: &[State], waiting| jobs(&Filter::of_states(states), waiting).text;
        let places = format!("seq IN ({} UNION ALL {})", sql::DEAD, sql::FAILED);
        assert!(text(&[State::Dead, State::Failed], Waiting::Many).contains(&places));
        assert!(text(&[State::Pending], Waiting::Few).contains(sql::PENDING));
        assert!(!text(&[State::Pending], Waiting::Many).contains("seq IN"));
        assert!(!text(&[State::Dead, State::Completed], Waiting::Few).contains("seq IN"));
    }
}
