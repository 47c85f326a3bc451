//! A server that refuses, fails and falls silent under workers and commands.

use crate::support::postgres::Server;
use crate::support::proxy::{Does, Proxy};
use crate::support::trials::trials;
use crate::support::{DEADLINE, HELD, Home, Worker, send, wait_until};
use nix::sys::signal::Signal;
use queuectl_core::{Outcome, State};
use std::fs;
use std::sync::Arc;

trials![
    what_a_server_says_and_can_pass_ends_no_job if Postgres,
    what_a_server_says_at_the_door_and_can_pass_ends_no_job if Postgres,
    what_an_administrator_does_for_a_while_ends_no_job if Postgres,
    a_worker_that_is_replaced_meanwhile_is_replaced_again if Postgres,
    tables_that_are_away_for_a_moment_end_no_job if Postgres,
    a_drain_ends_in_time_where_every_statement_fails if Postgres,
    tables_that_are_gone_end_a_worker_in_order if Postgres,
];

/// Whatever a server can say to a statement.
const CODES: [&str; 52] = [
    "57014", "53000", "53100", "53200", "53300", "53400", "58000", "58030", "58P01", "XX000", "XX001",
    "XX002", "40001", "40002", "40003", "40P01", "55000", "55006", "55P03", "57000", "57P01", "57P02",
    "57P03", "57P04", "08000", "08003", "08006", "08P01", "25P02", "25P03", "26000", "0A000", "42501",
    "54001", "21000", "22000", "22003", "2200H", "23505", "23514", "2F005", "34000", "39000", "3B001",
    "3D000", "3F000", "42P01", "42703", "44000", "F0000", "HV000", "P0001",
];

/// Whatever it can say to one who comes.
const AT_THE_DOOR: [&str; 13] = [
    "28P01", "28000", "3D000", "42501", "53300", "57P03", "57P01", "55000", "08004", "08P01", "XX000",
    "53200", "58030",
];

/// A worker by a way on which a test decides, with a job that runs until there is a file `go`.
pub struct Field {
    pub worker: Worker,
    pub home: Home,
    pub proxy: Proxy,
}

impl Field {
    pub fn begin(arguments: &[&str]) -> Self {
        Self::begin_in(Home::quick(), arguments)
    }

    pub fn begin_in(home: Home, arguments: &[&str]) -> Self {
        let proxy = Proxy::before(Server::shared());
        let schema = Arc::new(Server::shared().schema());
        let home = home
            .with("QUEUECTL_BUSY_TIMEOUT", "5s")
            .with("QUEUECTL_CONNECT_TIMEOUT", "5s")
            .in_schema(&schema, &proxy.url(schema.name()));
        home.enqueue_once("long", HELD);
        let worker = home.worker(arguments);
        home.wait_for_file("running");
        Self { worker, home, proxy }
    }

    /// Asserts that all comes to its end, once each, and that nobody has died.
    pub fn ends_well(mut self) {
        self.proxy.heal();
        self.home.enqueue_once("last", "true");
        self.home.wait_for("last", State::Completed);
        fs::write(self.home.path("go"), "").unwrap();
        self.home.wait_for("long", State::Completed);
        assert_eq!(self.home.outcomes("long"), [Some(Outcome::Exit(0))]);
        assert_eq!(self.home.counts()[State::Processing], 0);
        self.home.queuectl(["worker", "stop"]).assert().success();
        self.worker.wait_for_success();
        assert!(!self.worker.said().contains("died"), "{}", self.worker.said());
    }
}

fn what_a_server_says_and_can_pass_ends_no_job() {
    let field = Field::begin(&["--concurrency", "2"]);
    for code in CODES {
        let before = field.proxy.answered();
        field.proxy.asked(Does::Answer(code));
        wait_until(DEADLINE, &format!("{code} was answered"), || field.proxy.answered() >= before + 4);
        field.proxy.asked(Does::Pass);
        let id = format!("after-{code}");
        field.home.enqueue_once(&id, "true");
        field.home.wait_for(&id, State::Completed);
    }
    field.ends_well();
}

