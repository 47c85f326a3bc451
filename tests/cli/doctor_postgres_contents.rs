//! What `queuectl doctor` says about what is in a queue on a server, and who works
//! on it.

use super::doctor::{complains, complaints, examined};
use super::doctor_postgres::{as_role, follow_all, on_a_server, sql, troubles, with_a_queue};
use crate::support::Home;
use crate::support::postgres::{Mode, Server};
use crate::support::trials::trials;
use predicates::str::contains;
use serde_json::json;
use std::time::Duration;

trials![
    wrong_counts_are_an_error if Postgres,
    a_missing_index_is_told_until_the_advice_is_typed if Postgres,
    an_index_that_is_not_valid_is_an_error_until_the_advice_is_typed if Postgres,
    an_index_of_another_program_is_a_warning_until_the_advice_is_typed if Postgres,
    a_missing_rule_is_an_error_until_the_advice_is_typed if Postgres,
    a_rule_that_old_rows_were_not_held_to_is_an_error_until_the_advice_is_typed if Postgres,
    a_missing_table_is_an_error if Postgres,
    a_queue_on_its_way_is_a_warning if Postgres,
    dead_rows_are_a_warning_until_the_advice_is_typed if Postgres,
    changes_that_nobody_adds_up_are_a_warning if Postgres,
    a_forgotten_transaction_is_a_warning_until_the_advice_is_typed if Postgres and Faketime,
    a_forgotten_prepared_transaction_is_a_warning_until_the_advice_is_typed if Postgres and Faketime,
    a_role_that_is_not_told_how_old_transactions_are_counts_those_after_them if Postgres,
    a_silent_worker_on_another_machine_is_a_warning if Postgres,
    jobs_of_a_worker_that_has_ended_are_an_error if Postgres,
];

fn wrong_counts_are_an_error() {
    let home = with_a_queue();
    sql(&home, "INSERT INTO change (queue, dead) VALUES ('default', 1)");
    let advice =
        complains(&home, "error", "counts", "0 dead jobs are there in the queue default and 1 are counted");
    assert!(advice.contains("pg_dump "), "{advice}");
}

fn a_missing_index_is_told_until_the_advice_is_typed() {
    let home = with_a_queue();
    for (index, drop, level) in [
        ("claimed_to_cancel", "DROP INDEX claimed_to_cancel", "warning"),
        ("worker_at_work", "DROP INDEX worker_at_work", "error"),
        ("job_id_key", "ALTER TABLE job DROP CONSTRAINT job_id_key", "error"),
        ("output_pkey", "ALTER TABLE output DROP CONSTRAINT output_pkey", "error"),
    ] {
        let is_there = || {
            let sql =
                format!("SELECT indexdef FROM pg_indexes WHERE indexname = '{index}' AND schemaname = $1");
            home.schema().client().query_opt(&sql, &[&home.schema().name()]).unwrap().map(|row| row.get(0))
        };
        let before: Option<String> = is_there();
        sql(&home, drop);
        let advice = complains(&home, level, "indexes", &format!("{index} is missing"));
        follow_all(&home, &advice);
        assert_eq!((is_there(), before.is_some()), (before, true));
        assert_eq!(troubles(&home), [json!(null); 0]);
    }
}

fn an_index_that_is_not_valid_is_an_error_until_the_advice_is_typed() {
    let home = with_a_queue();
    let schema = home.schema().name();
    sql(
        &home,
        &format!(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{schema}.claimed_to_cancel'::regclass"
        ),
    );
    let advice = complains(&home, "error", "indexes", "claimed_to_cancel is not valid");
    follow_all(&home, &advice);
    assert_eq!(troubles(&home), [json!(null); 0]);
}

fn an_index_of_another_program_is_a_warning_until_the_advice_is_typed() {
    let home = with_a_queue();
    sql(&home, "CREATE INDEX mine ON job (command)");
    let advice = complains(&home, "warning", "indexes", "mine of job is not queuectl's and was never used");
    assert_eq!(examined(&home)["findings"].to_string().matches("never used").count(), 1);
    follow_all(&home, &advice);
    assert_eq!(troubles(&home), [json!(null); 0]);
}

