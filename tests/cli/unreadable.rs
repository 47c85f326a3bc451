//! Rows that cannot be read: the job is set aside, and all others go on.

use super::doctor::complains;
use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{Home, Spelling};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use queuectl_core::State;
use rusqlite::Connection;

trials![
    a_row_of_a_file_that_cannot_be_read_is_set_aside_and_the_others_run,
    a_row_of_a_server_that_cannot_be_read_is_set_aside_and_the_others_run if Postgres,
    a_job_in_a_state_that_is_none_is_set_aside,
    a_ready_job_that_says_it_is_finished_is_set_aside,
    a_dead_job_whose_id_cannot_be_typed_is_found_by_its_number,
    times_that_cannot_be_are_shown_all_the_same,
    a_text_of_any_bytes_on_a_server_is_set_aside if Postgres,
    a_row_that_the_server_itself_cannot_claim_is_set_aside if Postgres,
    many_rows_that_cannot_be_read_keep_nobody_waiting,
    many_rows_of_a_server_that_cannot_be_read_keep_nobody_waiting if Postgres,
    a_running_job_whose_row_is_spoilt_meanwhile_ends_as_it_should,
    a_running_job_of_a_server_whose_row_is_spoilt_meanwhile_ends_as_it_should if Postgres,
    values_of_another_type_than_their_columns_are_set_aside,
    a_column_of_another_type_is_no_fault_of_the_jobs if Postgres,
];

/// What makes a row of the table `job` unreadable: the change, and what is said of it.
/// Those of the second list no file can have, or no server.
const SPOILT: [(&str, &str); 8] = [
    ("env = '{x'", "column env has no variables"),
    ("env = '[1, 2]'", "column env has no variables"),
    ("env = '{\"A=B\": \"c\"}'", "column env has no variables"),
    ("priority = 99999999999", "column priority has the number 99999999999"),
    ("max_retries = -1", "column max_retries has the number -1"),
    ("timeout_ms = -5", "column timeout_ms has the number -5"),
    ("crashes = -1", "column crashes has the number -1"),
    ("command = ' '", "column command cannot be run: the command is empty"),
];

const SPOILT_IN_A_FILE: [(&str, &str); 7] = [
    ("command = CAST(x'74ff' AS TEXT)", "column command is not UTF-8"),
    ("queue = CAST(x'ff' AS TEXT)", "column queue is not UTF-8"),
    ("env = CAST(x'7bff7d' AS TEXT)", "column env is not UTF-8"),
    ("last_error = CAST(x'ff' AS TEXT)", "column last_error is not UTF-8"),
    ("attempts = -3", "column attempts has the number -3"),
    ("lease = 9223372036854775807", "column lease leaves no number"),
    ("exit_code = 99999999999", "column exit_code has the number 99999999999"),
];

/// Changes rows by hand, whatever the rules of the table say.
pub fn in_file(home: &Home, statements: &str) {
    let connection = Connection::open(home.database()).unwrap();
    connection.execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {statements}")).unwrap();
}

pub fn on_server(home: &Home, statements: &str) {
    home.schema().client().batch_execute(statements).unwrap();
}