fn what_a_server_says_at_the_door_and_can_pass_ends_no_job() {
    let field = Field::begin(&["--concurrency", "2"]);
    for code in AT_THE_DOOR {
        let before = field.proxy.answered();
        field.proxy.door(Does::Answer(code));
        field.proxy.cut();
        wait_until(DEADLINE, &format!("{code} was answered"), || field.proxy.answered() >= before + 4);
        field.proxy.door(Does::Pass);
        let id = format!("after-{code}");
        field.home.enqueue_once(&id, "true");
        field.home.wait_for(&id, State::Completed);
    }
    field.ends_well();
}

fn what_an_administrator_does_for_a_while_ends_no_job() {
    let server = Server::start(&[("fsync", "off")]);
    server.psql("CREATE ROLE queue LOGIN");
    server.psql("CREATE DATABASE queue OWNER queue");
    let schema = Arc::new(server.schema());
    let url = server.tcp_url(schema.name()).replace("postgres@", "queue@").replace("/postgres?", "/queue?");
    let home = Home::quick().in_schema(&schema, &url);
    home.enqueue_once("long", HELD);
    let mut worker = home.worker(["--concurrency", "2"]);
    home.wait_for_file("running");
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'queue'";
    let trust = ["local all all trust", "host all all all trust"];
    let own = ["local all all trust", "host all queue all reject", "host all all all trust"];
    for (done, undone, said) in [
        ("ALTER ROLE queue NOLOGIN", "ALTER ROLE queue LOGIN", "is not permitted to log in"),
        (
            "ALTER DATABASE queue ALLOW_CONNECTIONS false",
            "ALTER DATABASE queue ALLOW_CONNECTIONS true",
            "not currently accepting connections",
        ),
        ("", "ALTER DATABASE elsewhere RENAME TO queue", "has no database queue"),
        ("hba", "hba", "pg_hba.conf rejects connection"),
        (
            "REVOKE ALL ON SCHEMA queue_schema FROM queue; ALTER SCHEMA queue_schema OWNER TO postgres",
            "ALTER SCHEMA queue_schema OWNER TO queue; GRANT ALL ON SCHEMA queue_schema TO queue",
            "permission denied for schema",
        ),
    ] {
        match done {
            "hba" => server.set_hba(&own),
            "" => {
                // Nobody may be there at that moment.
                wait_until(DEADLINE, "the database is renamed", || {
                    server.psql(cut);
                    let rename = "ALTER DATABASE queue RENAME TO elsewhere";
                    server.client().batch_execute(rename).is_ok()
                });
            }
            sql => owner_of_schema(&server, &schema, sql),
        }
        server.psql(cut);
        worker.wait_until_it_says(said);
        match undone {
            "hba" => server.set_hba(&trust),
            sql => owner_of_schema(&server, &schema, sql),
        }
        let id = format!("after {}", said.len()).replace(' ', "-");
        wait_until(DEADLINE, "the server lets us in again", || {
            home.queuectl(["enqueue", "--id", &id, "--max-retries", "0", "true"])
                .assert()
                .get_output()
                .status
                .success()
        });
        home.wait_for(&id, State::Completed);
    }
    // Cancelled again and again, what it asks.
    let cancels = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'queue'";
    for number in 0..50 {
        if number % 10 == 0 {
            let id = format!("cancelled-{number}");
            wait_until(DEADLINE, "a job is added", || {
                home.queuectl(["enqueue", "--id", &id, "--skip-existing", "true"])
                    .assert()
                    .get_output()
                    .status
                    .success()
            });
        }
        server.psql(cancels);
    }
    fs::write(home.path("go"), "").unwrap();
    home.wait_for("long", State::Completed);
    wait_until(DEADLINE, "all is done", || home.counts()[State::Completed] == 11);
    assert_eq!(home.attempts("long").len(), 1);
    home.queuectl(["worker", "stop"]).assert().success();
    worker.wait_for_success();
    let said = worker.said();
    assert!(!said.contains("died") && !said.contains("running jobs are ended"), "{said}");
    assert!(said.contains("The queue answers again."), "{said}");
}

