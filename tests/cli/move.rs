//! `queuectl move`.

use crate::support::postgres::{Schema, Server};
use crate::support::trials::trials;
use crate::support::{DEADLINE, HELD, Home, Spelling, Worker, both, kill_all, send, wait_until};
use nix::sys::signal::Signal;
use predicates::prelude::*;
use predicates::str::contains;
use queuectl_core::{Outcome, State};
use queuectl_store::{Access, Limits, Location, Position, Record, Store};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Arc;

trials![
    a_queue_comes_to_a_server_and_back_as_it_was if Postgres,
    what_was_moved_is_told_as_json,
    an_empty_queue_can_be_moved,
    the_old_location_is_read_and_sends_every_change_on,
    running_jobs_are_finished_first_and_control_c_only_ends_the_wait,
    workers_on_a_server_are_stopped_and_waited_for if Postgres,
    the_job_of_a_dead_worker_is_taken_back_first,
    killed_at_any_sync_the_same_command_goes_on_and_never_are_both_locations_open if Strace,
    two_who_move_at_once_move_everything_once,
];

/// A home with a job in every state, but for processing; attempts and output too.
pub fn in_use() -> Home {
    let home = Home::quick();
    home.enqueue("good", "echo words; echo more >&2; printf '\\377\\000'");
    home.enqueue_once("bad", "echo oops >&2; exit 3");
    home.drain();
    home.queuectl(["enqueue", "--id", "later", "--delay", "30d", "true"]).assert().success();
    home.enqueue("cancelled", "true");
    home.queuectl(["cancel", "cancelled"]).assert().success();
    home.enqueue("failed", "exit 1");
    let mut slow = home.command(Spelling::Direct, ["worker", "start", "--max-jobs", "1"]);
    assert!(slow.env("QUEUECTL_BACKOFF_BASE", "3600").output().unwrap().status.success());
    home.queuectl(["enqueue", "--id", "waits", "--priority", "7", "--env", "A=ü", "true"]).assert().success();
    home.enqueue("next", "true");
    home
}

/// Everything that is told of a queue.
pub fn told(home: &Home, database: Option<&str>) -> Vec<String> {
    let place: Vec<&str> = database.into_iter().flat_map(|database| ["--database", database]).collect();
    let mut calls: Vec<Vec<&str>> =
        vec![vec!["list", "--json"], vec!["list"], vec!["status", "--json"], vec!["dlq", "list", "--json"]];
    for id in ["good", "bad", "waits", "later", "cancelled", "failed", "next"] {
        calls.push(vec!["show", id, "--json"]);
        calls.push(vec!["show", id]);
    }
    calls.push(vec!["logs", "good"]);
    calls.push(vec!["logs", "bad"]);
    calls
        .into_iter()
        .map(|call| {
            let output =
                home.queuectl(call.iter().chain(&place)).assert().success().get_output().stdout.clone();
            String::from_utf8_lossy(&output).into_owned()
        })
        .collect()
}

pub fn open(path: &Path, access: Access, home: &Home) -> Box<dyn Store> {
    queuectl_store::open(&Location::File(path.to_owned()), &home.open_options(access)).unwrap()
}

/// How many jobs a file has, and that they are sound.
pub fn sound(home: &Home, path: &Path) -> i64 {
    let mut store = open(path, Access::Read, home);
    assert_eq!(store.check().unwrap(), [""; 0]);
    store.counts().unwrap().total()
}

/// Everything in a file.
fn records(home: &Home, path: &Path) -> Vec<Record> {
    let mut store = open(path, Access::Read, home);
    let (mut records, mut after) = (Vec::new(), Position::BEGINNING);
    loop {
        let batch = store.export(after, Limits::BATCH).unwrap();
        let Some(last) = batch.last() else { return records };
        after = last.position();
        records.extend(batch);
    }
}