/// The job `bad` is the first that is ready, and cannot be read.
fn is_set_aside(home: &Home, problem: &str) {
    home.queuectl(["list"]).assert().success().stderr(contains("job bad").and(contains(problem)));
    let listed = home.queuectl(["list", "--json"]).assert().success();
    let listed: serde_json::Value = serde_json::from_slice(&listed.get_output().stdout).unwrap();
    let first = &listed[0];
    assert!(first["unreadable"].as_str().unwrap().contains(problem), "{first}");
    assert!(listed[1]["unreadable"].is_null(), "{listed}");
    home.queuectl(["show", "bad"]).assert().success().stdout(contains(problem));
    home.queuectl(["status"]).assert().success();
    complains(home, "error", "rows", "job bad (seq 1): ");

    home.queuectl(["worker", "start", "--drain", "--exit-zero"])
        .assert()
        .success()
        .stderr(contains("Job bad cannot be run and is dead").and(contains(problem)));
    let counts = home.counts();
    assert_eq!((counts[State::Dead], counts[State::Completed], counts.total()), (1, 2, 3), "{problem}");
    let list = home.queuectl(["dlq", "list"]).assert().success();
    let list = String::from_utf8_lossy(&list.get_output().stdout).into_owned();
    assert!(list.contains("its row cannot be read: ") && list.contains(problem), "{list}");
    complains(home, "error", "rows", problem);
    home.queuectl(["logs", "bad"]).assert().success();
    let said = home.queuectl(["dlq", "retry", "bad"]).assert().code(1);
    said.stderr(contains("the row of job bad cannot be read").and(contains("hint: ")));
    let all = home.queuectl(["dlq", "retry", "--all"]).assert().code(1).stdout("0 jobs are pending again\n");
    all.stderr(contains("the row of job bad cannot be read"));
    home.queuectl(["cancel", "bad"]).assert().code(1).stderr(contains("job bad is dead"));
    home.queuectl(["dlq", "clear"]).assert().success();
    assert_eq!(home.counts().total(), 2);
    home.queuectl(["doctor"])
        .assert()
        .stdout(contains("rows: all can be read").and(contains("counts by state are right")));
}

pub fn with_three(home: &Home) {
    for id in ["bad", "good", "better"] {
        home.enqueue(id, "true");
    }
}

fn a_row_of_a_file_that_cannot_be_read_is_set_aside_and_the_others_run() {
    for (change, problem) in SPOILT.iter().chain(&SPOILT_IN_A_FILE) {
        let home = Home::quick();
        with_three(&home);
        in_file(&home, &format!("UPDATE job SET {change} WHERE id = 'bad'"));
        // (A last error is overwritten by why the job is dead.)
        if change.starts_with("last_error") {
            home.drain();
            assert_eq!(home.counts()[State::Dead], 1);
        } else {
            is_set_aside(&home, problem);
        }
    }
}

/// What it was counted as, nobody knows; dead it can be read.
fn a_job_in_a_state_that_is_none_is_set_aside() {
    let problem = "column state has \"flying\", which is no state";
    for attempts in [0, 2] {
        let home = Home::quick();
        with_three(&home);
        in_file(&home, &format!("UPDATE job SET state = 'flying', attempts = {attempts} WHERE id = 'bad'"));
        home.queuectl(["list"]).assert().success().stderr(contains(problem));
        home.queuectl(["cancel", "bad"]).assert().code(1).stderr(contains("job bad cannot be read"));
        complains(&home, "error", "rows", problem);
        home.queuectl(["worker", "start", "--drain", "--exit-zero"])
            .assert()
            .success()
            .stderr(contains(problem));
        assert!(home.job("bad").last_error.unwrap().contains(problem));
        home.queuectl(["doctor"]).assert().success();
        home.queuectl(["dlq", "retry", "bad"]).assert().success();
        home.drain();
        assert_eq!(home.counts()[State::Completed], 3);
    }
}

fn a_dead_job_whose_id_cannot_be_typed_is_found_by_its_number() {
    let home = Home::quick();
    home.enqueue_once("bad", "false");
    home.drain();
    in_file(&home, "UPDATE job SET id = CAST(x'62ff64' AS TEXT)");
    let said = home.queuectl(["dlq", "retry", "--all"]).assert().code(1);
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    let show = said.split('`').find(|part| part.starts_with("queuectl show")).unwrap();
    home.typed(Spelling::Dispatched, show).assert().success();
}

fn a_ready_job_that_says_it_is_finished_is_set_aside() {
    let home = Home::quick();
    with_three(&home);
    in_file(&home, "UPDATE job SET state = 'completed' WHERE id = 'bad'");
    home.queuectl(["worker", "start", "--drain", "--exit-zero"])
        .assert()
        .success()
        .stderr(contains("the job is ready"));
    assert_eq!(home.state("bad"), State::Dead);
}

