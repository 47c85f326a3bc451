//! `queuectl move --abort`.

use super::r#move::{is_open, killed, on_its_way, open, sound};
use crate::support::postgres::{Schema, Server};
use crate::support::trials::trials;
use crate::support::{Home, Spelling, both, send};
use nix::sys::signal::Signal;
use predicates::prelude::*;
use predicates::str::contains;
use queuectl_core::State;
use queuectl_store::{Access, Inventory, Limits, Location, Move, MoveId, Position, Store};
use serde_json::json;
use std::fs;
use std::os::unix::process::ExitStatusExt;

trials![
    a_move_is_given_up_from_the_old_location,
    a_move_is_given_up_from_the_new_location,
    a_move_is_given_up_though_the_old_location_cannot_be_found,
    a_move_is_given_up_though_the_new_location_is_gone if Postgres,
    what_was_given_up_elsewhere_is_emptied_as_the_hint_says,
    a_move_that_is_over_cannot_be_given_up,
    a_move_that_is_being_given_up_cannot_go_on,
    one_who_is_killed_while_giving_up_can_give_up_again if Strace,
    what_was_copied_to_a_published_server_is_removed if Postgres,
    a_move_to_a_server_is_given_up_wherever_it_was_killed if Postgres and Strace,
    a_move_from_a_server_is_given_up_wherever_it_was_killed if Postgres and Strace,
];

fn a_move_is_given_up_from_the_old_location() {
    both(|spelling| {
        let (home, mut worker) = on_its_way();
        let emptied = format!("Emptied {}\n", home.path("new.db").display());
        let opened = format!("The queue {} is open again\n", home.database().display());
        home.run(spelling, ["move", "--abort"]).assert().success().stdout(emptied + &opened);
        home.enqueue("more", "true");
        home.make_file("go");
        worker.wait_for_success();
        home.drain();
        assert_eq!(home.counts()[State::Completed], 3);
        // The new location has an empty queue, to which it can be moved after all.
        home.run(spelling, ["move", "--to", "new.db"]).assert().success();
        assert_eq!(sound(&home, &home.path("new.db")), 3);
    });
}

fn a_move_is_given_up_from_the_new_location() {
    both(|spelling| {
        let (home, _worker) = on_its_way();
        home.run(spelling, ["move", "--abort", "--json", "--database", "new.db"]).assert().success().stdout(
            format!("{{\"opened\":{},\"emptied\":{}}}\n", json!(home.database()), json!(home.path("new.db"))),
        );
        assert!(is_open(&home, &home.path("new.db")) && is_open(&home, &home.database()));
        assert_eq!((sound(&home, &home.path("new.db")), sound(&home, &home.database())), (0, 2));
        home.queuectl(["move", "--abort"]).assert().code(1).stderr(contains("is not being moved"));
    });
}

fn a_move_is_given_up_though_the_old_location_cannot_be_found() {
    both(|spelling| {
        let (home, mut worker) = on_its_way();
        home.make_file("go");
        worker.wait_for_success();
        let elsewhere = home.path("elsewhere.db");
        fs::rename(home.database(), &elsewhere).unwrap();
        let emptied = format!("Emptied {}\n", home.path("new.db").display());
        home.run(spelling, ["move", "--abort", "--database", "new.db"]).assert().success().stdout(emptied);
        home.queuectl(["enqueue", "--database", "new.db", "true"]).assert().success();
        // What is at the new location now is another queue's.
        home.run(spelling, ["move", "--to", "new.db", "--database", "elsewhere.db"])
            .assert()
            .code(1)
            .stderr(contains("of its own"));
        home.run(spelling, ["move", "--abort", "--database", "elsewhere.db"]).assert().success();
        assert!(is_open(&home, &elsewhere));
        assert_eq!((sound(&home, &elsewhere), sound(&home, &home.path("new.db"))), (2, 1));
    });
}

fn a_move_is_given_up_though_the_new_location_is_gone() {
    let home = Home::quick();
    let _worker = home.hold("runs");
    let server = Server::start(&[("fsync", "off")]);
    let schema = server.schema();
    let url = server.tcp_url(schema.name());
    let moving = home.background(Spelling::Dispatched, ["move", "--to", &url]);
    moving.wait_until_it_says("Waiting for 1 worker");
    send(moving.pid(), Signal::SIGKILL);
    drop(server);
    home.queuectl(["move", "--abort"])
        .assert()
        .success()
        .stdout(contains("is open again"))
        .stderr(contains("is still there").and(contains("queuectl move --abort --database")));
    home.enqueue("more", "true");
}

