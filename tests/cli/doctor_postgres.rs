//! What `queuectl doctor` says about a server and the way to it.

use super::doctor::{complains, complaints, examined, follow};
use crate::support::hosts::Network;
use crate::support::pgbouncer::Pool;
use crate::support::postgres::{SUPERUSER, Schema, Server, program};
use crate::support::trials::trials;
use crate::support::watched::free_port;
use crate::support::{Home, Spelling, both};
use predicates::str::contains;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

trials![
    a_queue_at_work_is_well if Postgres,
    its_json_names_each_check if Postgres,
    what_keeps_a_program_out_is_an_error_with_advice if Postgres,
    a_wrong_password_is_an_error_and_not_shown if Postgres,
    a_missing_queue_is_an_error_and_none_is_made if Postgres,
    a_role_that_may_make_no_queue_is_told_who_can_allow_it if Postgres,
    a_role_without_rights_has_them_once_the_advice_is_typed if Postgres,
    a_database_without_every_character_is_an_error if Postgres,
    nothing_is_ever_changed if Postgres,
    unsafe_settings_are_an_error_until_the_advice_is_typed if Postgres,
    a_server_that_does_not_clean_up_is_a_warning_until_the_advice_is_typed if Postgres,
    a_commit_that_does_not_wait_is_overruled if Postgres,
    another_time_is_a_warning if Postgres and Faketime,
    few_connections_that_are_left_are_a_warning if Postgres,
    a_server_without_room_is_an_error_at_once if Postgres,
    a_pool_that_loses_notifications_is_a_warning if Postgres and Pgbouncer,
    an_encrypted_connection_is_well if Postgres and Openssl,
    a_connection_that_others_can_listen_to_is_a_warning if Postgres and Namespaces,
];

/// A user of a server to which nothing will happen.
fn home() -> Home {
    Home::quick().on_server(Server::shared())
}

/// The same with a queue in which nothing is to be done.
pub fn with_a_queue() -> Home {
    let home = home();
    home.enqueue("a", "true");
    home.drain();
    home
}

/// A server that keeps what it acknowledges, and a user with a queue on it in
/// which nothing is to be done.
pub fn on_a_server(settings: &[(&str, &str)]) -> (Server, Home) {
    let server = Server::start(settings);
    let home = Home::quick().on_server(&server);
    home.enqueue("a", "true");
    home.drain();
    (server, home)
}

/// What is not as it should be, but for the server of all tests, which has no
/// need to keep what it acknowledges.
pub fn troubles(home: &Home) -> Vec<Value> {
    let is_sync = |finding: &Value| finding["check"] == "sync";
    complaints(home).into_iter().filter(|finding| !is_sync(finding)).collect()
}

pub fn sql(home: &Home, statements: &str) {
    home.schema().client().batch_execute(statements).unwrap();
}

/// Types every command of an advice for which there is a program.
pub fn follow_all(home: &Home, advice: &str) {
    let path = format!("PATH=$PATH:{}", program("psql").parent().unwrap().display());
    for command in advice.split('`').skip(1).step_by(2) {
        follow(home, &format!("`{path}; {command}`"));
    }
}

/// Another way to the queue of a user: as a role that can log in.
pub fn as_role(home: &Home, server: &Server, role: &str) -> Home {
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
            "ok       workers: 1 alive; one that is silent for 33 s is given up\n",
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
        "keys",
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
        (url(server, SUPERUSER, schema), "schema", "has schema 99;", "newer queuectl"),
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

fn a_database_without_every_character_is_an_error() {
    let server = Server::shared();
    server.psql("CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0");
    let place = format!("{}:{}", server.address(), server.port());
    let home = Home::quick().with("QUEUECTL_DATABASE", &format!("postgres://{SUPERUSER}@{place}/latin"));
    let advice = complains(&home, "error", "encoding", "latin is in LATIN1");
    assert!(advice.contains("createdb -E UTF8"), "{advice}");
    home.queuectl(["enqueue", "true"]).assert().code(1).stderr(contains("LATIN1"));
    server.psql("DROP DATABASE latin");
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
        ("an older schema", "UPDATE queue SET schema = 0, oldest_writer = 0"),
        ("a newer schema", "UPDATE queue SET schema = 99"),
        ("a missing index", "DROP INDEX claimed_to_cancel"),
        (
            "wrong counters",
            "INSERT INTO change (queue, dead) SELECT 'default', 1 FROM generate_series(1, 500)",
        ),
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
    let advice = complains(&far, "warning", "connection", "anyone on the network can read");
    assert!(advice.contains("sslmode=verify-full"), "{advice}");
}
