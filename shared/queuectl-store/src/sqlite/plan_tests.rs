//! Pins the plan of every statement on the hot path.

use super::connection::SqliteStore;
use super::{filter, sql};
use crate::location::{Access, OpenOptions};
use crate::transfer::Kind;
use queuectl_core::{Filter, Glob, Order, QueueSet, Seq, Stage, State, TimeRange, Timestamp};
use std::time::Duration;

fn plan(statement: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions::new(Access::Write, Duration::from_secs(30));
    let store = SqliteStore::open(&folder.path().join("queue.db"), &options).unwrap();
    let mut explain = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    let steps: Vec<String> = explain
        .query_map(rusqlite::params_from_iter(vec![0; explain.parameter_count()]), |row| row.get(3))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    steps.join("; ")
}

fn plan_of(statement: &filter::Statement<'_>) -> String {
    plan(&statement.text)
}

const OF_QUEUE: &str = "SEARCH job USING INDEX job_ready (queue=?)";
const OF_QUEUE_ONLY: &str = "SEARCH job USING COVERING INDEX job_ready (queue=?)";
const BY_NUMBER: &str = "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)";

#[test]
fn a_claim_walks_the_ready_of_a_queue_and_sorts_nothing() {
    for statement in [sql::READY, sql::READY_UNSUSPECTED, sql::READY_KEYS_UNSUSPECTED] {
        assert_eq!(plan(statement), OF_QUEUE, "{statement}");
    }
    assert_eq!(plan(sql::READY_KEYS), OF_QUEUE_ONLY);
    assert!(plan(sql::HOW_MANY_READY).contains(OF_QUEUE_ONLY), "{}", plan(sql::HOW_MANY_READY));
    assert_eq!(plan(sql::JOB_OF_SEQ), BY_NUMBER);
    assert_eq!(plan(sql::STATE_OF_SEQ), BY_NUMBER);
}

#[test]
fn a_claim_looks_at_no_row_of_a_queue_that_it_does_not_serve() {
    // From one name to the next, with one seek each.
    assert_eq!(plan(sql::NEXT_READY_QUEUE), "SEARCH job USING COVERING INDEX job_ready (queue>?)");
    assert_eq!(plan(sql::NEXT_SCHEDULED_QUEUE), "SEARCH job USING COVERING INDEX job_due (queue>?)");
}

#[test]
fn due_jobs_are_found_by_their_time() {
    assert_eq!(plan(sql::DUE), "SEARCH job USING COVERING INDEX job_due (queue=? AND run_at_ms<?)");
    assert_eq!(plan(sql::DUE_BY_ANOTHER_CLOCK), "SEARCH job USING INDEX job_waits (waits_since_ms>?)");
    let scheduled = Filter { stages: vec![Stage::Scheduled], ..Filter::default() };
    let found = plan_of(&filter::count(&scheduled, 9));
    assert!(found.contains("SCAN job USING COVERING INDEX job_"), "{found}");
    let of_queue = Filter { queues: QueueSet::of(["mail"]).unwrap(), ..scheduled };
    let found = plan_of(&filter::count(&of_queue, 9));
    assert!(found.contains("USING COVERING INDEX job_due (queue=?)"), "{found}");
}

#[test]
fn a_job_goes_on_straight_to_its_row() {
    let statements = [sql::STANDING_OF_LEASE, sql::HOLDS, sql::SET_ASIDE];
    let into_stages = [sql::MOVE, sql::APPLY, sql::APPLY_AND_START, sql::APPLY_AND_RECORD];
    for statement in statements.into_iter().chain(into_stages.into_iter().flatten()) {
        assert_eq!(plan(statement), BY_NUMBER, "{statement}");
    }
    assert!(plan(sql::STANDING).contains("(id=?)"), "{}", plan(sql::STANDING));
    for states in [&[State::Dead][..], &[State::Pending, State::Processing, State::Failed]] {
        assert_eq!(plan_of(&filter::standing(&Filter::of_states(states))), BY_NUMBER);
    }
}

#[test]
fn statements_by_stage_are_in_the_order_of_the_stages() {
    for statements in [sql::MOVE, sql::APPLY, sql::APPLY_AND_START, sql::APPLY_AND_RECORD] {
        for stage in Stage::ALL {
            let statement = statements[stage as usize];
            assert!(
                statement.contains(&format!("SET stage = '{stage}', ", stage = stage.as_str())),
                "{statement}"
            );
        }
    }
}

