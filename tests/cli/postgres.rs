//! The same commands, with the queue on PostgreSQL.

use crate::support::pgbouncer::Pool;
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home, Spelling, both, dispatcher, send, wait_until};
use nix::sys::signal::Signal;
use predicates::str::{contains, is_match};
use queuectl_core::{Outcome, State};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

trials![
    looking_at_a_server_changes_nothing_there if Postgres,
    two_schemas_are_two_queues if Postgres,
    the_location_of_the_queue_can_be_a_flag_or_a_setting if Postgres,
    workers_are_listed_with_their_heartbeat_and_stopped if Postgres,
    an_idle_worker_is_told_of_a_new_job if Postgres,
    an_idle_worker_is_told_again_after_its_connections_were_cut if Postgres,
    a_running_job_is_cancelled if Postgres,
    what_a_job_writes_can_be_followed if Postgres,
    a_forced_stop_interrupts_and_charges_nothing if Postgres,
    the_job_of_a_killed_worker_runs_again_after_its_old_command_was_ended if Postgres,
    a_backup_is_a_queue_in_a_file if Postgres,
    doctor_finds_what_is_wrong_and_nothing_else if Postgres,
    a_role_that_may_not_know_the_server_shares_the_queue_with_one_that_may if Postgres,
    a_drain_does_the_jobs_too_that_its_last_job_enqueues if Postgres,
    what_ended_workers_have_done_does_not_stay_in_the_changes if Postgres,
    through_a_pool_in_transaction_mode_all_works_and_workers_poll if Postgres and Pgbouncer,
];

/// A quick user on the server of all tests.
pub fn home() -> Home {
    Home::quick().on_server(Server::shared())
}

/// A quick user whose workers would sleep for an hour if nobody told them.
fn patient() -> Home {
    home().with("QUEUECTL_POLL_INTERVAL", "1h")
}

/// Takes the times out of a document, and the numbers of jobs: a batch that is
/// refused leaves a gap on a server.
pub fn without_times(document: Value) -> Value {
    match document {
        Value::Array(values) => values.into_iter().map(without_times).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let differs = (name.ends_with("_at") && !value.is_null()) || name == "seq";
                (name, if differs { "…".into() } else { without_times(value) })
            })
            .collect(),
        other => other,
    }
}

fn looking_at_a_server_changes_nothing_there() {
    let home = home();
    let schema = home.schema();
    for arguments in [
        vec!["status"],
        vec!["list"],
        vec!["show", "a"],
        vec!["logs", "a"],
        vec!["dlq", "list"],
        vec!["worker", "list"],
        vec!["worker", "stop"],
        vec!["doctor"],
    ] {
        home.queuectl(&arguments).assert();
        let sql = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{}'", schema.name());
        assert_eq!(Server::shared().psql(&sql), "0\n", "{arguments:?}");
    }
}

fn two_schemas_are_two_queues() {
    let (one, other) = (home(), home());
    one.enqueue("a", "true");
    other.enqueue("a", "false");
    other.enqueue("b", "true");
    one.drain();
    assert_eq!((one.state("a"), one.counts().total()), (State::Completed, 1));
    assert_eq!((other.state("a"), other.counts().total()), (State::Pending, 2));
}

fn the_location_of_the_queue_can_be_a_flag_or_a_setting() {
    let server = Server::shared();
    let schema = Arc::new(server.schema());
    let url = server.tcp_url(schema.name());
    let home = Home::quick();
    home.queuectl(["enqueue", "--id", "flag", "--database", &url, "true"]).assert().success();
    home.queuectl(["config", "set", "database", &url]).assert().success();
    home.enqueue("setting", "true");
    home.drain();
    assert!(!home.database().exists(), "nothing is put in a file");
    let home = home.in_schema(&schema, &url);
    assert_eq!((home.state("flag"), home.state("setting")), (State::Completed, State::Completed));
}

fn workers_are_listed_with_their_heartbeat_and_stopped() {
    both(|spelling| {
        let home = home();
        home.run(spelling, ["worker", "start", "--detach", "--count", "2"]).assert().success();
        let pids = home.worker_pids();
        assert_eq!(pids.len(), 2);
        let listed = home.json(["worker", "list", "--json"]);
        for worker in listed.as_array().unwrap() {
            assert_eq!(worker["alive"], true, "{worker}");
            assert!(pids.contains(&i32::try_from(worker["pid"].as_i64().unwrap()).unwrap()), "{worker}");
            assert!(worker["heartbeat_at"].as_str().is_some_and(|at| at.starts_with("20")), "{worker}");
        }
        home.run(spelling, ["status"]).assert().success().stdout(contains("Active workers: 2"));
        let first = |home: &Home| home.json(["worker", "list", "--json"])[0]["heartbeat_at"].clone();
        let before = first(&home);
        wait_until(DEADLINE, "the heartbeat is renewed", || first(&home) != before);
        home.run(spelling, ["worker", "stop"]).assert().success();
        assert_eq!(home.worker_pids(), [0; 0], "stop returns when they have ended");
        home.queuectl(["worker", "list"]).assert().success().stderr("No workers\n");
    });
}