fn times_that_cannot_be_are_shown_all_the_same() {
    let home = Home::quick();
    home.enqueue("a", "true");
    home.drain();
    for time in ["9223372036854775807", "-9223372036854775808", "8640000000000001", "-62135596800001"] {
        in_file(
            &home,
            &format!(
                "UPDATE job SET created_at_ms = {time}, updated_at_ms = {time}, started_at_ms = {time},
                     finished_at_ms = {time};
                 UPDATE attempt SET started_at_ms = {time}, ended_at_ms = {time};
                 UPDATE worker SET started_at_ms = {time}, ended_at_ms = {time}"
            ),
        );
        for arguments in
            [vec!["list"], vec!["list", "--json"], vec!["show", "a"], vec!["doctor"], vec!["status"]]
        {
            home.queuectl(arguments).assert().success();
        }
    }
}

fn a_row_of_a_server_that_cannot_be_read_is_set_aside_and_the_others_run() {
    for (change, problem) in &SPOILT {
        let home = Home::quick().on_server(Server::shared());
        with_three(&home);
        on_server(&home, &format!("UPDATE job SET {change} WHERE id = 'bad'"));
        is_set_aside(&home, problem);
    }
}

fn a_text_of_any_bytes_on_a_server_is_set_aside() {
    let server = Server::start(&[("fsync", "off")]);
    server.psql("CREATE DATABASE any_bytes ENCODING 'SQL_ASCII' TEMPLATE template0");
    for (column, problem) in [("command", "column command is not UTF-8"), ("env", "column env is not UTF-8")]
    {
        let url = server.url("public").replace("/postgres?", "/any_bytes?").replace("schema=public", column);
        let url = url.replace(&format!("&{column}"), &format!("&schema={column}"));
        let home = Home::quick().with("QUEUECTL_DATABASE", &url);
        with_three(&home);
        let mut client = server.configuration().dbname("any_bytes").connect(postgres::NoTls).unwrap();
        client
            .batch_execute(&format!("UPDATE {column}.job SET {column} = E'\\xff' || 'x' WHERE id = 'bad'"))
            .unwrap();
        home.queuectl(["list"]).assert().success().stderr(contains(problem));
        home.queuectl(["doctor"]).assert().code(1).stdout(contains(problem));
        home.queuectl(["worker", "start", "--drain", "--exit-zero"])
            .assert()
            .success()
            .stderr(contains(problem));
        let states = home.json(["status", "--json"]);
        assert_eq!(
            (&states["jobs"]["dead"], &states["jobs"]["completed"]),
            (&1.into(), &2.into()),
            "{states}"
        );
    }
}

fn a_row_that_the_server_itself_cannot_claim_is_set_aside() {
    for (change, problem) in [
        ("lease = 9223372036854775807", "column lease leaves no number"),
        ("attempts = -3", "column attempts has the number -3"),
        ("attempts = 9223372036854775807", "column attempts has the number 9223372036854775807"),
        ("state = 'flying'", "what it says contradicts where it is"),
    ] {
        let home = Home::quick().on_server(Server::shared());
        with_three(&home);
        on_server(
            &home,
            "ALTER TABLE job DROP CONSTRAINT attempts_are_counted;
             ALTER TABLE job DROP CONSTRAINT a_waiting_job_is_pending_or_failed",
        );
        on_server(&home, &format!("UPDATE job SET {change} WHERE id = 'bad'"));
        home.queuectl(["list"]).assert().success();
        home.queuectl(["worker", "start", "--drain", "--exit-zero"])
            .assert()
            .success()
            .stderr(contains(problem));
        let counts = home.counts();
        assert_eq!((counts[State::Dead], counts[State::Completed], counts.total()), (1, 2, 3), "{change}");
        home.queuectl(["doctor"]).assert().stdout(contains("counts by state are right"));
    }
}

