//! What `queuectl doctor` says about a queue on a server.

use super::doctor::{complains, complaints, examined, follow};
use crate::support::hosts::Network;
use crate::support::pgbouncer::Pool;
use crate::support::postgres::{Mode, SUPERUSER, Schema, Server, program};
use crate::support::trials::trials;
use crate::support::watched::free_port;
use crate::support::{Home, Spelling, both};
use predicates::str::contains;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

trials![
    a_queue_at_work_is_well if Postgres,
    its_json_names_each_check if Postgres,
    what_keeps_a_program_out_is_an_error_with_advice if Postgres,
    a_wrong_password_is_an_error_and_not_shown if Postgres,
    a_missing_queue_is_an_error_and_none_is_made if Postgres,
    a_role_that_may_make_no_queue_is_told_who_can_allow_it if Postgres,
    a_role_without_rights_has_them_once_the_advice_is_typed if Postgres,
    nothing_is_ever_changed if Postgres,
    unsafe_settings_are_an_error_until_the_advice_is_typed if Postgres,
    a_server_that_does_not_clean_up_is_a_warning_until_the_advice_is_typed if Postgres,
    a_commit_that_does_not_wait_is_overruled if Postgres,
    wrong_counts_are_an_error if Postgres,
    a_missing_index_is_told_until_the_advice_is_typed if Postgres,
    an_index_that_is_not_valid_is_an_error_until_the_advice_is_typed if Postgres,
    an_index_of_somebody_else_is_a_warning_until_the_advice_is_typed if Postgres,
    a_missing_rule_is_an_error_until_the_advice_is_typed if Postgres,
    a_rule_that_old_rows_were_not_held_to_is_an_error_until_the_advice_is_typed if Postgres,
    a_missing_table_is_an_error if Postgres,
    a_queue_on_its_way_is_a_warning if Postgres,
    dead_rows_are_a_warning_until_the_advice_is_typed if Postgres,
    changes_that_nobody_adds_up_are_a_warning if Postgres,
    a_forgotten_transaction_is_a_warning_until_the_advice_is_typed if Postgres and Faketime,
    a_forgotten_prepared_transaction_is_a_warning_until_the_advice_is_typed if Postgres and Faketime,
    a_role_that_is_not_told_how_old_transactions_are_counts_those_after_them if Postgres,
    another_time_is_a_warning if Postgres and Faketime,
    few_connections_that_are_left_are_a_warning if Postgres,
    a_server_without_room_is_an_error_at_once if Postgres,
    a_pool_that_loses_notifications_is_a_warning if Postgres and Pgbouncer,
    a_silent_worker_on_another_machine_is_a_warning if Postgres,
    jobs_of_a_worker_that_has_ended_are_an_error if Postgres,
    an_encrypted_connection_is_well if Postgres and Openssl,
    a_connection_that_others_can_listen_to_is_a_warning if Postgres and Namespaces,
];

/// A user of a server to which nothing will happen.
fn home() -> Home {
    Home::quick().on_server(Server::shared())
}

/// The same with a queue in which nothing is to be done.
fn with_a_queue() -> Home {
    let home = home();
    home.enqueue("a", "true");
    home.drain();
    home
}

/// A server that keeps what it acknowledges, and a user with a queue on it in
/// which nothing is to be done.
fn on_a_server(settings: &[(&str, &str)]) -> (Server, Home) {
    let server = Server::start(settings);
    let home = Home::quick().on_server(&server);
    home.enqueue("a", "true");
    home.drain();
    (server, home)
}

/// What is not as it should be, but for the server of all tests, which has no
/// need to keep what it acknowledges.
fn troubles(home: &Home) -> Vec<Value> {
    let is_sync = |finding: &Value| finding["check"] == "sync";
    complaints(home).into_iter().filter(|finding| !is_sync(finding)).collect()
}

fn sql(home: &Home, statements: &str) {
    home.schema().client().batch_execute(statements).unwrap();
}

/// Types every command of an advice for which there is a program.
fn follow_all(home: &Home, advice: &str) {
    let path = format!("PATH=$PATH:{}", program("psql").parent().unwrap().display());
    for command in advice.split('`').skip(1).step_by(2) {
        follow(home, &format!("`{path}; {command}`"));
    }
}