/// In the database of the queue, with the name of its schema in place.
fn owner_of_schema(server: &Server, schema: &crate::support::postgres::Schema, sql: &str) {
    let sql = sql.replace("queue_schema", schema.name());
    if sql.contains("SCHEMA") {
        let mut configuration = server.configuration();
        configuration.dbname("queue");
        configuration.connect(postgres::NoTls).unwrap().batch_execute(&sql).unwrap();
    } else {
        server.psql(&sql);
    }
}

fn a_worker_that_is_replaced_meanwhile_is_replaced_again() {
    let proxy = Proxy::before(Server::shared());
    let schema = Arc::new(Server::shared().schema());
    let home = Home::quick().in_schema(&schema, &proxy.url(schema.name()));
    home.enqueue("a", "true");
    let mut worker = home.worker(["--count", "1"]);
    home.wait_for("a", State::Completed);
    proxy.door(Does::Answer("28P01"));
    proxy.cut();
    let pid = home_worker_pid(&schema);
    send(pid, Signal::SIGKILL);
    worker.wait_until_it_says("does not let");
    let before = proxy.answered();
    wait_until(DEADLINE, "it is tried again", || proxy.answered() >= before + 6);
    assert!(!worker.has_ended(), "{}", worker.said());
    proxy.heal();
    home.enqueue("b", "true");
    home.wait_for("b", State::Completed);
    home.queuectl(["worker", "stop"]).assert().success();
    worker.wait_for_success();
}

/// The process of the only worker, as the server knows it.
pub fn home_worker_pid(schema: &crate::support::postgres::Schema) -> i32 {
    let asked = schema.client().query_one("SELECT pid FROM worker WHERE ended_at_ms IS NULL", &[]).unwrap();
    i32::try_from(asked.get::<_, i64>(0)).unwrap()
}

fn tables_that_are_away_for_a_moment_end_no_job() {
    let field = Field::begin(&["--concurrency", "2"]);
    let name = field.home.schema().name().to_owned();
    Server::shared().psql(&format!("ALTER SCHEMA {name} RENAME TO {name}_away"));
    field.proxy.cut();
    field.worker.wait_until_it_says("has no tables");
    Server::shared().psql(&format!("ALTER SCHEMA {name}_away RENAME TO {name}"));
    field.ends_well();
}

/// What has failed so often as time allows is given up, and is not told again and again.
fn a_drain_ends_in_time_where_every_statement_fails() {
    for (what, when, code) in [
        ("INSERT ON finished", "true", "23514"),
        ("INSERT ON claimed", "true", "42P01"),
        ("INSERT ON claimed", "true", "P0001"),
        ("UPDATE ON worker", "NEW.ended_at_ms IS NOT NULL", "22003"),
    ] {
        let home = Home::quick()
            .with("QUEUECTL_BUSY_TIMEOUT", "1s")
            .with("QUEUECTL_LEASE", "10s")
            .on_server(Server::shared());
        home.enqueue_once("a", "true");
        let client = &mut home.schema().client();
        let refuse = format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'not at %', clock_timestamp() USING ERRCODE = '{code}'; END $$;
             CREATE TRIGGER refuse BEFORE {what} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()"
        );
        client.batch_execute(&refuse).unwrap();
        let mut worker = home.worker(["--drain"]);
        assert_eq!(worker.wait().code(), Some(1), "{what}: {}", worker.said());
        let said = worker.said();
        assert!(said.contains("not at ") && said.matches("not at ").count() < 20, "{what}: {said}");
        client.batch_execute("DROP FUNCTION refuse CASCADE").unwrap();
        home.drain();
        assert_eq!(home.state("a"), State::Completed, "{what}");
    }
}

fn tables_that_are_gone_end_a_worker_in_order() {
    let home = Home::quick().on_server(Server::shared());
    home.enqueue("a", "true");
    let mut worker = home.worker(["--count", "2"]);
    home.wait_for("a", State::Completed);
    Server::shared().psql(&format!("DROP SCHEMA {} CASCADE", home.schema().name()));
    assert_eq!(worker.wait().code(), Some(1), "{}", worker.said());
}
