//! What the administrator of a server does, and how it is told.

use super::doctor::{complains, complaints};
use super::doctor_postgres::{as_role, follow_all, on_a_server, sql, troubles, with_a_queue};
use crate::support::pgbouncer::Pool;
use crate::support::postgres::{Mode, Server, program};
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, wait_until};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use serde_json::json;
use std::process::Command;
use std::sync::Arc;

trials![
    a_sequence_at_the_very_end_goes_on_when_the_advice_is_typed if Postgres,
    sequences_at_their_end_are_told_until_the_advice_is_typed if Postgres,
    sequences_that_are_behind_are_told_until_the_advice_is_typed if Postgres,
    a_worker_starts_though_its_first_number_is_taken if Postgres,
    changes_are_folded_though_all_tables_are_published if Postgres,
    a_table_without_an_identity_is_told_until_the_advice_is_typed if Postgres,
    upkeep_that_fails_again_and_again_is_told_once if Postgres,
    rows_that_are_hidden_are_told_by_every_command if Postgres,
    a_small_pool_in_transaction_mode_serves_many_workers if Postgres and Pgbouncer,
    a_pool_without_a_session_to_spare_is_named if Postgres and Pgbouncer,
    an_abstract_socket_is_refused_in_words,
    a_standby_that_no_commit_waits_for_is_a_warning_until_the_advice_is_typed if Postgres,
    commits_that_do_not_wait_for_the_standby_are_a_warning if Postgres,
    what_survives_a_failover_is_said_as_far_as_the_role_is_told if Postgres,
    room_on_the_servers_disk_is_told if Postgres,
];

fn sequences_at_their_end_are_told_until_the_advice_is_typed() {
    let home = Home::quick().on_server(Server::shared());
    home.enqueue("a", "true");
    let schema = home.schema().name().to_owned();
    for (sequence, stops) in [
        ("job_seq_seq", "no job can be added"),
        ("position", "no job can be added or retried"),
        ("worker_id_seq", "no worker can start"),
    ] {
        let name = format!("{schema}.{sequence}");
        let end = |end: i64| {
            let statement = format!("SELECT setval('{name}', {}); ALTER SEQUENCE {name} MAXVALUE {end}", 9);
            home.schema().client().batch_execute(&statement).unwrap();
        };
        end(9);
        complains(&home, "error", "sequences", &format!("{sequence} has given out its last number: {stops}"));
        end(1000);
        let advice =
            complains(&home, "warning", "sequences", &format!("{sequence} has only 991 numbers left"));
        let typed = advice.split('`').nth(1).unwrap();
        home.typed(Spelling::Dispatched, typed).assert().success();
        assert_eq!(complaints(&home).iter().filter(|found| found["check"] == "sequences").count(), 0);
    }
}

/// There are no larger numbers, so it is of no use to give it more.
fn a_sequence_at_the_very_end_goes_on_when_the_advice_is_typed() {
    let home = Home::quick().on_server(Server::shared());
    home.enqueue("a", "true");
    home.drain();
    let schema = home.schema().name();
    for (sequence, given) in [("position", 0), ("position", 9)] {
        let last = i64::MAX - given;
        sql(&home, &format!("SELECT setval('{schema}.{sequence}', {last})"));
        let level = if given == 0 { "error" } else { "warning" };
        let advice = complains(&home, level, "sequences", sequence);
        let typed = advice.split('`').nth(1).unwrap();
        home.typed(Spelling::Dispatched, typed).assert().success();
        assert_eq!(complaints(&home).iter().filter(|found| found["check"] == "sequences").count(), 0);
    }
    home.enqueue("b", "true");
    home.drain();
    assert_eq!(home.state("b"), State::Completed);
}