/// Another way to the queue of a user: as a role that can log in.
fn as_role(home: &Home, server: &Server, role: &str) -> Home {
    let url = url(server, role, home.schema().name());
    Home::quick().in_schema(home.schema(), &url)
}

fn url(server: &Server, role: &str, schema: &str) -> String {
    format!("postgres://{role}@{}:{}/postgres?schema={schema}", server.address(), server.port())
}

/// A role of this test alone, which may log in and nothing else.
struct Role(String);

impl Role {
    fn new(of: &Schema, options: &str) -> Self {
        let role = Self(format!("role_of_{}", of.name()));
        Server::shared().psql(&format!("CREATE ROLE {} LOGIN {options}", role.0));
        role
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let name = &self.0;
        Server::shared().psql(&format!("DROP OWNED BY {name} CASCADE; DROP ROLE {name}"));
    }
}

fn a_queue_at_work_is_well() {
    let server = Server::start(&[]);
    both(|spelling| {
        let home = Home::quick().on_server(&server);
        home.enqueue("a", "true");
        let worker = home.worker([""; 0]);
        worker.wait_until_it_says("completed");
        let assert = home.run(spelling, ["doctor"]).assert().success().stderr("");
        let said = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        for word in [
            "ok       server: PostgreSQL ",
            "ok       connection: by a socket",
            "ok       sync: every commit is on disk",
            "ok       notifications: arrive",
            "ok       workers: 1 alive\n",
            "ok       leases: ",
            "All is well",
        ] {
            assert!(said.contains(word), "{word} in\n{said}");
        }
    });
}

fn its_json_names_each_check() {
    let home = with_a_queue();
    let found = examined(&home);
    let checks: BTreeSet<&str> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["check"].as_str().unwrap())
        .collect();
    for check in [
        "program",
        "configuration",
        "server",
        "connection",
        "sync",
        "clock",
        "connections",
        "notifications",
        "database",
        "access",
        "schema",
        "indexes",
        "constraints",
        "counts",
        "changes",
        "autovacuum",
        "dead-rows",
        "transactions",
        "lock-file",
        "workers",
        "leases",
    ] {
        assert!(checks.contains(&check), "{check} in {checks:?}");
    }
}

fn what_keeps_a_program_out_is_an_error_with_advice() {
    let (server, used) = (Server::shared(), with_a_queue());
    let (port, schema) = (free_port(), used.schema().name());
    let (place, foreign) = (format!("127.0.0.1:{}", server.port()), server.schema());
    server.psql(&format!("CREATE SCHEMA {0}; CREATE TABLE {0}.jobs (id text)", foreign.name()));
    sql(&used, "UPDATE queue SET schema = 99");
    for (url, check, word, advice) in [
        (
            format!("postgres://me@127.0.0.1:{port}/q"),
            "server",
            "cannot be reached",
            "pg_isready -h 127.0.0.1",
        ),
        (
            format!("postgres://{SUPERUSER}@{place}/none"),
            "server",
            "no database none",
            "createdb -h 127.0.0.1",
        ),
        (format!("postgres://ghost@{place}/postgres"), "server", "\"ghost\" does not exist", "pg_hba.conf"),
        (format!("postgres://{SUPERUSER}@{place}/postgres?sslmode=require"), "server", "TLS", "sslmode"),
        (format!("postgres://{SUPERUSER}@{place}/postgres?schem=a"), "server", "`schema`", "config list"),
        (url(server, SUPERUSER, foreign.name()), "database", "tables of another program", "?schema=NAME"),
        (url(server, SUPERUSER, schema), "schema", "99", "newer queuectl"),
    ] {
        both(|spelling| {
            let home = Home::quick().with("QUEUECTL_DATABASE", &url);
            let given = complains(&home, "error", check, word);
            assert!(given.contains(advice), "{url}: {given}");
            home.run(spelling, ["doctor"]).assert().code(1).stdout(contains(word)).stdout(contains(advice));
        });
    }
}