fn many_are_set_aside(home: &Home, spoil: &dyn Fn(&Home)) {
    home.enqueue_all(
        (0..2500).map(|number| serde_json::json!({"id": format!("bad-{number}"), "command": "true"})),
    );
    home.enqueue("good", "true");
    spoil(home);
    home.queuectl(["worker", "start", "--drain", "--exit-zero"]).assert().success();
    let counts = home.counts();
    assert_eq!((counts[State::Dead], counts[State::Completed]), (2500, 1));
}

fn many_rows_that_cannot_be_read_keep_nobody_waiting() {
    let home = Home::quick().with("QUEUECTL_POLL_INTERVAL", "1h");
    many_are_set_aside(&home, &|home| in_file(home, "UPDATE job SET env = '{' WHERE id <> 'good'"));
}

fn many_rows_of_a_server_that_cannot_be_read_keep_nobody_waiting() {
    let home = Home::quick().with("QUEUECTL_POLL_INTERVAL", "1h").on_server(Server::shared());
    many_are_set_aside(&home, &|home| on_server(home, "UPDATE job SET env = '{' WHERE id <> 'good'"));
}

fn a_running_job_ends_as_it_should(home: &Home, spoil: &dyn Fn(&Home)) {
    home.enqueue("a", "until [ -e go ]; do sleep 0.05; done");
    home.enqueue("b", "true");
    let mut worker = home.worker(["--drain"]);
    home.wait_for("a", State::Processing);
    spoil(home);
    home.make_file("go");
    assert!(worker.wait().success());
    assert_eq!(home.counts()[State::Completed], 2);
}

fn a_running_job_whose_row_is_spoilt_meanwhile_ends_as_it_should() {
    let change =
        "UPDATE job SET max_retries = -1, crashes = 99999999999, env = '{', attempts = -7 WHERE id = 'a'";
    a_running_job_ends_as_it_should(&Home::quick(), &|home| in_file(home, change));
}

fn a_running_job_of_a_server_whose_row_is_spoilt_meanwhile_ends_as_it_should() {
    let change = "UPDATE job SET max_retries = -1, crashes = 99999999999, env = '{' WHERE id = 'a'";
    let home = Home::quick().on_server(Server::shared());
    a_running_job_ends_as_it_should(&home, &|home| on_server(home, change));
}

/// Rules can be switched off; then a person can put any type anywhere.
fn values_of_another_type_than_their_columns_are_set_aside() {
    let home = Home::quick();
    with_three(&home);
    let connection = Connection::open(home.database()).unwrap();
    let strict = |from: &str, to: &str| {
        let change =
            format!("UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}') WHERE name = 'job'");
        connection
            .execute_batch(&format!("PRAGMA writable_schema = ON; {change}; PRAGMA writable_schema = RESET"))
            .unwrap();
    };
    strict(") STRICT", ")");
    connection
        .execute_batch(
            "UPDATE job SET command = x'00ff', max_retries = 'many', queue = x'ff' WHERE id = 'bad'",
        )
        .unwrap();
    strict("finished_at_ms IS NOT NULL)))", "finished_at_ms IS NOT NULL))) STRICT");
    drop(connection);
    home.queuectl(["list"]).assert().success().stderr(contains("column queue has no text"));
    home.drain();
    let counts = home.counts();
    assert_eq!((counts[State::Dead], counts[State::Completed]), (1, 2));
}

/// A person who changes the tables is told so; no job dies of it.
fn a_column_of_another_type_is_no_fault_of_the_jobs() {
    let home = Home::quick().on_server(Server::shared());
    with_three(&home);
    on_server(&home, "ALTER TABLE job ALTER COLUMN env TYPE jsonb USING env::jsonb");
    let said = home.queuectl(["list"]).assert().code(1);
    said.stderr(contains("column env of the type jsonb").and(contains("panicked").not()));
    home.queuectl(["worker", "start", "--drain"]).assert().code(1).stderr(contains("jsonb"));
    assert_eq!(home.counts()[State::Dead], 0);
}