fn sequences_that_are_behind_are_told_until_the_advice_is_typed() {
    let (_server, home) = on_a_server(&[]);
    home.enqueue("b", "true");
    let schema = home.schema().name();
    for (sequence, number) in [("job_seq_seq", "2"), ("position", "2"), ("worker_id_seq", "1")] {
        let name = format!("{schema}.{sequence}");
        // The next one gives out what is taken.
        let was_used = sequence != "worker_id_seq";
        sql(&home, &format!("SELECT setval('{name}', 1, {was_used})"));
        let advice = complains(&home, "error", "sequences", &format!("{sequence} goes on after"));
        assert!(advice.contains(&format!(", {number})")), "{advice}");
        if was_used {
            home.queuectl(["enqueue", "--id", "c", "true"]).assert().code(1).stderr(
                contains("gives out numbers that are taken").and(contains("hint: ")).and(contains("doctor")),
            );
        }
        follow_all(&home, &advice);
        assert_eq!(complaints(&home).iter().filter(|found| found["check"] == "sequences").count(), 0);
    }
    home.enqueue("c", "true");
    home.drain();
    assert_eq!(home.counts()[State::Completed], 3);
    assert_eq!(complaints(&home), [json!(null); 0]);
}

/// As when a server has crashed just after it gave the number out.
fn a_worker_starts_though_its_first_number_is_taken() {
    let home = Home::quick().on_server(Server::shared());
    home.enqueue("a", "true");
    home.drain();
    sql(&home, &format!("SELECT setval('{}.worker_id_seq', 1, false)", home.schema().name()));
    home.enqueue("b", "true");
    home.drain();
    assert_eq!(home.state("b"), State::Completed);
}

fn changes_are_folded_though_all_tables_are_published() {
    let (server, home) = on_a_server(&[("wal_level", "logical")]);
    server.psql("CREATE PUBLICATION everything FOR ALL TABLES");
    sql(&home, "INSERT INTO change (queue, dead) SELECT 'default', 0 FROM generate_series(1, 1000)");
    home.enqueue("b", "true");
    home.queuectl(["worker", "start", "--drain"])
        .assert()
        .success()
        .stderr(contains("cannot be added up").not());
    let changes: i64 = home.schema().client().query_one("SELECT count(*) FROM change", &[]).unwrap().get(0);
    assert!(changes < 500, "{changes}");
    home.queuectl(["prune", "--state", "completed", "--older-than", "0s"]).assert().success();
    assert_eq!(complaints(&home), [json!(null); 0]);
}

fn a_table_without_an_identity_is_told_until_the_advice_is_typed() {
    let home = with_a_queue();
    sql(&home, "ALTER TABLE change REPLICA IDENTITY DEFAULT");
    let advice = complains(&home, "warning", "identities", "change has no replica identity");
    follow_all(&home, &advice);
    sql(&home, "ALTER TABLE job REPLICA IDENTITY NOTHING");
    let advice = complains(&home, "warning", "identities", "job has no replica identity");
    follow_all(&home, &advice);
    assert_eq!(troubles(&home), [json!(null); 0]);
}

fn upkeep_that_fails_again_and_again_is_told_once() {
    let (server, home) = on_a_server(&[("wal_level", "logical")]);
    server.psql("CREATE PUBLICATION everything FOR ALL TABLES");
    sql(
        &home,
        "ALTER TABLE change REPLICA IDENTITY DEFAULT;
         INSERT INTO change (queue, dead) SELECT 'default', 0 FROM generate_series(1, 1000)",
    );
    complains(&home, "error", "identities", "change is published without a replica identity");
    let mut worker = home.worker([""; 0]);
    worker.wait_until_it_says("cannot be added up");
    for number in 0..20 {
        home.enqueue(&format!("job-{number}"), "true");
    }
    wait_until(DEADLINE, "all of them are done", || home.counts()[State::Completed] == 21);
    home.queuectl(["worker", "stop"]).assert().success();
    worker.wait_for_success();
    let said = worker.said();
    assert_eq!(said.matches("cannot be added up").count(), 1, "{said}");
}