fn an_idle_worker_is_told_of_a_new_job() {
    let home = patient();
    let worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    for id in ["a", "b", "c"] {
        home.enqueue(id, "true");
        home.wait_for(id, State::Completed);
    }
}

fn an_idle_worker_is_told_again_after_its_connections_were_cut() {
    let server = Server::start(&[("fsync", "off")]);
    let home = Home::quick().on_server(&server).with("QUEUECTL_POLL_INTERVAL", "1h");
    let mut worker = home.worker([""; 0]);
    worker.wait_until_it_says("Loop started");
    for id in ["a", "b", "c"] {
        assert!(server.kill_backends() > 0, "the worker was connected");
        // Comes before, while or after the worker connects again.
        home.enqueue(id, "true");
        home.wait_for(id, State::Completed);
        wait_until(DEADLINE, "the worker listens again", || {
            let sql = "SELECT count(*) FROM pg_stat_activity
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
            server.psql(sql).trim().parse::<u32>().unwrap() > 0
        });
    }
    assert!(!worker.has_ended());
}

fn a_running_job_is_cancelled() {
    both(|spelling| {
        let home = patient();
        home.enqueue("a", "touch running; sleep 1000");
        let _worker = home.worker_in_the_middle("running");
        home.run(spelling, ["cancel", "a"]).assert().success();
        assert_eq!(home.state("a"), State::Cancelled);
        assert_eq!(home.processes_of("a"), [0; 0]);
    });
}

fn what_a_job_writes_can_be_followed() {
    let home = home();
    home.enqueue("a", "echo first; until [ -e go ]; do sleep 0.05; done; echo last");
    let _worker = home.worker([""; 0]);
    let mut logs = home.background(Spelling::Direct, ["logs", "-f", "a"]);
    wait_until(DEADLINE, "the first line is there while the job runs", || logs.printed() == "first\n");
    home.make_file("go");
    logs.wait_for_success();
    assert_eq!(logs.printed(), "first\nlast\n");
}

fn a_forced_stop_interrupts_and_charges_nothing() {
    let home = patient();
    home.enqueue("a", "touch running; sleep 1000");
    let mut worker = home.worker_in_the_middle("running");
    home.queuectl(["worker", "stop", "--force"]).assert().success();
    worker.wait_for_success();
    let job = home.job("a");
    assert_eq!((job.state, job.attempts), (State::Pending, 0));
    assert_eq!(home.attempts("a")[0].outcome, Some(Outcome::Interrupted));
}

fn the_job_of_a_killed_worker_runs_again_after_its_old_command_was_ended() {
    let home = patient();
    let first = "touch hangs; trap '' TERM; while :; do sleep 0.05; done";
    home.enqueue("victim", &format!("if [ $QUEUECTL_JOB_LEASE = 1 ]; then {first}; fi"));
    let _worker = home.worker_in_the_middle("hangs");
    let began = Instant::now();
    send(home.worker_pids()[0], Signal::SIGKILL);
    home.wait_for("victim", State::Completed);
    let took = began.elapsed();
    // Without the lock of this machine nobody would know for half a minute.
    assert!(took < Duration::from_secs(15), "it took {took:?}");
    let outcomes = home.outcomes("victim");
    assert_eq!(outcomes, [Some(Outcome::WorkerLost), Some(Outcome::Exit(0))]);
    assert_eq!(home.processes_of("victim"), [0; 0]);
}

fn a_backup_is_a_queue_in_a_file() {
    both(|spelling| {
        let home = home();
        home.enqueue("a", "echo kept");
        home.drain();
        home.enqueue("b", "true");
        home.run(spelling, ["backup", "copy.db"]).assert().success();
        let copy = home.path("copy.db");
        let on_copy = |name: &str| {
            home.run(spelling, [name, "--json", "--database"])
                .arg(&copy)
                .assert()
                .success()
                .get_output()
                .clone()
        };
        let jobs = |output: &[u8]| without_times(serde_json::from_slice(output).unwrap());
        assert_eq!(jobs(&on_copy("list").stdout), without_times(home.json(["list", "--json"])));
        home.run(spelling, ["logs", "a", "--database"]).arg(&copy).assert().success().stdout("kept\n");
    });
}

fn doctor_finds_what_is_wrong_and_nothing_else() {
    let server = Server::start(&[]);
    both(|spelling| {
        let home = Home::quick().on_server(&server);
        home.enqueue("a", "true");
        home.drain();
        home.run(spelling, ["doctor"])
            .assert()
            .success()
            .stdout(contains("PostgreSQL"))
            .stdout(contains("All is well"));
        home.schema()
            .client()
            .execute("INSERT INTO change (queue, dead) VALUES ('default', 1)", &[])
            .unwrap();
        home.run(spelling, ["doctor"]).assert().code(1).stdout(is_match("(?m)^error +counts: ").unwrap());
    });
    // What is lost if this server loses its power is not to be had back.
    let home = home();
    home.enqueue("a", "true");
    home.queuectl(["doctor"]).assert().code(1).stdout(is_match("(?m)^error +sync: fsync is off").unwrap());
}