/// Tells whether jobs are accepted in a file.
pub fn is_open(home: &Home, path: &Path) -> bool {
    path.exists() && open(path, Access::Read, home).insist_open().is_ok()
}

pub fn on_the_server() -> (Arc<Schema>, String) {
    let schema = Arc::new(Server::shared().schema());
    let url = Server::shared().url(schema.name());
    (schema, url)
}

fn a_queue_comes_to_a_server_and_back_as_it_was() {
    both(|spelling| {
        let home = in_use();
        let before = told(&home, None);
        let (schema, url) = on_the_server();
        home.run(spelling, ["move", "--verify", "--to", &url])
            .assert()
            .success()
            .stdout(contains("Moved 7 jobs with 3 attempts").and(contains(&url)))
            .stderr(contains("hint: ").and(contains("queuectl config set database")));
        assert_eq!(told(&home, Some(&url)), before);
        let back = home.path("back.db");
        let back = back.to_str().unwrap();
        home.run(spelling, ["move", "--verify", "--to", back, "--database", &url]).assert().success();
        assert_eq!(told(&home, Some(back)), before);
        assert_eq!(sound(&home, Path::new(back)), 7);
        // What is left to do is done there, in the order in which it waited.
        home.queuectl(["worker", "start", "--drain=ready", "--database", back]).assert().success();
        let list = home.json(["list", "--json", "--database", back]);
        let state =
            |id: &str| list.as_array().unwrap().iter().find(|job| job["id"] == id).unwrap()["state"].clone();
        for (id, wanted) in
            [("waits", "completed"), ("next", "completed"), ("later", "pending"), ("failed", "failed")]
        {
            assert_eq!(state(id), wanted, "{id}");
        }
        drop(schema);
    });
}

fn what_was_moved_is_told_as_json() {
    both(|spelling| {
        let home = in_use();
        let new = home.path("new.db");
        let said = home.run(spelling, ["move", "--json", "--verify", "--to", "new.db"]).assert().success();
        let said: Value = serde_json::from_slice(&said.get_output().stdout).unwrap();
        let jobs = json!({"pending": 3, "processing": 0, "completed": 1, "failed": 1, "dead": 1, "cancelled": 1, "blocked": 0,
            "total": 7});
        let wanted = json!({"from": home.database(), "to": new, "jobs": jobs, "workers": 2, "attempts": 3,
            "output_bytes": 18, "verified": true});
        assert_eq!(said, wanted);
        assert_eq!(sound(&home, &new), 7);
    });
}

fn an_empty_queue_can_be_moved() {
    let home = Home::quick();
    home.enqueue_once("a", "false");
    home.drain();
    home.queuectl(["dlq", "clear"]).assert().success();
    home.queuectl(["move", "--to", "new.db"]).assert().success().stdout(contains("Moved 0 jobs"));
    home.queuectl(["enqueue", "--id", "b", "--database", "new.db", "true"]).assert().success();
    let job = home.json(["list", "--json", "--database", "new.db"])[0].clone();
    assert_eq!(job["id"], "b");
    let mut store = open(&home.path("new.db"), Access::Read, &home);
    assert_eq!(store.numbers().unwrap().last_job, 2, "the number of a job is never used again");
}

