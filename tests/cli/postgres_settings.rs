//! Roles and databases whose settings are not those of a new server.

use crate::support::pgbouncer::Pool;
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, wait_until};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

trials![
    a_role_that_may_only_read_by_default_works if Postgres,
    a_role_that_is_serializable_by_default_works if Postgres,
    a_role_whose_statements_have_no_time_works if Postgres,
    a_role_with_all_settings_at_odds_works if Postgres,
    a_role_with_all_settings_at_odds_works_through_a_pool if Postgres and Pgbouncer,
    doctor_names_the_settings_that_are_overruled if Postgres,
];

/// What can be set for a role or a database, and would be in our way, or might be.
const AT_ODDS: [&str; 31] = [
    "default_transaction_read_only = on",
    "default_transaction_isolation = serializable",
    "default_transaction_deferrable = on",
    "statement_timeout = '50ms'",
    "lock_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '1ms'",
    "idle_session_timeout = '500ms'",
    "search_path = 'nowhere, pg_catalog'",
    "timezone = 'Asia/Kathmandu'",
    "datestyle = 'SQL, DMY'",
    "intervalstyle = 'iso_8601'",
    "bytea_output = escape",
    "standard_conforming_strings = off",
    "row_security = off",
    "synchronous_commit = off",
    "client_encoding = 'LATIN1'",
    "extra_float_digits = -15",
    "jit_above_cost = 0",
    "enable_indexscan = off",
    "enable_indexonlyscan = off",
    "enable_nestloop = off",
    "enable_seqscan = off",
    "enable_hashjoin = off",
    "array_nulls = off",
    "quote_all_identifiers = on",
    "transform_null_equals = on",
    "check_function_bodies = off",
    "plan_cache_mode = force_custom_plan",
    "default_toast_compression = pglz",
    "exit_on_error = on",
    "work_mem = '64kB'",
];

/// A database with such settings, dropped when this is.
struct Database {
    name: String,
}

impl Database {
    fn with(settings: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("at_odds_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Server::shared().psql(&format!("CREATE DATABASE {name}"));
        for setting in settings {
            Server::shared().psql(&format!("ALTER DATABASE {name} SET {setting}"));
        }
        Self { name }
    }

    /// A quick user with a queue in it, by this URL of another database.
    fn home(&self, url: &str, schema: &Arc<crate::support::postgres::Schema>) -> Home {
        let url = url.replace("/postgres?", &format!("/{}?", self.name));
        Home::quick().in_schema(schema, &url)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A pool may still have it open.
        Server::shared().psql(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// What a queue is for: jobs run, one of them twice, one is cancelled; all can be looked
/// at, copied and moved.
fn everything_works(home: &Home) {
    let mut worker = home.worker(["--concurrency", "2"]);
    worker.wait_until_it_says("Loop started");
    home.enqueue("good", "echo done");
    home.enqueue("again", "test -e again || { touch again; exit 1; }");
    home.enqueue("long", "touch running; sleep 1000");
    home.wait_for_file("running");
    home.wait_for("good", State::Completed);
    home.wait_for("again", State::Completed);
    home.queuectl(["cancel", "long"]).assert().success();
    home.wait_for("long", State::Cancelled);
    home.queuectl(["list"]).assert().success().stdout(contains("again"));
    home.queuectl(["status"]).assert().success();
    home.queuectl(["logs", "good"]).assert().success().stdout("done\n");
    // Renewals of the lease arrive.
    let beat = || home.json(["worker", "list", "--json"])[0]["heartbeat_at"].clone();
    let first = beat();
    wait_until(DEADLINE, "the lease is renewed", || beat() != first);
    home.queuectl(["worker", "stop"]).assert().success();
    worker.wait_for_success();
    assert!(!worker.said().contains("ERROR"), "{}", worker.said());
    assert_eq!(home.attempts("long").len() + home.attempts("good").len(), 2);
    assert_eq!(home.store().check().unwrap(), [""; 0]);
    let copy = home.path("copy.db");
    home.queuectl(["backup", copy.to_str().unwrap()]).assert().success();
    home.enqueue("waits", "true");
    let moved = home.path("moved.db");
    home.queuectl(["move", "--to", moved.to_str().unwrap()]).assert().success();
    home.queuectl(["list", "--database", moved.to_str().unwrap()])
        .assert()
        .success()
        .stdout(contains("waits").and(contains("good")));
}

fn directly(settings: &[&str]) {
    let (database, schema) = (Database::with(settings), Arc::new(Server::shared().schema()));
    everything_works(&database.home(&Server::shared().url(schema.name()), &schema));
}

fn a_role_that_may_only_read_by_default_works() {
    directly(&["default_transaction_read_only = on"]);
}

fn a_role_that_is_serializable_by_default_works() {
    let serializable = ["default_transaction_isolation = serializable"];
    directly(&serializable);
    // Many who meet.
    let (database, schema) = (Database::with(&serializable), Arc::new(Server::shared().schema()));
    let home = database.home(&Server::shared().url(schema.name()), &schema);
    home.enqueue_all((0..300).map(|_| serde_json::json!({"command": "true"})));
    let mut workers = home.worker(["--count", "4", "--concurrency", "4", "--drain"]);
    workers.wait_for_success();
    assert!(!workers.said().contains("serialize"), "{}", workers.said());
    assert_eq!(home.counts()[State::Completed], 300);
}

fn a_role_whose_statements_have_no_time_works() {
    directly(&["statement_timeout = '50ms'"]);
}

fn a_role_with_all_settings_at_odds_works() {
    directly(&AT_ODDS);
}

fn a_role_with_all_settings_at_odds_works_through_a_pool() {
    let (database, schema) = (Database::with(&AT_ODDS), Arc::new(Server::shared().schema()));
    let pool = Pool::before(Server::shared());
    everything_works(&database.home(&pool.url(schema.name()), &schema));
}

fn doctor_names_the_settings_that_are_overruled() {
    let schema = Arc::new(Server::shared().schema());
    let database = Database::with(&["default_transaction_read_only = on", "statement_timeout = '50ms'"]);
    let home = database.home(&Server::shared().url(schema.name()), &schema);
    home.enqueue("a", "true");
    home.queuectl(["doctor"])
        .assert()
        .stdout(contains("default_transaction_read_only = on").and(contains("statement_timeout = 50ms")));
}
