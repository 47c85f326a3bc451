//! Pins the plan of every statement on the hot path.

use super::{SqliteStore, sql};
use crate::location::{Access, OpenOptions};
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

#[test]
fn a_claim_walks_the_line_and_sorts_nothing() {
    let line = "SCAN job USING INDEX job_in_line";
    for statement in [sql::FIRST_IN_LINE, sql::FIRST_UNSUSPECTED] {
        assert_eq!(plan(statement), line, "{statement}");
    }
    assert!(plan(sql::ANYTHING_IN_LINE).contains("job_in_line"), "{}", plan(sql::ANYTHING_IN_LINE));
    assert!(plan(sql::IN_LINE).contains("job_in_line"), "{}", plan(sql::IN_LINE));
    assert_eq!(plan(sql::CLAIM), "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)");
}

#[test]
fn due_jobs_are_found_by_their_time() {
    assert_eq!(plan(sql::DUE), "SEARCH job USING INDEX job_due (run_at_ms<?)");
    assert_eq!(plan(sql::DUE_BY_ANOTHER_CLOCK), "SEARCH job USING INDEX job_waits (waits_since_ms>?)");
    assert!(plan(sql::NEXT_DUE).contains("job_due"), "{}", plan(sql::NEXT_DUE));
    assert!(plan(sql::WAITING).contains("INDEX job_due"), "{}", plan(sql::WAITING));
    let anything = plan(sql::ANYTHING_DUE);
    assert!(
        anything.contains("job_due (run_at_ms<?)") && anything.contains("job_waits (waits_since_ms>?)"),
        "{anything}"
    );
}

#[test]
fn results_go_straight_to_their_row() {
    for statement in [sql::STANDING, sql::HOLDS, sql::SETTLE, sql::HAND_BACK, sql::PUT_IN_LINE] {
        assert_eq!(plan(statement), "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)", "{statement}");
    }
}

#[test]
fn a_copy_goes_on_where_it_ended_and_sorts_nothing() {
    for statement in [sql::EXPORT_WORKERS, sql::EXPORT_JOBS, sql::EXPORT_ATTEMPTS, sql::EXPORT_OUTPUT] {
        let found = plan(statement);
        assert!(found.starts_with("SEARCH") && !found.contains("TEMP B-TREE"), "{found}");
    }
    assert!(!plan(sql::LAST_COPIED).contains("TEMP B-TREE"), "{}", plan(sql::LAST_COPIED));
}

#[test]
fn what_belongs_to_a_worker_is_found_by_the_worker() {
    assert!(plan(sql::CLAIMS).contains("USING INDEX job_held (worker=?)"), "{}", plan(sql::CLAIMS));
    let to_cancel = plan(sql::TO_CANCEL);
    assert!(to_cancel.contains("USING INDEX job_held (worker=? AND cancel_at_ms>?)"), "{to_cancel}");
    assert!(plan(sql::ROSTER).contains("worker_at_work"), "{}", plan(sql::ROSTER));
}

#[test]
fn the_dead_letter_queue_is_found_without_reading_the_rest() {
    // By state, then by the row's number: in order without sorting.
    let search = "INDEX job_in_trouble (state=?";
    assert!(plan(sql::OLDEST_DEAD).contains(search), "{}", plan(sql::OLDEST_DEAD));
    for state in ["dead", "failed"] {
        let found = plan(&format!("{} AND state = '{state}'{}", sql::JOBS, sql::JOBS_ORDER));
        assert!(found.contains(search) && !found.contains("TEMP B-TREE"), "{found}");
    }
    let settled = plan(sql::SETTLED_BEFORE);
    assert!(settled.contains("job_settled (state=? AND finished_at_ms<?)"), "{settled}");
}