fn a_role_that_may_not_know_the_server_shares_the_queue_with_one_that_may() {
    let server = Server::start(&[("fsync", "off")]);
    server.psql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; CREATE ROLE plain LOGIN");
    server.psql("GRANT CREATE ON DATABASE postgres TO plain");
    let knowing = Home::quick().on_server(&server);
    let schema = knowing.schema();
    let url = format!("postgres://plain@127.0.0.1:{}/postgres?schema={}", server.port(), schema.name());
    let plain = Home::quick().in_schema(schema, &url);
    // Who makes it does not know the server's name; the superuser does.
    plain.enqueue("a", "true");
    let run = || -> String { schema.client().query_one("SELECT run FROM queue", &[]).unwrap().get(0) };
    let before = run();
    let mut worker = plain.worker([""; 0]);
    plain.wait_for("a", State::Completed);
    knowing.enqueue("b", "true");
    plain.wait_for("b", State::Completed);
    let mut other = knowing.worker([""; 0]);
    other.wait_until_it_says("Loop started");
    plain.enqueue("c", "true");
    plain.wait_for("c", State::Completed);
    assert_eq!(run(), before, "nobody took it for a copy");
    plain.queuectl(["worker", "stop", "--everywhere"]).assert().success();
    worker.wait_for_success();
    other.wait_for_success();
}

fn a_drain_does_the_jobs_too_that_its_last_job_enqueues() {
    let home = home();
    home.enqueue("first", "true");
    home.drain();
    // So much has changed that the counters are not added up each time.
    let sql = "INSERT INTO change (queue, done) SELECT 'default', 0 FROM generate_series(1, 30000)";
    home.schema().client().execute(sql, &[]).unwrap();
    for round in 0..5 {
        let late = format!("late-{round}");
        home.enqueue(
            &format!("last-{round}"),
            &format!("{} enqueue --id {late} --delay 300ms true", dispatcher()),
        );
        home.drain();
        assert_eq!(home.state(&late), State::Completed, "{late}");
    }
}

fn what_ended_workers_have_done_does_not_stay_in_the_changes() {
    let home = home();
    home.enqueue("a", "true");
    home.drain();
    let mut client = home.schema().client();
    client
        .batch_execute(
            "INSERT INTO worker (lock_file, host, pid, manager_pid, boot_id, pid_namespace, run, note_region,
                 concurrency, path, started_at_ms, ended_at_ms)
             SELECT 'elsewhere', 'there', 1, 1, '', 0, 'run', number, 1, '', 0, 1
                 FROM generate_series(1, 300) AS number;
             INSERT INTO change (worker, queue, done, completed)
                 SELECT id, 'default', 2, 0 FROM worker WHERE host = 'there'",
        )
        .unwrap();
    home.enqueue("b", "true");
    home.drain();
    let one =
        |client: &mut postgres::Client, sql: &str| -> i64 { client.query_one(sql, &[]).unwrap().get(0) };
    let done = "SELECT sum(jobs_done)::bigint FROM worker WHERE host = 'there'";
    assert_eq!(one(&mut client, done), 600);
    assert!(one(&mut client, "SELECT count(*) FROM change") < 100);
    assert_eq!(home.store().check().unwrap(), [""; 0]);
}

fn through_a_pool_in_transaction_mode_all_works_and_workers_poll() {
    let server = Server::shared();
    let pool = Pool::before(server);
    let schema = Arc::new(server.schema());
    let home = Home::quick().in_schema(&schema, &pool.url(schema.name()));
    let mut worker = home.worker(["--count", "2", "--concurrency", "2"]);
    worker.wait_until_it_says("Loop started");
    for number in 0..30 {
        home.enqueue(&format!("job-{number}"), "echo done");
    }
    wait_until(DEADLINE, "all of them are done", || home.counts()[State::Completed] == 30);
    home.enqueue("long", "touch running; sleep 1000");
    home.wait_for_file("running");
    home.queuectl(["cancel", "long"]).assert().success();
    home.queuectl(["logs", "job-7"]).assert().success().stdout("done\n");
    let words = || worker.said().lines().filter(|line| line.contains("poll-interval")).count();
    wait_until(DEADLINE, "each worker says that it polls", || words() == 2);
    home.enqueue("last", "true");
    home.wait_for("last", State::Completed);
    home.queuectl(["worker", "stop"]).assert().success();
    worker.wait_for_success();
    let said = worker.said();
    let words = said.lines().filter(|line| line.contains("poll-interval")).count();
    assert_eq!(words, 2, "each says it once:\n{said}");
    assert_eq!(home.store().check().unwrap(), [""; 0]);
}