/// The rules of all tables that jobs are in: the table, the name, and what the server
/// understands.
fn rules(home: &Home) -> Vec<[String; 3]> {
    let sql = "SELECT relname::text, conname::text, pg_get_constraintdef(pg_constraint.oid)
         FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
         WHERE relnamespace = $1::text::regnamespace AND contype = 'c'
         AND relname IN ('job', 'ready', 'scheduled', 'blocked', 'claimed', 'finished') ORDER BY 1, 2";
    let found = home.schema().client().query(sql, &[&home.schema().name()]).unwrap();
    found.iter().map(|row| [0, 1, 2].map(|column| row.get(column))).collect()
}

fn a_missing_rule_is_an_error_until_the_advice_is_typed() {
    let home = with_a_queue();
    let before = rules(&home);
    assert!(before.len() > 5, "{before:?}");
    for [table, name, _] in &before {
        sql(&home, &format!("ALTER TABLE {table} DROP CONSTRAINT {name}"));
        let advice = complains(&home, "error", "constraints", &format!("{name} is missing"));
        follow_all(&home, &advice);
        assert_eq!(rules(&home), before);
    }
    assert_eq!(troubles(&home), [json!(null); 0]);
}

fn a_rule_that_old_rows_were_not_held_to_is_an_error_until_the_advice_is_typed() {
    let home = with_a_queue();
    sql(
        &home,
        "ALTER TABLE job DROP CONSTRAINT attempts_are_counted,
        ADD CONSTRAINT attempts_are_counted CHECK (attempts >= 0) NOT VALID",
    );
    let advice = complains(&home, "error", "constraints", "attempts_are_counted does not hold");
    follow_all(&home, &advice);
    assert_eq!(troubles(&home), [json!(null); 0]);
}

fn a_missing_table_is_an_error() {
    let home = with_a_queue();
    sql(&home, "DROP TABLE output; DROP SEQUENCE position");
    let advice = complains(&home, "error", "schema", "without output, position");
    assert!(advice.contains("pg_dump "), "{advice}");
}

fn a_queue_on_its_way_is_a_warning() {
    let home = with_a_queue();
    for (stage, word, advice) in [
        ("leaving", "being moved to /there/q.db", "queuectl move --to /there/q.db --database "),
        ("switching", "being moved to /there/q.db", "queuectl move --abort"),
        ("staying", "move to /there/q.db is being given up", "queuectl move --abort"),
        ("left", "has moved to /there/q.db", "queuectl config set database /there/q.db"),
        ("arriving", "being moved here from /there/q.db", "queuectl move --to 'postgres:"),
    ] {
        let at =
            format!("UPDATE queue SET move_stage = '{stage}', move_id = 'm', move_place = '/there/q.db'");
        sql(&home, &at);
        let given = complains(&home, "warning", "move", word);
        assert!(given.contains(advice), "{given}");
    }
    sql(&home, "UPDATE queue SET move_stage = 'arrived'");
    assert_eq!(troubles(&home), [json!(null); 0]);
}

fn dead_rows_are_a_warning_until_the_advice_is_typed() {
    let (_server, home) = on_a_server(&[("fsync", "off"), ("autovacuum", "off")]);
    sql(
        &home,
        "INSERT INTO change (queue, dead) SELECT 'default', 1 FROM generate_series(1, 20000); DELETE FROM change WHERE dead = 1",
    );
    let advice = complains(&home, "warning", "dead-rows", "change has 20000 dead rows");
    let vacuum = advice.split("; if they stay").next().unwrap();
    follow_all(&home, vacuum);
    assert!(complaints(&home).iter().all(|finding| finding["check"] != "dead-rows"));
}

fn changes_that_nobody_adds_up_are_a_warning() {
    let home = with_a_queue();
    sql(&home, "INSERT INTO change (queue, dead) SELECT 'default', 0 FROM generate_series(1, 10001)");
    let advice = complains(&home, "warning", "changes", "are to be added up");
    assert!(advice.contains("`queuectl worker start`"), "{advice}");
    home.enqueue("b", "true");
    home.enqueue("c", "true");
    home.drain();
    assert_eq!(troubles(&home), [json!(null); 0]);
}

/// A server that goes by a clock of its own, and a user with a queue on it.
fn with_a_clock(settings: &[(&str, &str)]) -> (Server, Home) {
    let (server, home) = on_a_server(settings);
    server.set_clock_ahead(Duration::ZERO);
    server.restart(Mode::Fast);
    (server, home)
}

/// What is said of transactions, once ten minutes have passed for the server.
fn ten_minutes_later(server: &Server, home: &Home, word: &str) -> String {
    assert_eq!(complaints(home), [json!(null); 0], "it has just begun");
    server.set_clock_ahead(Duration::from_mins(10));
    complains(home, "warning", "transactions", word)
}