#[test]
fn every_column_of_a_new_job_and_worker_is_given_a_value() {
    for statement in [
        sql::ACCEPT_READY,
        sql::ACCEPT_SCHEDULED,
        sql::ACCEPT_BLOCKED,
        sql::REGISTER,
        sql::ATTEMPT_ENDED,
        sql::ADD_OUTPUT,
    ] {
        plan(statement);
    }
    for kind in Kind::ALL {
        plan(&sql::import(kind));
    }
    plan(&sql::set_aside_by_force());
}

#[test]
fn a_copy_goes_on_where_it_ended_and_sorts_nothing() {
    for kind in Kind::ALL {
        let found = plan(&sql::export(kind));
        assert!(found.starts_with("SEARCH") && !found.contains("TEMP B-TREE"), "{found}");
    }
    assert!(!plan(sql::LAST_COPIED).contains("TEMP B-TREE"), "{}", plan(sql::LAST_COPIED));
}

#[test]
fn what_belongs_to_a_worker_is_found_by_the_worker() {
    assert!(plan(sql::CLAIMS).contains("USING INDEX job_claimed (worker=?)"), "{}", plan(sql::CLAIMS));
    let to_cancel = plan(sql::TO_CANCEL);
    assert!(to_cancel.contains("USING INDEX job_claimed (worker=? AND cancel_at_ms>?)"), "{to_cancel}");
    assert!(plan(sql::ROSTER).contains("worker_at_work"), "{}", plan(sql::ROSTER));
}

#[test]
fn the_dead_letter_queue_is_found_without_reading_the_rest() {
    // By state, then by the row's number: in order without sorting.
    let search = "INDEX job_in_trouble (state=?";
    for state in [State::Dead, State::Failed] {
        let found = plan_of(&filter::jobs(&Filter::of_states(&[state])));
        assert!(found.contains(search) && !found.contains("TEMP B-TREE"), "{found}");
        let newest = Filter { order: NEWEST_FIRST, ..Filter::of_states(&[state]) };
        for found in [plan_of(&filter::jobs(&newest)), plan_of(&filter::first_of_newest(&newest, 9))] {
            assert!(found.contains(search) && !found.contains("TEMP B-TREE"), "{found}");
        }
    }
}

const NEWEST_FIRST: Order = Order::NewestFirst { before: Some(Seq(7)) };

#[test]
fn a_page_goes_on_from_a_job_either_way_and_sorts_nothing() {
    let (queues, glob) = (QueueSet::of(["a", "b*"]).unwrap(), Glob::new("*x*").ok());
    for filter in [Filter::default(), Filter { queues, command: glob, ..Filter::default() }] {
        let after = Filter { order: Order::OldestFirst { after: Some(Seq(7)) }, ..filter.clone() };
        assert_eq!(plan_of(&filter::jobs(&after)), "SEARCH job USING INTEGER PRIMARY KEY (rowid>?)");
        let before = Filter { order: NEWEST_FIRST, ..filter };
        assert_eq!(plan_of(&filter::jobs(&before)), "SEARCH job USING INTEGER PRIMARY KEY (rowid<?)");
    }
}

#[test]
fn what_came_to_rest_is_found_by_its_time() {
    let (search, before) = ("INDEX job_finished (state=? AND ", "finished_at_ms<?)");
    let old = Filter::finished_before(&[State::Completed], Timestamp::from_millis(7));
    for found in [plan_of(&filter::to_delete(&old, 9)), plan_of(&filter::count(&old, 9))] {
        assert!(
            found.contains(search) && found.contains(before) && !found.contains("TEMP B-TREE"),
            "{found}"
        );
    }
    let found = plan_of(&filter::to_delete(&Filter::of_states(&[State::Dead]), 9));
    assert_eq!(found, "SEARCH job USING INDEX job_finished (state=? AND finished_at_ms>?)");
    let both = Filter { states: vec![State::Completed, State::Cancelled], ..old };
    let found = plan_of(&filter::count(&both, 9));
    assert!(found.contains(search) && found.contains(before), "{found}");
    let finished = TimeRange { from: Some(Timestamp::from_millis(7)), until: None };
    let died = Filter { finished, order: Order::ByEnd, ..Filter::of_states(&[State::Dead]) };
    let found = plan_of(&filter::jobs(&died));
    assert_eq!(found, "SEARCH job USING INDEX job_finished (state=? AND finished_at_ms>?)");
}