/// The old location was opened again while the new one could not be reached.
fn what_was_given_up_elsewhere_is_emptied_as_the_hint_says() {
    both(|spelling| {
        let (home, mut worker) = on_its_way();
        let away = home.path("away.db");
        fs::rename(home.path("new.db"), &away).unwrap();
        home.queuectl(["move", "--abort"]).assert().success();
        fs::rename(&away, home.path("new.db")).unwrap();
        home.make_file("go");
        worker.wait_for_success();
        home.queuectl(["doctor", "--database", "new.db"])
            .assert()
            .stdout(contains(format!("queuectl move --abort --database {}", home.path("new.db").display())));
        let said = home.run(spelling, ["move", "--to", "new.db"]).assert().code(1);
        let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
        assert!(said.contains("which was given up there"), "{said}");
        home.typed(spelling, said.split('`').nth(1).unwrap()).assert().success();
        home.run(spelling, ["move", "--to", "new.db"]).assert().success();
        assert_eq!(sound(&home, &home.path("new.db")), 2);
    });
}

fn a_move_that_is_over_cannot_be_given_up() {
    both(|spelling| {
        let home = Home::quick();
        home.enqueue("a", "true");
        home.queuectl(["move", "--to", "new.db"]).assert().success();
        home.run(spelling, ["move", "--abort"]).assert().code(1).stderr(contains("which is open"));
        home.run(spelling, ["move", "--abort", "--database", "new.db"])
            .assert()
            .code(1)
            .stderr(contains("is not being moved"));
        assert!(is_open(&home, &home.path("new.db")) && !is_open(&home, &home.database()));
    });
}

fn a_move_that_is_being_given_up_cannot_go_on() {
    both(|spelling| {
        let (home, _worker) = on_its_way();
        let mut old = open(&home.database(), Access::Write, &home);
        let stage = old.whereabouts().unwrap().unwrap().stage;
        old.turn_back(&stage.moved().unwrap().id).unwrap();
        home.run(spelling, ["enqueue", "true"])
            .assert()
            .code(75)
            .stderr(contains("is given up completely").and(contains("queuectl move --abort")));
        home.run(spelling, ["move", "--to", "new.db"])
            .assert()
            .code(1)
            .stderr(contains("is being given up").and(contains("queuectl move --abort")));
        home.run(spelling, ["move", "--abort"]).assert().success();
        assert!(is_open(&home, &home.database()));
    });
}

fn one_who_is_killed_while_giving_up_can_give_up_again() {
    for at in 1.. {
        let (home, _worker) = on_its_way();
        let was_killed = killed(&home, "queuectl-move --abort", at);
        if was_killed && !is_open(&home, &home.database()) {
            home.queuectl(["move", "--abort"]).assert().success();
        }
        assert!(is_open(&home, &home.database()), "killed at {at}");
        assert_eq!(sound(&home, &home.path("new.db")), 0);
        assert!(is_open(&home, &home.path("new.db")), "killed at {at}");
        if !was_killed {
            assert!(at > 2, "it was never killed");
            break;
        }
    }
}

/// A server whose tables are published: it deletes nothing from a table without a key.
fn published() -> (Server, Schema, String) {
    let server = Server::start(&[("fsync", "off"), ("wal_level", "logical")]);
    let schema = server.schema();
    schema.client().batch_execute("CREATE PUBLICATION everything FOR ALL TABLES").unwrap();
    let url = server.url(schema.name());
    (server, schema, url)
}

fn what_was_copied_to_a_published_server_is_removed() {
    let (_server, _schema, url) = published();
    let home = Home::quick();
    home.enqueue("done", "echo words");
    home.drain();
    home.enqueue("waits", "true");
    let mut old = open(&home.database(), Access::Write, &home);
    let mut new = on_server(&home, &url);
    let id = MoveId::random();
    old.leave(&Move { id: id.clone(), place: url.clone() }).unwrap();
    new.receive(&Move { id: id.clone(), place: home.database().display().to_string() }).unwrap();
    let mut after = Position::BEGINNING;
    while let records @ [_, ..] = &old.export(after, Limits::BATCH).unwrap()[..] {
        after = new.import(&id, after, records).unwrap();
    }
    assert_eq!((new.counts().unwrap().total(), new.inventory().unwrap().attempts), (2, 1));
    home.queuectl(["move", "--abort"]).assert().success().stdout(contains("Emptied postgres://"));
    assert_eq!((new.counts().unwrap().total(), new.inventory().unwrap()), (0, Inventory::default()));
    assert_eq!(new.check().unwrap(), [""; 0]);
    // It can be moved there after all.
    home.queuectl(["move", "--to", &url, "--verify"]).assert().success();
    assert_eq!(new.counts().unwrap().total(), 2);
}