fn rows_that_are_hidden_are_told_by_every_command() {
    let (server, owner) = on_a_server(&[]);
    let schema = owner.schema().name();
    server.psql(&format!(
        "CREATE ROLE me LOGIN; GRANT USAGE ON SCHEMA {schema} TO me;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO me;
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO me;
         CREATE ROLE member; GRANT member TO me; GRANT USAGE ON SCHEMA {schema} TO member;
         GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO member"
    ));
    let home = as_role(&owner, &server, "me");
    home.queuectl(["list"]).assert().success().stdout(contains("completed"));
    for tables in [vec!["job"], vec!["queue"], vec!["claimed", "finished", "ready"]] {
        for table in &tables {
            server.psql(&format!("ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY"));
        }
        let named = tables.join(", ");
        for arguments in [
            vec!["list"],
            vec!["status"],
            vec!["show", "a"],
            vec!["dlq", "list"],
            vec!["enqueue", "true"],
            vec!["worker", "start", "--drain"],
        ] {
            let said = home.queuectl(&arguments).assert().code(1).stdout("");
            said.stderr(contains(format!("does not show me all rows of {named}")).and(contains("hint: ")));
        }
        // What a role may, whose rights count, and not who has connected.
        home.queuectl(["list"])
            .env("PGOPTIONS", "-c role=member")
            .assert()
            .code(1)
            .stderr(contains("does not show member all rows").and(contains("ALTER ROLE member BYPASSRLS")));
        let advice = complains(&home, "error", "row-security", &named);
        // The owner of the tables is shown all.
        assert_eq!(complaints(&owner), [json!(null); 0]);
        let off = advice.split('`').nth(3).unwrap();
        follow_all(&home, &format!("`{off}`"));
        home.queuectl(["list"]).assert().success().stdout(contains("completed"));
    }
}

/// Each of them has two connections, and the pool has two for all of them.
fn a_small_pool_in_transaction_mode_serves_many_workers() {
    let server = Server::shared();
    for size in [2, 1] {
        let pool = Pool::with(server, &format!("pool_mode = transaction\ndefault_pool_size = {size}"));
        let schema = Arc::new(server.schema());
        let home = Home::quick().in_schema(&schema, &pool.url(schema.name()));
        home.enqueue_all((0..40).map(|number| json!({"id": format!("job-{number}"), "command": "true"})));
        home.queuectl(["worker", "start", "--count", "4", "--drain"]).assert().success();
        assert_eq!(home.counts()[State::Completed], 40);
        home.queuectl(["doctor"]).assert().stdout(contains("notifications: do not arrive"));
    }
}

fn a_pool_without_a_session_to_spare_is_named() {
    let server = Server::shared();
    let pool = Pool::with(server, "pool_mode = session\ndefault_pool_size = 1");
    let schema = Arc::new(server.schema());
    let url = pool.url(schema.name());
    let home = Home::quick()
        .with("QUEUECTL_CONNECT_TIMEOUT", "1s")
        .with("QUEUECTL_BUSY_TIMEOUT", "1s")
        .in_schema(&schema, &url);
    home.enqueue("a", "true");
    let mut holder = postgres::Client::connect(url.split('?').next().unwrap(), postgres::NoTls).unwrap();
    holder.batch_execute("SELECT 1").unwrap();
    for command in ["list", "doctor"] {
        let said = home.queuectl([command]).assert().code(1);
        let said = [&said.get_output().stdout[..], &said.get_output().stderr].concat();
        let said = String::from_utf8(said).unwrap();
        let [what, why] =
            ["takes connections but gives no session", "2 for each worker and 1 for each manager"];
        assert!(said.replace('\n', " ").contains(what) && said.contains(why), "{said}");
    }
    drop(holder);
    wait_until(DEADLINE, "the pool has it back", || {
        home.queuectl(["list"]).assert().get_output().status.success()
    });
}

fn an_abstract_socket_is_refused_in_words() {
    let home = Home::quick();
    for url in ["postgres:///q?host=@name", "postgres://me@%40name/q"] {
        home.queuectl(["list"])
            .env("QUEUECTL_DATABASE", url)
            .assert()
            .code(1)
            .stderr(contains("abstract socket").and(contains("hint: ")));
    }
}

/// A server that follows another.
fn follower(server: &Server) -> Follower {
    server.set_hba(&["local all all trust", "local replication all trust", "host all all all trust"]);
    let folder = tempfile::Builder::new().prefix("queuectl-standby-").tempdir_in("/tmp").unwrap();
    let mut receive = Command::new(program("pg_receivewal"));
    receive
        .args(["--host", server.socket_folder().to_str().unwrap(), "--port", &server.port().to_string()])
        .args(["--username", "postgres", "--no-loop", "--synchronous", "--directory"])
        .arg(folder.path())
        .env("PGAPPNAME", "follower");
    let process = receive.spawn().unwrap();
    wait_until(DEADLINE, "it follows", || {
        server.psql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").trim() == "1"
    });
    Follower { process, _folder: folder }
}