fn the_old_location_is_read_and_sends_every_change_on() {
    both(|spelling| {
        let home = in_use();
        let before = home.stdout(["list", "--json"]);
        home.queuectl(["move", "--to", "new.db"]).assert().success();
        let new = home.path("new.db");
        for call in [
            vec!["enqueue", "true"],
            vec!["cancel", "waits"],
            vec!["dlq", "retry", "bad"],
            vec!["dlq", "retry", "--all"],
            vec!["dlq", "clear"],
            vec!["prune", "--state", "dead", "--older-than", "0s"],
            vec!["worker", "start"],
        ] {
            home.run(spelling, &call)
                .assert()
                .code(75)
                .stdout("")
                .stderr(contains(format!("has moved to {}\nhint: ", new.display())))
                .stderr(contains(format!("--database {}", new.display())));
        }
        for call in
            [vec!["status"], vec!["list"], vec!["show", "good"], vec!["logs", "good"], vec!["dlq", "list"]]
        {
            let assert = home.run(spelling, &call).assert().success();
            let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
            let told = said.lines().filter(|line| line.contains("has moved to")).count();
            assert_eq!(told, 1, "{call:?}: {said}");
        }
        home.run(spelling, ["list", "--json"]).assert().success().stdout(before);
        home.run(spelling, ["worker", "start", "--detach"]).assert().code(1).stderr(contains("has moved to"));
        assert_eq!(home.managers_and_workers(), [0; 0]);
    });
}

fn running_jobs_are_finished_first_and_control_c_only_ends_the_wait() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("runs", "touch running; until [ -e go ]; do sleep 0.05; done; echo words");
        home.enqueue("waits", "true");
        let mut worker = home.worker_in_the_middle("running");
        let moving = |what: &str| {
            let moving = home.background(spelling, ["move", "--verify", "--to", "new.db"]);
            moving.wait_until_it_says("Waiting for 1 worker to finish 1 job");
            assert!(!is_open(&home, &home.database()), "{what}");
            assert!(!is_open(&home, &home.path("new.db")), "{what}");
            moving
        };
        let mut first = moving("the first");
        first.press_control_c();
        assert_eq!(first.wait().signal(), Some(Signal::SIGINT as i32));
        home.queuectl(["enqueue", "true"]).assert().code(75);
        home.queuectl(["enqueue", "--database", "new.db", "true"])
            .assert()
            .code(75)
            .stderr(contains("is being moved here from"));
        home.queuectl(["worker", "start", "--database", "new.db"]).assert().code(75);
        let mut second = moving("the second");
        home.make_file("go");
        second.wait_for_success();
        worker.wait_for_success();
        home.queuectl(["logs", "runs", "--database", "new.db"]).assert().success().stdout("words\n");
        let list = home.json(["list", "--json", "--database", "new.db"]);
        let states: Vec<_> = list.as_array().unwrap().iter().map(|job| job["state"].clone()).collect();
        assert_eq!(states, ["completed", "pending"]);
    });
}

fn workers_on_a_server_are_stopped_and_waited_for() {
    let (schema, url) = on_the_server();
    let home = Home::quick().in_schema(&schema, &url).with("QUEUECTL_POLL_INTERVAL", "1h");
    for number in 0..4 {
        home.enqueue(&format!("job-{number}"), HELD);
    }
    let mut worker = home.worker(["--count", "2"]);
    wait_until(DEADLINE, "both work", || home.counts()[State::Processing] == 2);
    let mut moving = home.background(Spelling::Dispatched, ["move", "--verify", "--to", "new.db"]);
    moving.wait_until_it_says("Waiting for 2 workers to finish 2 jobs");
    home.queuectl(["enqueue", "true"]).assert().code(75).stderr(contains("new.db"));
    home.make_file("go");
    moving.wait_for_success();
    worker.wait_for_success();
    let mut new = open(&home.path("new.db"), Access::Read, &home);
    let counts = new.counts().unwrap();
    assert_eq!((counts[State::Completed], counts[State::Pending], counts.total()), (2, 2, 4));
    home.queuectl(["list"]).assert().success().stderr(contains("has moved to"));
}

fn the_job_of_a_dead_worker_is_taken_back_first() {
    let home = Home::quick();
    home.enqueue("victim", "touch running; trap '' TERM; while :; do sleep 0.05; done");
    let _worker = home.worker_in_the_middle("running");
    kill_all(|| home.managers_and_workers());
    home.queuectl(["move", "--to", "new.db"]).assert().success();
    assert_eq!(home.processes_of("victim"), [0; 0], "what was left of it was ended");
    let shown = home.json(["show", "victim", "--json", "--database", "new.db"]);
    assert_eq!((&shown["state"], &shown["crashes"]), (&json!("pending"), &json!(1)));
    assert_eq!(shown["attempt_history"][0]["outcome"], Outcome::WorkerLost.as_str());
}