fn a_wrong_password_is_an_error_and_not_shown() {
    let server = Server::start(&[("fsync", "off")]);
    server.psql("CREATE ROLE me LOGIN PASSWORD 'right'");
    server.set_hba(&["local all all trust", "host all all all scram-sha-256"]);
    let place = format!("127.0.0.1:{}", server.port());
    for (url, word) in [
        (format!("postgres://me:wr0ng@{place}/postgres"), "authentication failed"),
        (format!("postgres://me@{place}/postgres"), "asks for a password"),
    ] {
        let home = Home::quick().with("QUEUECTL_DATABASE", &url);
        let advice = complains(&home, "error", "server", word);
        assert!(advice.contains("~/.pgpass"), "{advice}");
        assert!(!examined(&home).to_string().contains("wr0ng"));
    }
}

fn a_missing_queue_is_an_error_and_none_is_made() {
    let home = home();
    let advice = complains(&home, "error", "database", "no queue in the schema");
    assert!(advice.contains("queuectl enqueue"), "{advice}");
    let there = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{}'", home.schema().name());
    assert_eq!(Server::shared().psql(&there), "0\n", "nothing is made");
}

fn a_role_that_may_make_no_queue_is_told_who_can_allow_it() {
    let server = Server::shared();
    let schema = Arc::new(server.schema());
    let role = Role::new(&schema, "");
    let home = Home::quick().in_schema(&schema, &url(server, &role.0, schema.name()));
    home.queuectl(["enqueue", "true"]).assert().code(1).stderr(contains("permission denied"));
    let advice = complains(&home, "error", "database", "no queue in the schema");
    assert!(advice.contains(&format!("{} may not make one", role.0)), "{advice}");
    follow_all(&home, &advice);
    home.drain();
    assert_eq!(troubles(&home), [json!(null); 0]);
}

fn a_role_without_rights_has_them_once_the_advice_is_typed() {
    let (server, owner) = (Server::shared(), with_a_queue());
    let schema = owner.schema().name();
    let role = Role::new(owner.schema(), "");
    let home = as_role(&owner, server, &role.0);
    home.queuectl(["status"]).assert().code(1).stderr(contains("permission denied"));
    let advice =
        complains(&home, "error", "access", "may not look at the queue; it lacks DELETE on all tables");
    server.psql(&format!(
        "GRANT USAGE ON SCHEMA {schema} TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {0}",
        role.0
    ));
    assert_eq!(complains(&home, "warning", "access", "can look at the queue and not change it"), advice);
    home.queuectl(["status"]).assert().success();
    home.queuectl(["enqueue", "true"]).assert().code(1).stderr(contains("permission denied"));
    follow_all(&home, &advice);
    assert_eq!(troubles(&home), [json!(null); 0]);
    home.enqueue("b", "true");
    home.drain();
    assert_eq!(troubles(&home), [json!(null); 0]);
}

/// Everything that is in a schema, as it would be restored.
fn contents(server: &Server, schema: &str) -> String {
    let mut dump = Command::new(program("pg_dump"));
    dump.args(["--username", SUPERUSER, "--schema", schema, "--dbname", "postgres"]);
    dump.arg("--host").arg(server.socket_folder()).args(["--port", &server.port().to_string()]);
    let output = dump.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // Newer versions put a random word around it.
    let lines = text.lines().filter(|line| !line.starts_with(['\\', '-']));
    lines.collect::<Vec<_>>().join("\n")
}

fn nothing_is_ever_changed() {
    let cases = [
        ("a queue at rest", "SELECT 1"),
        ("an older schema", "UPDATE queue SET schema = 1, oldest_writer = 1"),
        ("a newer schema", "UPDATE queue SET schema = 99"),
        ("a missing index", "DROP INDEX job_in_line"),
        ("wrong books", "INSERT INTO change (dead) SELECT 1 FROM generate_series(1, 500)"),
        ("a dead worker", "UPDATE worker SET ended_at_ms = NULL"),
    ];
    for (what, spoil) in cases {
        let home = with_a_queue();
        sql(&home, spoil);
        let contents = || contents(Server::shared(), home.schema().name());
        let before = contents();
        assert!(before.contains("COPY"), "{before}");
        for _ in 0..2 {
            examined(&home);
            assert!(before == contents(), "{what} was changed");
        }
    }
}

