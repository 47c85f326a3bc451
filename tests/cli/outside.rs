//! What comes from outside is checked: names of any bytes, files with anything in them,
//! servers that answer anything.

use crate::support::postgres::Server;
use crate::support::trials::trials;
use crate::support::{DEADLINE, Home};
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::thread;

trials![
    a_queue_in_a_folder_of_any_bytes_works,
    a_queue_that_is_named_by_any_bytes_works,
    workers_in_the_background_of_a_folder_of_any_bytes_say_where_their_log_is,
    variables_of_any_bytes_harm_nobody,
    a_job_gets_variables_of_any_bytes,
    a_move_refuses_a_name_that_it_cannot_note,
    a_lock_file_of_anything_makes_no_panic,
    a_server_that_answers_something_else_is_named,
    a_view_in_the_place_of_a_table_is_named if Postgres,
];

/// A name that is no text.
fn any_bytes(beginning: &str) -> OsString {
    OsString::from_vec([beginning.as_bytes(), b"\xff\xfe"].concat())
}

fn folder_of_any_bytes(home: &Home) -> PathBuf {
    let folder = home.root().join(any_bytes("folder"));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Accepts a job and runs it, with this in every program's environment and flags.
fn a_job_runs(home: &Home, variables: &[(&str, &OsStr)], flags: &[&OsStr]) {
    let run = |arguments: &[&str]| {
        let mut all: Vec<OsString> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        all.extend(arguments.iter().map(OsString::from));
        let mut program = home.queuectl(all);
        for (name, value) in variables {
            program = program.env(name, value);
        }
        program.assert().success().stderr(contains("panicked").not())
    };
    run(&["enqueue", "--id", "a", "--shell", "true"]);
    run(&["worker", "start", "--drain"]);
    run(&["list"]).stdout(contains("completed"));
    for look in
        [vec!["status"], vec!["doctor"], vec!["doctor", "--json"], vec!["worker", "list"], vec!["show", "a"]]
    {
        run(&look);
    }
    run(&["config", "path"]);
    run(&["config", "list", "--origin"]);
    run(&["backup", "copy.db"]);
    run(&["prune", "--state", "completed", "--older-than", "0s"]);
}

fn a_queue_in_a_folder_of_any_bytes_works() {
    let home = Home::quick();
    let folder = folder_of_any_bytes(&home);
    a_job_runs(&home, &[("QUEUECTL_HOME", folder.as_os_str())], &[]);
    assert!(folder.join("queue.db").exists());
}

fn a_queue_that_is_named_by_any_bytes_works() {
    let home = Home::quick();
    let file = folder_of_any_bytes(&home).join(any_bytes("q.db"));
    a_job_runs(&home, &[("QUEUECTL_DATABASE", file.as_os_str())], &[]);
    fs::remove_file(home.path("copy.db")).unwrap();
    let other = home.root().join(any_bytes("other.db"));
    a_job_runs(&home, &[], &[OsStr::new("--database"), other.as_os_str()]);
    fs::remove_file(home.path("copy.db")).unwrap();
    let config = home.root().join(any_bytes("config.toml"));
    fs::write(&config, "poll-interval = \"100ms\"\n").unwrap();
    a_job_runs(&home, &[], &[OsStr::new("--config"), config.as_os_str()]);
}

fn workers_in_the_background_of_a_folder_of_any_bytes_say_where_their_log_is() {
    let home = Home::quick();
    let folder = folder_of_any_bytes(&home);
    let run = |arguments: &[&str]| home.queuectl(arguments).env("QUEUECTL_HOME", &folder).assert().success();
    run(&["enqueue", "--id", "a", "true"]);
    let started = run(&["worker", "start", "--detach", "--json"]);
    let started: serde_json::Value = serde_json::from_slice(&started.get_output().stdout).unwrap();
    assert!(started["log"].as_str().unwrap().ends_with("worker.log"), "{started}");
    run(&["worker", "stop"]);
}

fn variables_of_any_bytes_harm_nobody() {
    for name in [
        "TMPDIR",
        "PWD",
        "HOME",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "XDG_RUNTIME_DIR",
        "LANG",
        "TERM",
        "COLUMNS",
        "NO_COLOR",
        "SHELL",
        "USER",
        "ANYTHING",
    ] {
        let home = Home::quick();
        let value = folder_of_any_bytes(&home);
        a_job_runs(&home, &[(name, value.as_os_str())], &[]);
    }
    let home = Home::quick();
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":");
    path.push(folder_of_any_bytes(&home));
    a_job_runs(&home, &[("PATH", &path)], &[]);
}

/// What a worker has in its environment its jobs have too, whatever bytes it is of.
fn a_job_gets_variables_of_any_bytes() {
    let home = Home::quick();
    home.enqueue("a", "printf %s \"$ODD\" > said");
    let odd = any_bytes("odd");
    home.queuectl(["worker", "start", "--drain"]).env("ODD", &odd).assert().success();
    assert_eq!(fs::read(home.path("said")).unwrap(), odd.as_bytes());
}

fn a_move_refuses_a_name_that_it_cannot_note() {
    let home = Home::quick();
    home.enqueue("a", "true");
    let to = folder_of_any_bytes(&home).join("q.db");
    let arguments = [OsStr::new("move"), OsStr::new("--to"), to.as_os_str()];
    home.queuectl(arguments).assert().code(1).stderr(contains("is not UTF-8").and(contains("hint: ")));
    assert!(!to.exists());
    home.queuectl(["doctor"]).assert().success();
    home.enqueue("b", "true");
}