/// A home whose queue is on its way to `new.db`, and held by a job that runs.
pub fn on_its_way() -> (Home, Worker) {
    let home = Home::quick();
    home.enqueue("runs", HELD);
    home.enqueue("waits", "true");
    let worker = home.worker_in_the_middle("running");
    let moving = home.background(Spelling::Dispatched, ["move", "--to", "new.db"]);
    moving.wait_until_it_says("Waiting for 1 worker");
    send(moving.pid(), Signal::SIGKILL);
    (home, worker)
}

/// Runs a program of ours and kills it at its nth write that must be on the disk;
/// tells whether it came so far.
pub fn killed(home: &Home, line: &str, at: u32) -> bool {
    let calls = "fsync,fdatasync";
    let line = format!(
        "exec strace -f -qq -o $TEST_HOME/trace -e trace={calls} -e inject={calls}:signal=KILL:when={at} {line}"
    );
    let assert = home.typed(Spelling::Dispatched, &line).assert();
    let status = assert.get_output().status;
    assert!(status.success() || status.signal() == Some(9), "at {at}: {status}");
    !status.success()
}

fn killed_at_any_sync_the_same_command_goes_on_and_never_are_both_locations_open() {
    let template = in_use();
    let mut moments = 0;
    for at in 1.. {
        let home = Home::quick();
        fs::create_dir(home.queue_folder()).unwrap();
        fs::copy(template.database(), home.database()).unwrap();
        // A copy is made a queue of its own first.
        home.enqueue("extra", "true");
        let both_open = || is_open(&home, &home.database()) && is_open(&home, &home.path("new.db"));
        let was_killed = killed(&home, "queuectl-move --to new.db", at);
        let is_empty = !home.path("new.db").exists() || sound(&home, &home.path("new.db")) == 0;
        assert!(!both_open() || is_empty, "killed at {at}");
        if was_killed {
            moments += 1;
            let again = home.queuectl(["move", "--verify", "--to", "new.db"]).assert();
            let output = again.get_output();
            let said = String::from_utf8_lossy(&output.stderr);
            // Killed at the very end, it is over.
            assert!(output.status.success() || said.contains("has moved to"), "killed at {at}: {said}");
        }
        assert!(is_open(&home, &home.path("new.db")) && !is_open(&home, &home.database()), "killed at {at}");
        assert_eq!(sound(&home, &home.path("new.db")), 8);
        assert_eq!(records(&home, &home.path("new.db")), records(&home, &home.database()), "killed at {at}");
        if !was_killed {
            break;
        }
    }
    assert!(moments > 8, "only {moments} moments");
}

fn two_who_move_at_once_move_everything_once() {
    let home = Home::quick();
    home.enqueue_all((0..20_000).map(|number| json!({"id": format!("job-{number}"), "command": "true"})));
    let begin = || home.background(Spelling::Direct, ["move", "--to", "new.db"]);
    let mut movers = [begin(), begin(), begin()];
    let ended: Vec<_> = movers.iter_mut().map(|mover| (mover.wait(), mover.said())).collect();
    assert!(ended.iter().any(|(status, _)| status.success()), "{ended:?}");
    for (status, said) in ended {
        // One that came too late, or in between.
        let words = ["has moved to", "is being moved", "not in this move any more"];
        let is_told = words.iter().any(|words| said.contains(words));
        assert!(status.success() || is_told, "{status}: {said}");
    }
    assert_eq!(sound(&home, &home.path("new.db")), 20_000);
    assert!(is_open(&home, &home.path("new.db")) && !is_open(&home, &home.database()));
}