fn unsafe_settings_are_an_error_until_the_advice_is_typed() {
    complains(&with_a_queue(), "error", "sync", "fsync is off");
    let (_server, home) = on_a_server(&[("fsync", "off"), ("full_page_writes", "off")]);
    for setting in ["fsync", "full_page_writes"] {
        let advice = complains(&home, "error", "sync", &format!("{setting} is off"));
        follow_all(&home, &advice);
    }
    assert_eq!(complaints(&home), [json!(null); 0]);
}

fn a_server_that_does_not_clean_up_is_a_warning_until_the_advice_is_typed() {
    let (_server, home) = on_a_server(&[("autovacuum", "off"), ("track_counts", "off")]);
    let advice = complains(&home, "warning", "autovacuum", "it is off: ");
    follow_all(&home, &advice);
    assert_eq!(complaints(&home), [json!(null); 0]);
    sql(&home, "ALTER TABLE change SET (autovacuum_enabled = off)");
    let advice = complains(&home, "warning", "autovacuum", "it is off for change");
    assert_eq!(examined(&home)["ok"], true, "it works");
    follow_all(&home, &advice);
    assert_eq!(complaints(&home), [json!(null); 0]);
}

fn a_commit_that_does_not_wait_is_overruled() {
    let (_server, home) = on_a_server(&[("synchronous_commit", "off")]);
    home.queuectl(["doctor"]).assert().success().stdout(contains("synchronous_commit = off is overruled"));
}

fn wrong_counts_are_an_error() {
    let home = with_a_queue();
    sql(&home, "INSERT INTO change (dead) VALUES (1)");
    let advice = complains(&home, "error", "counts", "0 dead jobs are there and 1 are on the books");
    assert!(advice.contains("pg_dump "), "{advice}");
}

fn a_missing_index_is_told_until_the_advice_is_typed() {
    let home = with_a_queue();
    for (index, drop, level) in [
        ("job_in_line", "DROP INDEX job_in_line", "warning"),
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
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{schema}.job_in_line'::regclass"
        ),
    );
    let advice = complains(&home, "error", "indexes", "job_in_line is not valid");
    follow_all(&home, &advice);
    assert_eq!(troubles(&home), [json!(null); 0]);
}

fn an_index_of_somebody_else_is_a_warning_until_the_advice_is_typed() {
    let home = with_a_queue();
    sql(&home, "CREATE INDEX mine ON job (command)");
    let advice = complains(&home, "warning", "indexes", "mine of job is not queuectl's and was never used");
    assert_eq!(examined(&home)["findings"].to_string().matches("never used").count(), 1);
    follow_all(&home, &advice);
    assert_eq!(troubles(&home), [json!(null); 0]);
}