fn on_server(home: &Home, url: &str) -> Box<dyn Store> {
    queuectl_store::open(&Location::Url(url.into()), &home.open_options(Access::Write)).unwrap()
}

/// Whatever has been sent to the server when the move is killed: giving it up opens the
/// old location and empties the new one, or says that the new one is open.
fn a_move_to_a_server_is_given_up_wherever_it_was_killed() {
    let (server, ..) = published();
    let (mut given_up, mut too_late) = (0, 0);
    for at in (1..).step_by(5) {
        let schema = server.schema();
        let home = with_two_jobs();
        let ends =
            Ends { from: Location::File(home.database()), to: Location::Url(server.url(schema.name())) };
        let was_killed = ends.killed(&home, &format!("--to '{}'", ends.to), at);
        match ends.give_up(&home, at) {
            GivenUp::Now => given_up += 1,
            GivenUp::TooLate => too_late += 1,
            GivenUp::NotBegun => {}
        }
        if !was_killed {
            break;
        }
    }
    assert!(given_up > 2 && too_late > 0, "{given_up} times given up, {too_late} times too late");
}

/// The same from a server, and the program that gives it up is killed too.
fn a_move_from_a_server_is_given_up_wherever_it_was_killed() {
    let (server, ..) = published();
    let (mut given_up, mut too_late) = (0, 0);
    for at in (1..).step_by(4) {
        let schema = server.schema();
        let home = with_two_jobs();
        let ends =
            Ends { from: Location::Url(server.url(schema.name())), to: Location::File(home.path("new.db")) };
        home.queuectl(["move", "--to", &ends.from.to_string()]).assert().success();
        let was_killed = ends.killed(&home, "--to new.db", at);
        ends.killed(&home, "--abort", 1 + at % 40);
        match ends.give_up(&home, at) {
            GivenUp::Now | GivenUp::NotBegun => given_up += 1,
            GivenUp::TooLate => too_late += 1,
        }
        if !was_killed {
            break;
        }
    }
    assert!(given_up > 2 && too_late > 0, "{given_up} times given up, {too_late} times too late");
}

fn with_two_jobs() -> Home {
    let home = Home::quick();
    home.enqueue("done", "echo words");
    home.drain();
    home.enqueue("waits", "true");
    home
}

/// Both ends of a move.
struct Ends {
    from: Location,
    to: Location,
}

#[derive(Debug)]
enum GivenUp {
    Now,
    TooLate,
    /// Or given up before.
    NotBegun,
}

impl Ends {
    /// Runs `queuectl move` at the old location, and kills it when it writes the nth time.
    fn killed(&self, home: &Home, arguments: &str, at: u32) -> bool {
        let writes = "sendto,write,writev,pwrite64";
        let line = format!(
            "exec strace -f -qq -o $TEST_HOME/trace -e trace={writes} -e inject={writes}:signal=KILL:when={at} \
             queuectl-move {arguments} --database '{}'",
            self.from
        );
        home.typed(Spelling::Direct, &line).assert().get_output().status.signal().is_some()
    }

    /// Gives the move up; both locations must be as is said then.
    fn give_up(&self, home: &Home, at: u32) -> GivenUp {
        let abort = home.queuectl(["move", "--abort", "--database", &self.from.to_string()]).assert();
        let said = String::from_utf8_lossy(&abort.get_output().stderr).into_owned();
        let look = |place| queuectl_store::open(place, &home.open_options(Access::Read)).unwrap();
        let (mut old, mut new) = (look(&self.from), look(&self.to));
        let (is_open, jobs) = (old.insist_open().is_ok(), new.counts().unwrap().total());
        assert_eq!(old.counts().unwrap().total(), 2, "killed at {at}");
        if said.contains("which is open") {
            assert!(!is_open && new.insist_open().is_ok() && jobs == 2, "killed at {at}: {said}");
            return GivenUp::TooLate;
        }
        assert!(is_open && new.insist_open().is_ok(), "killed at {at}: {said}");
        assert_eq!((jobs, new.inventory().unwrap()), (0, Inventory::default()), "killed at {at}: {said}");
        if abort.get_output().status.success() {
            return GivenUp::Now;
        }
        assert!(said.contains("is not being moved"), "killed at {at}: {said}");
        GivenUp::NotBegun
    }
}