fn a_lock_file_of_anything_makes_no_panic() {
    let long = vec![0xff; 100_000];
    for contents in [&b""[..], b"x", &[0xff; 100], &[0; 4096], &long, b"{\"not\": \"ours\"}\n"] {
        let home = Home::quick();
        home.enqueue("a", "true");
        fs::write(home.database().with_file_name("queue.db-workers"), contents).unwrap();
        for look in [vec!["list"], vec!["status"], vec!["worker", "list"], vec!["doctor"]] {
            home.queuectl(look).assert().stderr(contains("panicked").not());
        }
        home.queuectl(["worker", "start", "--drain"]).assert().success().stderr(contains("panicked").not());
    }
}

/// A server that lets everybody in, and then answers every question with this.
struct Fake {
    port: u16,
}

impl Fake {
    fn answering(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let answer = answer.clone();
                thread::spawn(move || serve(client, &answer));
            }
        });
        Self { port }
    }

    fn url(&self) -> String {
        format!("postgres://me@127.0.0.1:{}/q?sslmode=disable&connect_timeout=5", self.port)
    }
}

/// Ends when the client leaves.
fn serve(mut client: TcpStream, answer: &[u8]) -> Option<()> {
    client.set_read_timeout(Some(DEADLINE)).ok()?;
    let mut length = [0; 4];
    client.read_exact(&mut length).ok()?;
    let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut startup).ok()?;
    let ready = message(b'Z', b"I");
    let version = message(b'S', b"server_version\x0015.0\0");
    client.write_all(&[message(b'R', &[0; 4]), version, ready].concat()).ok()?;
    loop {
        let mut head = [0; 5];
        client.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).ok()?;
        // One answer to each question, of either kind.
        if head[0] == b'S' {
            client.write_all(&[message(b'1', b""), message(b'2', b""), answer.to_vec()].concat()).ok()?;
        } else if head[0] == b'Q' {
            client.write_all(answer).ok()?;
        }
        // What leaves the client waiting for more is no answer, and ends here.
        if matches!(head[0], b'S' | b'Q') && !answer.ends_with(&message(b'Z', b"I")) {
            return None;
        }
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// Rows of columns of this type.
fn rows(of_type: i32, columns: usize, rows: &[Option<&[u8]>]) -> Vec<u8> {
    let number = u16::try_from(columns).unwrap().to_be_bytes();
    let column = [&b"c\0\0\0\0\0\0\0"[..], &of_type.to_be_bytes(), &[0xff; 2], &[0xff; 4], &[0; 2]].concat();
    let mut answer = message(b'T', &[&number[..], &column.repeat(columns)].concat());
    for row in rows {
        let value = match row {
            Some(bytes) => [&i32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat(),
            None => (-1_i32).to_be_bytes().to_vec(),
        };
        answer.extend(message(b'D', &[&number[..], &value.repeat(columns)].concat()));
    }
    answer.extend(message(b'C', b"SELECT 1\0"));
    answer.extend(message(b'Z', b"I"));
    answer
}

fn a_server_that_answers_something_else_is_named() {
    const TEXT: i32 = 25;
    const INT8: i32 = 20;
    let answers = [
        rows(TEXT, 8, &[Some(b"hello")]),
        rows(INT8, 8, &[Some(&[0, 0, 0, 0, 0, 2, 0, 0])]),
        rows(INT8, 8, &[Some(b"short")]),
        rows(TEXT, 8, &[None]),
        rows(TEXT, 8, &[Some(b"\xff")]),
        rows(TEXT, 1, &[Some(b"one")]),
        rows(TEXT, 0, &[Some(b"")]),
        rows(TEXT, 8, &[]),
        rows(TEXT, 8, &[Some(b"a"), Some(b"b")]),
        message(b'Z', b"I"),
        message(b'C', b"SELECT 1\0"),
        message(b'E', b"garbage without an end"),
        message(b'T', &[0xff; 9]),
        message(b'D', &[0xff; 9]),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0xff; 64],
    ];
    for answer in answers {
        let fake = Fake::answering(answer.clone());
        let home = Home::quick().with("QUEUECTL_DATABASE", &fake.url()).with("QUEUECTL_BUSY_TIMEOUT", "1s");
        for arguments in [vec!["list"], vec!["worker", "start", "--drain"]] {
            let said = home.queuectl(&arguments).assert().failure();
            let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
            let names_it = said.contains(&format!("127.0.0.1:{}", fake.port));
            assert!(names_it && !said.contains("panicked"), "{arguments:?}, {answer:?}: {said}");
        }
        home.queuectl(["doctor"]).assert().code(1).stderr(contains("panicked").not());
    }
}

fn a_view_in_the_place_of_a_table_is_named() {
    for (table, view) in [
        ("queue", "SELECT 'x'::text AS schema, 1 AS one"),
        ("finished", "SELECT 'a'::text AS seq"),
        ("worker", "SELECT 1::bigint AS id"),
    ] {
        let home = Home::quick().on_server(Server::shared());
        home.enqueue("a", "true");
        let name = home.schema().name();
        home.schema()
            .client()
            .batch_execute(&format!("DROP TABLE {table}; CREATE VIEW {name}.{table} AS {view}"))
            .unwrap();
        for arguments in [vec!["list"], vec!["enqueue", "true"], vec!["worker", "start", "--drain"]] {
            let said = home.queuectl(&arguments).assert();
            let output = said.get_output();
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!words.contains("panicked"), "{table}: {words}");
            assert!(output.status.success() || words.contains("hint: "), "{table}: {words}");
        }
        home.queuectl(["doctor"]).assert().code(1).stderr(contains("panicked").not());
    }
}