/// The rules of the table `job`, as the server understands them.
fn rules(home: &Home) -> Vec<String> {
    let sql = "SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
         WHERE conrelid = 'job'::regclass AND contype = 'c' ORDER BY 1";
    home.schema().client().query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn a_missing_rule_is_an_error_until_the_advice_is_typed() {
    let home = with_a_queue();
    let before = rules(&home);
    assert!(before.len() > 5, "{before:?}");
    for rule in &before {
        let name = rule.split(' ').next().unwrap();
        sql(&home, &format!("ALTER TABLE job DROP CONSTRAINT {name}"));
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
    sql(&home, "DROP TABLE output; DROP SEQUENCE place");
    let advice = complains(&home, "error", "schema", "without output, place");
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
        "INSERT INTO change (dead) SELECT 1 FROM generate_series(1, 20000); DELETE FROM change WHERE dead = 1",
    );
    let advice = complains(&home, "warning", "dead-rows", "change has 20000 dead rows");
    let vacuum = advice.split("; if they stay").next().unwrap();
    follow_all(&home, vacuum);
    assert!(complaints(&home).iter().all(|finding| finding["check"] != "dead-rows"));
}

fn changes_that_nobody_adds_up_are_a_warning() {
    let home = with_a_queue();
    sql(&home, "INSERT INTO change (dead) SELECT 0 FROM generate_series(1, 10001)");
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
    sql(&home, "BEGIN; INSERT INTO change (dead) VALUES (0); PREPARE TRANSACTION 'it''s mine'");
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

fn another_time_is_a_warning() {
    let home = with_a_queue();
    for (ahead, word) in [("+1h", "ahead of the server"), ("-1h", "behind the server")] {
        let line = format!("faketime -f {ahead} queuectl doctor --json");
        let output = home.typed(Spelling::Dispatched, &line).assert().get_output().stdout.clone();
        let found: Value = serde_json::from_slice(&output).unwrap();
        let clock =
            found["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "clock").unwrap();
        assert_eq!(clock["level"], "warning", "{clock}");
        assert!(clock["found"].as_str().unwrap().contains(word), "{clock}");
    }
}

fn few_connections_that_are_left_are_a_warning() {
    let (server, owner) = (Server::shared(), with_a_queue());
    let role = Role::new(owner.schema(), "CONNECTION LIMIT 5");
    let home = as_role(&owner, server, &role.0);
    complains(
        &home,
        "warning",
        "connections",
        &format!("1 of the 5 that the role {} allows are in use", role.0),
    );
}

fn a_server_without_room_is_an_error_at_once() {
    let (server, owner) = (Server::shared(), with_a_queue());
    let role = Role::new(owner.schema(), "CONNECTION LIMIT 0");
    let home = as_role(&owner, server, &role.0).with("QUEUECTL_BUSY_TIMEOUT", "1h");
    let advice = complains(&home, "error", "server", "takes no connection now: too many connections");
    assert!(advice.contains("max_connections"), "{advice}");
}

fn a_pool_that_loses_notifications_is_a_warning() {
    let (server, owner) = (Server::shared(), with_a_queue());
    let pool = Pool::before(server);
    let schema = owner.schema();
    let home = Home::quick().in_schema(schema, &pool.url(schema.name()));
    complains(&home, "warning", "notifications", "do not arrive");
    assert_eq!(troubles(&home).len(), 1, "all else is well: {:?}", troubles(&home));
    assert_eq!(troubles(&owner), [json!(null); 0]);
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
    sql(&home, "UPDATE job SET state = 'processing', ready = NULL, worker = (SELECT max(id) FROM worker) WHERE id = 'b';
        INSERT INTO change (pending, processing) VALUES (-1, 1)");
    assert_eq!(troubles(&home), [json!(null); 0]);
    // Nobody of ours does that.
    sql(&home, "UPDATE worker SET ended_at_ms = started_at_ms");
    let advice =
        complains(&home, "error", "leases", "1 job is processing and held by workers that have ended");
    assert!(advice.contains("report it"), "{advice}");
    sql(&home, "DELETE FROM worker");
    complains(&home, "error", "leases", "1 job is processing and held by workers that have ended");
}

fn an_encrypted_connection_is_well() {
    let server = Server::start(&[]);
    let home = Home::quick();
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
         -subj /CN=localhost -keyout server.key -out server.crt";
    home.typed(Spelling::Dispatched, script).assert().success();
    for file in ["server.key", "server.crt"] {
        server.put_file(file, &std::fs::read(home.path(file)).unwrap());
    }
    server.configure(&[("ssl", "on")]);
    server.reload();
    let schema = Arc::new(server.schema());
    let home =
        Home::quick().in_schema(&schema, &format!("{}&sslmode=require", server.tcp_url(schema.name())));
    home.enqueue("a", "true");
    home.queuectl(["doctor"]).assert().success().stdout(contains("ok       connection: encrypted (TLSv1.3)"));
}

fn a_connection_that_others_can_listen_to_is_a_warning() {
    let network = Network::new(&["db", "far"]);
    let server = Server::start_on(network.host("db"), &[]);
    let schema = Arc::new(server.schema());
    let here =
        Home::quick().in_schema(&schema, &server.tcp_url(schema.name())).on_machine(network.host("db"));
    here.enqueue("a", "true");
    here.drain();
    here.queuectl(["doctor"]).assert().success().stdout(contains("not encrypted, and on one machine"));
    let far =
        Home::quick().in_schema(&schema, &server.tcp_url(schema.name())).on_machine(network.host("far"));
    let advice = complains(&far, "warning", "connection", "whoever is on the network can read");
    assert!(advice.contains("sslmode=verify-full"), "{advice}");
}