struct Follower {
    process: std::process::Child,
    _folder: tempfile::TempDir,
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

fn a_standby_that_no_commit_waits_for_is_a_warning_until_the_advice_is_typed() {
    let (server, home) = on_a_server(&[]);
    home.queuectl(["doctor"]).assert().success().stdout(contains("replication: no standby follows"));
    let _follower = follower(&server);
    let advice = complains(&home, "warning", "replication", "1 standby follow, and no commit waits for any");
    follow_all(&home, &advice);
    wait_until(DEADLINE, "commits wait for it", || complaints(&home).is_empty());
    home.queuectl(["doctor"]).assert().success().stdout(contains("commits wait for ANY 1 (*)"));
    home.enqueue("b", "true");
    // Without the standby, what the test clears up would wait for ever.
    server.stop(Mode::Immediate);
}

fn commits_that_do_not_wait_for_the_standby_are_a_warning() {
    let (server, home) = on_a_server(&[]);
    let follower = follower(&server);
    server.psql("ALTER SYSTEM SET synchronous_standby_names = 'follower'");
    server.reload();
    wait_until(DEADLINE, "commits wait for it", || complaints(&home).is_empty());
    server.psql("ALTER DATABASE postgres SET synchronous_commit = local");
    let word = "local for all roles in the database postgres";
    let advice = complains(&home, "warning", "replication", word);
    follow_all(&home, &advice);
    assert_eq!(complaints(&home), [json!(null); 0]);
    server.psql("ALTER ROLE postgres SET synchronous_commit = local");
    let advice = complains(&home, "warning", "replication", "local for the role postgres");
    follow_all(&home, &advice);
    server.psql("ALTER SYSTEM SET synchronous_commit = local");
    server.reload();
    let mut advice = String::new();
    wait_until(DEADLINE, "that is known", || {
        let found = complaints(&home);
        advice = found.first().map(|found| found["advice"].to_string()).unwrap_or_default();
        !advice.is_empty()
    });
    assert!(advice.contains("synchronous_commit = on"), "{advice}");
    // A setting that makes nothing wait keeps this program from waiting with the next.
    drop(follower);
    complains(&home, "warning", "replication", "synchronous_commit is local");
    server.psql("ALTER SYSTEM RESET synchronous_commit");
    server.reload();
    wait_until(DEADLINE, "that is known", || {
        complaints(&home).iter().any(|found| found["found"].to_string().contains("they wait for ever"))
    });
    server.stop(Mode::Immediate);
}

fn what_survives_a_failover_is_said_as_far_as_the_role_is_told() {
    let (server, owner) = on_a_server(&[]);
    let schema = owner.schema().name();
    server.psql(&format!(
        "CREATE ROLE me LOGIN; GRANT USAGE ON SCHEMA {schema} TO me;
         GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO me"
    ));
    let home = as_role(&owner, &server, "me");
    let _follower = follower(&server);
    complains(&home, "warning", "replication", "1 standby follow, and no commit waits for any");
    server.psql("ALTER SYSTEM SET synchronous_standby_names = 'follower'");
    server.reload();
    wait_until(DEADLINE, "that is known", || {
        let said = home.queuectl(["doctor"]).assert();
        let said = String::from_utf8_lossy(&said.get_output().stdout).into_owned();
        said.contains("whether any such standby follows this role is not told")
    });
    home.queuectl(["doctor"])
        .assert()
        .stdout(contains("disk: how much room the server's disk has is not known"));
    server.stop(Mode::Immediate);
}

fn room_on_the_servers_disk_is_told() {
    let (_server, home) = on_a_server(&[]);
    home.queuectl(["doctor"]).assert().stdout(contains("disk: ").and(contains(" free")));
    home.queuectl(["doctor"]).assert().stdout(contains("checksums: the server's pages have none"));
}