fn a_forgotten_transaction_is_a_warning_until_the_advice_is_typed() {
    let (server, home) = with_a_clock(&[]);
    let mut holder = server.client();
    holder
        .batch_execute("SET application_name = 'report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .unwrap();
    let advice =
        ten_minutes_later(&server, &home, "(role postgres, report, idle in transaction) keeps dead rows");
    follow_all(&home, &advice);
    assert!(holder.batch_execute("SELECT 1").is_err(), "it was ended");
    assert!(complaints(&home).iter().all(|finding| finding["check"] != "transactions"));
}

fn a_forgotten_prepared_transaction_is_a_warning_until_the_advice_is_typed() {
    let (server, home) = with_a_clock(&[("max_prepared_transactions", "1")]);
    sql(
        &home,
        "BEGIN; INSERT INTO change (queue, dead) VALUES ('default', 0); PREPARE TRANSACTION 'it''s mine'",
    );
    let advice = ten_minutes_later(&server, &home, "the prepared transaction 'it''s mine' (role postgres)");
    follow_all(&home, &advice);
    assert!(complaints(&home).iter().all(|finding| finding["check"] != "transactions"));
}

fn a_role_that_is_not_told_how_old_transactions_are_counts_those_after_them() {
    let (server, owner) = on_a_server(&[("synchronous_commit", "off")]);
    let schema = owner.schema().name();
    server.psql(&format!(
        "CREATE ROLE me LOGIN; GRANT USAGE ON SCHEMA {schema} TO me; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO me"
    ));
    let home = as_role(&owner, &server, "me");
    home.queuectl(["doctor"]).assert().success().stdout(contains("as far as me can see"));
    let mut holder = server.client();
    holder.batch_execute("BEGIN; SELECT txid_current()").unwrap();
    server.psql("DO $$ BEGIN FOR i IN 1..100001 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$");
    complains(&home, "warning", "transactions", "keeps dead rows from being taken away, for 10000");
    assert!(complaints(&owner).is_empty(), "it is not old");
    drop(holder);
    home.queuectl(["doctor"]).assert().success().stdout(contains("as far as me can see"));
}

/// A worker on a machine that is not this one, heard of so many seconds ago.
fn elsewhere(home: &Home, seconds: u32) {
    let statement = format!(
        "WITH begun AS (INSERT INTO worker (lock_file, host, pid, manager_pid, boot_id, pid_namespace, run,
             note_region, concurrency, path, started_at_ms)
             VALUES ('far/1/2', 'far', 77, 76, 'far', 1, 'run', 0, 1, '/bin', 1) RETURNING id)
         INSERT INTO heartbeat SELECT id, now() - interval '{seconds} s' FROM begun"
    );
    sql(home, &statement);
}

fn a_silent_worker_on_another_machine_is_a_warning() {
    let home = with_a_queue();
    elsewhere(&home, 0);
    home.queuectl(["doctor"]).assert().stdout(contains("workers: 1 alive on far"));
    sql(&home, "UPDATE heartbeat SET beat_at = now() - interval '15 s'");
    let advice = complains(&home, "warning", "workers", "(PID 77 on far) for 1");
    assert!(advice.contains("after 29 s"), "{advice}");
}

fn jobs_of_a_worker_that_has_ended_are_an_error() {
    let home = with_a_queue();
    elsewhere(&home, 0);
    home.enqueue("b", "true");
    sql(
        &home,
        "WITH taken AS (DELETE FROM ready USING job WHERE job.seq = ready.seq AND id = 'b' RETURNING ready.seq)
         INSERT INTO claimed (seq, lease, worker, attempts, claimed_at_ms)
             SELECT seq, 1, (SELECT max(id) FROM worker), 1, 0 FROM taken;
         INSERT INTO change (queue, pending, processing) VALUES ('default', -1, 1)",
    );
    assert_eq!(troubles(&home), [json!(null); 0]);
    // Nobody of ours does that.
    sql(&home, "UPDATE worker SET ended_at_ms = started_at_ms");
    let advice =
        complains(&home, "error", "leases", "1 job is processing and held by workers that have ended");
    assert!(advice.contains("report it"), "{advice}");
    sql(&home, "DELETE FROM worker");
    complains(&home, "error", "leases", "1 job is processing and held by workers that have ended");
}
